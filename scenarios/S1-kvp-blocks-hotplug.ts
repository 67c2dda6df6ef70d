/**
 * In 10.2 the worker of key-value pairs holds the semaphore under which devices are attached, and
 * sleeps with it for up to five seconds: a stuck daemon holds up every device that the host adds,
 * and the clock's synchronisation (freebsd-bis.md 1.7 and 4, S1).
 */
import { NS_PER_MS } from '../src/core/clock.ts';
import { Source, Taker } from './support/devices.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

/** From the stuck request to the device that is added. */
const GAP_SECONDS = 0.1;
const HOUR_NS = 3_600e9;

export interface Facts {
  /** From the offer of a device to the end of its attach. */
  readonly attachMs: number;
  /** From a time message that is an hour ahead to the clock that shows it. */
  readonly clockMs: number;
}

function hotplug(offerQueue: 'perChannel' | 'global'): Facts {
  const taker = new Taker();
  const run = new Run({
    preset: 'bis:10.2',
    generation: 1,
    switches: { offerQueue, kvpPollWake: false, kvpPollTimeoutMs: 'inf' },
    drivers: [taker],
  }).boot();
  const { keyValuePair, timeSync } = run.board.integration;
  run.forSeconds(1);
  keyValuePair.enumerate('auto', 0, () => undefined);
  run.forSeconds(GAP_SECONDS);
  const startNs = run.nowNs;
  const clockUs = run.kernel.wallClockUs();
  timeSync.hostOffsetNs = HOUR_NS;
  timeSync.sendTime('sync');
  run.board.vmbus.offer(new Source(0));
  let clockNs = 0;
  run.until(() => {
    if (clockNs === 0 && run.kernel.wallClockUs() - clockUs > HOUR_NS / 2_000) clockNs = run.nowNs;
    return taker.attached.length > 0 && clockNs > 0;
  });
  return {
    attachMs: (taker.attached[0]!.atNs - startNs) / NS_PER_MS,
    clockMs: (clockNs - startNs) / NS_PER_MS,
  };
}

export const broken = (): Facts => hotplug('perChannel');
export const fixed = (): Facts => hotplug('global');

if (import.meta.main) {
  show({
    title: 'S1 A device is added while the daemon of key-value pairs is stuck',
    broken,
    fixed,
    rows: {
      'attached after, ms': (facts) => facts.attachMs.toFixed(3),
      'clock set after, ms': (facts) => facts.clockMs.toFixed(3),
    },
    lookFor: 'what is left of five seconds; and less than one millisecond.',
  });
}
