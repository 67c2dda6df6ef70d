/**
 * A time sample that was long on its way sets the clock back, unless the driver takes off how long
 * it was (freebsd-bis.md 4, S13; FreeBSD r305111 and r309705). Hosts before Windows Server 2016 do
 * not say when they read their clock, so nothing can be taken off there.
 */
import type { HostName } from '../src/machine/profiles.ts';
import type { IcSoftState } from '../src/guest/ic/drivers.ts';
import { TimeSyncService } from '../src/guest/ic/timesync.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const UPTIME_SECONDS = 60;
const AGE_NS = 30e9;

export interface Facts {
  /** Steps of the clock by the late sample. */
  readonly steps: number;
  /** By how many seconds, together. */
  readonly stepSeconds: number;
}

function late(host: HostName): Facts {
  const run = new Run({ host, generation: 1 }).boot();
  run.forSeconds(UPTIME_SECONDS);
  const services = run.bus.devices.map(
    ({ softState }) => (softState as Partial<IcSoftState> | undefined)?.service,
  );
  const service = services.find((candidate) => candidate instanceof TimeSyncService)!;
  const before = service.steps.length;
  run.board.integration.timeSync.sendTime('sample', { ageNs: AGE_NS });
  run.forSeconds(0.01);
  const steps = service.steps.slice(before);
  const stepUs = steps.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0);
  return { steps: steps.length, stepSeconds: stepUs / 1e6 };
}

export const broken = (): Facts => late('ws2012r2');
export const fixed = (): Facts => late('ws2016');

if (import.meta.main) {
  show({
    title: 'S13 A time sample that is 30 s old',
    broken,
    fixed,
    rows: {
      'steps of the clock': (facts) => facts.steps,
      'by, seconds': (facts) => facts.stepSeconds.toFixed(3),
    },
    lookFor: 'a clock that goes back by 30 s; and one that stays.',
  });
}
