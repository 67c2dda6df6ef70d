/**
 * The two upper bits of an SRB status are flags: 0x80 "sense data is valid", 0x40 "queue frozen".
 * A driver that compares the whole byte takes a success with a flag for an unknown failure, and
 * gives the disk up (freebsd-bis.md 4, S25).
 */
import { ScsiDisk } from '../src/devices/scsi/disk.ts';
import type { LogicalUnit } from '../src/devices/scsi/logical-unit.ts';
import { SRB_AUTOSENSE_VALID, SRB_QUEUE_FROZEN } from '../src/devices/scsi/spec.ts';
import type { ScsiTask } from '../src/devices/scsi/task.ts';
import type { Switches } from '../src/guest/switches.ts';
import { show } from './support/report.ts';
import { emptyDisk, legacy, Run } from './support/run.ts';

const FLAGS = [0, SRB_AUTOSENSE_VALID, SRB_QUEUE_FROZEN, SRB_AUTOSENSE_VALID | SRB_QUEUE_FROZEN];
const READ_OPERATIONS: ReadonlySet<number> = new Set([0x08, 0x28, 0x88]);

export interface Facts {
  /** For each SRB status that the reads end with: "0x41 gone". */
  readonly outcomes: readonly string[];
  readonly lines: readonly string[];
}

/** A disk whose host sets flags in the SRB status of every read, once it is told to. */
class FlaggedDisk implements LogicalUnit {
  readonly name = 'flagged';
  readonly deviceType = 0;
  flags = 0;
  readonly #disk = new ScsiDisk(emptyDisk('flagged'));

  get faults(): LogicalUnit['faults'] {
    return this.#disk.faults;
  }

  execute(task: ScsiTask): void {
    this.#disk.execute(task);
    if (READ_OPERATIONS.has(task.operation)) task.srbStatus |= this.flags;
  }
}

function read(storvscMode: Switches['storvscMode']): Facts {
  const outcomes = [];
  const lines = [];
  for (const flags of FLAGS) {
    const unit = new FlaggedDisk();
    const run = new Run({ ...legacy, host: 'ws2016', switches: { storvscMode } });
    run.boot().login();
    run.board.scsi.attach({ target: 0, lun: 0 }, unit);
    run.forSeconds(1);
    unit.flags = flags;
    const output = run.type('hd -n 512 /dev/da1');
    const isRead = output.includes('00000200');
    const status = `0x${(1 | flags).toString(16).padStart(2, '0')}`;
    const isThere = run.machine.storage.cam!.disks.some(({ name }) => name === 'da1');
    outcomes.push(`${status} ${isRead ? 'read' : 'failed'}${isThere ? '' : ', disk gone'}`);
    lines.push(
      ...output.split('\n').filter((line) => line.includes('SRB') || line.startsWith('hd:')),
    );
  }
  return { outcomes, lines };
}

export const broken = (): Facts => read('d7521');
export const fixed = (): Facts => read('r309726');

if (import.meta.main) {
  show({
    title: 'S25 Reads that succeed, with flags in their SRB status',
    broken,
    fixed,
    rows: Object.fromEntries(
      FLAGS.map((_, index) => [`read ${index + 1}`, (facts: Facts) => facts.outcomes[index]!]),
    ),
    excerpt: (facts) => facts.lines,
    lookFor: 'a disk that is lost to 0x41, 0x81 or 0xc1, which all say success.',
  });
}
