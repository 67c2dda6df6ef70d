/**
 * Runs scenarios over many disturbed seeds, and finds for a seed that fails the least that makes it
 * fail: the shortest run of the disturbance's decisions, and where its trace leaves that of a run
 * that passes.
 */
import { ALL_DECISIONS, type Decisions } from '../../machine/perturbation.ts';
import type { FromWorker, Task, TracedEvent } from '../protocol.ts';
import type { RunRecord } from '../record.ts';
import type { ThreadPool } from '../supervisor.ts';
import { diffTraces, type TraceDiff } from './trace-diff.ts';

/** Seeds that a thread takes at a time. */
const SEEDS_A_TASK = 20;
/** Ways to fail of one scenario that are explained. */
const MOST_GROUPS = 3;
/** Seeds that pass and are compared, where no decision makes the difference. */
const CANDIDATES = 12;
/** Runs that are one decision short of failing and are compared. */
const NEIGHBOURS = 4;
/** Runs that the search for the fewest decisions may take. */
const MOST_TRIES = 80;

/** Runs of one scenario that failed in the same way. */
export interface FailureGroup {
  readonly example: RunRecord;
  readonly seeds: readonly bigint[];
  readonly explanation: Explanation | undefined;
}

export interface Explanation {
  /** A run that fails with as little disturbance as was found. */
  readonly least: RunRecord;
  readonly diff: TraceDiff | undefined;
  /** Seed and decisions of the run that passes. */
  readonly passing: RunRecord | undefined;
}

export interface ExploredScenario {
  readonly file: string;
  readonly scenario: string;
  readonly host: string | undefined;
  readonly runs: number;
  readonly failed: number;
  readonly groups: readonly FailureGroup[];
}

interface TracedRun {
  readonly record: RunRecord;
  readonly events: readonly TracedEvent[];
}

/** Failures that differ in numbers only are one. */
function keyOf({ failure }: RunRecord): string {
  return (failure?.message ?? '').replaceAll(/\d+(?:\.\d+)?/g, '#');
}

function scenarioKey({ file, scenario, machines }: RunRecord): string {
  return [file, scenario, machines[0]?.host ?? ''].join('\n');
}

export class Explorer {
  readonly #pool: Pick<ThreadPool, 'run' | 'isInterrupted'>;
  readonly #onExplain: (failing: RunRecord) => void;
  readonly #records: RunRecord[] = [];
  #events: readonly TracedEvent[] = [];
  #isExplaining = false;
  /** Of the run that is looked at. */
  #heard: RunRecord | undefined;

  /** @param onExplain hears of a run before the least that makes it fail is looked for */
  constructor(
    pool: Pick<ThreadPool, 'run' | 'isInterrupted'>,
    onExplain: (failing: RunRecord) => void,
  ) {
    this.#pool = pool;
    this.#onExplain = onExplain;
  }

  hear(message: FromWorker): void {
    if (message.kind === 'trace') this.#events = message.events;
    if (message.kind !== 'record') return;
    if (this.#isExplaining) this.#heard = message.record;
    else this.#records.push(message.record);
  }

  /** @param task without seeds; its disturbance is all decisions, unless it says otherwise */
  async explore(task: Task, seeds: readonly bigint[]): Promise<readonly ExploredScenario[]> {
    const base: Task = { perturb: ALL_DECISIONS, ...task, isBrief: true };
    const tasks: Task[] = [];
    for (let from = 0; from < seeds.length; from += SEEDS_A_TASK) {
      tasks.push({ ...base, seeds: seeds.slice(from, from + SEEDS_A_TASK) });
    }
    await this.#pool.run(tasks);
    this.#isExplaining = true;
    const byScenario = Map.groupBy(this.#records, scenarioKey);
    const explored: ExploredScenario[] = [];
    for (const records of byScenario.values()) explored.push(await this.#summarize(task, records));
    return explored;
  }

  async #summarize(task: Task, records: readonly RunRecord[]): Promise<ExploredScenario> {
    const inOrder = records.toSorted((left, right) => (left.seed < right.seed ? -1 : 1));
    const failed = inOrder.filter(({ result }) => result === 'failed');
    const passed = inOrder.filter(({ result }) => result === 'passed');
    const groups: FailureGroup[] = [];
    for (const group of Map.groupBy(failed, keyOf).values()) {
      const [example] = group;
      groups.push({
        example: example!,
        seeds: group.map(({ seed }) => seed),
        explanation:
          groups.length < MOST_GROUPS ? await this.#explain(task, example!, passed) : undefined,
      });
    }
    const { file, scenario, machines } = inOrder[0]!;
    const host = machines[0]?.host;
    return { file, scenario, host, runs: records.length, failed: failed.length, groups };
  }

  async #explain(
    task: Task,
    failing: RunRecord,
    passed: readonly RunRecord[],
  ): Promise<Explanation | undefined> {
    if (this.#pool.isInterrupted) return undefined;
    this.#onExplain(failing);
    const trace: Trace = (seed, perturb) => this.#runOne(failing, { ...task, perturb }, seed, true);
    const run = async (perturb: Decisions): Promise<RunRecord> =>
      (await this.#runOne(failing, { ...task, perturb }, failing.seed, false)).record;
    const undisturbed = await trace(failing.seed, undefined);
    const explanation =
      keyOf(undisturbed.record) === keyOf(failing)
        ? await this.#compareSeeds(undisturbed, passed, trace)
        : await explainDecisions(failing, run, (decisions) => trace(failing.seed, decisions));
    return this.#pool.isInterrupted ? undefined : explanation;
  }

  /** The seed alone makes the difference: the model guest draws from it too. */
  async #compareSeeds(
    failing: TracedRun,
    passed: readonly RunRecord[],
    trace: Trace,
  ): Promise<Explanation> {
    const others: TracedRun[] = [];
    for (const { seed } of passed.slice(0, CANDIDATES)) {
      const other = await trace(seed, undefined);
      if (other.record.result === 'passed') others.push(other);
    }
    return closest(failing, others);
  }

  /** @param isTraced its events are wanted, which takes several times as long */
  async #runOne(
    failing: RunRecord,
    task: Task,
    seed: bigint,
    isTraced: boolean,
  ): Promise<TracedRun> {
    this.#heard = undefined;
    this.#events = [];
    const { scenario, machines } = failing;
    const host = machines[0]?.host;
    const hosts = task.hosts === undefined || host === undefined ? undefined : [host];
    await this.#pool.run([{ ...task, scenario, hosts, seeds: [seed], isTraced }]);
    // Interrupted, it has no record.
    return { record: this.#heard ?? failing, events: this.#events };
  }
}

type Trace = (seed: bigint, perturb: Decisions | undefined) => Promise<TracedRun>;

/** A decision less, and the run passes: as few as can be found in so many tries. */
async function explainDecisions(
  failing: RunRecord,
  run: (decisions: Decisions) => Promise<RunRecord>,
  trace: (decisions: Decisions) => Promise<TracedRun>,
): Promise<Explanation | undefined> {
  const key = keyOf(failing);
  const fails = async (decisions: Decisions): Promise<boolean> =>
    keyOf(await run(decisions)) === key;
  // Where the disturbance may begin and end first: that halves it quickly.
  const most = failing.decisions;
  const first = await lastThat(0, most, (at) => fails([{ first: at, end: Infinity }]));
  const end = await firstThat(first + 1, most, (at) => fails([{ first, end: at }]));
  // A run that is disturbed later only may come to more decisions.
  const range: Decisions = [{ first, end: end === most ? Infinity : end }];
  const inRange = await run(range);
  if (keyOf(inRange) !== key) return undefined;
  const numbers = inRange.effects.map(({ decision }) => decision);
  const needed = await fewest(numbers, (subset) => fails(asDecisions(subset)));
  const chosen = await trace(asDecisions(needed));
  // What is left out has changed which decisions come to what.
  const isFewer = keyOf(chosen.record) === key;
  const least = isFewer ? chosen : await trace(range);
  const passing: TracedRun[] = [];
  for (const without of isFewer ? needed : []) {
    const other = await trace(asDecisions(needed.filter((number) => number !== without)));
    if (other.record.result === 'passed') passing.push(other);
    if (passing.length === NEIGHBOURS) break;
  }
  if (passing.length === 0) passing.push(await trace([]));
  return closest(
    least,
    passing.filter(({ record }) => record.result === 'passed'),
  );
}

function asDecisions(numbers: readonly number[]): Decisions {
  const ranges: { first: number; end: number }[] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last?.end === number) last.end += 1;
    else ranges.push({ first: number, end: number + 1 });
  }
  return ranges;
}

/**
 * Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002):
 * takes ever smaller parts away while what is left still fails.
 */
async function fewest(
  all: readonly number[],
  fails: (subset: readonly number[]) => Promise<boolean>,
): Promise<readonly number[]> {
  let left = all;
  let parts = 2;
  for (let tries = 0; tries < MOST_TRIES && left.length > 1;) {
    const size = Math.ceil(left.length / parts);
    let isSmaller = false;
    for (let from = 0; from < left.length && tries < MOST_TRIES; from += size) {
      const rest = [...left.slice(0, from), ...left.slice(from + size)];
      tries += 1;
      if (rest.length === 0 || !(await fails(rest))) continue;
      left = rest;
      isSmaller = true;
      break;
    }
    if (isSmaller) parts = Math.max(2, parts - 1);
    else if (size === 1) break;
    else parts = Math.min(left.length, parts * 2);
  }
  return left;
}

/** Which of the passing runs differs least. */
function closest(failing: TracedRun, passing: readonly TracedRun[]): Explanation {
  let diff: TraceDiff | undefined;
  let best: RunRecord | undefined;
  for (const { record, events } of passing) {
    const candidate = diffTraces(events, failing.events, diff?.size);
    if (candidate === undefined || candidate.size >= (diff?.size ?? Infinity)) continue;
    diff = candidate;
    best = record;
  }
  return { least: failing.record, diff, passing: best };
}

/** @returns the largest number from `low` on for which it holds; it does for `low` */
async function lastThat(
  low: number,
  high: number,
  holds: (at: number) => Promise<boolean>,
): Promise<number> {
  let yes = low;
  let no = high;
  while (no - yes > 1) {
    const middle = Math.floor((yes + no) / 2);
    if (await holds(middle)) yes = middle;
    else no = middle;
  }
  return yes;
}

/** @returns the smallest number up to `high` for which it holds; it does for `high` */
async function firstThat(
  low: number,
  high: number,
  holds: (at: number) => Promise<boolean>,
): Promise<number> {
  let no = low - 1;
  let yes = Math.max(high, low);
  while (yes - no > 1) {
    const middle = Math.floor((yes + no) / 2);
    if (await holds(middle)) yes = middle;
    else no = middle;
  }
  return yes;
}
