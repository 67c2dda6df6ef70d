/**
 * INTR_MPSAFE: 10.2 registers the VMBus software interrupts without it, so that the kernel takes
 * Giant around each. Four channels on four processors then work one after the other
 * (freebsd-bis.md 1.1).
 */
import { NS_PER_US } from '../src/core/clock.ts';
import { Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { legacy, Run } from './support/run.ts';

const PROCESSORS = 4;
const HANDLER_US = 100;

export interface Facts {
  /** Event handlers that ran at the same time. */
  readonly mostAtOnce: number;
  /** From the packets' arrival until the last handler was done. */
  readonly lastUs: number;
  /** How often a thread had to wait for Giant. */
  readonly giantWaits: number;
}

/** One packet for each of four channels, at the same instant. */
function burst(intrMpsafe: boolean): Facts {
  const sources = Array.from({ length: PROCESSORS }, (_, index) => new Source(index));
  const taker = new Taker({ handlerNs: HANDLER_US * NS_PER_US });
  const run = new Run({
    ...legacy,
    processors: PROCESSORS,
    switches: { intrMpsafe },
    drivers: [taker],
  });
  for (const source of sources) run.board.vmbus.offer(source);
  run.boot().forSeconds(0.01);
  const { giant } = run.kernel;
  const waitsBefore = giant.waits;
  const startNs = run.nowNs;
  for (const source of sources) source.send(Uint8Array.of(1));
  run.forSeconds(0.01);
  return {
    mostAtOnce: taker.mostAtOnce,
    lastUs: (Math.max(...taker.finishedNs) - startNs) / NS_PER_US,
    giantWaits: giant.waits - waitsBefore,
  };
}

export const broken = (): Facts => burst(false);
export const fixed = (): Facts => burst(true);

if (import.meta.main) {
  show({
    title: '1.1 INTR_MPSAFE: four channels, four processors, 100 us of work each',
    broken,
    fixed,
    rows: {
      'handlers at once': (facts) => facts.mostAtOnce,
      'last one done after, us': (facts) => facts.lastUs.toFixed(1),
      'waits for Giant': (facts) => facts.giantWaits,
    },
    lookFor: '400 us one after the other against 100 us side by side.',
  });
}
