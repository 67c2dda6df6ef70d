/**
 * A reader masks interrupts while it drains its ring. What the writer adds between the last look and
 * the unmasking is not signalled: a reader that does not look again sleeps on a ring that is not
 * empty (freebsd-bis.md 4 and 4.1, S16; Linux 1f6ee4e7d835, 3372592a140d).
 */
import { VMBUS_SINT } from '../src/vmbus/spec/ids.ts';
import { Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

/** Between the driver's last look at the ring and the unmasking. */
const WINDOW_NS = 500;
/** The second packet comes this long after the first: all instants of the handling, one by one. */
const STEP_NS = 100;
const STEPS = 100;

export interface Facts {
  /** Instants at which the host's second packet was tried. */
  readonly tried: number;
  /** Those at which it was still in the ring a millisecond later, in ns after the first packet. */
  readonly stalledAtNs: readonly number[];
}

function sweep(ringRecheck: boolean): Facts {
  const source = new Source(0);
  const taker = new Taker({ afterDrainNs: WINDOW_NS });
  const run = new Run({ switches: { ringRecheck }, drivers: [taker] });
  run.board.vmbus.offer(source);
  run.boot().forSeconds(0.01);
  const stalledAtNs: number[] = [];
  for (let step = 0; step < STEPS; step += 1) {
    const before = taker.finishedNs.length;
    source.send(Uint8Array.of(1));
    run.machine.events.after(step * STEP_NS, () => source.send(Uint8Array.of(2)));
    run.forSeconds(0.001);
    if (taker.finishedNs.length === before + 2) continue;
    stalledAtNs.push(step * STEP_NS);
    // An interrupt that no host would send gets the guest ready for the next try.
    run.board.partition.signalEvent(0, VMBUS_SINT, taker.channels[0]!.id);
    run.forSeconds(0.001);
  }
  return { tried: STEPS, stalledAtNs };
}

export const broken = (): Facts => sweep(false);
export const fixed = (): Facts => sweep(true);

if (import.meta.main) {
  show({
    title: 'S16 A second packet at every instant of the handling of a first',
    broken,
    fixed,
    rows: {
      'instants tried': (facts) => facts.tried,
      'instants at which it stalls': (facts) => facts.stalledAtNs.length,
      'ns after the first packet': (facts) => facts.stalledAtNs.join(' ') || 'none',
    },
    lookFor: 'the few instants between the last look and the unmasking, and none when fixed.',
  });
}
