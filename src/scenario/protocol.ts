/** What a worker and its supervisor say to each other. Everything here can be cloned. */
import type { Switches } from '../guest/switches.ts';
import type { Decisions } from '../machine/perturbation.ts';
import type { HostName } from '../machine/profiles.ts';
import type { AwaitRecord, RunRecord, ScriptPlace, StepRecord } from './record.ts';

/** What to run of a file. */
export interface Task {
  /** As the user wrote it. */
  readonly file: string;
  /** Found in a folder: when it declares nothing it is a helper of others. */
  readonly mayBeHelper?: boolean;
  /** Only scenarios whose names hold this. */
  readonly only?: string | undefined;
  /** One of many files: it may have none of them. */
  readonly mayLackThem?: boolean;
  /** Only the scenario of this name. */
  readonly scenario?: string;
  /** Seeds of each scenario, one run for each; undefined: its own. */
  readonly seeds?: readonly bigint[] | undefined;
  /** Hosts of each scenario; undefined: its own; `all`: every one that it is meant for. */
  readonly hosts?: readonly HostName[] | 'all' | undefined;
  readonly switches?: Partial<Switches> | undefined;
  readonly perturb?: Decisions | undefined;
  /** Tells the trace of each run. */
  readonly isTraced?: boolean;
  readonly wallLimitMs?: number | undefined;
  /** Ends the task with the first run that fails. */
  readonly stopsAtFailure?: boolean;
  /** Tells every step and wait as it begins. */
  readonly isLive?: boolean;
  /** Records are without single delays, and those of runs that passed without consoles and waits. */
  readonly isBrief?: boolean;
  /** Runs that were done before, by a thread that died of one of them. */
  readonly skipRuns?: number;
  /** Where run bundles go: the folder itself for one run of one machine, else folders in it. */
  readonly outFolder?: string | undefined;
  /** Words of the command that runs this again, without file, scenario and seed. */
  readonly replayFlags?: readonly string[];
}

/** A script that could not be loaded. */
export interface LoadFailure {
  readonly file: string;
  /** One line. */
  readonly message: string;
  readonly place: ScriptPlace | undefined;
  readonly exitCode: number;
  /** It was loaded, and declares nothing. */
  readonly isEmpty?: boolean;
}

/** A run of a matrix that makes no sense, and why. */
export interface SkippedRun {
  readonly file: string;
  readonly scenario: string;
  readonly host: HostName;
  readonly reason: string;
}

/** An event of a run: its text has no times in it, so that runs can be compared. */
export interface TracedEvent {
  readonly timeNs: number;
  readonly vm: string;
  readonly text: string;
}

export type ToWorker =
  | { readonly kind: 'task'; readonly task: Task }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'stop' };

export type FromWorker =
  /** Ready for a task; the one before is done. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'load-failed'; readonly failure: LoadFailure }
  | {
      readonly kind: 'begins';
      readonly scenario: string;
      readonly seed: bigint;
      readonly host: HostName | undefined;
      readonly wallLimitMs: number;
    }
  | { readonly kind: 'step'; readonly step: StepRecord }
  | {
      readonly kind: 'awaits';
      readonly wait: AwaitRecord;
      readonly place: ScriptPlace | undefined;
    }
  | { readonly kind: 'console'; readonly vm: string; readonly text: string }
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'skipped'; readonly skipped: SkippedRun }
  /** Before the record, of a task that is traced. */
  | { readonly kind: 'trace'; readonly events: readonly TracedEvent[] }
  | { readonly kind: 'record'; readonly record: RunRecord }
  /** A fault of ours. */
  | { readonly kind: 'fault'; readonly detail: string };
