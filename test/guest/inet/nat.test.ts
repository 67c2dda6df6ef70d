import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NetInterface } from '../../../src/guest/inet/interface.ts';
import { Nat } from '../../../src/guest/inet/nat.ts';
import { complementOf, ipv4PseudoSum, sumBytes } from '../../../src/net/checksum.ts';
import { wordsOf } from '../../../src/core/words.ts';

const OUTSIDE = 0xcb00_7101;
const external = { ip: OUTSIDE } as NetInterface;

/** An IPv4 datagram with the transport header that its protocol asks for, and right checksums. */
function datagram(
  protocol: 6 | 17,
  from: readonly [number, number],
  to: readonly [number, number],
  payload: Uint8Array,
): Uint8Array {
  const headerBytes = protocol === 6 ? 20 : 8;
  const length = 20 + headerBytes + payload.length;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x45, 0, length >>> 8, length & 255, 0, 1, 0, 0, 64, protocol]);
  view.setUint32(12, from[0]);
  view.setUint32(16, to[0]);
  view.setUint16(10, complementOf(sumBytes(bytes, wordsOf(bytes), 0, 20)));
  view.setUint16(20, from[1]);
  view.setUint16(22, to[1]);
  if (protocol === 6) bytes[32] = 0x50;
  else view.setUint16(24, length - 20);
  bytes.set(payload, 20 + headerBytes);
  const sumAt = protocol === 6 ? 36 : 26;
  const total =
    ipv4PseudoSum(bytes, 0, protocol, length - 20) +
    sumBytes(bytes, wordsOf(bytes), 20, length - 20);
  view.setUint16(sumAt, complementOf(total) || 0xffff);
  return bytes;
}

function isSound(bytes: Uint8Array, protocol: number): boolean {
  const length = bytes.length - 20;
  const header = sumBytes(bytes, wordsOf(bytes), 0, 20);
  const rest =
    ipv4PseudoSum(bytes, 0, protocol, length) + sumBytes(bytes, wordsOf(bytes), 20, length);
  return header === 0xffff && complementOf(rest) === 0;
}

describe('NAT', () => {
  it('keeps every checksum right, there and back', () => {
    const word32 = fc.integer({ min: 1, max: 0xdfff_fffe });
    const word16 = fc.integer({ min: 1, max: 0xffff });
    fc.assert(
      fc.property(
        fc.constantFrom(6 as const, 17 as const),
        fc.tuple(word32, word16),
        fc.tuple(word32, word16),
        fc.uint8Array({ maxLength: 64 }),
        (protocol, from, to, payload) => {
          fc.pre(from[0] !== OUTSIDE);
          const nat = new Nat(external);
          const out = datagram(protocol, from, to, payload);
          expect(nat.outbound(out, 0, out.length)).toBe(true);
          expect(isSound(out, protocol)).toBe(true);
          const view = new DataView(out.buffer);
          expect(view.getUint32(12)).toBe(OUTSIDE);
          const answer = datagram(protocol, to, [OUTSIDE, view.getUint16(20)], payload);
          expect(nat.inbound(answer, 0, answer.length)).toBe(true);
          expect(isSound(answer, protocol)).toBe(true);
          const back = new DataView(answer.buffer);
          expect([back.getUint32(16), back.getUint16(22)]).toEqual([...from]);
        },
      ),
    );
  });

  it('gives each private endpoint one port, and strangers none', () => {
    const nat = new Nat(external);
    const ports = new Set<number>();
    for (let host = 0; host < 10; host += 1) {
      for (let round = 0; round < 2; round += 1) {
        const bytes = datagram(6, [0x0a00_0001 + host, 5000], [1, 80], new Uint8Array(0));
        nat.outbound(bytes, 0, bytes.length);
        ports.add(new DataView(bytes.buffer).getUint16(20));
      }
    }
    expect(ports.size).toBe(10);
    expect(nat.size).toBe(10);
    const stranger = datagram(6, [1, 80], [OUTSIDE, 22], new Uint8Array(0));
    expect(nat.inbound(stranger, 0, stranger.length)).toBe(false);
  });

  it('drops what it cannot carry, cut-off headers too', () => {
    const nat = new Nat(external);
    const bytes = datagram(6, [0x0a00_0001, 5000], [1, 80], new Uint8Array(0));
    expect(nat.outbound(bytes, 0, 30)).toBe(false);
    bytes[9] = 47;
    expect(nat.outbound(bytes, 0, bytes.length)).toBe(false);
  });
});
