import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { ExitCode, InputError } from '../core/errors.ts';
import { parseChoice, parseInteger } from '../core/values.ts';
import { findScripts } from '../scenario/discover.ts';
import { evidenceLines, failureLine } from '../scenario/evidence.ts';
import type { FromWorker, Task } from '../scenario/protocol.ts';
import { jsonReport, junitReport } from '../scenario/report/machine-readable.ts';
import { Results, type ScenarioResult } from '../scenario/report/results.ts';
import { matrixLines, noteLines, resultLine, summaryLine } from '../scenario/report/text.ts';
import { type Output, warnTo } from './output.ts';
import type { Invocation } from './parse.ts';
import { readSeed, readTask } from './scenario-flags.ts';
import { loadFailureLine, typeErrors, withThreads } from './scripts.ts';

const REPORTERS = ['default', 'junit', 'json'] as const;
const MOST_JOBS = 64;
const MOST_SEEDS = 1_000_000;

/** `synthvm test`. */
export async function testCommand(invocation: Invocation, output: Output): Promise<ExitCode> {
  const startedMs = performance.now();
  const { operands, values } = invocation;
  const files = findScripts(operands.length === 0 ? ['.'] : operands);
  const text = values.get('reporter')?.[0] ?? 'default';
  const reporter = parseChoice('--reporter', text, REPORTERS);
  const jobs = values.get('jobs')?.[0];
  const most =
    jobs === undefined ? availableParallelism() : parseInteger('--jobs', jobs, 1, MOST_JOBS);
  const task = { ...readTask(invocation), isBrief: true, seeds: readSeeds(invocation) };
  const report = new TestReport(output, {
    isQuiet: values.has('quiet'),
    isMatrix: task.hosts !== undefined,
    toError: reporter !== 'default' && values.get('output') === undefined,
  });
  const wrong = values.has('skip-check')
    ? []
    : await typeErrors(files, (note) => report.progress(`synthvm: ${note}`));
  for (const failure of wrong) report.hear({ kind: 'load-failed', failure }, failure.file);
  const tasks = files
    .filter((file) => !wrong.some((failure) => failure.file === file))
    .map((file): Task => ({
      ...task,
      file,
      mayBeHelper: !operands.includes(file),
      mayLackThem: true,
    }));
  const isWhole = await withThreads(
    most,
    (message, { file }) => report.hear(message, file),
    (pool) => pool.run(tasks),
  );
  report.results.wallMs = performance.now() - startedMs;
  const { results } = report;
  if (isWhole && task.only !== undefined && results.isEmpty) {
    throw new InputError('--only', `no scenario's name holds "${task.only}"`, ExitCode.usage);
  }
  report.finish();
  write(reporter, report.results, values.get('output')?.[0], output);
  if (!isWhole) return ExitCode.interrupted;
  if (report.results.faults.length > 0) return ExitCode.internal;
  return report.results.isGood ? ExitCode.ok : ExitCode.failed;
}

function readSeeds(invocation: Invocation): readonly bigint[] | undefined {
  const first = readSeed(invocation);
  const text = invocation.values.get('seeds')?.[0];
  if (text === undefined) return first === undefined ? undefined : [first];
  const count = parseInteger('--seeds', text, 1, MOST_SEEDS);
  return Array.from({ length: count }, (_, index) => (first ?? 1n) + BigInt(index));
}

function write(
  reporter: (typeof REPORTERS)[number],
  results: Results,
  path: string | undefined,
  output: Output,
): void {
  if (reporter === 'default') return;
  const text = reporter === 'junit' ? junitReport(results) : jsonReport(results);
  if (path === undefined) {
    output.out(text);
    return;
  }
  try {
    writeFileSync(path, text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(path, `cannot be written (${reason})`);
  }
}

interface ReportOptions {
  readonly isQuiet: boolean;
  readonly isMatrix: boolean;
  /** Standard output is for a machine. */
  readonly toError: boolean;
}

/** Prints scenarios as they end, then what failed, the matrix and the sum. */
class TestReport {
  readonly results = new Results();
  readonly #output: Output;
  readonly #options: ReportOptions;
  /** Scenarios by file whose runs come in now; a line is printed once all have. */
  readonly #open = new Map<string, ScenarioResult>();

  constructor(output: Output, options: ReportOptions) {
    this.#output = output;
    this.#options = options;
  }

  /** @param file of the task that it is about */
  hear(message: FromWorker, file: string): void {
    switch (message.kind) {
      case 'load-failed':
        this.results.loadFailures.push(message.failure);
        break;
      case 'skipped':
        this.results.skipped.push(message.skipped);
        break;
      case 'warning':
        warnTo(this.#output)(message.message);
        break;
      case 'fault':
        this.results.faults.push(message.detail);
        break;
      case 'record': {
        const result = this.results.add(message.record);
        if (this.#open.get(file) !== result) this.#printOpen(file);
        this.#open.set(file, result);
        break;
      }
      case 'ready':
        this.#printOpen(file);
        break;
      case 'begins':
      case 'step':
      case 'awaits':
      case 'trace':
      case 'console':
        break;
    }
  }

  progress(text: string): void {
    if (!this.#options.isQuiet) this.#output.error(`${this.#output.errorColors.dim(text)}\n`);
  }

  finish(): void {
    for (const file of this.#open.keys()) this.#printOpen(file);
    const { red } = this.#output.errorColors;
    for (const failure of this.results.loadFailures) {
      this.#output.error(`${red('error:')} ${loadFailureLine(failure)}\n`);
    }
    for (const detail of this.results.faults) {
      this.#output.error(`${red('internal error:')} a fault of synthvm: ${detail}\n`);
    }
    // One failure of each scenario tells the story; the line has the other seeds.
    for (const { runs } of this.results.scenarios) {
      const record = runs.find(({ result }) => result === 'failed');
      if (record?.failure === undefined) continue;
      const lines = [failureLine(record, record.failure), ...evidenceLines(record)];
      this.#output.error(`${red('error:')} ${lines.join('\n')}\n`);
    }
    if (this.#options.isMatrix) {
      this.#line('');
      for (const line of matrixLines(this.results, this.#paint)) this.#line(line);
    }
    this.#line(summaryLine(this.results));
  }

  #printOpen(file: string): void {
    const result = this.#open.get(file);
    this.#open.delete(file);
    if (result === undefined || this.#options.isQuiet) return;
    this.#line(resultLine(result, this.#paint, this.#options.isMatrix));
    if (!this.#options.isMatrix) for (const line of noteLines(result)) this.#line(line);
    this.#output.flush();
  }

  get #paint(): Output['outColors'] {
    return this.#options.toError ? this.#output.errorColors : this.#output.outColors;
  }

  #line(text: string): void {
    if (this.#options.toError) this.#output.error(`${text}\n`);
    else this.#output.out(`${text}\n`);
  }
}
