/**
 * 10.2 waits "five seconds" for the host's answers as 500 clock ticks, which is half a second where
 * a kernel ticks a thousand times a second (freebsd-bis.md 4, S2).
 */
import { NS_PER_SECOND } from '../src/core/clock.ts';
import { holdOpenResults, Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { legacy, Run } from './support/run.ts';

/** What the host takes to open the channel. */
const ANSWER_SECONDS = 1;

export interface Facts {
  readonly hz: number;
  /** errno of the attach; 0 when it went well. */
  readonly status: number;
  readonly lines: readonly string[];
}

function openSlowly(hz: number): Facts {
  const source = new Source(0);
  const taker = new Taker();
  const run = new Run({ ...legacy, switches: { hz }, drivers: [taker] });
  run.board.vmbus.offer(source);
  holdOpenResults(run, source, (_, deliver) => {
    run.machine.events.after(ANSWER_SECONDS * NS_PER_SECOND, deliver);
  });
  run.boot().forSeconds(3);
  return { hz, status: taker.attached[0]!.status, lines: run.linesWith('taker0') };
}

export const broken = (): Facts => openSlowly(1000);
export const fixed = (): Facts => openSlowly(100);

if (import.meta.main) {
  show({
    title: 'S2 A host that answers OPEN after one second',
    broken,
    fixed,
    rows: {
      'kern.hz': (facts) => facts.hz,
      'errno of the attach': (facts) => facts.status,
    },
    excerpt: (facts) => facts.lines,
    lookFor: '60 (ETIMEDOUT) at 1000 ticks a second: the wait ended after half a second.',
  });
}
