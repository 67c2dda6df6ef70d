import { ExitCode } from '../core/errors.ts';

/** What a process can say at its end. */
const EXIT_CODE_MASK = 0xff;

/** Why a run stopped. */
export type Ending =
  /** The phase or text that the caller waited for. */
  | { readonly kind: 'reached'; readonly what: string }
  | { readonly kind: 'power-off' }
  /** The guest stopped its processors and stays on. */
  | { readonly kind: 'halted' }
  /** The guest panicked: the five crash parameters (TLFS, "Guest Crash Enlightenment"). */
  | {
      readonly kind: 'guest-crash';
      readonly message: string;
      readonly parameters: readonly string[];
    }
  /** `registers`: lines of text, where the processor has any. */
  | { readonly kind: 'triple-fault'; readonly processor: number; readonly registers: string }
  /** The guest needs what our processor does not have. */
  | { readonly kind: 'unimplemented'; readonly what: string }
  /** A test kernel wrote to the port of `--debug-exit`. */
  | { readonly kind: 'debug-exit'; readonly value: number }
  /** Firmware found no way on. */
  | { readonly kind: 'boot-stopped'; readonly phase: string; readonly reason: string }
  /** The guest's own boot came to a named stage and cannot go on. */
  | { readonly kind: 'stage-stopped'; readonly stage: string }
  /** No processor runs and no event is to come. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'virtual-time'; readonly limitNs: number }
  | { readonly kind: 'wall-time'; readonly limitMs: number }
  | { readonly kind: 'interrupted' };

/** Exit codes of processes, by how their runs ended. */
export const ENDING_EXIT_CODES: Readonly<Record<Exclude<Ending['kind'], 'debug-exit'>, ExitCode>> =
  {
    reached: ExitCode.ok,
    'power-off': ExitCode.ok,
    halted: ExitCode.ok,
    'guest-crash': ExitCode.guestCrashed,
    'triple-fault': ExitCode.tripleFault,
    unimplemented: ExitCode.notImplemented,
    'boot-stopped': ExitCode.noBootDevice,
    'stage-stopped': ExitCode.failed,
    idle: ExitCode.failed,
    'virtual-time': ExitCode.virtualTimeSpent,
    'wall-time': ExitCode.wallTimeSpent,
    interrupted: ExitCode.interrupted,
  };

/** The exit code of a process whose run ended so. */
export function exitCodeOf(ending: Ending): number {
  if (ending.kind === 'debug-exit') return ((ending.value << 1) | 1) & EXIT_CODE_MASK;
  return ENDING_EXIT_CODES[ending.kind];
}

/** Whether a machine that ended so has failed, unless somebody said that it would. */
export function isFailure(ending: Ending): boolean {
  return exitCodeOf(ending) !== ExitCode.ok;
}

/** One clause for people: what ended the run. */
export function describeEnding(ending: Ending): string {
  switch (ending.kind) {
    case 'reached':
      return `reached ${ending.what}`;
    case 'power-off':
      return 'the guest powered off';
    case 'halted':
      return 'the guest halted';
    case 'guest-crash':
      return `the guest crashed: ${ending.message} (${ending.parameters.join(' ')})`;
    case 'triple-fault':
      return `triple fault on processor ${ending.processor}`;
    case 'unimplemented':
      return `this version does not have what the guest needs: ${ending.what}`;
    case 'debug-exit':
      return `the guest wrote ${ending.value} to the debug-exit port`;
    case 'boot-stopped':
      return `the boot stopped at ${ending.phase}: ${ending.reason}`;
    case 'stage-stopped':
      return `the guest stopped at ${ending.stage}`;
    case 'idle':
      return 'every processor halted and nothing is left to wake one';
    case 'virtual-time':
      return `${ending.limitNs / 1e9} s of virtual time are spent`;
    case 'wall-time':
      return `${ending.limitMs / 1000} s of real time are spent`;
    case 'interrupted':
      return 'interrupted';
  }
}
