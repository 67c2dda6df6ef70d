import {
  MODE_HEADER10_BYTES,
  MODE_PAGE_BYTES,
  ModePage,
  ModePageControl,
  ScsiStatus,
  Sense,
  SrbStatus,
} from './spec.ts';
import type { ScsiTask } from './task.ts';

/**
 * The mode pages of Microsoft's DVD drive, each 12 bytes: read/write error recovery, power
 * condition, time-out and protect (with 5, 20 and 10 seconds). It has no capabilities page 2Ah, for
 * which reason Linux calls the drive "scsi-1".
 */
const pages: readonly { readonly code: number; readonly bytes: readonly number[] }[] = [
  { code: ModePage.readWriteErrorRecovery, bytes: [0x01, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
  { code: ModePage.powerCondition, bytes: [0x1a, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
  { code: ModePage.timeoutAndProtect, bytes: [0x1d, 0x0a, 0, 0, 0, 0, 0, 5, 0, 20, 0, 10] },
];

/** MODE SENSE (10), MMC-6 6.12. */
export function dvdModeSense(task: ScsiTask): void {
  const allocation = task.cdb16(7);
  if (allocation > task.data.length) {
    task.failPlain(ScsiStatus.checkCondition, SrbStatus.dataOverrun);
    return;
  }
  if (task.cdb[2]! >> 6 === ModePageControl.saved) {
    task.fail(Sense.savingParametersNotSupported);
    return;
  }
  const code = task.cdb[2]! & 0x3f;
  const { scratch } = task;
  let length = MODE_HEADER10_BYTES;
  for (const page of pages) {
    if (code !== page.code && code !== ModePage.all) continue;
    scratch.set(page.bytes, length);
    length += MODE_PAGE_BYTES;
  }
  if (length === MODE_HEADER10_BYTES) {
    task.fail(Sense.invalidFieldInCdb);
    return;
  }
  scratch.fill(0, 0, MODE_HEADER10_BYTES);
  scratch[1] = length - 2;
  task.reply(length, allocation);
}

/** MODE SELECT (10): one of the three pages is accepted, and changes nothing. */
export function dvdModeSelect(task: ScsiTask): void {
  const length = task.cdb16(7);
  if (length === 0) {
    task.good();
  } else if (length > task.data.length) {
    task.failPlain(ScsiStatus.checkCondition, SrbStatus.dataOverrun);
  } else if (length < MODE_HEADER10_BYTES) {
    task.fail(Sense.parameterListLength);
  } else if ((task.cdb[1]! & 1) !== 0) {
    task.fail(Sense.invalidFieldInCdb);
  } else if (length === MODE_HEADER10_BYTES) {
    task.good(length);
  } else if (length < MODE_HEADER10_BYTES + MODE_PAGE_BYTES) {
    task.fail(Sense.parameterListLength);
  } else {
    task.data.read(0, task.scratch, 0, MODE_HEADER10_BYTES + 1);
    const code = task.scratch[MODE_HEADER10_BYTES]! & 0x3f;
    if (pages.some((page) => page.code === code)) task.good(length);
    else task.fail(Sense.invalidFieldInParameterList);
  }
}
