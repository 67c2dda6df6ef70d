/**
 * PR 209443: the work-around for the sixteen disks calls an absent LUN 0 "not there" on every host;
 * CAM then drops the target, and disks that are added later never appear (freebsd-bis.md 4, S3).
 */
import { ScsiDisk } from '../src/devices/scsi/disk.ts';
import type { Switches } from '../src/guest/switches.ts';
import { show } from './support/report.ts';
import { emptyDisk, legacy, Run } from './support/run.ts';

export interface Facts {
  readonly before: readonly string[];
  /** One second after the disk was added. */
  readonly after: readonly string[];
  readonly lines: readonly string[];
}

/** Generation 1 boots from IDE; its SCSI controller is empty until a disk comes to 0:1. */
function addDisk(storvscMode: Switches['storvscMode']): Facts {
  const run = new Run({ ...legacy, host: 'ws2012r2', switches: { storvscMode } }).boot();
  const names = (): string[] => run.machine.storage.cam!.disks.map(({ name }) => name);
  const before = names();
  run.board.scsi.attach({ target: 0, lun: 1 }, new ScsiDisk(emptyDisk('added')));
  run.forSeconds(1);
  return { before, after: names(), lines: run.lines.filter((line) => line.startsWith('da1')) };
}

export const broken = (): Facts => addDisk('workaround');
export const fixed = (): Facts => addDisk('en1612');

if (import.meta.main) {
  show({
    title: 'S3 A disk is added to a running machine, Windows Server 2012 R2',
    broken,
    fixed,
    rows: {
      'disks before': (facts) => facts.before.join(' '),
      'disks after': (facts) => facts.after.join(' '),
    },
    excerpt: (facts) => facts.lines,
    lookFor: 'da1, which the work-around never lets in and EN-16:12 does.',
  });
}
