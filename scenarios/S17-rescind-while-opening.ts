/**
 * A driver opens a sub-channel in the thread that tells it of the offer, the host withdraws the
 * device meanwhile and does not answer. Where offers and rescinds share that thread, the rescind
 * that would end the wait is queued behind it (freebsd-bis.md 4 and 4.1, S17; Linux 37c2578c0c40).
 */
import { MessageType } from '../src/vmbus/spec/messages.ts';
import { vmbusMessageIn } from '../src/vmbus/trace.ts';
import { holdOpenResults, Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const PATIENCE_SECONDS = 10;

export interface Facts {
  /** The host's own account: both channels were given back. */
  readonly released: number;
  readonly isDetached: boolean;
  /** Whether a device that was added afterwards got its driver. */
  readonly isNextAttached: boolean;
  readonly lines: readonly string[];
}

function removeWhileOpening(rescindQueue: 'shared' | 'own'): Facts {
  const [doomed, next] = [new Source(0), new Source(1)];
  const taker = new Taker({ opensSubChannels: true });
  const run = new Run({ switches: { rescindQueue }, drivers: [taker] });
  run.board.vmbus.offer(doomed);
  run.boot().forSeconds(0.1);
  let released = 0;
  const withheld: (() => void)[] = [];
  run.machine.trace.subscribe((_, type, values) => {
    if (type !== vmbusMessageIn || values[0] !== MessageType.relIdReleased) return;
    released += 1;
    for (const deliver of withheld.splice(0)) run.machine.events.after(0, deliver);
  });
  holdOpenResults(run, doomed, (_, deliver) => {
    withheld.push(deliver);
    doomed.bus!.rescind();
  });
  doomed.bus!.offerSubChannels(1);
  run.forSeconds(1);
  run.board.vmbus.offer(next);
  run.forSeconds(PATIENCE_SECONDS);
  return {
    released,
    isDetached: run.text.includes('taker0: detached'),
    isNextAttached: next.channel !== undefined,
    lines: run.lines.filter((line) => /taker|revoked/.test(line)),
  };
}

export const broken = (): Facts => removeWhileOpening('shared');
export const fixed = (): Facts => removeWhileOpening('own');

if (import.meta.main) {
  show({
    title: 'S17 A device is removed while its sub-channel is being opened',
    broken,
    fixed,
    rows: {
      'channels given back': (facts) => facts.released,
      'device detached': (facts) => facts.isDetached,
      'next device attached': (facts) => facts.isNextAttached,
    },
    excerpt: (facts) => facts.lines,
    lookFor: 'a bus that does nothing any more: no detach, no next device.',
  });
}
