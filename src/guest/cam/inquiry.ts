/** Standard INQUIRY data as CAM reads and prints it (SPC-4 6.4.2; cam/scsi/scsi_all.c). */
import { INQUIRY_CMDQUE, INQUIRY_REMOVABLE, StandardInquiry } from '../../devices/scsi/spec.ts';

/** Bytes that CAM keeps of a LUN's INQUIRY data. */
export const INQUIRY_KEPT_BYTES = 256;
/** A first INQUIRY asks for no more than this. */
export const SHORT_INQUIRY_BYTES = 36;
export const ScsiRevision = { scsi2: 2, spc: 3, spc2: 4, spc3: 5 } as const;
export const Qualifier = { connected: 0, offline: 1, reserved: 2, badLun: 3 } as const;
export const NO_DEVICE_TYPE = 0x1f;

/** INQUIRY data is bytes that a host wrote, or did not write: every value is possible. */
export type InquiryData = Uint8Array;

export function qualifierOf(data: InquiryData): number {
  return data[0]! >> 5;
}

export function deviceTypeOf(data: InquiryData): number {
  return data[0]! & 0x1f;
}

/** SCSI-2 is 2, SPC 3, SPC-2 4, SPC-3 5. */
export function revisionOf(data: InquiryData): number {
  return data[StandardInquiry.offset.version]! & 0x07;
}

export function hasCommandQueueing(data: InquiryData): boolean {
  return (data[StandardInquiry.offset.flags7]! & INQUIRY_CMDQUE) !== 0;
}

/** Length of the whole answer as the device tells it; a byte wide, as CAM computes it. */
export function announcedLength(data: InquiryData): number {
  return (data[StandardInquiry.offset.additionalLength]! + 5) & 0xff;
}

/** Text of a field without the spaces around it and the NULs after it; odd bytes as octal. */
export function visibleText(data: InquiryData, start: number, length: number): string {
  let from = start;
  let end = start + length;
  while (from < end && data[from] === 0x20) from += 1;
  while (end > from && (data[end - 1] === 0x20 || data[end - 1] === 0)) end -= 1;
  let text = '';
  for (let index = from; index < end; index += 1) {
    const byte = data[index]!;
    const isPrintable = byte >= 0x20 && byte < 0x80;
    text += isPrintable ? String.fromCodePoint(byte) : `\\${byte.toString(8).padStart(3, '0')}`;
  }
  return text;
}

export function vendorOf(data: InquiryData): string {
  return visibleText(data, StandardInquiry.offset.vendor, 8);
}

/** "Msft Virtual Disk 1.0"; two spaces when nothing was told. */
export function modelOf(data: InquiryData): string {
  const product = visibleText(data, StandardInquiry.offset.product, 16);
  const revision = visibleText(data, StandardInquiry.offset.revision, 4);
  return `${vendorOf(data)} ${product} ${revision}`;
}

const typeNames: Readonly<Record<number, string>> = {
  0x00: 'Direct Access',
  0x01: 'Sequential Access',
  0x02: 'Printer',
  0x03: 'Processor',
  0x04: 'WORM',
  0x05: 'CD-ROM',
  0x07: 'Optical',
  0x08: 'Changer',
  0x0c: 'Storage Array',
  0x0d: 'Enclosure Services',
  0x0e: 'Simplified Direct Access',
  0x1f: 'Uninstalled',
};
const qualifierNames = ['', '(offline)', '(reserved qualifier)', '(LUN not supported)'];

/** The line of an announcement: `<model> Fixed Direct Access SPC-3 SCSI device`. */
export function inquiryLine(data: InquiryData, release: 'legacy' | 'modern'): string {
  const type = typeNames[deviceTypeOf(data)] ?? 'unknown';
  const isRemovable = (data[StandardInquiry.offset.removable]! & INQUIRY_REMOVABLE) !== 0;
  const kind = `${isRemovable ? 'Removable' : 'Fixed'} ${type}`;
  const qualifier = qualifierNames[qualifierOf(data)] ?? '(vendor-unique qualifier)';
  const level = release === 'legacy' ? legacyLevel(revisionOf(data)) : level13(revisionOf(data));
  return `<${modelOf(data)}> ${kind} ${level} device${qualifier === '' ? '' : ` ${qualifier}`}`;
}

function legacyLevel(revision: number): string {
  return revision === 1 ? 'SCSI-CCS' : `SCSI-${revision}`;
}

function level13(revision: number): string {
  if (revision === 0) return 'SCSI';
  return revision <= ScsiRevision.spc ? `SCSI-${revision}` : `SPC-${revision - 2} SCSI`;
}
