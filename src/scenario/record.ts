/** What is kept of a run: enough to tell why it failed, and to run it again. */
import type { DecisionEffect, Decisions } from '../machine/perturbation.ts';
import type { HostName } from '../machine/profiles.ts';
import type { Phase } from '../machine/watch.ts';
import type { ChannelInfo } from './api.ts';
import type { WaitFailure } from './errors.ts';
import type { Screenshot } from './input-handles.ts';

/** A group of waits under a title. */
export interface StepRecord {
  readonly title: string;
  readonly startNs: number;
  /** Undefined while it lasts, and for one that failed. */
  endNs: number | undefined;
  /** How many steps it stands in. */
  readonly depth: number;
}

/** Something that the script awaited. */
export interface AwaitRecord {
  readonly what: string;
  readonly vm: string | undefined;
  readonly startNs: number;
  readonly deadlineNs: number;
}

export interface MachineRecord {
  readonly name: string;
  readonly generation: 1 | 2;
  readonly host: HostName;
  readonly guest: string;
  readonly lastPhase: { readonly name: Phase; readonly timeNs: number } | undefined;
  readonly phases: ReadonlyMap<Phase, number>;
  /** Of all power cycles. */
  readonly console: string;
  /** The last lines, without empty ones. */
  readonly lastLines: readonly string[];
  readonly channels: readonly ChannelInfo[];
  /** One clause for people; undefined for a machine that still runs. */
  readonly ending: string | undefined;
  readonly screenshots: readonly Screenshot[];
}

/** A place in a script. */
export interface ScriptPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface FailureRecord {
  /** One line. */
  readonly message: string;
  /** More lines: what was expected and what was found. */
  readonly detail: readonly string[];
  readonly place: ScriptPlace | undefined;
  /** The innermost step that was under way. */
  readonly step: string | undefined;
  /** What was awaited; undefined when nothing was. */
  readonly awaited: string | undefined;
  readonly cause: WaitFailure | { readonly kind: 'assertion' | 'error' };
  /** Of `synthvm run`. */
  readonly exitCode: number;
}

export interface NoteRecord {
  readonly label: string;
  readonly value: string | number | boolean;
}

/** One run of one scenario. */
export interface RunRecord {
  readonly file: string;
  readonly scenario: string;
  readonly seed: bigint;
  /** Which of the disturbance's decisions took effect; undefined: an undisturbed run. */
  readonly perturb: Decisions | undefined;
  /** How many decisions there were. */
  readonly decisions: number;
  /** How many of them delayed something, and the first of these; brief records have none. */
  readonly delays: number;
  readonly effects: readonly DecisionEffect[];
  readonly result: 'passed' | 'failed';
  readonly failure: FailureRecord | undefined;
  readonly steps: readonly StepRecord[];
  readonly awaits: readonly AwaitRecord[];
  readonly notes: readonly NoteRecord[];
  readonly machines: readonly MachineRecord[];
  readonly virtualNs: number;
  readonly wallMs: number;
  readonly digest: string;
  /** The words of the command that runs this again. */
  readonly replay: readonly string[];
}
