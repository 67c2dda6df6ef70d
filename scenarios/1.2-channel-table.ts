/**
 * From an event to its channel: 10.2 walks the list of all channels under a mutex, the fix looks
 * into a table of 2048 (freebsd-bis.md 1.2).
 */
import { VMBUS_SINT } from '../src/vmbus/spec/ids.ts';
import { Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { legacy, Run } from './support/run.ts';

const CHANNELS = 40;
/** An id that no channel has. */
const STRAY_ID = 1999;

export interface Facts {
  /** Steps to the 40th channel that was offered. */
  readonly nodesVisited: number;
  readonly packetsHandled: number;
  /** Events for no channel at all that were counted and ignored. */
  readonly unknownIds: number;
  readonly isAlive: boolean;
}

function lookUp(chanLookup: 'list' | 'table'): Facts {
  // Offered before all else, so that the last of them is the 40th of the list.
  const sources = Array.from({ length: CHANNELS }, (_, index) => new Source(index - CHANNELS));
  const taker = new Taker({ pages: 2 });
  const run = new Run({
    ...legacy,
    switches: { chanLookup, offerQueue: 'global' },
    drivers: [taker],
  });
  for (const source of sources) run.board.vmbus.offer(source);
  run.boot().forSeconds(0.1);
  const { directory } = run.bus;
  const before = directory.nodesVisited;
  sources.at(-1)!.send(Uint8Array.of(1));
  run.forSeconds(0.001);
  const nodesVisited = directory.nodesVisited - before;
  run.board.partition.signalEvent(0, VMBUS_SINT, STRAY_ID);
  run.forSeconds(0.001);
  return {
    nodesVisited,
    packetsHandled: taker.finishedNs.length,
    unknownIds: directory.unknownIds,
    isAlive: !run.kernel.isHalted,
  };
}

export const broken = (): Facts => lookUp('list');
export const fixed = (): Facts => lookUp('table');

if (import.meta.main) {
  show({
    title: '1.2 An event for the 40th channel, then one for no channel',
    broken,
    fixed,
    rows: {
      'steps to the channel': (facts) => facts.nodesVisited,
      'packets handled': (facts) => facts.packetsHandled,
      'events for unknown ids': (facts) => facts.unknownIds,
      'guest lives': (facts) => facts.isAlive,
    },
    lookFor: '40 steps along the list against one into the table.',
  });
}
