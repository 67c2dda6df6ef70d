import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NvspVersion } from '../../../src/devices/netvsc/spec/nvsp.ts';
import { type Bytes, type FrameSpec, HOST_A, ipFrame } from '../../net/frames.ts';
import {
  GUEST_MAC,
  join,
  NetvscGuest,
  type NetvscGuestOptions,
  type ReceivedFrame,
} from '../support/netvsc-guest.ts';
import { firstDifference } from '../../support/images.ts';

const OFFLOAD_PARAMETERS = 0xfc01_020c;
const OFFLOAD_CAPABILITIES = 0xfc01_020d;
const COALESCING = 0x80;
const VLAN = 0x08;
const PACKET_ID = 0x8000_0001;
const [PART, FIRST, LAST] = [1, 2, 4];
const CHECKSUM = 0;
const IP_SUCCEEDED = 0x20;
const TCP_SUCCEEDED = 0x08;
const VALUES_INVALID = 0x180;

/** NDIS_OFFLOAD_PARAMETERS, revision 3: coalescing over IPv4 and IPv6. */
function parameters(ipv4: number, ipv6: number): Uint8Array {
  const bytes = new Uint8Array(28);
  bytes.set([0x80, 3, 28, 0]);
  bytes[22] = ipv4;
  bytes[23] = ipv6;
  return bytes;
}

/** A guest of the newest protocol that asked for coalescing. */
function coalescingGuest(options: NetvscGuestOptions = {}): NetvscGuest {
  const net = new NetvscGuest(options).start(NvspVersion.v61, { caps: VLAN | COALESCING });
  expect(net.set(OFFLOAD_PARAMETERS, parameters(2, 2))).toBe(0);
  net.control.length = 0;
  return net;
}

const data = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, index) => (index * 7 + seed) & 255);

function segment(sequence: number, payload: readonly number[], spec: FrameSpec = {}): Bytes {
  return ipFrame({ destination: [...GUEST_MAC], source: HOST_A, sequence, payload, ...spec });
}

function receive(net: NetvscGuest, ...frames: readonly Uint8Array[]): ReceivedFrame[] {
  net.frames.length = 0;
  net.link.deliver(...frames);
  net.run();
  return [...net.frames];
}

const flagsOf = ({ info }: ReceivedFrame): number => ((info.get(PACKET_ID) ?? 0) >>> 8) & 255;

/** Puts parts together as Linux and FreeBSD do: a unit begins with its first and ends with its last. */
function reassemble(frames: readonly ReceivedFrame[]): { bytes: Uint8Array; parts: number }[] {
  const whole: { bytes: Uint8Array; parts: number }[] = [];
  let open: { bytes: Uint8Array[]; transaction: number } | undefined;
  for (const frame of frames) {
    const flags = flagsOf(frame);
    if ((flags & PART) === 0) {
      expect(open).toBeUndefined();
      whole.push({ bytes: frame.bytes, parts: 1 });
      continue;
    }
    if ((flags & FIRST) !== 0) {
      expect(open).toBeUndefined();
      open = { bytes: [], transaction: frame.transaction };
    }
    // All in one transfer-page packet.
    expect(open?.transaction).toBe(frame.transaction);
    open!.bytes.push(frame.bytes);
    if ((flags & LAST) === 0) continue;
    whole.push({ bytes: join(...open!.bytes), parts: open!.bytes.length });
    open = undefined;
  }
  expect(open).toBeUndefined();
  return whole;
}

describe('receive segment coalescing', () => {
  it('is offered to who can ask for it, and off until then', () => {
    const able = new NetvscGuest().start(NvspVersion.v61, { caps: VLAN | COALESCING });
    const place = 4 + 32 + 16 + 28 + 28 + 4 + 32;
    expect(able.query(OFFLOAD_CAPABILITIES).info.slice(place, place + 2)).toEqual(
      Uint8Array.of(1, 1),
    );
    const unable = new NetvscGuest().start();
    expect(unable.query(OFFLOAD_CAPABILITIES).info.slice(place, place + 2)).toEqual(
      Uint8Array.of(0, 0),
    );
    const frames = [segment(100, data(50, 1)), segment(150, data(50, 2))];
    expect(receive(able, ...frames).map(flagsOf)).toEqual([0, 0]);
    expect(unable.set(OFFLOAD_PARAMETERS, parameters(2, 2))).toBe(0);
    expect(receive(unable, ...frames).map(flagsOf)).toEqual([0, 0]);
    const old = coalescingGuest({ profile: { coalescesReceived: false } });
    expect(receive(old, ...frames).map(flagsOf)).toEqual([0, 0]);
  });

  it('makes one unit of segments that follow each other, with headers for all of them', () => {
    const net = coalescingGuest();
    const parts = [data(1000, 1), data(1000, 2), data(700, 3)];
    const frames = receive(
      net,
      segment(5000, parts[0]!, { flags: 0x10, acknowledgment: 7 }),
      segment(6000, parts[1]!, { flags: 0x18, acknowledgment: 8 }),
      segment(7000, parts[2]!, { flags: 0x10, acknowledgment: 9 }),
    );
    expect(frames.map(flagsOf)).toEqual([PART | FIRST, PART, PART | LAST]);
    expect(frames[0]!.info.get(CHECKSUM)).toBe(IP_SUCCEEDED | TCP_SUCCEEDED | VALUES_INVALID);
    const [unit] = reassemble(frames);
    const { bytes } = unit!;
    const view = new DataView(bytes.buffer);
    expect(view.getUint16(16)).toBe(40 + 2700);
    expect([view.getUint32(38), view.getUint32(42)]).toEqual([5000, 9]);
    // The push of one is a push of all.
    expect(bytes[47]).toBe(0x18);
    expect(bytes.subarray(54)).toEqual(Uint8Array.from(parts.flat()));
    expect(net.adapter.statistics.coalescedUnits).toBe(1);
    expect(net.adapter.statistics.coalescedSegments).toBe(3);
  });

  it.each([
    ['a gap', { sequence: 1101 }],
    ['another flow', { fromPort: 99 }],
    ['another station', { from: [10, 0, 0, 9] }],
    ['an end of the stream', { flags: 0x11 }],
    ['options', { options: 3 }],
    ['a wrong checksum', { checksum: 0x1234 }],
    ['UDP', { protocol: 'udp' }],
    ['no data', { payload: [] }],
  ] as const)('ends before %s', (_, spec) => {
    const net = coalescingGuest();
    const first = [segment(1000, data(50, 1)), segment(1050, data(50, 2))];
    const odd = segment(1100, data(50, 3), spec);
    const whole = reassemble(receive(net, ...first, odd));
    expect(whole.map(({ parts }) => parts)).toEqual([2, 1]);
    expect(whole[1]!.bytes).toEqual(odd);
  });

  it('does not begin with a frame that was padded, and leaves the padding of others out', () => {
    const net = coalescingGuest();
    const padded = (sequence: number, payload: readonly number[]): Uint8Array =>
      join(segment(sequence, payload), new Uint8Array(6 - payload.length));
    const frames = [padded(1000, [1, 2]), segment(1002, data(50, 1)), padded(1052, [3])];
    const whole = reassemble(receive(net, ...frames));
    expect(whole.map(({ parts }) => parts)).toEqual([1, 2]);
    expect(whole[0]!.bytes).toEqual(frames[0]);
    expect(whole[1]!.bytes.subarray(54)).toEqual(Uint8Array.from([...data(50, 1), 3]));
  });

  it('never goes beyond a moment, and stops when the guest says so', () => {
    const net = coalescingGuest();
    expect(receive(net, segment(1000, data(50, 1))).map(flagsOf)).toEqual([0]);
    expect(receive(net, segment(1050, data(50, 2))).map(flagsOf)).toEqual([0]);
    expect(net.set(OFFLOAD_PARAMETERS, parameters(1, 1))).toBe(0);
    net.control.length = 0;
    const frames = receive(net, segment(1100, data(50, 3)), segment(1150, data(50, 4)));
    expect(frames.map(flagsOf)).toEqual([0, 0]);
    // Too short to say anything of it.
    expect(net.set(OFFLOAD_PARAMETERS, parameters(2, 2).slice(0, 23))).not.toBe(0);
  });

  it('loses and changes no byte of any mixture of segments', () => {
    const net = coalescingGuest();
    const step = fc.record({
      flow: fc.integer({ min: 1, max: 2 }),
      length: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(1400)),
      skip: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.constant(3)),
      flags: fc.constantFrom(0x10, 0x10, 0x18, 0x11, 0x30),
      options: fc.constantFrom(0, 0, 3),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const next = new Map([1, 2].map((flow) => [flow, 0xffff_f000]));
        const frames = steps.map(({ flow, length, skip, flags, options }) => {
          const sequence = (next.get(flow)! + skip) >>> 0;
          next.set(flow, (sequence + length) >>> 0);
          return segment(sequence, data(length, flow), { fromPort: flow, flags, options });
        });
        const bytesOf = (sent: readonly Uint8Array[]): Buffer =>
          Buffer.concat(sent.map((frame) => frame.subarray(34 + (frame[46]! >>> 4) * 4)));
        const whole = reassemble(receive(net, ...frames));
        expect(firstDifference(bytesOf(whole.map(({ bytes }) => bytes)), bytesOf(frames))).toBe(-1);
        for (const { bytes } of whole) {
          expect(new DataView(bytes.buffer, bytes.byteOffset).getUint16(16)).toBe(
            bytes.length - 14,
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it('takes any parameters', () => {
    const net = coalescingGuest();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const asked = parameters(2, 2);
        asked.set(bytes.slice(4, 28), 4);
        expect(typeof net.set(OFFLOAD_PARAMETERS, bytes)).toBe('number');
        expect(typeof net.set(OFFLOAD_PARAMETERS, asked)).toBe('number');
        net.control.length = 0;
        const frames = receive(net, segment(1, data(9, 1)), segment(10, data(9, 2)));
        expect(reassemble(frames).length).toBeGreaterThan(0);
      }),
      { numRuns: 200 },
    );
  });
});
