import { beforeEach, describe, expect, it } from 'vitest';
import { MAX_GPADLS, MAX_INCOMPLETE_GPADLS } from '../../src/vmbus/gpadls.ts';
import { buildMessage } from '../../src/vmbus/outbox.ts';
import * as wire from '../../src/vmbus/spec/messages.ts';
import { MessageType } from '../../src/vmbus/spec/messages.ts';
import { RecordingDevice } from './support/devices.ts';
import { gpadlMessages, TestGuest } from './support/guest.ts';
import type { GpadlRangeSpec, GuestOffer } from './support/guest.ts';
import { SlowHost } from './support/slow-host.ts';

const GPADL = 0xe1e10;

let guest: TestGuest;
let device: RecordingDevice;
let offer: GuestOffer;

function start(options: ConstructorParameters<typeof TestGuest>[0] = {}): void {
  guest = new TestGuest(options);
  device = new RecordingDevice(1);
  guest.plug(device);
  guest.connect();
  offer = guest.requestOffers()[0]!;
  guest.messages.length = 0;
}

beforeEach(() => start());

function pages(count: number, first = 0x200, step = 1): number[] {
  return Array.from({ length: count }, (_, page) => first + page * step);
}

function create(ranges: readonly GpadlRangeSpec[], gpadlId = GPADL, channelId = 1): void {
  for (const message of gpadlMessages(channelId, gpadlId, ranges)) guest.post(message);
}

/** Status of the GpadlCreated that must have come. */
function created(): number {
  return wire.GpadlCreated.cursor(guest.take(MessageType.gpadlCreated).view).status;
}

function types(): number[] {
  return guest.messages.map(({ type }) => type);
}

describe('a GPADL', () => {
  it.each([1, 26, 27, 54, 55, 500])('of %i pages is created with its last message', (count) => {
    const messages = gpadlMessages(1, GPADL, [
      { bytes: count * 4096, offset: 0, pfns: pages(count) },
    ]);
    expect(messages.length).toBe(1 + Math.max(0, Math.ceil((count - 26) / 28)));
    for (const message of messages.slice(0, -1)) guest.post(message);
    expect(types()).toEqual([]);
    guest.post(messages.at(-1)!);
    expect(created()).toBe(0);
  });

  it('gives its device the memory of all ranges, neighbours merged', () => {
    const channel = guest.open(offer);
    create([
      { bytes: 6000, offset: 100, pfns: [0x200, 0x201] },
      { bytes: 4096, offset: 0, pfns: [0x300] },
      { bytes: 8192, offset: 0, pfns: [0x301, 0x310] },
    ]);
    expect(created()).toBe(0);
    const ranges = device.channel.gpadl(GPADL)!;
    expect(ranges.rangeCount).toBe(3);
    expect(ranges.totalBytes).toBe(6000 + 4096 + 8192);
    const runs = Array.from({ length: ranges.count }, (_, run) => [
      ranges.offsets[run],
      ranges.lengths[run],
    ]);
    expect(runs).toEqual([
      [0x20_0064, 6000],
      [0x30_0000, 8192],
      [0x31_0000, 4096],
    ]);
    channel.close();
    expect(device.channels).toEqual([]);
  });

  it('may be sent in whole messages: what is beyond the promised size does not count', () => {
    for (const message of gpadlMessages(1, GPADL, [
      { bytes: 40 * 4096, offset: 0, pfns: pages(40) },
    ])) {
      const whole = new Uint8Array(240).fill(0xff);
      whole.set(message);
      guest.post(whole);
    }
    expect(created()).toBe(0);
  });

  const refused: readonly (readonly [string, readonly GpadlRangeSpec[]])[] = [
    ['names no range', []],
    ['has a range of no bytes', [{ bytes: 0, offset: 0, pfns: [0x200] }]],
    ['begins beyond its first page', [{ bytes: 10, offset: 4096, pfns: [0x200, 0x201] }]],
    ['lacks page numbers', [{ bytes: 8192, offset: 1, pfns: [0x200, 0x201] }]],
    ['names memory that is not there', [{ bytes: 4096, offset: 0, pfns: [0xfee00] }]],
    ['names a page beyond 2^52', [{ bytes: 4096, offset: 0, pfns: [2 ** 52] }]],
    ['claims four gigabytes', [{ bytes: 0xffff_ffff, offset: 4095, pfns: [0x200] }]],
  ];

  it.each(refused)('is refused when it %s', (_name, ranges) => {
    create(ranges);
    expect(created()).not.toBe(0);
    // Nothing stays: the id is free.
    create([{ bytes: 4096, offset: 0, pfns: [0x200] }]);
    expect(created()).toBe(0);
  });

  it('is refused for an unknown channel and for an id in use', () => {
    create([{ bytes: 4096, offset: 0, pfns: [0x200] }], GPADL, 77);
    expect(created()).not.toBe(0);
    create([{ bytes: 4096, offset: 0, pfns: [0x200] }]);
    expect(created()).toBe(0);
    create([{ bytes: 4096, offset: 0, pfns: [0x200] }]);
    expect(created()).not.toBe(0);
  });

  it('has limits that a guest cannot exceed', () => {
    const [half] = gpadlMessages(1, 0, [{ bytes: 40 * 4096, offset: 0, pfns: pages(40) }]);
    const view = new DataView(half!.buffer);
    for (let id = 1; id <= MAX_INCOMPLETE_GPADLS + 1; id += 1) {
      view.setUint32(12, id, true);
      guest.post(half!);
    }
    expect(types()).toEqual([MessageType.gpadlCreated]);
    expect(created()).not.toBe(0);
    let accepted = 0;
    for (let id = 0x1000; id <= 0x1000 + MAX_GPADLS; id += 1) {
      create([{ bytes: 4096, offset: 0, pfns: [0x200] }], id);
      if (created() === 0) accepted += 1;
    }
    expect(accepted).toBe(MAX_GPADLS - MAX_INCOMPLETE_GPADLS);
  });

  it('body for an unknown id says nothing', () => {
    guest.post(
      buildMessage(wire.GpadlBody, MessageType.gpadlBody, (message) => {
        message.gpadlId = 5;
      }),
    );
    expect(types()).toEqual([]);
  });
});

describe('teardown', () => {
  it('is answered when the device lets go, and only once', () => {
    create([{ bytes: 4096, offset: 0, pfns: [0x200] }]);
    created();
    guest.tearDownGpadl(1, GPADL);
    expect(wire.GpadlTorndown.cursor(guest.take(MessageType.gpadlTorndown).view).gpadlId).toBe(
      GPADL,
    );
    guest.tearDownGpadl(1, GPADL);
    expect(types()).toEqual([]);
  });

  it('of the rings waits until the channel is closed', () => {
    const channel = guest.open(offer);
    guest.tearDownGpadl(1, channel.gpadlId);
    expect(types()).toEqual([]);
    channel.close();
    expect(types()).toEqual([MessageType.gpadlTorndown]);
  });

  it('is not understood while the GPADL is half sent', () => {
    const [half] = gpadlMessages(1, GPADL, [{ bytes: 40 * 4096, offset: 0, pfns: pages(40) }]);
    guest.post(half!);
    guest.tearDownGpadl(1, GPADL);
    expect(types()).toEqual([]);
  });
});

describe('a rescind in the middle', () => {
  const one: readonly GpadlRangeSpec[] = [{ bytes: 4096, offset: 0, pfns: [0x200] }];
  let slow: SlowHost;

  beforeEach(() => {
    slow = new SlowHost();
    start({ host: { perform: slow.perform } });
  });

  it('fails the GPADL that the device was asked about, before the rescind', () => {
    create(one);
    expect(slow.waiting).toEqual(['gpadl-create']);
    device.bus!.rescind();
    expect(types()).toEqual([MessageType.gpadlCreated, MessageType.rescindChannelOffer]);
    expect(created()).not.toBe(0);
    guest.messages.length = 0;
    slow.finishAll();
    expect(types()).toEqual([]);
  });

  it('completes the teardown that the device was asked for', () => {
    create(one);
    slow.finish('gpadl-create');
    guest.tearDownGpadl(1, GPADL);
    guest.messages.length = 0;
    device.bus!.rescind();
    expect(types()).toEqual([MessageType.gpadlTorndown, MessageType.rescindChannelOffer]);
    slow.finishAll();
    expect(types().length).toBe(2);
  });

  it('lets the guest finish a GPADL and take it down again', () => {
    const messages = gpadlMessages(1, GPADL, [{ bytes: 40 * 4096, offset: 0, pfns: pages(40) }]);
    guest.post(messages[0]!);
    device.bus!.rescind();
    guest.messages.length = 0;
    guest.post(messages[1]!);
    expect(created()).toBe(0);
    guest.tearDownGpadl(1, GPADL);
    expect(types()).toEqual([MessageType.gpadlTorndown]);
    expect(slow.waiting).toEqual([]);
  });

  it('passes the GPADLs on to a device that came back, until the guest releases the id', () => {
    create(one);
    slow.finish('gpadl-create');
    device.bus!.rescind();
    guest.plug(new RecordingDevice(1));
    guest.messages.length = 0;
    guest.tearDownGpadl(1, GPADL);
    expect(types()).toEqual([MessageType.gpadlTorndown]);
    guest.releaseChannel(1);
    create(one);
    slow.finish('gpadl-create');
    expect(created()).toBe(0);
  });

  it('of the connection gives up what is half sent, and frees the ids', () => {
    const [half] = gpadlMessages(1, GPADL, [{ bytes: 40 * 4096, offset: 0, pfns: pages(40) }]);
    guest.post(half!);
    create(one, GPADL + 1);
    guest.unload();
    // The device still looks at the second one.
    expect(types()).toEqual([]);
    slow.finish('gpadl-create');
    expect(types()).toEqual([]);
    slow.finish('gpadl-teardown');
    expect(types()).toEqual([MessageType.unloadComplete]);
  });
});
