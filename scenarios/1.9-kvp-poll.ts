/**
 * The daemon of key-value pairs polled with a time-out of 100 ms: ten wake-ups a second on an idle
 * machine, and the accidental work-around for a driver that wakes nobody (freebsd-bis.md 1.9).
 */
import { askForName, daemonOf } from './support/kvp.ts';
import { print, show } from './support/report.ts';
import { Run } from './support/run.ts';

const SAMPLES = 40;
/** An answer starts the daemon's 100 ms anew, so that the gap to the next request is its phase. */
const GAP_SECONDS = 0.5;
const PHASE_SECONDS = 0.1 / SAMPLES;
const IDLE_SECONDS = 10;

export interface Facts {
  /** Of requests at all phases of the daemon's time-out, in milliseconds. */
  readonly shortestMs: number;
  readonly longestMs: number;
  readonly meanMs: number;
  /** Requests that the host gave up. */
  readonly hung: number;
  readonly idleWakeupsPerSecond: number;
}

/** One cell of the table. */
export function cell(kvpPollWake: boolean, kvpPollTimeoutMs: '100' | 'inf'): Facts {
  const run = new Run({
    preset: 'bis:2015q4',
    generation: 1,
    switches: { kvpPollWake, kvpPollTimeoutMs, kvpLostWakeup: false },
  }).boot();
  run.forSeconds(1);
  const daemon = daemonOf(run);
  const before = daemon.idleWakeups;
  run.forSeconds(IDLE_SECONDS);
  const idleWakeupsPerSecond = Math.round((daemon.idleWakeups - before) / IDLE_SECONDS);
  const answers = Array.from({ length: SAMPLES }, (_, index) => {
    run.forSeconds(GAP_SECONDS + index * PHASE_SECONDS);
    return askForName(run);
  });
  const latencies = answers.map(({ ms }) => ms);
  return {
    shortestMs: Math.min(...latencies),
    longestMs: Math.max(...latencies),
    meanMs: latencies.reduce((sum, ms) => sum + ms, 0) / SAMPLES,
    hung: answers.filter(({ outcome }) => outcome === 'timeout').length,
    idleWakeupsPerSecond,
  };
}

/** As shipped: nobody is woken, and the daemon looks every 100 ms. */
export const broken = (): Facts => cell(false, '100');
export const fixed = (): Facts => cell(true, 'inf');

if (import.meta.main) {
  const rows = {
    'latency of a key, ms': ({ shortestMs, longestMs }: Facts) =>
      `${shortestMs.toFixed(1)} to ${longestMs.toFixed(1)}`,
    [`hung, of ${SAMPLES}`]: (facts: Facts) => facts.hung,
    'idle wake-ups a second': (facts: Facts) => facts.idleWakeupsPerSecond,
  };
  const lookFor = 'ten wake-ups a second and 0 to 100 ms; none, and less than one.';
  show({ title: '1.9 The daemon looks every 100 ms', broken, fixed, rows, lookFor });
  print(['']);
  show({
    title: '1.9 The other two cells: no wake-up and no time-out; a wake-up and a time-out',
    broken: () => cell(false, 'inf'),
    fixed: () => cell(true, '100'),
    rows,
    lookFor: 'every request of the first hangs; the second only wastes wake-ups.',
  });
}
