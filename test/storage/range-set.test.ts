import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RangeSet } from '../../src/storage/range-set.ts';

describe('a set of ranges', () => {
  it('holds what a plain set holds, in as few ranges as there can be', () => {
    const ranges = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 12 })),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(ranges, (added) => {
        const set = new RangeSet();
        const model = new Set<number>();
        for (const [start, length] of added) {
          set.add(start, start + length);
          for (let value = start; value < start + length; value += 1) model.add(value);
        }
        let runs = 0;
        for (let value = 0; value < 60; value += 1) {
          expect(set.has(value)).toBe(model.has(value));
          if (model.has(value) && !model.has(value - 1)) runs += 1;
          const end = value + Math.min(set.runLength(value), 60 - value);
          for (let next = value; next < end; next += 1) {
            expect(model.has(next)).toBe(model.has(value));
          }
        }
        expect(set.rangeCount).toBe(runs);
      }),
    );
  });

  it('takes a range of any length as one entry', () => {
    const set = new RangeSet();
    set.add(0, 2 ** 40);
    set.add(2 ** 39, 2 ** 41);
    expect([set.rangeCount, set.has(2 ** 41 - 1), set.has(2 ** 41)]).toEqual([1, true, false]);
    set.clear();
    expect(set.has(5)).toBe(false);
  });
});
