/**
 * The host may signal as soon as it has opened a channel, before the guest has read that. A driver
 * that registers the channel for events only afterwards throws that one away; since the ring is not
 * empty any more, there is no second (freebsd-bis.md 4 and 4.1, S14; Linux 8b6a877c060e).
 */
import { NS_PER_US } from '../src/core/clock.ts';
import { holdOpenResults, Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const PACKETS = 3;
const FIRST_US = 10;
/** The result of the open comes between the first packet and the second. */
const RESULT_US = 20;
const PATIENCE_SECONDS = 60;

export interface Facts {
  readonly sent: number;
  /** Packets that the driver got within a minute. */
  readonly handled: number;
  /** Events that found no channel. */
  readonly lostEvents: number;
  /** "rindex:0 windex:96 ...": what is left in the ring. */
  readonly ringState: string;
}

function signalEarly(mapBeforeOpen: boolean): Facts {
  const source = new Source(0);
  const taker = new Taker();
  const run = new Run({ switches: { mapBeforeOpen }, drivers: [taker] }).boot();
  const { events } = run.machine;
  holdOpenResults(run, source, (_, deliver) => {
    for (let packet = 0; packet < PACKETS; packet += 1) {
      const afterUs = FIRST_US + packet * (RESULT_US - FIRST_US) * 2;
      events.after(afterUs * NS_PER_US, () => source.send(Uint8Array.of(packet)));
    }
    events.after(RESULT_US * NS_PER_US, deliver);
  });
  const before = run.bus.directory.unknownIds;
  run.board.vmbus.offer(source);
  run.forSeconds(PATIENCE_SECONDS);
  return {
    sent: PACKETS,
    handled: taker.finishedNs.length,
    lostEvents: run.bus.directory.unknownIds - before,
    ringState: run.bus.directory.withId(taker.channels[0]!.id)!.ringState('rx'),
  };
}

export const broken = (): Facts => signalEarly(false);
export const fixed = (): Facts => signalEarly(true);

if (import.meta.main) {
  show({
    title: 'S14 The host sends before the guest knows that the channel is open',
    broken,
    fixed,
    rows: {
      'packets sent': (facts) => facts.sent,
      'packets handled': (facts) => facts.handled,
      'events without a channel': (facts) => facts.lostEvents,
    },
    excerpt: (facts) => [facts.ringState],
    lookFor: 'one lost event, and a ring that stays full of what nobody will ever fetch.',
  });
}
