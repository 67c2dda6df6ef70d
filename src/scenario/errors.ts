import type { Ending } from '../machine/endings.ts';

/** Why a wait did not get what it waited for. */
export type WaitFailure =
  /** The virtual time of `within` is spent. */
  | { readonly kind: 'virtual-time' }
  /** Nothing is left that could happen. */
  | { readonly kind: 'idle' }
  /** A machine stopped for good. */
  | { readonly kind: 'ended'; readonly vm: string; readonly ending: Ending }
  /** The console showed what `never` forbids. */
  | { readonly kind: 'never' }
  | HostFailure;

/** What ends a scenario from outside. */
export type HostFailure =
  /** The real time of the scenario is spent. */
  { readonly kind: 'wall-time'; readonly limitMs: number } | { readonly kind: 'interrupted' };

export function describeHostFailure(failure: HostFailure): string {
  if (failure.kind === 'interrupted') return 'interrupted';
  return `the script has not ended within ${failure.limitMs / 1000} s of real time`;
}

/** A wait that failed. `site` has the script's line in its stack. */
export class WaitError extends Error {
  override readonly name = 'WaitError';
  readonly failure: WaitFailure;
  /** What was awaited, or undefined when the script awaited nothing. */
  readonly awaited: string | undefined;
  readonly site: Error | undefined;

  constructor(message: string, failure: WaitFailure, awaited?: string, site?: Error) {
    super(message);
    this.failure = failure;
    this.awaited = awaited;
    this.site = site;
  }
}

/** No timer, file or socket is left that could wake the script. */
export class NothingLeft extends Error {
  override readonly name = 'NothingLeft';
}
