import { existsSync } from 'node:fs';
import { ExitCode } from '../core/errors.ts';
import { formatDuration } from '../core/values.ts';
import { evidenceLines, failureLine } from '../scenario/evidence.ts';
import type { FromWorker } from '../scenario/protocol.ts';
import type { RunRecord } from '../scenario/record.ts';
import { type Output, warnTo } from './output.ts';
import type { Invocation } from './parse.ts';
import { readScript, readSeed, readTask } from './scenario-flags.ts';
import { loadFailureLine, typeErrors, withThreads } from './scripts.ts';

/** `synthvm run`. */
export async function runCommand(invocation: Invocation, output: Output): Promise<number> {
  const { values } = invocation;
  const file = readScript(invocation);
  const seed = readSeed(invocation);
  const seeds = seed === undefined ? undefined : [seed];
  const task = { ...readTask(invocation), file, seeds, isLive: true };
  const report = new RunReport(output, values.has('quiet'), values.has('console'));
  // What is not there is the loader's to tell.
  const wrong =
    values.has('skip-check') || !existsSync(file)
      ? []
      : await typeErrors([file], (note) => report.progress(note));
  for (const failure of wrong) report.hear({ kind: 'load-failed', failure });
  if (wrong.length > 0) return report.exitCode;
  const isWhole = await withThreads(
    1,
    (message) => report.hear(message),
    (pool) => pool.run([task]),
  );
  return isWhole ? report.exitCode : ExitCode.interrupted;
}

/** Prints a run as it happens. */
class RunReport {
  readonly #output: Output;
  readonly #isQuiet: boolean;
  readonly #showsConsole: boolean;
  exitCode: number = ExitCode.ok;

  constructor(output: Output, isQuiet: boolean, showsConsole: boolean) {
    this.#output = output;
    this.#isQuiet = isQuiet;
    this.#showsConsole = showsConsole;
  }

  hear(message: FromWorker): void {
    switch (message.kind) {
      case 'begins': {
        const host = message.host === undefined ? '' : `, host ${message.host}`;
        this.progress(`${message.scenario}, seed ${message.seed}${host}`);
        break;
      }
      case 'step': {
        const { title, startNs, depth } = message.step;
        this.progress(`${'  '.repeat(depth + 1)}${formatDuration(startNs).padStart(10)}  ${title}`);
        break;
      }
      case 'console':
        if (this.#showsConsole) this.#output.out(message.text);
        break;
      case 'warning':
        warnTo(this.#output)(message.message);
        break;
      case 'load-failed': {
        const { failure } = message;
        this.#error(loadFailureLine(failure), failure.exitCode);
        break;
      }
      case 'skipped': {
        const { scenario, host, reason } = message.skipped;
        this.progress(`${scenario}: not on ${host}, ${reason}`);
        break;
      }
      case 'record':
        this.#record(message.record);
        break;
      case 'fault':
        this.#error(`internal error, a fault of synthvm: ${message.detail}`, ExitCode.internal);
        break;
      case 'awaits':
      case 'trace':
      case 'ready':
        break;
    }
    this.#output.flush();
  }

  #record(record: RunRecord): void {
    const { failure, notes, virtualNs, wallMs, digest, scenario } = record;
    if (failure !== undefined) {
      this.#error(failureLine(record, failure), failure.exitCode);
      this.#output.error(
        evidenceLines(record)
          .map((line) => `${line}\n`)
          .join(''),
      );
      return;
    }
    for (const { label, value } of notes) this.progress(`  ${label}: ${value}`);
    this.progress(
      `passed: ${scenario}, ${formatDuration(virtualNs)} of virtual time, ` +
        `${formatDuration(wallMs * 1e6)} real; digest ${digest}`,
    );
  }

  progress(text: string): void {
    if (!this.#isQuiet) this.#output.error(`${this.#output.errorColors.dim(`synthvm: ${text}`)}\n`);
  }

  /** The first failure's code is the process's. */
  #error(text: string, exitCode: number): void {
    this.#output.error(`${this.#output.errorColors.red('error:')} ${text}\n`);
    if (this.exitCode === ExitCode.ok) this.exitCode = exitCode;
  }
}
