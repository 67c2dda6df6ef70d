import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ExitCode, InputError } from '../core/errors.ts';
import { StateError } from '../core/state.ts';
import { ndjsonSink } from '../core/trace-formats.ts';
import {
  EVENTS_FILE,
  MANIFEST_FILE,
  readManifest,
  type BootManifest,
  type ScenarioManifest,
} from '../machine/bundle/manifest.ts';
import { describeFile, openMachine } from '../machine/description.ts';
import { positionOf, repeatInputs, runTo, showPosition } from '../machine/inputs.ts';
import type { Machine } from '../machine/machine.ts';
import type { FromWorker } from '../scenario/protocol.ts';
import type { RunRecord } from '../scenario/record.ts';
import { warnTo, type Output } from './output.ts';
import { parseCommandLine, type Invocation } from './parse.ts';
import { readTask } from './scenario-flags.ts';
import { loadFailureLine, withThreads } from './scripts.ts';
import { formatDuration } from '../core/values.ts';

/** How a run that was had again compares with the first. */
interface Comparison {
  readonly digest: string;
  readonly events: number;
  /** Why the run did not come to the end of the first. */
  readonly stoppedAt: string | undefined;
}

/** `synthvm replay`. */
export async function replayCommand(
  { operands, values }: Invocation,
  output: Output,
): Promise<ExitCode> {
  const [folder, ...others] = operands;
  if (folder === undefined || others.length > 0) {
    throw new InputError('replay', 'takes one folder, that of a run bundle', ExitCode.usage);
  }
  const startedMs = performance.now();
  const manifest = readManifest(folder);
  if (manifest.kind === 'scenario') return replayScenario(manifest, folder, values, output);
  const where = join(folder, MANIFEST_FILE);
  const { machine, close } = openMachine(manifest.machine, where, warnTo(output));
  try {
    const lines: string[] = [];
    machine.trace.subscribe(ndjsonSink((text) => lines.push(text.slice(0, -1))));
    const comparison = runAgain(machine, manifest);
    const { end } = manifest;
    const agrees = comparison.digest === end.digest && comparison.events === end.events;
    const first = agrees ? undefined : await firstDifference(join(folder, EVENTS_FILE), lines);
    if (values.has('json')) {
      const { digest, events } = comparison;
      output.out(
        `${JSON.stringify({ agrees, digest, events, recorded: end.digest, recordedEvents: end.events, ...first })}\n`,
      );
    } else if (agrees) {
      output.out(`agrees: digest ${end.digest} over ${end.events} events\n`);
    } else tellDifference(comparison, manifest, first, output);
    if (!values.has('quiet') && !values.has('json')) {
      const real = formatDuration((performance.now() - startedMs) * 1e6);
      output.error(
        `synthvm: ${formatDuration(machine.clock.nowNs)} of virtual time, ${real} real\n`,
      );
    }
    return agrees ? ExitCode.ok : ExitCode.failed;
  } finally {
    close();
  }
}

/** Runs a scenario again: its script does what it did. */
async function replayScenario(
  manifest: ScenarioManifest,
  folder: string,
  values: Invocation['values'],
  output: Output,
): Promise<ExitCode> {
  const { script, scenario, seed, digest, command } = manifest;
  if (describeFile(script.path).sha256 !== script.sha256) {
    throw new InputError(folder, `${script.path} has changed since, so that its run is another`);
  }
  const flags = readTask(parseCommandLine(command.slice(1)));
  const task = { ...flags, file: script.path, scenario, only: undefined, seeds: [BigInt(seed)] };
  let record: RunRecord | undefined;
  const hear = (message: FromWorker): void => {
    if (message.kind === 'record') ({ record } = message);
    else if (message.kind === 'load-failed') output.error(`${loadFailureLine(message.failure)}\n`);
  };
  await withThreads(1, hear, (pool) => pool.run([task]));
  if (record === undefined) throw new InputError(folder, 'its scenario could not be run again');
  const agrees = record.digest === digest;
  const facts = { agrees, digest: record.digest, recorded: digest, result: record.result };
  if (values.has('json')) output.out(`${JSON.stringify(facts)}\n`);
  else if (agrees) output.out(`agrees: ${record.result}, digest ${digest}\n`);
  else output.out(`differs: digest ${record.digest}, recorded ${digest}\n`);
  return agrees ? ExitCode.ok : ExitCode.failed;
}

function runAgain(machine: Machine, { inputs, end }: BootManifest): Comparison {
  let stoppedAt: string | undefined;
  try {
    machine.powerOn();
    repeatInputs(machine, inputs);
    runTo(machine, end.position);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    stoppedAt = showPosition(positionOf(machine));
  }
  return { digest: machine.trace.digest, events: machine.trace.count, stoppedAt };
}

interface Difference {
  /** From 1. */
  readonly event: number;
  readonly was: string;
  readonly is: string;
}

/** Compares the events one by one with those that the bundle holds. */
async function firstDifference(
  path: string,
  lines: readonly string[],
): Promise<Difference | undefined> {
  let event = 0;
  try {
    for await (const was of createInterface({ input: createReadStream(path) })) {
      const is = lines[event] ?? 'nothing';
      event += 1;
      if (is !== was) return { event, was, is };
    }
  } catch {
    return undefined;
  }
  return event < lines.length ? { event: event + 1, was: 'nothing', is: lines[event]! } : undefined;
}

function tellDifference(
  comparison: Comparison,
  { end }: BootManifest,
  first: Difference | undefined,
  output: Output,
): void {
  const { digest, events, stoppedAt } = comparison;
  output.out(
    `differs: digest ${digest} over ${events} events, recorded ${end.digest} over ${end.events}\n`,
  );
  if (stoppedAt !== undefined) {
    output.out(`  stopped at ${stoppedAt}, recorded ${showPosition(end.position)}\n`);
  }
  if (first === undefined) return;
  output.out(`  event ${first.event} was ${first.was}\n        now is ${first.is}\n`);
}
