/**
 * r309726: CAM goes beyond LUN 7 only for a target of SCSI-3 or later. Hosts before 2016 answer for
 * an absent LUN 0 with version 0, so a disk at LUN 9 alone is never found, until the driver mends
 * that answer and CAM asks for REPORT LUNS (freebsd-bis.md 4, S7).
 */
import { ScsiDisk } from '../src/devices/scsi/disk.ts';
import type { Switches } from '../src/guest/switches.ts';
import { show } from './support/report.ts';
import { emptyDisk, legacy, Run } from './support/run.ts';

const LUN = 9;

export interface Facts {
  /** Disks on the SCSI controller: "da1 at storvsc1 bus 0 scbus3 target 0 lun 9". */
  readonly found: readonly string[];
}

function boot(storvscMode: Switches['storvscMode']): Facts {
  const run = new Run({ ...legacy, host: 'ws2012r2', switches: { storvscMode } });
  run.board.scsi.attach({ target: 0, lun: LUN }, new ScsiDisk(emptyDisk('high')));
  run.powerOn().untilText('Trying to mount root');
  return { found: run.lines.filter((line) => / at storvsc\d+ bus 0 /.test(line)) };
}

export const broken = (): Facts => boot('d7521');
export const fixed = (): Facts => boot('r309726');

if (import.meta.main) {
  show({
    title: 'S7 The only disk of a controller is at LUN 9, Windows Server 2012 R2',
    broken,
    fixed,
    rows: { 'disks found on it': (facts) => facts.found.length },
    excerpt: (facts) => facts.found,
    lookFor: 'one disk at lun 9.',
  });
}
