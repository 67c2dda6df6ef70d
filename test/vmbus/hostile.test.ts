/**
 * A guest that sends anything: the host neither throws nor stalls. After every case it must still
 * agree to a version and offer the same devices.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_BYTES } from '../../src/core/memory.ts';
import { HvStatus } from '../../src/hypervisor/spec/hypercalls.ts';
import type { OpenChannel } from '../../src/vmbus/device.ts';
import { MessageType } from '../../src/vmbus/spec/messages.ts';
import { VMBUS_VERSIONS, VmbusVersion } from '../../src/vmbus/spec/versions.ts';
import { EchoDevice, RecordingDevice } from './support/devices.ts';
import { gpadlMessages, initiateContact, TestGuest } from './support/guest.ts';
import { SlowHost } from './support/slow-host.ts';
import { cases } from '../support/cases.ts';

const CASES = cases(10_000, 500);
/** More packets than a ring of the tests can hold. */
const MAX_PACKETS = 4096;

/** Drains with a bound, and answers, whatever the packets are. */
class BoundedDevice extends EchoDevice {
  override signaled(channel: OpenChannel): void {
    this.calls.length = 0;
    let packets = 0;
    while (channel.receive()) {
      packets += 1;
      if (packets > MAX_PACKETS) throw new Error('the ring never ends');
      const { bytes, payloadStart, payloadLength, ranges } = channel.packet;
      for (let run = 0; run < ranges.count; run += 1) {
        const end = ranges.offsets[run]! + ranges.lengths[run]!;
        if (end > channel.memory.u8.length) throw new Error('a range leaves the memory');
      }
      if (payloadStart + payloadLength > bytes.length)
        throw new Error('a payload leaves its buffer');
      channel.sendCompletion(bytes, payloadStart, payloadLength, 0, 0);
    }
  }
}

interface HostileBus {
  readonly guest: TestGuest;
  readonly devices: RecordingDevice[];
}

function plug(guest: TestGuest, index: number): RecordingDevice {
  const device = new BoundedDevice(index, { monitorLatency100ns: 1000 });
  guest.plug(device);
  return device;
}

function hostileBus(slow?: SlowHost): HostileBus {
  const guest = new TestGuest({
    processorCount: 4,
    ...(slow === undefined ? {} : { host: { perform: slow.perform } }),
  });
  return { guest, devices: [1, 2, 3].map((index) => plug(guest, index)) };
}

/** Id of a GPADL on channel 1 that an OpenChannel with downstream page 2 to 4 can use. */
const RING_GPADL = 4;
const RING_PFNS = [0x210, 0x211, 0x212, 0x213, 0x214, 0x215];

/** What the host does meanwhile. */
type HostAction = 'replace' | 'sub-channels' | 'send';

function act({ guest, devices }: HostileBus, action: HostAction): void {
  const [device] = devices;
  if (action === 'replace') {
    device!.bus!.rescind();
    devices[0] = plug(guest, 1);
  } else if (action === 'sub-channels') {
    device!.bus!.offerSubChannels(2);
  } else {
    for (const channel of device!.channels) {
      channel.sendInBand(Uint8Array.of(1), 0, 1, 0, 0, false);
    }
  }
}

/** Connected, with a GPADL for rings, so that random messages get somewhere. */
function prepareRings(guest: TestGuest): void {
  guest.memory.u8.fill(0, RING_PFNS[0]! * PAGE_BYTES, (RING_PFNS.at(-1)! + 1) * PAGE_BYTES);
  const bytes = RING_PFNS.length * PAGE_BYTES;
  for (const item of gpadlMessages(1, RING_GPADL, [{ bytes, offset: 0, pfns: RING_PFNS }])) {
    guest.post(item, 1);
  }
}

/** Numbers that a message may mean something with, and numbers that it never does. */
const word = fc.oneof(
  { weight: 6, arbitrary: fc.nat(6) },
  { weight: 2, arbitrary: fc.constantFrom(0x200, 0x1000, 0x1_0010, 0x1_0018, 0x2001) },
  { weight: 1, arbitrary: fc.constantFrom(...VMBUS_VERSIONS) },
  { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
  { weight: 1, arbitrary: fc.constantFrom(0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 2047, 2048) },
);

const message = fc.record({
  type: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: 30 }) },
    { arbitrary: word, weight: 1 },
  ),
  words: fc.array(word, { maxLength: 14, size: 'max' }),
  /** Bytes cut off or added. */
  change: fc.constantFrom(0, 0, 0, 0, -1, -3, 7, 150),
  port: fc.constantFrom(1, 1, 1, 4, 0x80_0074, 2, 99),
});
const open = fc
  .record({ channel: fc.integer({ min: 1, max: 4 }), downstream: fc.nat(5) })
  .map(({ channel, downstream }) => ({
    type: MessageType.openChannel as number,
    words: [channel, 0, RING_GPADL, 0, downstream, ...Array.from({ length: 32 }, () => 0)],
    change: 0,
    port: 1,
  }));
const close = fc.integer({ min: 1, max: 4 }).map((channel) => ({
  type: MessageType.closeChannel as number,
  words: [channel],
  change: 0,
  port: 1,
}));
const action = fc.constantFrom<HostAction>('replace', 'sub-channels', 'send');
const step = fc.oneof(
  { weight: 5, arbitrary: message },
  { weight: 3, arbitrary: open },
  { weight: 1, arbitrary: close },
  { weight: 2, arbitrary: action },
);

function bytesOf(item: { type: number; words: readonly number[]; change: number }): Uint8Array {
  const length = Math.max(0, 8 + item.words.length * 4 + item.change);
  const bytes = new Uint8Array(Math.max(length, 8 + item.words.length * 4));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, item.type, true);
  for (const [index, value] of item.words.entries()) view.setUint32(8 + index * 4, value, true);
  return bytes.subarray(0, length);
}

/** A guest that comes next finds a bus as new, once it has closed what outlives a connection. */
function expectAlive(guest: TestGuest): void {
  for (let channel = 1; channel <= 6; channel += 1) {
    const words = [channel, 0, 2];
    guest.post(bytesOf({ type: MessageType.closeReservedChannel, words, change: 0 }), 1);
  }
  guest.messages.length = 0;
  expect(guest.connect(VmbusVersion.win10)).toBe(true);
  expect(guest.requestOffers().map(({ channelId }) => channelId)).toEqual([1, 2, 3]);
}

describe('a guest that sends', () => {
  it('no message at all gets a status and no answer', () => {
    const { guest } = hostileBus();
    expect(guest.post(new Uint8Array(0))).toBe(0);
    expect(guest.post(new Uint8Array(7))).toBe(0);
    expect(guest.post(new Uint8Array(241))).toBe(HvStatus.is.invalidParameter);
    expect(guest.messages).toEqual([]);
  });

  it('random messages: the bus stays whole', () => {
    const bus = hostileBus();
    const { guest } = bus;
    let opened = 0;
    expectAlive(guest);
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        prepareRings(guest);
        for (const item of steps) {
          if (typeof item === 'string') act(bus, item);
          else guest.post(bytesOf(item), item.port);
          opened += bus.devices[0]!.channels.length;
          guest.server.receiveEvent(0x2001, 0);
        }
        guest.server.pollMonitor();
        expectAlive(guest);
        for (const device of bus.devices) expect(device.channels).toEqual([]);
      }),
      { numRuns: CASES },
    );
    expect(opened).toBeGreaterThan(CASES / 10);
  });

  it('random messages to devices that are slow: the bus comes to rest', () => {
    const slow = new SlowHost();
    const bus = hostileBus(slow);
    const { guest } = bus;
    expectAlive(guest);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(step, fc.boolean()), { minLength: 1, maxLength: 6 }),
        (steps) => {
          prepareRings(guest);
          slow.finishAll();
          for (const [item, isFinished] of steps) {
            if (typeof item === 'string') act(bus, item);
            else guest.post(bytesOf(item), item.port);
            if (isFinished) slow.finishAll();
          }
          guest.post(initiateContact(VmbusVersion.iron), 1);
          slow.finishAll();
          slow.isQuick = true;
          expectAlive(guest);
          slow.isQuick = false;
          for (const device of bus.devices) expect(device.channels).toEqual([]);
        },
      ),
      { numRuns: CASES },
    );
  });

  it('random GPADLs: each is answered once, or not at all', () => {
    const { guest } = hostileBus();
    expectAlive(guest);
    const range = fc.record({
      bytes: fc.oneof(fc.nat(3 * PAGE_BYTES), fc.nat(0xffff_ffff)),
      offset: fc.oneof(fc.constant(0), fc.nat(5000)),
      pfns: fc.array(fc.oneof(fc.nat(0x7ff), fc.nat(2 ** 52)), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(
        fc.array(range, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(0, 0, 0, 8, -8, 4000),
        (ranges, channelId, lie) => {
          const messages = gpadlMessages(channelId, 5, ranges);
          const header = new DataView(messages[0]!.buffer);
          header.setUint16(16, Math.max(0, header.getUint16(16, true) + lie), true);
          guest.messages.length = 0;
          for (const item of messages) guest.post(item);
          const answers = guest.messages.filter(({ type }) => type === MessageType.gpadlCreated);
          expect(answers.length).toBeLessThanOrEqual(1);
          guest.messages.length = 0;
          guest.tearDownGpadl(channelId, 5);
          // Half-sent ones stay; a new connection frees them.
          expectAlive(guest);
        },
      ),
      { numRuns: CASES },
    );
  });
});

describe('a guest that writes', () => {
  const garbage = fc.record({
    /** Byte position in the ring's control page or in its data. */
    at: fc.oneof(
      fc.constantFrom(0, 4, 8, 12, 64),
      fc.nat(63).map((index) => PAGE_BYTES + index * 4),
    ),
    value: fc.oneof(
      { weight: 4, arbitrary: fc.nat(520).map((index) => index * 8) },
      {
        weight: 2,
        arbitrary: fc.constantFrom(6, 7, 9, 0xb, 0x2_0006, 0x2_0009, 0x4_0009, 0x3_0007),
      },
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 40 }) },
      { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
    ),
    ring: fc.constantFrom(0, 0, 0, 1),
  });

  it('random indices and packets into its rings stalls nothing', () => {
    const { guest } = hostileBus();
    expectAlive(guest);
    const base = guest.allocate(4 * PAGE_BYTES);
    const pages = [0, 1, 2, 3].map((page) => base / PAGE_BYTES + page);
    let packets = 0;
    fc.assert(
      fc.property(fc.array(garbage, { minLength: 1, maxLength: 12 }), (writes) => {
        guest.memory.u8.fill(0, base, base + 4 * PAGE_BYTES);
        const options = { pages, sendPages: 2, receivePages: 2 };
        const channel = guest.open(guest.offers[0]!, options);
        channel.send(Uint8Array.of(1, 2, 3));
        for (const { at, value, ring } of writes) {
          guest.memory.u32[(base + ring * 2 * PAGE_BYTES + at) / 4] = value;
        }
        expect(guest.server.receiveEvent(channel.offer.connectionId, 0)).toBe(0);
        expect(guest.server.receiveEvent(channel.offer.connectionId, 0)).toBe(0);
        packets += 1;
        channel.close();
        guest.tearDownGpadl(channel.offer.channelId, channel.gpadlId);
        guest.messages.length = 0;
        guest.interrupts.length = 0;
      }),
      { numRuns: CASES },
    );
    expect(packets).toBe(CASES);
    expectAlive(guest);
  });

  it('other bytes into a packet that the device holds changes nothing', () => {
    const guest = new TestGuest();
    const device = new RecordingDevice();
    guest.plug(device);
    guest.connect();
    const channel = guest.open(guest.requestOffers()[0]!);
    channel.send(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    device.channel.receive();
    guest.memory.u8.fill(0xff, channel.writer.ring.base, channel.writer.ring.base + 64);
    const { bytes, payloadStart } = device.channel.packet;
    expect([...bytes.subarray(payloadStart, payloadStart + 8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('nothing, but asks for more than it reads, is told to wait', () => {
    const guest = new TestGuest({ host: { sendMessage: () => false } });
    guest.plug(new RecordingDevice());
    const contact = initiateContact(VmbusVersion.win10);
    let accepted = 0;
    for (let count = 0; count < 5000; count += 1) if (guest.post(contact) === 0) accepted += 1;
    expect(accepted).toBe(1024);
    expect(guest.post(contact)).toBe(HvStatus.is.insufficientBuffers);
  });
});
