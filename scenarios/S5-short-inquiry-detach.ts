/**
 * EN-16:16: until then storvsc judged INQUIRY data by its names, and a unit whose host answers with
 * the first bytes only was no device to it (freebsd-bis.md 4, S5).
 */
import { ScsiDisk } from '../src/devices/scsi/disk.ts';
import type { Switches } from '../src/guest/switches.ts';
import { show } from './support/report.ts';
import { emptyDisk, gen2Switches, Run } from './support/run.ts';

/** Qualifier to additional length, and no byte more. */
const SHORT_BYTES = 5;

export interface Facts {
  readonly disks: readonly string[];
  readonly lines: readonly string[];
}

/** A data disk whose INQUIRY is short, beside the boot disk. */
function boot(storvscMode: Switches['storvscMode']): Facts {
  const switches = { ...gen2Switches, storvscMode };
  const run = new Run({ preset: 'bis:10.2', generation: 2, host: 'ws2016', switches });
  const disk = new ScsiDisk(emptyDisk('short'), { inquiryBytes: SHORT_BYTES });
  run.board.scsi.attach({ target: 0, lun: 1 }, disk);
  run.boot();
  const disks = run.machine.storage.cam!.disks.map(({ name }) => name);
  return { disks, lines: run.lines.filter((line) => line.startsWith('da1')) };
}

export const broken = (): Facts => boot('en1612');
export const fixed = (): Facts => boot('en1616');

if (import.meta.main) {
  show({
    title: 'S5 A disk whose INQUIRY has five bytes',
    broken,
    fixed,
    rows: { 'disks at the login': (facts) => facts.disks.join(' ') },
    excerpt: (facts) => facts.lines,
    lookFor: 'da1, which is missing while short data counts as invalid.',
  });
}
