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
        const values = Array.from({ length: 60 }, (_, value) => value);
        expect(values.filter((value) => set.has(value))).toEqual(
          values.filter((value) => model.has(value)),
        );
        for (const value of values) {
          if (model.has(value) && !model.has(value - 1)) runs += 1;
          const run = values.slice(value, value + set.runLength(value));
          expect(run.every((next) => model.has(next) === model.has(value))).toBe(true);
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
