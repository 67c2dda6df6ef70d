/**
 * A host may rescind a channel that a guest is about to open, and then it never answers the open.
 * A driver that waits for the answer alone waits forever, and with it everything that its thread
 * would attach next (freebsd-bis.md 4, S10).
 */
import { NS_PER_MS } from '../src/core/clock.ts';
import { holdOpenResults, Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

/** How long the scenario waits for either guest. */
const PATIENCE_SECONDS = 60;

export interface Facts {
  /** errno of the open that was rescinded; -1 while it still waits. */
  readonly status: number;
  /** From the rescind to the end of the open; -1 without one. */
  readonly waitedMs: number;
  /** Whether a device that was added afterwards got its driver. */
  readonly isNextAttached: boolean;
  readonly lines: readonly string[];
}

function rescind(openPollsRescind: boolean): Facts {
  const [doomed, next] = [new Source(0), new Source(1)];
  const taker = new Taker();
  const run = new Run({ switches: { openPollsRescind }, drivers: [taker] }).boot();
  let rescindedNs = 0;
  holdOpenResults(run, doomed, () => {
    rescindedNs = run.nowNs;
    doomed.bus!.rescind();
  });
  run.board.vmbus.offer(doomed);
  run.forSeconds(1);
  run.board.vmbus.offer(next);
  run.forSeconds(PATIENCE_SECONDS);
  const [first] = taker.attached;
  return {
    status: first?.status ?? -1,
    waitedMs: first === undefined ? -1 : (first.atNs - rescindedNs) / NS_PER_MS,
    isNextAttached: next.channel !== undefined,
    lines: run.lines.filter((line) => /taker|revoked/.test(line)),
  };
}

export const broken = (): Facts => rescind(false);
export const fixed = (): Facts => rescind(true);

if (import.meta.main) {
  show({
    title: 'S10 A channel is rescinded between OPEN and its result, which never comes',
    broken,
    fixed,
    rows: {
      'errno of the open': ({ status }) => (status < 0 ? 'still waits' : status),
      'ends after, ms': ({ waitedMs }) => (waitedMs < 0 ? 'never' : waitedMs.toFixed(1)),
      'next device attached': (facts) => facts.isNextAttached,
    },
    excerpt: (facts) => facts.lines,
    lookFor: 'an open that ends 100 ticks after the rescind, and a queue that goes on.',
  });
}
