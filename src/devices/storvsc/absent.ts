import { MICROSOFT_DISK, writeStandardInquiry } from '../scsi/inquiry.ts';
import {
  INQUIRY_HEADER_BYTES,
  PERIPHERAL_NOT_CAPABLE,
  ScsiOperation,
  ScsiStatus,
  Sense,
  SrbStatus,
  StandardInquiry,
} from '../scsi/spec.ts';
import { DataDirection, type ScsiTask } from '../scsi/task.ts';
import type { AbsentLun } from './profile.ts';

/** OpenVMM's INQUIRY template has this many bytes. */
const OPENVMM_INQUIRY_BYTES = 104;
/** Windows hosts show SPC-3 here whatever the connection. */
const ABSENT_INQUIRY_VERSION = 5;
const VENDOR_TO_REVISION_START = 8;
const VENDOR_TO_REVISION_END = 36;

/** Answers any command but REPORT LUNS for a LUN that is not there, in the host's own way. */
export function answerAbsentLun(task: ScsiTask, flavour: AbsentLun, lun: number): void {
  if (task.operation === ScsiOperation.inquiry && flavour !== 'zeroed') {
    absentInquiry(task, flavour, lun);
  } else if (flavour === 'qualifier-7f-short') {
    task.good();
  } else if (flavour === 'openvmm') {
    task.failPlain(ScsiStatus.checkCondition, SrbStatus.invalidLun);
  } else {
    task.failPlain(ScsiStatus.good, SrbStatus.invalidLun);
  }
}

function absentInquiry(task: ScsiTask, flavour: AbsentLun, lun: number): void {
  const allocation = task.cdb16(3);
  const isEvpd = (task.cdb[1]! & 1) !== 0;
  if (
    allocation > task.data.length ||
    allocation < INQUIRY_HEADER_BYTES ||
    task.direction !== DataDirection.in ||
    isEvpd ||
    task.cdb[2] !== 0
  ) {
    task.illegal(Sense.invalidFieldInCdb);
    return;
  }
  const { scratch, scratchView } = task;
  if (flavour === 'qualifier-7f-short') {
    scratch.fill(0, 0, INQUIRY_HEADER_BYTES);
    scratch[0] = PERIPHERAL_NOT_CAPABLE;
    task.reply(INQUIRY_HEADER_BYTES, allocation);
    return;
  }
  const length = flavour === 'openvmm' ? OPENVMM_INQUIRY_BYTES : StandardInquiry.size;
  writeStandardInquiry(
    scratchView,
    PERIPHERAL_NOT_CAPABLE,
    ABSENT_INQUIRY_VERSION,
    MICROSOFT_DISK,
    length,
  );
  // Only an absent LUN 0 says who would be there.
  if (lun !== 0) scratch.fill(0, VENDOR_TO_REVISION_START, VENDOR_TO_REVISION_END);
  task.reply(length, allocation);
}

/** REPORT LUNS, SPC-4 6.33, answered by the VSP for exactly one path and target. */
export function answerReportLuns(task: ScsiTask, luns: readonly number[]): void {
  const { scratch, scratchView } = task;
  const length = 8 + luns.length * 8;
  scratch.fill(0, 0, length);
  scratchView.setUint32(0, luns.length * 8);
  for (let index = 0; index < luns.length; index += 1) {
    scratchView.setUint16(8 + index * 8, luns[index]!);
  }
  if (task.data.length < 8) task.good();
  else task.reply(length, task.data.length);
}
