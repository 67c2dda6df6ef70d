/**
 * A host that found the ring full is to be told when there is room again. 10.2 never does, and the
 * packet that waited comes with the host's next retry (freebsd-bis.md 1.3).
 */
import { NS_PER_US } from '../src/core/clock.ts';
import { Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

/** Of the eight data pages, seven packets of 4 KiB take so much that an eighth does not fit. */
const RING_PAGES = 9;
const PACKETS = 8;

export interface Facts {
  readonly handled: number;
  /** Packets for which there was no room. */
  readonly parked: number;
  /** How long after the seventh packet the eighth came. */
  readonly lateUs: number;
  /** Signals "there is room again" that the guest sent. */
  readonly writableSignals: number;
  /** As `sysctl dev.X.N.channel.ID.br.rx.state` shows the ring. */
  readonly ringState: string;
}

function fill(ringWritableSignal: boolean): Facts {
  const source = new Source(0);
  const taker = new Taker({ pages: RING_PAGES });
  const run = new Run({ switches: { ringWritableSignal }, drivers: [taker] });
  run.board.vmbus.offer(source);
  run.boot();
  // The guest stands still meanwhile.
  for (let packet = 0; packet < PACKETS; packet += 1) source.send(new Uint8Array(4096));
  const parked = source.parked.length;
  run.forSeconds(0.5);
  const channel = run.bus.directory.withId(taker.channels[0]!.id)!;
  return {
    handled: taker.finishedNs.length,
    parked,
    lateUs: (taker.finishedNs[PACKETS - 1]! - taker.finishedNs[PACKETS - 2]!) / NS_PER_US,
    writableSignals: channel.writableSignals,
    ringState: channel.ringState('rx'),
  };
}

export const broken = (): Facts => fill(false);
export const fixed = (): Facts => fill(true);

if (import.meta.main) {
  show({
    title: '1.3 Seven packets fill the ring, an eighth waits',
    broken,
    fixed,
    rows: {
      'packets handled': (facts) => facts.handled,
      'packets that had to wait': (facts) => facts.parked,
      'the last came after, us': (facts) => facts.lateUs.toFixed(1),
      'signals of room': (facts) => facts.writableSignals,
    },
    excerpt: (facts) => [facts.ringState],
    lookFor: 'the host that nobody tells looks again after 100 ms; told once, it sends at once.',
  });
}
