/**
 * Until EN-16:16 storvsc completed every command by its own request instead of by the host's answer:
 * a READ that failed is a success to it, and the program gets what was in the buffer before
 * (freebsd-bis.md 4, S37).
 */
import { ScsiDisk } from '../src/devices/scsi/disk.ts';
import { Sense } from '../src/devices/scsi/spec.ts';
import type { Switches } from '../src/guest/switches.ts';
import { show } from './support/report.ts';
import { emptyDisk, legacy, Run } from './support/run.ts';

const SECTOR_BYTES = 512;
const BAD_LBA = 100;
const GOOD_TEXT = 'sector 99';
const BAD_TEXT = 'sector 100';

export interface Facts {
  /** Whether the program was told of an error. */
  readonly error: string;
  /** How often the sector before was read: twice means that the bad one showed its bytes. */
  readonly staleReads: number;
  readonly lines: readonly string[];
}

/** Reads two sectors one after the other through one buffer; the medium has lost the second. */
function read(storvscMode: Switches['storvscMode']): Facts {
  const block = emptyDisk('damaged');
  for (const [lba, text] of [
    [BAD_LBA - 1, GOOD_TEXT],
    [BAD_LBA, BAD_TEXT],
  ] as const) {
    const sector = new Uint8Array(SECTOR_BYTES);
    sector.set(new TextEncoder().encode(text));
    block.write(lba * SECTOR_BYTES, sector, 0, SECTOR_BYTES);
  }
  const disk = new ScsiDisk(block);
  disk.faults.inject({ access: 'read', firstLba: BAD_LBA, sense: Sense.unrecoveredReadError });
  const run = new Run({ ...legacy, host: 'ws2012r2', switches: { storvscMode } });
  run.boot().login();
  run.board.scsi.attach({ target: 0, lun: 0 }, disk);
  run.forSeconds(1);
  const start = (BAD_LBA - 1) * SECTOR_BYTES;
  const output = run.type(`hd -s ${start} -n ${2 * SECTOR_BYTES} /dev/da1`);
  return {
    error: /^hd: .*: (.+)$/m.exec(output)?.[1] ?? 'none',
    staleReads: output.split(`|${GOOD_TEXT}.`).length - 1,
    lines: output.split('\n').slice(1, -1),
  };
}

export const broken = (): Facts => read('legacy');
export const fixed = (): Facts => read('en1616');

if (import.meta.main) {
  show({
    title: 'S37 A sector that cannot be read (CHECK CONDITION 3/11/00)',
    broken,
    fixed,
    rows: {
      error: (facts) => facts.error,
      'times sector 99 was seen': (facts) => facts.staleReads,
    },
    excerpt: (facts) => facts.lines,
    lookFor: 'sector 99 once more where sector 100 should be, and no error.',
  });
}
