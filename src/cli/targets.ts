import type { Machine } from '../machine/machine.ts';
import { PHASES, type BootWatch } from '../machine/watch.ts';
import { isDuration, parseDuration } from '../core/values.ts';

/** What `--until` waits for. */
export interface Target {
  /** A point of virtual time; undefined for anything else. */
  readonly timeNs: number | undefined;
  isReached(): boolean;
}

/** @param what a phase, a point of virtual time ("1.5s"), or text on the console from now on */
export function watchFor(machine: Machine, watch: BootWatch, what: string): Target {
  const phase = PHASES.find((name) => name === what);
  if (phase === undefined && isDuration(what)) {
    const timeNs = parseDuration('--until', what);
    return { timeNs, isReached: () => machine.clock.nowNs >= timeNs };
  }
  let isFound = phase !== undefined && watch.phases.has(phase);
  const found = (): void => {
    isFound = true;
    machine.pause();
  };
  if (phase === undefined) {
    let recent = '';
    machine.console.listen((byte) => {
      recent = (recent + String.fromCharCode(byte)).slice(-what.length);
      if (recent === what && !isFound) found();
    });
  } else {
    machine.trace.subscribe(() => {
      if (!isFound && watch.phases.has(phase)) found();
    });
  }
  return { timeNs: undefined, isReached: () => isFound };
}
