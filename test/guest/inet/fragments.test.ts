import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { cutUp, MAX_FRAGMENTS_KEPT, Reassembly } from '../../../src/guest/inet/fragments.ts';
import { HEADROOM, Packet } from '../../../src/guest/inet/packet.ts';
import { ipFrame } from '../../net/frames.ts';

const ETHERNET = 14;
const HEADER = 20;
const IP = HEADROOM + ETHERNET;
const SECOND_NS = 1e9;

/** A UDP datagram with this much payload, as a packet of the guest's. */
function datagram(payload: number, id = 1): Packet {
  const bytes = Array.from({ length: payload }, (_, index) => (index * 7 + id) & 255);
  const frame = ipFrame({ protocol: 'udp', payload: bytes });
  frame[ETHERNET + 4] = id >>> 8;
  frame[ETHERNET + 5] = id & 255;
  // "Don't fragment" would be no request to cut it up.
  frame[ETHERNET + 6] = 0;
  const packet = new Packet(HEADROOM + frame.length);
  packet.bytes.set(frame, HEADROOM);
  packet.length = frame.length;
  return packet;
}

function cut(packet: Packet, mtu = 1500): Packet[] {
  const fragments: Packet[] = [];
  cutUp(packet, mtu, (fragment) => fragments.push(fragment));
  return fragments;
}

function put(reassembly: Reassembly, fragment: Packet, nowNs = 0): Packet | undefined {
  return reassembly.add(fragment, IP, fragment.length - ETHERNET, nowNs);
}

const payloadOf = ({ bytes, start, length }: Packet): Uint8Array =>
  bytes.slice(start + ETHERNET + HEADER, start + length);
/** Offset in bytes, and whether more follow. */
const fieldOf = ({ bytes }: Packet): [number, boolean] => {
  const word = bytes[IP + 6]! * 256 + bytes[IP + 7]!;
  return [(word & 0x1fff) * 8, (word & 0x2000) !== 0];
};

describe('a datagram that is longer than the MTU', () => {
  it('goes in fragments that fit, of whole units of eight bytes', () => {
    const fragments = cut(datagram(4000));
    expect(fragments.map(fieldOf)).toEqual([
      [0, true],
      [1480, true],
      [2960, false],
    ]);
    expect(fragments.map(({ length }) => length - ETHERNET)).toEqual([1500, 1500, 1068]);
    for (const { bytes, length } of fragments) {
      expect(bytes[IP + 2]! * 256 + bytes[IP + 3]!).toBe(length - ETHERNET);
    }
  });

  it('comes together from its fragments in any order, and doubled', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9000 }), fc.nat(), (payload, seed) => {
        const whole = datagram(payload);
        const reassembly = new Reassembly();
        const fragments = cut(whole);
        const random = new Random(seed);
        for (let left = fragments.length; left > 1; left -= 1) {
          fragments.push(...fragments.splice(random.below(left), 1));
        }
        const last = fragments.pop()!;
        const results = [...fragments, ...fragments].map((one) => put(reassembly, one));
        expect(results.every((result) => result === undefined)).toBe(true);
        const result = put(reassembly, last)!;
        expect(Buffer.compare(payloadOf(result), payloadOf(whole))).toBe(0);
        expect(fieldOf(result)).toEqual([0, false]);
        expect([reassembly.reassembled, reassembly.dropped]).toEqual([1, 0]);
      }),
    );
  });
});

describe('reassembly', () => {
  it('keeps datagrams apart by their identification', () => {
    const reassembly = new Reassembly();
    const [one, two] = [cut(datagram(2000, 1)), cut(datagram(2000, 2))];
    expect(put(reassembly, one[0]!)).toBeUndefined();
    expect(put(reassembly, two[1]!)).toBeUndefined();
    expect(payloadOf(put(reassembly, one[1]!)!)).toEqual(payloadOf(datagram(2000, 1)));
    expect(payloadOf(put(reassembly, two[0]!)!)).toEqual(payloadOf(datagram(2000, 2)));
  });

  it('gives a datagram up after 30 s, and one with more fragments than it keeps', () => {
    const reassembly = new Reassembly();
    const [first, second] = cut(datagram(2000));
    put(reassembly, first!);
    expect(put(reassembly, second!, 30 * SECOND_NS)).toBeUndefined();
    expect(reassembly.dropped).toBe(1);
    // 256 bytes of payload each.
    for (const fragment of cut(datagram(256 * (MAX_FRAGMENTS_KEPT + 2), 2), 276)) {
      expect(put(reassembly, fragment, 30 * SECOND_NS)).toBeUndefined();
    }
    expect([reassembly.reassembled, reassembly.dropped]).toEqual([0, 2]);
  });

  it('makes nothing of fragments that overlap, or end beyond 64 KiB', () => {
    const reassembly = new Reassembly();
    const [first, second] = cut(datagram(2000));
    // It claims to begin eight bytes into the first one.
    second!.bytes[IP + 6] = 0;
    second!.bytes[IP + 7] = 1;
    put(reassembly, first!);
    expect(put(reassembly, second!)).toBeUndefined();
    second!.bytes[IP + 6] = 0x1f;
    second!.bytes[IP + 7] = 0xff;
    expect(put(reassembly, second!)).toBeUndefined();
    expect(reassembly.reassembled).toBe(0);
  });

  it('keeps no more datagrams than it has queues for', () => {
    const reassembly = new Reassembly();
    for (let id = 1; id <= 65; id += 1) put(reassembly, cut(datagram(2000, id))[0]!);
    expect(reassembly.dropped).toBe(1);
    // The oldest one is the one that is gone.
    expect(put(reassembly, cut(datagram(2000, 1))[1]!)).toBeUndefined();
    expect(put(reassembly, cut(datagram(2000, 65))[1]!)).toBeDefined();
  });
});
