/** The search for what makes a seed fail, over runs that are only told of. */
import { describe, expect, it } from 'vitest';
import type { Decisions } from '../../../src/machine/perturbation.ts';
import { type ExploredScenario, Explorer } from '../../../src/scenario/explore/explorer.ts';
import type { Task } from '../../../src/scenario/protocol.ts';
import type { RunRecord } from '../../../src/scenario/record.ts';

/** Decisions of each run, of which every third delays something. */
const DECISIONS = 30_000;

interface Told {
  /** What went wrong, or undefined. */
  readonly message?: string | undefined;
  readonly events?: readonly string[];
}

/** @param delayed whether a decision both delayed something and took effect */
type Guest = (seed: bigint, delayed: (decision: number) => boolean) => Told;

class Bench {
  isInterrupted = false;
  runs = 0;
  traced = 0;
  readonly explained: bigint[] = [];
  readonly #guest: Guest;
  readonly #explorer: Explorer;

  constructor(guest: Guest) {
    this.#guest = guest;
    this.#explorer = new Explorer(this, ({ seed }) => this.explained.push(seed));
  }

  explore(seeds: number): Promise<readonly ExploredScenario[]> {
    const all = Array.from({ length: seeds }, (_, index) => BigInt(index + 1));
    return this.#explorer.explore({ file: 'race.ts' }, all);
  }

  run(tasks: readonly Task[]): Promise<void> {
    for (const task of tasks) for (const seed of task.seeds!) this.#one(seed, task);
    return Promise.resolve();
  }

  #one(seed: bigint, { perturb, isTraced }: Task): void {
    this.runs += 1;
    const effects: number[] = [];
    for (const { first, end } of perturb ?? []) {
      for (let decision = first; decision < Math.min(end, DECISIONS); decision += 1) {
        if (decision % 3 === 0) effects.push(decision);
      }
    }
    const set = new Set(effects);
    const { message, events = [] } = this.#guest(seed, (decision) => set.has(decision));
    if (isTraced === true) {
      this.traced += 1;
      const traced = events.map((text) => ({ timeNs: 0, vm: 'vm', text }));
      this.#explorer.hear({ kind: 'trace', events: traced });
    }
    const record = {
      file: 'race.ts',
      scenario: 'a race',
      seed,
      perturb,
      decisions: DECISIONS,
      delays: effects.length,
      effects: effects.map((decision) => ({ decision, kind: 'turn', delayNs: 1 })),
      result: message === undefined ? 'passed' : 'failed',
      failure: message === undefined ? undefined : { message },
      machines: [],
    };
    this.#explorer.hear({ kind: 'record', record: record as unknown as RunRecord });
  }
}

function listed(decisions: Decisions | undefined): number[] | undefined {
  return decisions?.flatMap(({ first, end }) =>
    Array.from({ length: end - first }, (_, index) => first + index),
  );
}

describe('explore', () => {
  it('finds the fewest delays that it takes, and the run that lacks one of them', async () => {
    const needed = [300, 303, 20_001];
    const bench = new Bench((seed, delayed) => {
      const there = needed.filter(delayed);
      const isLost = seed === 7n && there.length === needed.length;
      return {
        message: isLost ? 'lost after 12 ms' : undefined,
        events: [
          'boot',
          ...there.map((decision) => `late ${decision}`),
          isLost ? 'lost' : 'found',
          'end',
        ],
      };
    });
    const [explored] = await bench.explore(40);
    expect(explored).toMatchObject({ scenario: 'a race', runs: 40, failed: 1 });
    const [{ seeds, explanation }] = explored!.groups as [ExploredScenario['groups'][0]];
    expect(seeds).toEqual([7n]);
    expect(listed(explanation!.least.perturb)).toEqual(needed);
    expect(explanation!.passing!.delays).toBe(needed.length - 1);
    const { lines, size } = explanation!.diff!;
    expect(size).toBe(3);
    const differing = lines.filter(({ kind }) => kind !== 'same').map(({ event }) => event.text);
    expect(differing).toContain('found');
    expect(differing).toContain('lost');
    expect(bench.explained).toEqual([7n]);
  });

  it('ends its search when it takes too long, and says what it has', async () => {
    // Every second delay of the first thousands is needed: too many to find one by one.
    const needed = Array.from({ length: 2000 }, (_, index) => index * 6);
    const bench = new Bench((_, delayed) => ({
      message: needed.every(delayed) ? 'lost' : undefined,
      events: ['boot', 'end'],
    }));
    const [explored] = await bench.explore(1);
    const { least } = explored!.groups[0]!.explanation!;
    expect(least.result).toBe('failed');
    expect(least.delays).toBeGreaterThanOrEqual(needed.length);
    expect(bench.runs).toBeLessThan(130);
    expect(bench.traced).toBeLessThan(10);
  });

  it('tells ways to fail apart, but not by their figures, and explains the first three', async () => {
    const bench = new Bench((seed) => ({
      message: `${'abcde'[Number(seed % 5n)]} after ${seed}.5 ms`,
      events: ['boot', 'end'],
    }));
    const [explored] = await bench.explore(20);
    expect(explored!.failed).toBe(20);
    expect(explored!.groups.map(({ seeds }) => seeds.length)).toEqual([4, 4, 4, 4, 4]);
    expect(bench.explained).toEqual([1n, 2n, 3n]);
  });

  it('compares seeds where no delay is needed: with the one that differs least', async () => {
    const bench = new Bench((seed) => ({
      message: seed === 1n ? 'swapped' : undefined,
      events: [
        'boot',
        ...(seed === 1n ? ['hn1', 'hn0'] : ['hn0', 'hn1']),
        ...(seed === 3n ? [] : [`noise ${seed}`]),
        'end',
        'halt',
      ],
    }));
    const [explored] = await bench.explore(5);
    const { least, passing, diff } = explored!.groups[0]!.explanation!;
    expect(least).toMatchObject({ seed: 1n, perturb: undefined });
    expect(passing!.seed).toBe(3n);
    expect(diff!.size).toBe(3);
  });

  it('explains nothing once it is interrupted', async () => {
    const bench = new Bench(() => ({ message: 'lost' }));
    bench.isInterrupted = true;
    const [explored] = await bench.explore(3);
    expect(explored!.groups[0]!.explanation).toBeUndefined();
    expect(bench.runs).toBe(3);
  });
});
