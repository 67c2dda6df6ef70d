import {
  BlockLimits,
  INQUIRY_CMDQUE,
  INQUIRY_HEADER_BYTES,
  INQUIRY_REMOVABLE,
  INQUIRY_RESPONSE_FORMAT,
  PeripheralDeviceType,
  ScsiStatus,
  Sense,
  SrbStatus,
  StandardInquiry,
  VpdDesignator,
  VpdHeader,
  VpdPage,
} from './spec.ts';
import type { ScsiTask } from './task.ts';
import { writeGuid } from '../../core/wire.ts';

/** UNMAP descriptors that one command may carry. */
export const MAX_UNMAP_DESCRIPTORS = 4096;
/** Blocks that one UNMAP may name in all. */
export const MAX_UNMAP_BLOCKS = 0xffff_ffff;
/** The most that WRITE SAME covers. */
export const MAX_WRITE_SAME_BYTES = 8 * 1024 * 1024;
/** Names Microsoft's virtual device properties page, CFh. */
const VIRTUAL_DEVICE_SIGNATURE = '89a98f15-c928-4d8b-94cd-ef51faa99d33';
/** What vhdmp puts behind the vendor in page 83h of every virtual DVD drive. */
const DVD_CONTEXT_GUID = '43e30573-0377-4654-9495-7d7ced624a7d';

export interface InquiryIdentity {
  /** 8, 16 and 4 characters; shorter ones are padded with blanks. */
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
}

export const MICROSOFT_DISK: InquiryIdentity = {
  vendor: 'Msft',
  product: 'Virtual Disk',
  revision: '1.0',
};
export const MICROSOFT_DVD: InquiryIdentity = {
  vendor: 'Msft',
  product: 'Virtual DVD-ROM',
  revision: '1.0',
};
/** The same drive on an emulated IDE channel. */
export const MICROSOFT_IDE_DVD: InquiryIdentity = {
  vendor: 'Msft',
  product: 'Virtual CD/ROM',
  revision: '1.0',
};

/** What the pages of a disk say. */
export interface DiskPages {
  readonly identity: InquiryIdentity;
  readonly inquiryBytes: number;
  readonly diskId: Uint8Array;
  /** '' for a disk without page 80h. */
  readonly serialNumber: string;
  /** Pages B0h, B1h and B2h, UNMAP, LBPME. */
  readonly isThin: boolean;
  readonly optimalUnmapBlocks: number;
  readonly rotationRate: number;
}

function ascii(text: string, length: number): Uint8Array {
  const result = new Uint8Array(length).fill(0x20);
  for (let index = 0; index < Math.min(length, text.length); index += 1) {
    result[index] = text.charCodeAt(index) & 0x7f;
  }
  return result;
}

/** Writes standard INQUIRY data of `length` (36 or more) bytes to the start of `view`. */
export function writeStandardInquiry(
  view: DataView,
  peripheral: number,
  version: number,
  identity: InquiryIdentity,
  length: number,
): void {
  for (let index = 0; index < length; index += 1) view.setUint8(index, 0);
  const inquiry = StandardInquiry.cursor(view).at(0);
  const isDvd = peripheral === PeripheralDeviceType.cdDvd;
  inquiry.peripheral = peripheral;
  inquiry.removable = isDvd ? INQUIRY_REMOVABLE : 0;
  inquiry.version = version;
  inquiry.format = INQUIRY_RESPONSE_FORMAT;
  inquiry.additionalLength = length - INQUIRY_HEADER_BYTES;
  inquiry.flags7 = peripheral === PeripheralDeviceType.directAccess ? INQUIRY_CMDQUE : 0;
  inquiry.vendor = ascii(identity.vendor, 8);
  inquiry.product = ascii(identity.product, 16);
  inquiry.revision = ascii(identity.revision, 4);
}

/**
 * INQUIRY as vhdmp checks it: the buffer must hold the allocation length, and a page code needs the
 * EVPD bit. @returns the allocation length, or -1 when the command has been answered
 */
function inquiryAllocation(task: ScsiTask, minimum: number): number {
  const allocation = task.cdb16(3);
  const isEvpd = (task.cdb[1]! & 1) !== 0;
  const isCommandSupportData = (task.cdb[1]! & 2) !== 0;
  if (
    allocation > task.data.length ||
    allocation < minimum ||
    isCommandSupportData ||
    (task.cdb[2] !== 0 && !isEvpd)
  ) {
    task.illegal(Sense.invalidFieldInCdb);
    return -1;
  }
  return allocation;
}

function replyPage(task: ScsiTask, type: number, page: number, length: number, to: number): void {
  const header = VpdHeader.cursor(task.scratchView).at(0);
  header.peripheral = type;
  header.page = page;
  header.length = length;
  task.reply(VpdHeader.size + length, to);
}

export function diskInquiry(
  task: ScsiTask,
  pages: DiskPages,
  blocks: number,
  sector: number,
): void {
  const isEvpd = (task.cdb[1]! & 1) !== 0;
  const allocation = inquiryAllocation(task, isEvpd ? VpdHeader.size : INQUIRY_HEADER_BYTES);
  if (allocation < 0) return;
  const type = PeripheralDeviceType.directAccess;
  const view = task.scratchView;
  if (!isEvpd) {
    writeStandardInquiry(view, type, task.inquiryVersion, pages.identity, pages.inquiryBytes);
    task.reply(pages.inquiryBytes, allocation);
    return;
  }
  const page = task.cdb[2]!;
  const length = diskPage(task, page, pages, blocks, sector);
  if (length < 0) task.illegal(Sense.invalidFieldInCdb);
  else replyPage(task, type, page, length, allocation);
}

/** Writes a page behind its header. @returns its length, or -1 when the disk lacks the page */
function diskPage(
  task: ScsiTask,
  page: number,
  pages: DiskPages,
  blocks: number,
  sector: number,
): number {
  if (!supportedPages(pages).includes(page)) return -1;
  const { scratch, scratchView: view } = task;
  const body = VpdHeader.size;
  scratch.fill(0, body, body + 64);
  switch (page) {
    case VpdPage.supportedPages: {
      const supported = supportedPages(pages);
      scratch.set(supported, body);
      return supported.length;
    }
    case VpdPage.unitSerialNumber: {
      const serial = pages.serialNumber.slice(0, 252);
      scratch.set(ascii(serial, serial.length), body);
      return serial.length;
    }
    case VpdPage.deviceIdentification:
      return diskDesignators(task, body, pages);
    case VpdPage.blockLimits: {
      const limits = BlockLimits.cursor(view).at(body);
      limits.maxUnmapLbaCount = MAX_UNMAP_BLOCKS;
      limits.maxUnmapDescriptors = MAX_UNMAP_DESCRIPTORS;
      limits.optimalUnmapGranularity = Math.max(1, pages.optimalUnmapBlocks);
      limits.unmapAlignment = 0x8000_0000;
      limits.maxWriteSameLengthLo = MAX_WRITE_SAME_BYTES / sector;
      return BlockLimits.size;
    }
    case VpdPage.blockDeviceCharacteristics:
      view.setUint16(body, pages.rotationRate);
      return 60;
    case VpdPage.logicalBlockProvisioning:
      scratch[body] = thresholdExponent(blocks);
      // LBPU: the UNMAP command works; type 2: thin.
      scratch[body + 1] = 0x80;
      scratch[body + 2] = 2;
      return 4;
    case VpdPage.microsoftPagingExtent:
      scratch[body] = 1;
      scratch[body + 1] = 1;
      return 4;
    case VpdPage.microsoftVirtualDevice:
      scratch[body] = 1;
      writeGuid(view, body + 4, VIRTUAL_DEVICE_SIGNATURE);
      return 20;
    default:
      return -1;
  }
}

/** In ascending order, as SPC-4 7.8.14 asks. */
function supportedPages(pages: DiskPages): number[] {
  const supported: number[] = [VpdPage.supportedPages];
  if (pages.serialNumber !== '') supported.push(VpdPage.unitSerialNumber);
  supported.push(VpdPage.deviceIdentification);
  if (pages.isThin) {
    supported.push(
      VpdPage.blockLimits,
      VpdPage.blockDeviceCharacteristics,
      VpdPage.logicalBlockProvisioning,
    );
  }
  supported.push(VpdPage.microsoftPagingExtent, VpdPage.microsoftVirtualDevice);
  return supported;
}

/**
 * The smallest exponent of at least 1 for which blocks / 2^exponent fits 32 bits (SBC-3 6.6.8).
 */
function thresholdExponent(blocks: number): number {
  let exponent = 1;
  while (blocks / 2 ** exponent >= 0x1_0000_0000) exponent += 1;
  return exponent;
}

/** A T10 vendor id of "Msft" with the disk id, then NAA 6 under Microsoft's OUI 00-22-48. */
function diskDesignators(task: ScsiTask, body: number, pages: DiskPages): number {
  const { scratch } = task;
  designatorHeader(task, body, 1, 24);
  scratch.set(ascii(pages.identity.vendor, 8), body + 4);
  scratch.set(pages.diskId.subarray(0, 16), body + 12);
  designatorHeader(task, body + 28, 3, 16);
  scratch.set([0x60, 0x02, 0x24, 0x80], body + 32);
  // The first and last six bytes of a GUID hold most of its chance.
  scratch.set(pages.diskId.subarray(0, 6), body + 36);
  scratch.set(pages.diskId.subarray(10, 16), body + 42);
  return 48;
}

function designatorHeader(task: ScsiTask, at: number, type: number, length: number): void {
  const designator = VpdDesignator.cursor(task.scratchView).at(at);
  designator.codeSet = 1;
  designator.type = type;
  designator.reserved = 0;
  designator.length = length;
}

/** INQUIRY of a DVD drive: version byte 0 on every host, pages 00h and 83h only. */
export function dvdInquiry(task: ScsiTask, identity: InquiryIdentity): void {
  const isEvpd = (task.cdb[1]! & 1) !== 0;
  const allocation = task.cdb16(3);
  const type = PeripheralDeviceType.cdDvd;
  if (allocation > task.data.length || (isEvpd && allocation < VpdHeader.size)) {
    task.failPlain(ScsiStatus.checkCondition, SrbStatus.dataOverrun);
    return;
  }
  if (!isEvpd) {
    if (task.cdb[2] !== 0) {
      task.fail(Sense.invalidFieldInCdb, SrbStatus.error);
      return;
    }
    writeStandardInquiry(task.scratchView, type, 0, identity, StandardInquiry.size);
    task.reply(StandardInquiry.size, allocation);
    return;
  }
  const body = VpdHeader.size;
  if (task.cdb[2] === VpdPage.supportedPages) {
    task.scratch[body] = VpdPage.supportedPages;
    task.scratch[body + 1] = VpdPage.deviceIdentification;
    replyPage(task, type, VpdPage.supportedPages, 2, allocation);
  } else if (task.cdb[2] === VpdPage.deviceIdentification) {
    designatorHeader(task, body, 1, 24);
    task.scratch.set(ascii(MICROSOFT_DVD.vendor, 8), body + 4);
    writeGuid(task.scratchView, body + 12, DVD_CONTEXT_GUID);
    replyPage(task, type, VpdPage.deviceIdentification, 28, allocation);
  } else {
    task.fail(Sense.invalidFieldInCdb, SrbStatus.error);
  }
}
