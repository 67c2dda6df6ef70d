import { latin1Text } from '../../core/text.ts';
import { InputError } from '../../core/errors.ts';
import type { DiskRange } from '../disk-range.ts';
import {
  BootRecord,
  DescriptorType,
  DirectoryRecord,
  EL_TORITO_ID,
  FIRST_DESCRIPTOR_SECTOR,
  JOLIET_ESCAPES,
  LOGICAL_SECTOR_BYTES,
  STANDARD_ID,
  VolumeDescriptor,
} from './spec.ts';

/** Real discs have three or four. */
const MAX_DESCRIPTORS = 32;

/** An extent of a file or directory, in bytes from the start of the disc. */
export interface Extent {
  readonly startByte: number;
  readonly sizeBytes: number;
}

export interface VolumeTree {
  readonly label: string;
  readonly root: Extent;
  readonly sizeBytes: number;
  readonly blockBytes: number;
}

export interface Descriptors {
  readonly primary: VolumeTree;
  readonly joliet: VolumeTree | undefined;
  /** Logical sector of the El Torito boot catalog. */
  readonly catalogLba: number | undefined;
}

/** Whether the disc has the mark of ISO 9660 at all. */
export function isIso9660(range: DiskRange): boolean {
  const position = FIRST_DESCRIPTOR_SECTOR * LOGICAL_SECTOR_BYTES;
  if (range.sizeBytes < position + LOGICAL_SECTOR_BYTES) return false;
  return latin1Text(range.bytes(position + 1, STANDARD_ID.length)) === STANDARD_ID;
}

/** Reads the sequence of volume descriptors. @throws InputError when there is no primary one */
export function readDescriptors(range: DiskRange): Descriptors {
  let primary: VolumeTree | undefined;
  let joliet: VolumeTree | undefined;
  let catalogLba: number | undefined;
  for (let index = 0; index < MAX_DESCRIPTORS; index += 1) {
    const position = (FIRST_DESCRIPTOR_SECTOR + index) * LOGICAL_SECTOR_BYTES;
    if (position + LOGICAL_SECTOR_BYTES > range.sizeBytes) break;
    const sector = range.bytes(position, LOGICAL_SECTOR_BYTES);
    if (latin1Text(sector.subarray(1, 6)) !== STANDARD_ID) break;
    const [type] = sector;
    if (type === DescriptorType.is.terminator) break;
    if (type === DescriptorType.is.primary && primary === undefined) {
      primary = readTree(range, sector, position, latin1Text);
    } else if (type === DescriptorType.is.supplementary && joliet === undefined) {
      const escapes = latin1Text(sector.subarray(VolumeDescriptor.offset.escapeSequences)).slice(
        0,
        3,
      );
      if (JOLIET_ESCAPES.includes(escapes)) joliet = readTree(range, sector, position, wideText);
    } else if (type === DescriptorType.is.boot && catalogLba === undefined) {
      const record = BootRecord.cursor(new DataView(sector.buffer)).at(0);
      if (latin1Text(record.systemId).startsWith(EL_TORITO_ID)) catalogLba = record.catalogLba;
    }
  }
  if (primary === undefined) {
    throw new InputError(
      range.disk.name,
      `not an ISO 9660 disc: no primary volume descriptor (01 "CD001") at offset ${FIRST_DESCRIPTOR_SECTOR * LOGICAL_SECTOR_BYTES}`,
    );
  }
  return { primary, joliet, catalogLba };
}

function readTree(
  range: DiskRange,
  sector: Uint8Array,
  position: number,
  decode: (bytes: Uint8Array) => string,
): VolumeTree {
  const view = new DataView(sector.buffer);
  const descriptor = VolumeDescriptor.cursor(view).at(0);
  const { blockBytes } = descriptor;
  if (![512, 1024, 2048].includes(blockBytes)) {
    throw new InputError(
      range.disk.name,
      `volume descriptor at offset ${position}: blocks of ${blockBytes} bytes, expected 2048`,
    );
  }
  const root = DirectoryRecord.cursor(view).at(VolumeDescriptor.offset.rootRecord);
  return {
    label: decode(descriptor.volumeId).replace(/[ \0]+$/, ''),
    root: {
      startByte: (root.extentLba + root.extendedLength) * blockBytes,
      sizeBytes: root.dataBytes,
    },
    sizeBytes: descriptor.volumeSectors * blockBytes,
    blockBytes,
  };
}

/** UCS-2, big-endian, as Joliet writes names. */
export function wideText(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    text += String.fromCharCode((bytes[at]! << 8) | bytes[at + 1]!);
  }
  return text;
}
