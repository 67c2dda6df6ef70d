import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/core/memory.ts';

const MIB = 1024 * 1024;
const LOW_GAP = 4 * MIB;
const FOUR_GIB = 2 ** 32;

/** The processors' own bytes come first, in whole 64 KiB. */
const PRIVATE = 65_536;
const memory = new GuestMemory({
  ramBytes: 6 * MIB,
  lowGapStart: LOW_GAP,
  extra: [{ name: 'vram', gpa: 0xf800_0000, bytes: MIB }],
  privateBytes: 100,
});

describe('guest memory', () => {
  it('puts RAM beyond the low gap at 4 GiB and other regions where they belong', () => {
    expect(memory.resolve(0, 4096)).toBe(PRIVATE);
    expect(memory.resolve(FOUR_GIB, 4096)).toBe(PRIVATE + LOW_GAP);
    expect(memory.resolve(FOUR_GIB + 2 * MIB - 1, 1)).toBe(PRIVATE + 6 * MIB - 1);
    expect(memory.resolve(0xf800_0000, MIB)).toBe(PRIVATE + 6 * MIB);
    expect(memory.u8.length).toBe(7 * MIB + 65_536);
  });

  it('refuses every range that is not wholly inside one region', () => {
    expect(memory.resolve(LOW_GAP - 1, 2)).toBe(-1);
    expect(memory.resolve(FOUR_GIB + 2 * MIB, 1)).toBe(-1);
    expect(memory.resolve(-1, 1)).toBe(-1);
    expect(memory.resolve(2 ** 52, 8)).toBe(-1);
    expect(memory.resolve(Number.NaN, 8)).toBe(-1);
    expect(memory.hasPage(2 ** 51)).toBe(false);
    expect(memory.hasPage(0)).toBe(true);
  });

  it('gives a position inside the linear memory or -1, for any address and length', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 2 ** 53, noNaN: true }).map(Math.floor),
        fc.integer({ min: 0, max: 2 ** 31 }),
        (gpa, length) => {
          const offset = memory.resolve(gpa, length);
          expect(offset === -1 || (offset >= 0 && offset + length <= 7 * MIB)).toBe(true);
        },
      ),
    );
  });

  it('copies in and out, and throws on our own bad addresses', () => {
    memory.writeBytes(FOUR_GIB + 16, Uint8Array.of(1, 2, 3));
    expect([...memory.readBytes(FOUR_GIB + 15, 5)]).toEqual([0, 1, 2, 3, 0]);
    expect(() => memory.writeBytes(LOW_GAP, Uint8Array.of(1))).toThrow('not RAM');
    expect(() => new GuestMemory({ ramBytes: 1000, lowGapStart: LOW_GAP })).toThrow('64 KiB');
  });
});

describe('memory that is cleared', () => {
  const layout = { ramBytes: 4 * MIB, lowGapStart: LOW_GAP };

  it('is all zeros wherever somebody was let in, or said so', () => {
    const cleared = new GuestMemory(layout);
    cleared.writeBytes(0x1fff8, new Uint8Array(16).fill(1));
    cleared.u8.fill(2, cleared.resolve(0x4_0000, 0x3_0000), 0x7_0000);
    const at = cleared.locate(MIB, 2 * MIB);
    cleared.touch(at + 70_000, 65_536);
    cleared.u8.fill(3, at + 70_000, at + 70_000 + 65_536);
    cleared.clear();
    expect(cleared.u32.every((word) => word === 0)).toBe(true);
  });

  it('leaves alone what nobody has touched since', () => {
    const cleared = new GuestMemory(layout);
    cleared.writeBytes(MIB, Uint8Array.of(1));
    cleared.clear();
    // Behind its back: it would be found out.
    cleared.u8[MIB] = 1;
    cleared.clear();
    expect(cleared.u8[MIB]).toBe(1);
  });

  it('is none of those that processors write to by themselves', () => {
    expect(new GuestMemory(layout).isClearable).toBe(true);
    expect(new GuestMemory({ ...layout, isLinear: true }).isClearable).toBe(false);
  });
});

describe('memory of more than a linear memory holds', () => {
  const GIB = 2 ** 30;

  it('gives banks their places as they are touched, and says no when there is no place left', () => {
    const large = new GuestMemory({ ramBytes: 9 * GIB, lowGapStart: 3 * GIB });
    expect(large.regions.map(({ name, gpa, bytes }) => [name, gpa, bytes])).toEqual([
      ['ram', 0, 3 * GIB],
      ['ram-high', FOUR_GIB, 6 * GIB],
    ]);
    const last = FOUR_GIB + 6 * GIB - 8;
    large.writeBytes(last, Uint8Array.of(1, 2, 3, 4));
    large.writeBytes(2 * GIB + 5, Uint8Array.of(9));
    expect([...large.readBytes(last, 4)]).toEqual([1, 2, 3, 4]);
    expect(large.gpaAt(large.resolve(last, 1))).toBe(last);
    expect(large.resolve(3 * GIB, 1)).toBe(-1);
    expect(large.resolve(last, 16)).toBe(-1);
    let places = 0;
    for (let gpa = FOUR_GIB; gpa < FOUR_GIB + 6 * GIB; gpa += 128 * MIB) {
      if (large.resolve(gpa, 1) >= 0) places += 1;
    }
    expect(places).toBe(15);
  });
});
