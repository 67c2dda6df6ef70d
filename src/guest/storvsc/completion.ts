/**
 * What the driver makes of a completion: the chain of fixes from 10.2 to today, one function a link
 * (storvsc_io_done; EN-16:12, EN-16:16, D7521, r309726; freebsd-bis.md 1.14 "Fix chain").
 */
import {
  ScsiOperation,
  ScsiStatus,
  SrbStatus,
  SRB_STATUS_MASK,
  StandardInquiry,
} from '../../devices/scsi/spec.ts';
import { VstorVersion } from '../../devices/storvsc/spec.ts';
import type { CommandBlock } from '../cam/command.ts';
import {
  deviceTypeOf,
  NO_DEVICE_TYPE,
  Qualifier,
  qualifierOf,
  revisionOf,
  ScsiRevision,
  SHORT_INQUIRY_BYTES,
  vendorOf,
  visibleText,
} from '../cam/inquiry.ts';
import { operationName } from '../cam/sense.ts';
import { CamStatus } from '../cam/status.ts';
import type { StorvscMode } from './protocol.ts';

const CD_TYPE = 0x05;
const FORMAT_SPC = 2;

/** The command and what its completion carried, as each driver version got to see it. */
export interface Completion {
  readonly mode: StorvscMode;
  /** The channel stands beside an emulated IDE disk. */
  readonly isIde: boolean;
  /** Negotiated protocol version. */
  readonly version: number;
  readonly verbose: boolean;
  readonly command: CommandBlock;
  readonly srbStatus: number;
  readonly scsiStatus: number;
  readonly transferLength: number;
  /** The command's data in guest memory; empty when it has none. */
  readonly data: Uint8Array;
  /** xpt_print. */
  readonly print: (text: string) => void;
}

/** Sets the command's status, SCSI status and residual, and may mend its INQUIRY data. */
export function completeCommand(completion: Completion): void {
  const { command, mode } = completion;
  switch (mode) {
    case 'legacy':
    case 'workaround':
    case 'en1612':
      completeBlindly(completion);
      return;
    case 'en1616':
      completeEn1616(completion);
      break;
    case 'd7521':
    case 'r309726':
      completeBySrb(completion);
      break;
    case 'modern':
      completeModern(completion);
      break;
  }
  command.scsiStatus = completion.scsiStatus;
  command.residual = command.dataLength - completion.transferLength;
  if (mode === 'modern') {
    const srb = completion.srbStatus & SRB_STATUS_MASK;
    const isCounted = srb === SrbStatus.success || srb === SrbStatus.dataOverrun;
    if (!isCounted) command.residual = command.dataLength;
  }
}

/**
 * Up to EN-16:12 the driver looked at its own request, not at the host's answer: SCSI status 0, as
 * many bytes as were asked for. Every command succeeds, failed reads included (S37).
 */
function completeBlindly(completion: Completion): void {
  const { command, mode, version } = completion;
  command.status = CamStatus.completed;
  command.scsiStatus = ScsiStatus.good;
  command.residual = 0;
  const isChecked =
    mode === 'workaround' || (mode === 'en1612' && version >= VstorVersion.threshold);
  if (isChecked && isStandardInquiry(command) && !isIdentified(completion.data)) {
    command.status = CamStatus.deviceNotThere;
  }
}

function completeEn1616(completion: Completion): void {
  const { command, data, print, verbose } = completion;
  if (completion.scsiStatus !== ScsiStatus.good) {
    print(`storvsc scsi_status = ${completion.scsiStatus}\n`);
    command.status = CamStatus.scsiStatusError;
    return;
  }
  command.status = CamStatus.completed;
  if (command.operation !== ScsiOperation.inquiry) return;
  const length = inquiryLength(completion);
  const shown = firstBytes(data);
  if (length < SHORT_INQUIRY_BYTES) {
    if (verbose && length >= 5) {
      print(`storvsc skips the validation for short inquiry (${length}) [${shown}]\n`);
    }
  } else if (qualifierOf(data) !== Qualifier.connected || deviceTypeOf(data) === NO_DEVICE_TYPE) {
    command.status = CamStatus.deviceNotThere;
    if (verbose) print(`storvsc uninstalled invalid device [${shown}]\n`);
  } else if (verbose) {
    print(`storvsc has passed inquiry response (${length}) validation\n`);
  }
}

/** D7521, and r309726 on top of it: the SRB status decides. */
function completeBySrb(completion: Completion): void {
  const { command, isIde, mode, print, verbose } = completion;
  // Only the later one masks the "queue frozen" and "autosense" flags off (compare S25).
  const srb = mode === 'r309726' ? completion.srbStatus & SRB_STATUS_MASK : completion.srbStatus;
  if (completion.scsiStatus !== ScsiStatus.good) {
    printScsiStatus(completion, mode === 'd7521');
    command.status = CamStatus.scsiStatusError;
    return;
  }
  if (srb === SrbStatus.success) {
    command.status = CamStatus.completed;
    mendInquiry(completion, mode === 'r309726', false);
    return;
  }
  if (mode === 'd7521' || verbose) {
    const { lun, operation } = command;
    const op = mode === 'd7521' ? '' : ` for op: ${operationName(operation)}`;
    if (srb === SrbStatus.invalidLun) print(`invalid LUN ${lun}${op}\n`);
    else print(`Unknown SRB flag: ${srb}${op}\n`);
  }
  // A selection timeout takes every LUN of the target along, which IDE disks do not survive (S38).
  command.status = isIde ? CamStatus.deviceNotThere : CamStatus.selectionTimeout;
}

/** What today's driver makes of each SRB status when the SCSI status is GOOD. */
const statusOfSrb: Readonly<Record<number, number>> = {
  [SrbStatus.success]: CamStatus.completed,
  [SrbStatus.aborted]: CamStatus.commandTimeout,
  [SrbStatus.error]: CamStatus.unrecoverableAdapterError,
  [SrbStatus.busy]: CamStatus.busy,
  [SrbStatus.invalidRequest]: CamStatus.busy,
  0x07: CamStatus.busy,
  [SrbStatus.noDevice]: CamStatus.busy,
  [SrbStatus.timeout]: CamStatus.busy,
  [SrbStatus.commandTimeout]: CamStatus.busy,
  0x0e: CamStatus.busReset,
  [SrbStatus.invalidLun]: CamStatus.deviceNotThere,
  [SrbStatus.invalidTargetId]: CamStatus.busy,
  0x23: CamStatus.busy,
  0x25: CamStatus.busy,
};

function completeModern(completion: Completion): void {
  const { command, print, verbose } = completion;
  const srb = completion.srbStatus & SRB_STATUS_MASK;
  if (completion.scsiStatus !== ScsiStatus.good) {
    // A drive without a medium answers TEST UNIT READY so, over and over.
    const isUnready =
      completion.scsiStatus === ScsiStatus.checkCondition &&
      command.operation === ScsiOperation.testUnitReady &&
      srb === SrbStatus.error;
    if (!isUnready && verbose) printScsiStatus(completion, false);
    command.status = CamStatus.scsiStatusError;
    return;
  }
  command.status = statusOfSrb[srb] ?? CamStatus.unrecoverableAdapterError;
  if (srb === SrbStatus.success) {
    mendInquiry(completion, true, true);
  } else if (srb !== SrbStatus.invalidLun) {
    print(
      `The hypervisor's I/O adapter driver received an unexpected response code ` +
        `0x${srb.toString(16)} for operation: ${operationName(command.operation)}. If this ` +
        `continues to occur, report the condition to your hypervisor vendor so they can ` +
        `rectify the issue.\n`,
    );
  }
}

function printScsiStatus(completion: Completion, isShort: boolean): void {
  const { print, scsiStatus, srbStatus } = completion;
  if (isShort) print(`storvsc scsi_status = ${scsiStatus}\n`);
  else if (completion.verbose) {
    print(`storvsc scsi_status = ${scsiStatus}, srb_status = ${srbStatus & SRB_STATUS_MASK}\n`);
  }
}

/**
 * Changes INQUIRY data on its way to CAM, so that CAM asks the right questions next. The driver
 * does this to vital product data as well, where the conditions do not hold.
 */
function mendInquiry(completion: Completion, mendsAbsent: boolean, mendsDvd: boolean): void {
  const { command, data, print, verbose, version } = completion;
  if (command.operation !== ScsiOperation.inquiry) return;
  const length = inquiryLength(completion);
  if (verbose && length >= 5) {
    print(`storvsc inquiry (${length}) [${firstBytes(data)} ... ]\n`);
  }
  const at = StandardInquiry.offset;
  if (
    mendsDvd &&
    deviceTypeOf(data) === CD_TYPE &&
    data[at.version] === 0 &&
    version >= VstorVersion.win8
  ) {
    data[at.version] = ScsiRevision.spc3;
    if (verbose) print(`set version from 0 to ${ScsiRevision.spc3}\n`);
  }
  const isAbsent = deviceTypeOf(data) === NO_DEVICE_TYPE || qualifierOf(data) === Qualifier.badLun;
  const isBefore2016 =
    version === VstorVersion.win7 || version === VstorVersion.win8 || version === VstorVersion.blue;
  if (mendsAbsent && isAbsent && isBefore2016) {
    if (length >= 4 && (data[at.version] === 0 || data[at.format] === 0)) {
      data[at.version] = ScsiRevision.spc3;
      data[at.format] = FORMAT_SPC;
      if (verbose) print(`fix version and resp fmt for 0x${version.toString(16)}\n`);
    }
  } else if (length >= SHORT_INQUIRY_BYTES) {
    const isUpgradable = version === VstorVersion.win8 || version === VstorVersion.blue;
    const isOld = revisionOf(data) === ScsiRevision.spc2;
    if (isUpgradable && isOld && vendorOf(data).startsWith('Msft')) {
      data[at.version] = ScsiRevision.spc3;
      if (verbose) print('storvsc upgrades SPC2 to SPC3\n');
    }
  }
}

/** D4928's idea of a device: a connected type that tells vendor, product and revision. */
function isIdentified(data: Uint8Array): boolean {
  if (qualifierOf(data) !== Qualifier.connected || deviceTypeOf(data) === NO_DEVICE_TYPE) {
    return false;
  }
  const at = StandardInquiry.offset;
  const fields = [
    vendorOf(data),
    visibleText(data, at.product, 16),
    visibleText(data, at.revision, 4),
  ];
  return fields.every((text) => text !== '');
}

function isStandardInquiry(command: CommandBlock): boolean {
  return command.operation === ScsiOperation.inquiry && (command.cdb[1]! & 1) === 0;
}

/** What the answer says of its own length, as far as that much was moved. */
function inquiryLength(completion: Completion): number {
  const moved = completion.transferLength;
  return moved >= 5 ? Math.min(completion.data[4]! + 5, moved) : 0;
}

function firstBytes(data: Uint8Array): string {
  return Array.from(data.subarray(0, 5), (byte) => byte.toString(16)).join(' ');
}
