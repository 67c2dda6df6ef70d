/**
 * A thread that loads scripts and runs their scenarios, one task after the other. A script that
 * hangs or kills its thread harms nothing but its own run.
 */
import { parentPort } from 'node:worker_threads';
import { ExitCode, InputError } from '../core/errors.ts';
import { HOST_NAMES, HOST_PROFILES, type HostName } from '../machine/profiles.ts';
import { RunBundles } from './bundles.ts';
import { embeddedScript } from './embedded.ts';
import { NothingLeft } from './errors.ts';
import { describeEvent } from './explore/describe-event.ts';
import { loadScript } from './load.ts';
import type { FromWorker, SkippedRun, Task, ToWorker, TracedEvent } from './protocol.ts';
import type { RunRecord } from './record.ts';
import type { ScenarioEntry } from './registry.ts';
import {
  declaredHosts,
  type RunObserver,
  runScenario,
  seedOf,
  wallLimitMsOf,
  wantsGeneration2,
} from './run-scenario.ts';
import { scriptPlace } from './script-place.ts';

let isInterrupted = false;
/** Ends the run that is under way with what went wrong outside its body. */
let onStray: ((error: unknown) => void) | undefined;

function post(message: FromWorker): void {
  parentPort!.postMessage(message, []);
}

/** A scenario of a task, and where it runs. */
interface Plan {
  readonly entry: ScenarioEntry;
  /** Undefined stands for the scenario's own. */
  readonly hosts: readonly (HostName | undefined)[];
  readonly skipped: readonly SkippedRun[];
}

function planOf(entry: ScenarioEntry, { file, hosts: asked }: Task): Plan {
  if (asked === undefined) return { entry, hosts: [undefined], skipped: [] };
  const meant = asked === 'all' ? declaredHosts(entry) : undefined;
  const hosts: HostName[] = [];
  const skipped: SkippedRun[] = [];
  for (const host of asked === 'all' ? HOST_NAMES : asked) {
    const reason = reasonAgainst(entry, host, meant);
    if (reason === undefined) hosts.push(host);
    else skipped.push({ file, scenario: entry.name, host, reason });
  }
  return { entry, hosts, skipped };
}

function reasonAgainst(
  entry: ScenarioEntry,
  host: HostName,
  meant: readonly HostName[] | undefined,
): string | undefined {
  if (meant !== undefined && !meant.includes(host)) {
    return entry.config.hostsReason ?? `the scenario is written for ${meant.join(', ')}`;
  }
  const lacks = wantsGeneration2(entry) && !HOST_PROFILES[host].hasGeneration2;
  return lacks ? 'the host has no Generation 2' : undefined;
}

function observerOf(task: Task): RunObserver {
  if (task.isTraced === true) return traceObserver();
  if (task.isLive !== true) return {};
  return {
    begun: (vms) => {
      for (const { name, machine } of vms) {
        let line = '';
        machine.console.listen((byte) => {
          line += String.fromCharCode(byte);
          if (byte !== 0x0a) return;
          post({ kind: 'console', vm: name, text: line });
          line = '';
        });
      }
    },
    step: (step) => post({ kind: 'step', step }),
    awaits: (wait, site) => post({ kind: 'awaits', wait, place: scriptPlace(site) }),
  };
}

/** Collects the events of a run. */
function traceObserver(): RunObserver {
  const events: TracedEvent[] = [];
  return {
    begun: (vms) => {
      for (const { name: vm, machine } of vms) {
        machine.trace.subscribe((timeNs, type, values, text) => {
          events.push({ timeNs, vm, text: describeEvent(type, values, text) });
        });
      }
    },
    finished: () => post({ kind: 'trace', events }),
  };
}

async function runTask(task: Task): Promise<void> {
  const script = await loadScript(task.file);
  if (script.kind === 'failed') {
    if (script.failure.isEmpty === true && task.mayBeHelper === true) return;
    post({ kind: 'load-failed', failure: script.failure });
    return;
  }
  const { only } = task;
  const entries = script.entries.filter(
    ({ name }) =>
      (only === undefined || name.includes(only)) &&
      (task.scenario === undefined || name === task.scenario),
  );
  if (entries.length === 0) {
    if (task.mayLackThem === true) return;
    const names = script.entries.map(({ name }) => `"${name}"`).join(', ');
    const message = `no scenario's name holds "${only}"; there are ${names}`;
    const failure = { file: task.file, message, place: undefined, exitCode: ExitCode.usage };
    post({ kind: 'load-failed', failure });
    return;
  }
  const plans = entries.map((entry) => planOf(entry, task));
  const isOnly = plans.flatMap(({ hosts }) => hosts).length * (task.seeds?.length ?? 1) === 1;
  let skips = task.skipRuns ?? 0;
  for (const { entry, hosts, skipped } of plans) {
    // A task that is taken up again has told of them already.
    if (task.skipRuns === undefined)
      for (const one of skipped) post({ kind: 'skipped', skipped: one });
    for (const host of hosts) {
      for (const seed of task.seeds ?? [undefined]) {
        if (isInterrupted) return;
        skips -= 1;
        if (skips >= 0) continue;
        const isPassed = await runOnce(entry, task, host, seed, isOnly);
        if (!isPassed && task.stopsAtFailure === true) return;
      }
    }
  }
}

async function runOnce(
  entry: ScenarioEntry,
  task: Task,
  host: HostName | undefined,
  seed: bigint | undefined,
  isOnly: boolean,
): Promise<boolean> {
  const { outFolder } = task;
  const bundles =
    outFolder === undefined
      ? undefined
      : new RunBundles(outFolder, task.file, isOnly ? undefined : [entry.name, seed, host]);
  const observer = observerOf(task);
  const wallLimitMs = task.wallLimitMs ?? wallLimitMsOf(entry);
  post({ kind: 'begins', scenario: entry.name, seed: seed ?? seedOf(entry), host, wallLimitMs });
  const record = await runScenario(entry, {
    file: task.file,
    seed,
    overrides: { host, switches: task.switches },
    perturb: task.perturb,
    wallLimitMs,
    warn: (message) => post({ kind: 'warning', message }),
    observer: {
      ...observer,
      begun: (vms) => {
        observer.begun?.(vms);
        bundles?.begin(vms);
      },
      forked: (vm) => bundles?.add(vm),
      finished: (finished) => {
        observer.finished?.(finished);
        bundles?.finish(finished);
      },
    },
    interrupted: () => isInterrupted,
    onStray: (end) => {
      onStray = end;
    },
    replay: (used) => [
      ...(embeddedScript() === undefined ? ['synthvm', 'run', task.file] : [process.execPath]),
      '--only',
      entry.name,
      '--seed',
      String(used),
      ...(host === undefined ? [] : ['--host', host]),
      ...(task.replayFlags ?? []),
    ],
  });
  onStray = undefined;
  post({ kind: 'record', record: task.isBrief === true ? brief(record) : record });
  return record.result === 'passed';
}

function brief(full: RunRecord): RunRecord {
  const record = { ...full, effects: [] };
  if (record.result === 'failed') return record;
  const machines = record.machines.map((machine) => ({
    ...machine,
    console: '',
    channels: [],
    screenshots: [],
  }));
  return { ...record, awaits: [], machines };
}

/** Bodies of promises that nobody awaits, and callbacks of timers: still the script's faults. */
function stray(error: unknown): void {
  if (onStray !== undefined) onStray(error);
  else if (error instanceof InputError) {
    post({ kind: 'warning', message: `after the end of a run, ${error.where}: ${error.message}` });
  } else if (!(error instanceof NothingLeft)) post({ kind: 'fault', detail: detailOf(error) });
}

function detailOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function perform(task: Task): Promise<void> {
  // While a script runs, only what it waits for keeps the thread alive.
  parentPort!.unref();
  try {
    await runTask(task);
  } catch (error) {
    post({ kind: 'fault', detail: detailOf(error) });
  }
  parentPort!.ref();
  post({ kind: 'ready' });
}

/** What a worker thread does; never returns while its supervisor wants it. */
export function workerMain(): void {
  process.on('unhandledRejection', stray);
  process.on('uncaughtException', stray);
  // Nothing is left that could wake the script: it awaits what never comes.
  process.on('beforeExit', () => setImmediate(() => stray(new NothingLeft())));
  parentPort!.on('message', (message: ToWorker) => {
    if (message.kind === 'interrupt') isInterrupted = true;
    else if (message.kind === 'stop') process.exit(0);
    else void perform(message.task);
  });
  post({ kind: 'ready' });
}
