/**
 * What stopped a 2015 kernel on Generation 2, one obstacle behind the other: the loader's copy to
 * 2 MiB, no i8254, VMBus as an ACPI object, disks behind synthetic SCSI only, no PS/2 keyboard
 * (freebsd-bis.md 1.13).
 */
import type { GuestDriver } from '../src/guest/vmbus/api.ts';
import { Errno } from '../src/guest/vmbus/api.ts';
import { DeviceClass } from '../src/vmbus/spec/guids.ts';
import { show } from './support/report.ts';
import { gen2Switches, Run, type Setup } from './support/run.ts';

export interface Facts {
  /** Where each boot came to: "no-vmbus", "login". */
  readonly stages: readonly string[];
  /** The same with the reason: "no-vmbus: VMBus hangs on an ACPI device that ...". */
  readonly reasons: readonly string[];
}

/** Claims the SCSI controller and leaves it alone, as if the kernel had no driver for it. */
const noStorvsc: GuestDriver = {
  name: 'nostorvsc',
  probe: ({ interfaceId }) => (interfaceId === DeviceClass.scsi ? '' : undefined),
  *attach() {
    yield 0;
    return Errno.ENXIO;
  },
};

const legacy = { preset: 'bis:10.2', generation: 2 } as const satisfies Setup;
const pastLoader = { efiLoader: 'fixed' } as const;
const pastClock = { ...pastLoader, earlyTimecounter: true } as const;
const pastBus = { ...pastClock, vmbusAcpi: true } as const;

function boot(setups: readonly Setup[]): Facts {
  const reasons = setups.map((setup) => {
    const run = new Run(setup).powerOn();
    run.until(() => run.stages.length > 0 || run.text.endsWith('login: '));
    return run.stages[0] ?? 'login';
  });
  return { reasons, stages: reasons.map((reason) => reason.split(':')[0]!) };
}

/** 10.2, with one obstacle fewer each time. */
export const broken = (): Facts =>
  boot([
    legacy,
    { ...legacy, switches: pastLoader },
    { ...legacy, switches: pastClock },
    { ...legacy, switches: pastBus, drivers: [noStorvsc] },
    { ...legacy, switches: pastBus },
  ]);

/** 10.2 with none of them left, and today's kernel. */
export const fixed = (): Facts => boot([{ ...legacy, switches: gen2Switches }, { generation: 2 }]);

if (import.meta.main) {
  show({
    title: '1.13 A kernel of 2015 on Generation 2',
    broken,
    fixed,
    rows: { 'boots that reach a login': (facts) => facts.stages.filter(isLogin).length },
    excerpt: (facts) => facts.reasons,
    lookFor: 'five named stages, one behind the other, and a login when nothing is in the way.',
  });
}

function isLogin(stage: string): boolean {
  return stage === 'login';
}
