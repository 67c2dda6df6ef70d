import {
  CACHING_WCE,
  MODE_DPOFUA,
  MODE_HEADER10_BYTES,
  MODE_HEADER6_BYTES,
  MODE_PAGE_BYTES,
  MODE_WRITE_PROTECTED,
  ModePage,
  ModePageControl,
  ScsiOperation,
  Sense,
} from './spec.ts';
import type { ScsiTask } from './task.ts';

export interface DiskModes {
  readonly isReadOnly: boolean;
  /** DPOFUA in the device-specific parameter. */
  readonly isFuaSupported: boolean;
  readonly isWriteCacheEnabled: boolean;
}

/**
 * MODE SENSE (6) and (10) of a disk, SPC-4 6.11 and 6.12. Microsoft's disk has one page, Caching,
 * in its short 12-byte form, alone or as "all pages": Linux prints its header as `0f 00 10 00`.
 * Every other page is an invalid field.
 */
export function diskModeSense(task: ScsiTask, modes: DiskModes): void {
  const is10 = task.operation === ScsiOperation.modeSense10;
  const allocation = is10 ? task.cdb16(7) : task.cdb[4]!;
  const header = is10 ? MODE_HEADER10_BYTES : MODE_HEADER6_BYTES;
  if (task.data.length === 0 || allocation === 0) {
    task.good();
    return;
  }
  const page = task.cdb[2]! & 0x3f;
  const control = task.cdb[2]! >> 6;
  if (
    allocation > task.data.length ||
    allocation < header ||
    control === ModePageControl.saved ||
    (page !== ModePage.caching && page !== ModePage.all)
  ) {
    task.illegal(Sense.invalidFieldInCdb);
    return;
  }
  const { scratch } = task;
  const length = header + MODE_PAGE_BYTES;
  scratch.fill(0, 0, length);
  const parameter =
    (modes.isReadOnly ? MODE_WRITE_PROTECTED : 0) | (modes.isFuaSupported ? MODE_DPOFUA : 0);
  if (is10) {
    scratch[1] = length - 2;
    scratch[3] = parameter;
  } else {
    scratch[0] = length - 1;
    scratch[2] = parameter;
  }
  scratch[header] = ModePage.caching;
  scratch[header + 1] = MODE_PAGE_BYTES - 2;
  if (control !== ModePageControl.changeable && modes.isWriteCacheEnabled) {
    scratch[header + 2] = CACHING_WCE;
  }
  task.reply(length, allocation);
}

/**
 * MODE SELECT (6) and (10), SPC-4 6.9 and 6.10: takes a caching page that changes nothing. Turning
 * the write cache off is refused, since the host could not keep that promise.
 */
export function diskModeSelect(task: ScsiTask, modes: DiskModes): void {
  const is10 = task.operation === ScsiOperation.modeSelect10;
  const length = is10 ? task.cdb16(7) : task.cdb[4]!;
  const header = is10 ? MODE_HEADER10_BYTES : MODE_HEADER6_BYTES;
  if (length === 0) {
    task.good();
    return;
  }
  if (length !== task.data.length || length < header + MODE_PAGE_BYTES) {
    task.illegal(Sense.parameterListLength);
    return;
  }
  if ((task.cdb[1]! & 1) !== 0) {
    // Saving pages is not supported.
    task.illegal(Sense.invalidFieldInCdb);
    return;
  }
  const { scratch, scratchView } = task;
  task.data.read(0, scratch, 0, length);
  const page = header + (is10 ? scratchView.getUint16(6) : scratch[3]!);
  if (length < page + MODE_PAGE_BYTES) {
    task.illegal(Sense.parameterListLength);
    return;
  }
  const isCacheWanted = (scratch[page + 2]! & CACHING_WCE) !== 0;
  if (
    scratch[page] !== ModePage.caching ||
    scratch[page + 1]! < MODE_PAGE_BYTES - 2 ||
    isCacheWanted !== modes.isWriteCacheEnabled
  ) {
    task.illegal(Sense.invalidFieldInParameterList);
    return;
  }
  task.good(length);
}
