/** Sense data in words and in what CAM does about it (SPC-4 4.5; cam/scsi/scsi_all.c). */
import { ScsiOperation } from '../../devices/scsi/spec.ts';
import { PeripheralErrno } from './status.ts';

export const SenseKey = {
  noSense: 0,
  recovered: 1,
  notReady: 2,
  mediumError: 3,
  hardwareError: 4,
  illegalRequest: 5,
  unitAttention: 6,
  dataProtect: 7,
  abortedCommand: 0x0b,
} as const;

const keyNames = [
  'NO SENSE',
  'RECOVERED ERROR',
  'NOT READY',
  'MEDIUM ERROR',
  'HARDWARE FAILURE',
  'ILLEGAL REQUEST',
  'UNIT ATTENTION',
  'DATA PROTECT',
  'BLANK CHECK',
  'Vendor Specific',
  'COPY ABORTED',
  'ABORTED COMMAND',
  'EQUAL',
  'VOLUME OVERFLOW',
  'MISCOMPARE',
  'COMPLETED',
] as const;

/** The table's action: an errno that ends the command, "retry", or "ok". */
type Action = number | 'retry' | 'ok';

const keyActions: readonly Action[] = [
  'ok',
  'ok',
  'retry',
  'retry',
  'retry',
  PeripheralErrno.EINVAL,
  PeripheralErrno.ENXIO,
  PeripheralErrno.EACCES,
  PeripheralErrno.EIO,
  PeripheralErrno.EIO,
  PeripheralErrno.EIO,
  'retry',
  'ok',
  PeripheralErrno.EIO,
  'ok',
  'ok',
];

/** Additional sense code << 8 | qualifier: words, and an action where it is not the key's. */
const codes = new Map<number, { readonly text: string; readonly action?: Action }>([
  [0x00_00, { text: 'No additional sense information' }],
  [0x04_00, { text: 'Logical unit not ready, cause not reportable' }],
  [0x04_01, { text: 'Logical unit is in process of becoming ready' }],
  [0x0c_00, { text: 'Write error' }],
  [0x11_00, { text: 'Unrecovered read error', action: PeripheralErrno.EIO }],
  [0x20_00, { text: 'Invalid command operation code' }],
  [0x21_00, { text: 'Logical block address out of range' }],
  [0x24_00, { text: 'Invalid field in CDB' }],
  [0x25_00, { text: 'Logical unit not supported', action: PeripheralErrno.ENXIO }],
  [0x26_00, { text: 'Invalid field in parameter list' }],
  [0x27_00, { text: 'Write protected', action: PeripheralErrno.EACCES }],
  [0x28_00, { text: 'Not ready to ready change, medium may have changed' }],
  [0x29_00, { text: 'Power on, reset, or bus device reset occurred' }],
  [0x2a_09, { text: 'Capacity data has changed' }],
  [0x3a_00, { text: 'Medium not present', action: PeripheralErrno.ENXIO }],
  [0x3a_01, { text: 'Medium not present - tray closed', action: PeripheralErrno.ENXIO }],
  [0x3a_02, { text: 'Medium not present - tray open', action: PeripheralErrno.ENXIO }],
  [0x3f_0e, { text: 'Reported LUNs data has changed' }],
]);

const FIXED_CURRENT = 0x70;

/** Sense key << 16 | code << 8 | qualifier of fixed-format sense, or -1 when it is none. */
export function readSense(sense: Uint8Array): number {
  if ((sense[0]! & 0x7f) !== FIXED_CURRENT) return -1;
  return ((sense[2]! & 0x0f) << 16) | (sense[12]! << 8) | sense[13]!;
}

export function senseAction(sense: number): Action {
  return codes.get(sense & 0xffff)?.action ?? keyActions[(sense >> 16) & 0x0f]!;
}

/** "NOT READY, Medium not present": the two parts of an announcement's complaint. */
export function senseWords(sense: number): { readonly key: string; readonly code: string } {
  const code = (sense >> 8) & 0xff;
  const qualifier = sense & 0xff;
  const unknown = `Unknown ASC 0x${code.toString(16)}, ASCQ 0x${qualifier.toString(16)}`;
  return {
    key: keyNames[(sense >> 16) & 0x0f]!,
    code: codes.get(sense & 0xffff)?.text ?? unknown,
  };
}

const operationNames = new Map<number, string>([
  [ScsiOperation.testUnitReady, 'TEST UNIT READY'],
  [ScsiOperation.inquiry, 'INQUIRY'],
  [ScsiOperation.modeSense6, 'MODE SENSE(6)'],
  [ScsiOperation.read6, 'READ(6)'],
  [ScsiOperation.write6, 'WRITE(6)'],
  [ScsiOperation.readCapacity10, 'READ CAPACITY'],
  [ScsiOperation.read10, 'READ(10)'],
  [ScsiOperation.write10, 'WRITE(10)'],
  [ScsiOperation.synchronizeCache10, 'SYNCHRONIZE CACHE(10)'],
  [ScsiOperation.read16, 'READ(16)'],
  [ScsiOperation.write16, 'WRITE(16)'],
  [ScsiOperation.serviceActionIn16, 'SERVICE ACTION IN(16)'],
  [ScsiOperation.reportLuns, 'REPORT LUNS'],
]);

export function operationName(operation: number): string {
  return operationNames.get(operation) ?? 'Unknown command';
}
