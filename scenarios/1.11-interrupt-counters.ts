/**
 * `vmstat -i` and VMBus: 10.2 takes an interrupt vector past the interrupt framework, so nothing
 * counts; r293874 gives every processor a counter (freebsd-bis.md 1.11).
 */
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

export interface Facts {
  /** What `vmstat -i` shows of VMBus. */
  readonly shown: readonly string[];
  /** The total in that line; 0 without one. */
  readonly total: number;
  /** Deliveries of the VMBus vector by the hypervisor, before the command and after it. */
  readonly delivered: readonly [before: number, after: number];
}

function count(irqCounters: boolean): Facts {
  const run = new Run({ preset: 'bis:2015q4', generation: 1, switches: { irqCounters } });
  const processor = run.board.partition.processors[0]!;
  const accept = processor.acknowledgeVector.bind(processor);
  const deliveries = new Map<number, number>();
  processor.acknowledgeVector = () => {
    const vector = accept();
    deliveries.set(vector, (deliveries.get(vector) ?? 0) + 1);
    return vector;
  };
  run.boot().login();
  const delivered = (): number => deliveries.get(run.bus.vector) ?? 0;
  const before = delivered();
  const shown = run
    .type('vmstat -i')
    .split('\n')
    .filter((line) => line.includes(':hyperv'));
  const total = Number(/^cpu0:hyperv +(\d+) /.exec(shown[0] ?? '')?.[1] ?? 0);
  return { shown, total, delivered: [before, delivered()] };
}

export const broken = (): Facts => count(false);
export const fixed = (): Facts => count(true);

if (import.meta.main) {
  show({
    title: '1.11 vmstat -i',
    broken,
    fixed,
    rows: {
      'counted by the guest': (facts) => facts.total,
      'delivered by the host': ({ delivered: [from, to] }) => `${from} to ${to}`,
    },
    excerpt: (facts) => facts.shown,
    lookFor: 'a line cpu0:hyperv whose total is what the hypervisor delivered.',
  });
}
