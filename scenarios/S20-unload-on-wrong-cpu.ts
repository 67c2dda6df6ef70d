/**
 * A panic takes leave of VMBus before it reports itself. The answer comes to the processor that was
 * named when the guest connected, processor 0; a panic on processor 3 that looks into its own slot
 * waits without end, and the host never hears of the crash (freebsd-bis.md 4 and 4.1, S20; Linux
 * 74347a99e73a, 911e1987efc8).
 */
import { NS_PER_MS } from '../src/core/clock.ts';
import { Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const PROCESSORS = 4;
const PANICKING = 3;
/** Longer than the bounded wait of 100 s. */
const PATIENCE_SECONDS = 120;

export interface Facts {
  /** How the run ended: "guest-crash" once the hypervisor has the report. */
  readonly ending: string;
  /** From the panic to the report; -1 without one. */
  readonly reportedMs: number;
  readonly lines: readonly string[];
}

function panic(panicUnload: 'ownSlot' | 'allSlots'): Facts {
  const source = new Source(0);
  const taker = new Taker({
    processors: [PANICKING],
    onPacket: ({ kernel }) => kernel.panic('a packet too many'),
  });
  const run = new Run({ processors: PROCESSORS, switches: { panicUnload }, drivers: [taker] });
  run.board.vmbus.offer(source);
  run.boot().forSeconds(0.1);
  const startNs = run.nowNs;
  source.send(Uint8Array.of(1));
  run.forSeconds(PATIENCE_SECONDS);
  const isReported = run.ending?.kind === 'guest-crash';
  return {
    ending: run.ending?.kind ?? 'none',
    reportedMs: isReported ? (run.nowNs - startNs) / NS_PER_MS : -1,
    lines: run.lines.slice(run.lines.findIndex((line) => line.includes('panic:'))),
  };
}

export const broken = (): Facts => panic('ownSlot');
export const fixed = (): Facts => panic('allSlots');

if (import.meta.main) {
  show({
    title: 'S20 A panic on processor 3 of a guest that connected from processor 0',
    broken,
    fixed,
    rows: {
      'crash report': ({ ending }) => (ending === 'guest-crash' ? 'received' : 'none'),
      'after, ms': ({ reportedMs }) => (reportedMs < 0 ? 'never' : reportedMs.toFixed(3)),
    },
    excerpt: (facts) => facts.lines,
    lookFor: 'a guest that hangs in its panic for good, against one that reports within 10 ms.',
  });
}
