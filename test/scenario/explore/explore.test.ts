/** Disturbed runs: the same again, with fewer decisions, and compared with one that passes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { ALL_DECISIONS, Perturbation } from '../../../src/machine/perturbation.ts';
import { diffHunks, diffTraces } from '../../../src/scenario/explore/trace-diff.ts';
import type { TracedEvent } from '../../../src/scenario/protocol.ts';
import { passes } from '../support/run.ts';

function trace(texts: readonly string[]): TracedEvent[] {
  return texts.map((text) => ({ timeNs: 0, vm: 'vm', text }));
}

describe('a perturbation', () => {
  const delays = (decisions = ALL_DECISIONS): number[] => {
    const perturbation = new Perturbation(new Random(5n), decisions);
    return Array.from({ length: 200 }, () => perturbation.delayNs('work'));
  };

  it('is a function of the seed', () => {
    expect(delays()).toEqual(delays());
    expect(delays().some((delayNs) => delayNs > 0)).toBe(true);
  });

  it('keeps the other decisions when some take no effect', () => {
    const whole = delays();
    const parts = delays([
      { first: 10, end: 20 },
      { first: 50, end: Infinity },
    ]);
    for (const [index, delayNs] of whole.entries()) {
      const isIn = (index >= 10 && index < 20) || index >= 50;
      expect(parts[index]).toBe(isIn ? delayNs : 0);
    }
  });

  it('of no decision is an undisturbed run', async () => {
    const plain = await passes(({ vm }) => vm.boot());
    const none = await passes(({ vm }) => vm.boot(), {}, { perturb: [] });
    expect(none.digest).toBe(plain.digest);
    expect(none.decisions).toBeGreaterThan(100);
  });

  it('runs the same again', async () => {
    const options = { seed: 3n, perturb: ALL_DECISIONS };
    const first = await passes(({ vm }) => vm.boot(), {}, options);
    const again = await passes(({ vm }) => vm.boot(), {}, options);
    const plain = await passes(({ vm }) => vm.boot(), {}, { seed: 3n });
    expect(again.digest).toBe(first.digest);
    expect(first.digest).not.toBe(plain.digest);
  });
});

describe('the difference of two traces', () => {
  it('is what has to be taken away and added, as few as there are', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 });
    fc.assert(
      fc.property(letters, letters, (passing, failing) => {
        const { lines, size } = diffTraces(trace(passing), trace(failing))!;
        const texts = (kinds: readonly string[]): string[] =>
          lines.filter(({ kind }) => kinds.includes(kind)).map(({ event }) => event.text);
        expect(texts(['same', 'passing'])).toEqual(passing);
        expect(texts(['same', 'failing'])).toEqual(failing);
        expect(size).toBe(passing.length + failing.length - 2 * longestCommon(passing, failing));
      }),
    );
  });

  it('is given up when it is larger than asked for', () => {
    expect(diffTraces(trace(['a', 'b', 'c']), trace(['d', 'e', 'f']), 5)).toBeUndefined();
    expect(diffTraces(trace(['a', 'b', 'c']), trace(['d', 'e', 'f']), 6)?.size).toBe(6);
  });

  it('is shown with what is around it', () => {
    const same = Array.from({ length: 10 }, (_, index) => `s${index}`);
    const diff = diffTraces(trace([...same, 'p', 'z']), trace(['f', ...same, 'z']))!;
    const shown = diffHunks(diff, 1, 100, 'first').map((line) => line && line.event.text);
    expect(shown).toEqual(['f', 's0', undefined, 's9', 'p', 'z']);
    expect(diffHunks(diff, 1, 2, 'last')).toHaveLength(2);
  });
});

/** The textbook's table. */
function longestCommon(left: readonly string[], right: readonly string[]): number {
  const table = Array.from({ length: left.length + 1 }, () =>
    new Array<number>(right.length + 1).fill(0),
  );
  for (let x = 1; x <= left.length; x += 1) {
    for (let y = 1; y <= right.length; y += 1) {
      table[x]![y] =
        left[x - 1] === right[y - 1]
          ? table[x - 1]![y - 1]! + 1
          : Math.max(table[x - 1]![y]!, table[x]![y - 1]!);
    }
  }
  return table[left.length]![right.length]!;
}
