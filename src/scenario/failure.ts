/** What went wrong in a script, as one line and its place. */
import { ExitCode, InputError } from '../core/errors.ts';
import { ENDING_EXIT_CODES, exitCodeOf } from '../machine/endings.ts';
import { WaitError, type WaitFailure } from './errors.ts';
import type { FailureRecord } from './record.ts';
import { scriptPlace } from './script-place.ts';

// eslint-disable-next-line no-control-regex
const COLORS = /\u001B\[\d+m/g;

interface Context {
  readonly step: string | undefined;
  /** Made where the scenario was declared: the place of last resort. */
  readonly declaredAt: Error;
}

function exitCodeOfWait(failure: WaitFailure): number {
  if (failure.kind === 'ended') return exitCodeOf(failure.ending) || ExitCode.failed;
  return failure.kind === 'never' ? ExitCode.failed : ENDING_EXIT_CODES[failure.kind];
}

/** @param error whatever the script threw or rejected with */
export function failureOf(error: unknown, { step, declaredAt }: Context): FailureRecord {
  if (error instanceof WaitError) {
    return {
      message: error.message,
      detail: [],
      place: scriptPlace(error.site) ?? scriptPlace(declaredAt),
      step,
      awaited: error.awaited,
      cause: error.failure,
      exitCode: exitCodeOfWait(error.failure),
    };
  }
  const place = scriptPlace(error) ?? scriptPlace(declaredAt);
  if (error instanceof InputError) {
    const message = `${error.where}: ${error.message}`;
    const { exitCode } = error;
    const cause = { kind: 'error' } as const;
    return { message, detail: [], place, step, awaited: undefined, cause, exitCode };
  }
  const text = (
    error instanceof Error ? error.message : `rejected with ${String(error)}`
  ).replaceAll(COLORS, '');
  const [message = '', ...detail] = text.split('\n').filter((line) => line.trim() !== '');
  const isAssertion = error instanceof Error && error.name === 'AssertionError';
  return {
    message: isAssertion || !(error instanceof Error) ? message : `${error.name}: ${message}`,
    detail,
    place,
    step,
    awaited: undefined,
    cause: { kind: isAssertion ? 'assertion' : 'error' },
    exitCode: ExitCode.failed,
  };
}
