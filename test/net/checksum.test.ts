import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { complementOf, foldSum, sumBytes } from '../../src/net/checksum.ts';
import { wordsOf, WordViews } from '../../src/core/words.ts';
import { copyBytes } from '../../src/core/copy.ts';
import { FrameFact, inspectFrame, networkOffset, transportOffset } from '../../src/net/inspect.ts';
import { hex, ipFrame, plainSum, tagged } from './frames.ts';
import { firstDifference } from '../support/images.ts';

const run = fc.record({
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 60, size: 'max' }),
    fc.uint8Array({ maxLength: 700, size: 'max' }),
  ),
  start: fc.nat(40),
  to: fc.nat(40),
});

describe('the Internet checksum', () => {
  it('of RFC 1071 3 is ddf2 before the complement', () => {
    const bytes = hex('00 01 f2 03 f4 f5 f6 f7');
    expect(sumBytes(bytes, wordsOf(bytes), 0, 8)).toBe(0xddf2);
    expect(complementOf(0xddf2)).toBe(0x220d);
  });

  it('is that of plain addition, at any alignment and length', () => {
    fc.assert(
      fc.property(run, ({ bytes, start }) => {
        const whole = new Uint8Array(start + bytes.length + 5).fill(0x77);
        whole.set(bytes, start);
        const sum = sumBytes(whole, wordsOf(whole), start, bytes.length);
        expect(sum).toBe(plainSum([...bytes]));
        expect(sumBytes(whole, new Int32Array(0), start, bytes.length)).toBe(sum);
      }),
      { numRuns: 500 },
    );
  });

  it('does not overflow over 64 KiB of ones', () => {
    const bytes = new Uint8Array(65_536).fill(0xff);
    expect(sumBytes(bytes, wordsOf(bytes), 0, bytes.length)).toBe(0xffff);
    expect(foldSum(0x1_ffff_ffff)).toBe(foldSum(1));
  });
});

describe('copies', () => {
  it('move exactly the bytes asked for, between any alignments', () => {
    fc.assert(
      fc.property(run, fc.boolean(), ({ bytes, start, to }, isCutOff) => {
        const source = new Uint8Array(start + bytes.length + (isCutOff ? 0 : 9)).fill(0x11);
        source.set(bytes, start);
        const target = new Uint8Array(to + bytes.length + 9).fill(0xee);
        const expected = target.slice();
        expected.set(bytes, to);
        copyBytes(source, wordsOf(source), start, target, wordsOf(target), to, bytes.length);
        expect(firstDifference(target, expected)).toBe(-1);
      }),
      { numRuns: 1000 },
    );
  });

  it('words of a buffer are made once for the two that a sender uses', () => {
    const views = new WordViews();
    const [one, two] = [new Uint8Array(8), new Uint8Array(8)];
    const words = views.of(one);
    views.of(two);
    expect(views.of(one)).toBe(words);
    expect(wordsOf(new Uint8Array(new ArrayBuffer(16), 1)).length).toBe(0);
  });
});

function facts(frame: Uint8Array): number {
  return inspectFrame(frame, wordsOf(frame), 0, frame.length);
}

const IPV6 = {
  from: [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  to: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
};

describe('what a frame is', () => {
  const { tcp, udp, ipv4, ipv6, ipGood, ipBad, transportGood, transportBad, malformed } = FrameFact;

  it.each([
    ['TCP over IPv4', ipFrame(), ipv4 | tcp | ipGood | transportGood, 34],
    ['UDP over IPv4', ipFrame({ protocol: 'udp' }), ipv4 | udp | ipGood | transportGood, 34],
    ['UDP without checksum', ipFrame({ protocol: 'udp', checksum: 0 }), ipv4 | udp | ipGood, 34],
    [
      'a seed instead of a checksum',
      ipFrame({ checksum: 'seed' }),
      ipv4 | tcp | ipGood | transportBad,
      34,
    ],
    ['TCP over IPv6', ipFrame(IPV6), ipv6 | tcp | transportGood, 54],
    [
      'UDP over IPv6, wrong',
      ipFrame({ ...IPV6, protocol: 'udp', checksum: 7 }),
      ipv6 | udp | transportBad,
      54,
    ],
    ['a tagged frame', tagged(ipFrame(), 0x2005), ipv4 | tcp | ipGood | transportGood, 38],
  ])('%s', (_name, frame, expected, transport) => {
    const found = facts(frame);
    expect(found & 0xffff).toBe(expected | FrameFact.known);
    expect(transportOffset(found)).toBe(transport);
    expect(networkOffset(found)).toBe(frame[12] === 0x81 ? 18 : 14);
  });

  it('a bad IPv4 header, a part of a datagram, and IPv6 extension headers', () => {
    const bad = ipFrame();
    bad[22] = 3;
    expect(facts(bad) & (ipGood | ipBad)).toBe(ipBad);
    const part = ipFrame();
    part[20] = 0x20;
    expect(facts(part) & (FrameFact.fragment | transportGood)).toBe(FrameFact.fragment);
    const plain = ipFrame(IPV6);
    const extended = Uint8Array.from([
      ...plain.slice(0, 54),
      6,
      0,
      1,
      4,
      0,
      0,
      0,
      0,
      ...plain.slice(54),
    ]);
    extended[20] = 0;
    extended[19] = extended[19]! + 8;
    expect(facts(extended) & 0xffff).toBe(ipv6 | tcp | transportGood | FrameFact.known);
    expect(transportOffset(facts(extended))).toBe(62);
  });

  it('lengths beyond the frame are malformed, and never read', () => {
    const whole = ipFrame({ payload: Array.from({ length: 40 }, (_, index) => index) });
    for (let length = 0; length < whole.length; length += 1) {
      const found = facts(whole.slice(0, length));
      expect(found & (transportGood | transportBad)).toBe(0);
      if (length > 14) expect(found & malformed).toBe(malformed);
    }
  });

  it('any bytes give facts that stay within the frame', () => {
    const nearly = fc.tuple(
      fc.constantFrom([8, 0], [0x86, 0xdd], [0x81, 0]),
      fc.uint8Array({ maxLength: 120, size: 'max' }),
    );
    fc.assert(
      fc.property(nearly, ([type, rest]) => {
        const frame = Uint8Array.from([...new Array<number>(12).fill(2), ...type, ...rest]);
        const found = facts(frame);
        expect(networkOffset(found)).toBeLessThanOrEqual(frame.length);
        if (transportOffset(found) > 0)
          expect(transportOffset(found) + 8).toBeLessThanOrEqual(frame.length);
      }),
      { numRuns: 2000 },
    );
  });
});
