/**
 * Reading a key of the guest can hang: the driver does not note who polls its device, so a request
 * wakes nobody (freebsd-bis.md 1.8, EN-16:04). And a worker that sleeps without looking first can
 * miss the answer that it waits for, and holds the next request up by five seconds.
 */
import { askForName, daemonOf } from './support/kvp.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const REQUESTS = 40;
/** Between two requests of the second part. */
const GAP_SECONDS = 1;
/** A request that takes longer was held up. */
const LATE_MS = 10;

export interface Facts {
  /** How the only request to an idle guest ends, and after what time. */
  readonly outcome: string;
  readonly ms: number;
  /** Requests that the daemon saw. */
  readonly seen: number;
  /** Of 40 requests a second apart, to a driver that does wake its daemon: those held up. */
  readonly late: number;
  /** The longest of those that were answered. */
  readonly longestMs: number;
}

function hang(isFixed: boolean): Facts {
  const first = new Run({
    preset: 'bis:2015q4',
    generation: 1,
    switches: { kvpPollWake: isFixed, kvpPollTimeoutMs: 'inf', kvpLostWakeup: !isFixed },
  }).boot();
  first.forSeconds(1);
  const { outcome, ms } = askForName(first);
  const second = new Run({
    preset: 'bis:2015q4',
    generation: 1,
    processors: 2,
    switches: { kvpPollWake: true, kvpPollTimeoutMs: 'inf', kvpLostWakeup: !isFixed },
  }).boot();
  let late = 0;
  let longestMs = 0;
  for (let count = 0; count < REQUESTS; count += 1) {
    second.forSeconds(GAP_SECONDS);
    const answer = askForName(second);
    if (answer.ms > LATE_MS) late += 1;
    longestMs = Math.max(longestMs, answer.ms);
  }
  return { outcome, ms, seen: daemonOf(first).requests, late, longestMs };
}

export const broken = (): Facts => hang(false);
export const fixed = (): Facts => hang(true);

if (import.meta.main) {
  show({
    title: '1.8 A key of the guest, asked for by the host',
    broken,
    fixed,
    rows: {
      'the request ends with': (facts) => facts.outcome,
      'after, ms': (facts) => facts.ms.toFixed(3),
      'requests that the daemon saw': (facts) => facts.seen,
      [`of ${REQUESTS}, held up by a lost wake-up`]: (facts) => facts.late,
      'the longest of them, ms': (facts) => facts.longestMs.toFixed(3),
    },
    lookFor: 'a host that gives up after 5000 ms; and with two processors, keys that take 4 s.',
  });
}
