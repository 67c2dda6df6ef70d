import { availableParallelism } from 'node:os';
import { ExitCode } from '../core/errors.ts';
import { formatDuration, parseInteger, quoteWord } from '../core/values.ts';
import type { DecisionEffect } from '../machine/perturbation.ts';
import { failureLine } from '../scenario/evidence.ts';
import {
  type Explanation,
  type ExploredScenario,
  Explorer,
  type FailureGroup,
} from '../scenario/explore/explorer.ts';
import { diffHunks } from '../scenario/explore/trace-diff.ts';
import type { FromWorker } from '../scenario/protocol.ts';
import type { RunRecord } from '../scenario/record.ts';
import { type Output, warnTo } from './output.ts';
import type { Invocation } from './parse.ts';
import { readScript, readSeed, readTask, showDecisions } from './scenario-flags.ts';
import { loadFailureLine, typeErrors, withThreads } from './scripts.ts';

const DEFAULT_SEEDS = 1000;
const MOST_SEEDS = 10_000_000;
const MOST_JOBS = 64;
const SEEDS_SHOWN = 8;
const EFFECTS_SHOWN = 3;
const DIFF_CONTEXT = 2;
const DIFF_LINES = 24;
const PROGRESS_INTERVAL_MS = 5_000;

/** What a delay of a kind was. */
const KINDS: Readonly<Record<DecisionEffect['kind'], string>> = {
  turn: "a processor's turn",
  wake: "a processor's wake-up",
  message: 'a message to the guest',
  signal: 'a signal to the guest',
  work: "the host's work on a channel",
};

/** `synthvm explore`. */
export async function exploreCommand(invocation: Invocation, output: Output): Promise<number> {
  const startedMs = performance.now();
  const { values } = invocation;
  const file = readScript(invocation);
  const number = (name: string, most: number): number | undefined => {
    const text = values.get(name)?.[0];
    return text === undefined ? undefined : parseInteger(`--${name}`, text, 1, most);
  };
  const count = number('seeds', MOST_SEEDS) ?? DEFAULT_SEEDS;
  const jobs = number('jobs', MOST_JOBS) ?? availableParallelism();
  const first = readSeed(invocation) ?? 1n;
  const seeds = Array.from({ length: count }, (_, index) => first + BigInt(index));
  const shared = readTask(invocation);
  const report = new ExploreReport(output, values.has('quiet'), shared.replayFlags ?? []);
  const wrong = values.has('skip-check')
    ? []
    : await typeErrors([file], (note) => report.progress(note));
  for (const failure of wrong) report.hear({ kind: 'load-failed', failure });
  if (wrong.length > 0) return report.exitCode;
  let explorer: Explorer | undefined;
  const isWhole = await withThreads(
    jobs,
    (message) => {
      explorer?.hear(message);
      report.hear(message);
    },
    async (pool) => {
      explorer = new Explorer(pool, (failing) => report.explains(failing));
      const { perturb, ...task } = shared;
      const explored = await explorer.explore(
        { ...task, file, ...(perturb === undefined ? {} : { perturb }) },
        seeds,
      );
      report.finish(explored, performance.now() - startedMs);
    },
  );
  return isWhole ? report.exitCode : ExitCode.interrupted;
}

class ExploreReport {
  readonly #output: Output;
  readonly #isQuiet: boolean;
  readonly #flags: readonly string[];
  readonly #told = new Set<string>();
  exitCode: number = ExitCode.ok;
  #runs = 0;
  #failed = 0;
  #nextProgressMs = performance.now() + PROGRESS_INTERVAL_MS;

  /** @param flags of the command, for the lines that run something again */
  constructor(output: Output, isQuiet: boolean, flags: readonly string[]) {
    this.#output = output;
    this.#isQuiet = isQuiet;
    this.#flags = flags;
  }

  hear(message: FromWorker): void {
    if (message.kind === 'load-failed') {
      // Every thread that loads the script says so.
      const line = loadFailureLine(message.failure);
      if (!this.#told.has(line))
        this.#output.error(`${this.#output.errorColors.red('error:')} ${line}\n`);
      this.#told.add(line);
      this.exitCode = message.failure.exitCode;
    } else if (message.kind === 'record') this.#count(message.record);
    else if (message.kind === 'warning') warnTo(this.#output)(message.message);
    else if (message.kind === 'fault') {
      this.#output.error(`internal error, a fault of synthvm: ${message.detail}\n`);
      this.exitCode = ExitCode.internal;
    }
  }

  explains({ seed }: RunRecord): void {
    // Runs from here on are tries.
    this.#nextProgressMs = Infinity;
    this.progress(`looking for the fewest delays with which seed ${seed} fails`);
  }

  #count({ result }: RunRecord): void {
    this.#runs += 1;
    if (result === 'failed') this.#failed += 1;
    const nowMs = performance.now();
    if (nowMs < this.#nextProgressMs) return;
    this.#nextProgressMs = nowMs + PROGRESS_INTERVAL_MS;
    this.progress(`${this.#runs} runs, of which ${this.#failed} failed`);
  }

  progress(text: string): void {
    if (!this.#isQuiet) this.#output.error(`${this.#output.errorColors.dim(`synthvm: ${text}`)}\n`);
  }

  finish(explored: readonly ExploredScenario[], wallMs: number): void {
    for (const scenario of explored) this.#scenario(scenario);
    const runs = explored.reduce((sum, { runs: count }) => sum + count, 0);
    const failed = explored.reduce((sum, { failed: count }) => sum + count, 0);
    if (failed > 0 && this.exitCode === ExitCode.ok) this.exitCode = ExitCode.failed;
    if (runs === 0) return;
    this.#line(`${failed} of ${runs} runs failed, in ${formatDuration(wallMs * 1e6)}`);
  }

  #scenario({ scenario, host, runs, failed, groups }: ExploredScenario): void {
    const { green, red } = this.#output.outColors;
    const mark = failed === 0 ? green('ok  ') : red('FAIL');
    this.#line(`${mark} ${scenario}, host ${host ?? '?'}: ${failed} of ${runs} seeds fail`);
    for (const group of groups) this.#group(group);
  }

  #group({ example, seeds, explanation }: FailureGroup): void {
    const shown = seeds.slice(0, SEEDS_SHOWN).join(' ');
    const more = seeds.length > SEEDS_SHOWN ? ' ...' : '';
    this.#line('');
    this.#line(`  ${failureLine(example, example.failure!)}`);
    this.#line(`    seeds        ${shown}${more} (${seeds.length})`);
    this.#line(`    again        ${this.#command(example)}`);
    if (explanation !== undefined) this.#explanation(example, explanation);
  }

  #explanation(example: RunRecord, { least, diff, passing }: Explanation): void {
    if (least.perturb === undefined) {
      this.#line('    cause        the seed alone: no delay is needed');
      this.#line(`    without any  ${this.#command(least)}`);
    } else {
      this.#line(`    cause        ${describe(least, example.delays)}`);
      this.#line(`    with least   ${this.#command(least)}`);
    }
    if (passing === undefined || diff === undefined) {
      this.#line('    no run that passes is near enough to compare');
      return;
    }
    const other =
      passing.seed !== least.seed
        ? `seed ${passing.seed}`
        : (passing.perturb ?? []).length === 0
          ? 'the same seed undisturbed'
          : `decisions ${showDecisions(passing.perturb!)} of the same seed`;
    // One decision less: where they part is the cause. Another seed: the end is nearest to it.
    const end = passing.seed === least.seed ? 'first' : 'last';
    this.#line(`    difference   ${diff.size} events from the run that passes, ${other}:`);
    const { green, red, dim } = this.#output.outColors;
    for (const line of diffHunks(diff, DIFF_CONTEXT, DIFF_LINES, end)) {
      if (line === undefined) {
        this.#line(dim('      ...'));
        continue;
      }
      const { kind, event } = line;
      const sign = { same: ' ', passing: '-', failing: '+' }[kind];
      const paint = { same: dim, passing: green, failing: red }[kind];
      const time = `${(event.timeNs / 1e6).toFixed(4)} ms`.padStart(15);
      this.#line(paint(`      ${sign}${time}  ${event.text}`));
    }
  }

  /** The command that shows a run again. */
  #command({ file, scenario, seed, perturb, machines }: RunRecord): string {
    const flags = this.#flags.filter(
      (word, index) => word !== '--perturb' && this.#flags[index - 1] !== '--perturb',
    );
    const host = machines[0]?.host;
    return [
      'synthvm',
      'run',
      file,
      '--only',
      scenario,
      '--seed',
      String(seed),
      ...(host === undefined ? [] : ['--host', host]),
      ...flags,
      ...(perturb === undefined ? [] : ['--perturb', showDecisions(perturb)]),
    ]
      .map(quoteWord)
      .join(' ');
  }

  #line(text: string): void {
    this.#output.out(`${text}\n`);
  }
}

function describe({ effects, delays }: RunRecord, all: number): string {
  const shown = effects
    .slice(0, EFFECTS_SHOWN)
    .map(({ kind, delayNs }) => `${KINDS[kind]} ${formatNs(delayNs)} late`);
  const more = delays > shown.length ? [`${delays - shown.length} more`] : [];
  return `${delays} of ${all} delays: ${[...shown, ...more].join(', ')}`;
}

function formatNs(nanoseconds: number): string {
  return nanoseconds < 10_000 ? `${nanoseconds} ns` : formatDuration(nanoseconds);
}
