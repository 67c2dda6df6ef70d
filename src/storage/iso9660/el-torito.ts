import { InputError } from '../../core/errors.ts';
import type { BlockDevice } from '../block.ts';
import { DiskRange } from '../disk-range.ts';
import { readDescriptors } from './descriptors.ts';
import {
  BootEntry,
  BootIndicator,
  BootMedia,
  ENTRY_EXTENSION,
  LOGICAL_SECTOR_BYTES,
  SectionHeader,
  SectionIndicator,
  VALIDATION_HEADER_ID,
  VALIDATION_KEYS,
  ValidationEntry,
} from './spec.ts';

/** 2048 bytes hold 64 entries, and no catalog in use has more. */
const CATALOG_BYTES = LOGICAL_SECTOR_BYTES;
const FLOPPY_BYTES: ReadonlyMap<number, number> = new Map([
  [BootMedia.is.floppy1200, 1200 * 1024],
  [BootMedia.is.floppy1440, 1440 * 1024],
  [BootMedia.is.floppy2880, 2880 * 1024],
]);

/** A boot image that the catalog names. */
export interface BootImage {
  /** A value of `BootPlatform`. */
  readonly platform: number;
  readonly bootable: boolean;
  /** A value of `BootMedia`. */
  readonly media: number;
  /** Real-mode segment that a BIOS loads to; 7C0h where the entry says 0. */
  readonly loadSegment: number;
  /** The partition type, for hard disk emulation. */
  readonly systemType: number;
  /** How many 512-byte sectors a BIOS loads. */
  readonly sectorCount: number;
  /** Byte position on the disc. */
  readonly startByte: number;
  /**
   * Bytes that belong to the image. Without emulation a count of 0 or 1 means all up to the end of
   * the disc, as EDK2 reads it, since mastering tools put that for EFI images.
   */
  readonly sizeBytes: number;
}

/**
 * The boot images of a disc, the default one first.
 * @returns [] when the disc has no boot catalog
 * @throws InputError when it has one that is damaged
 */
export function readBootCatalog(disk: BlockDevice): BootImage[] {
  const range = new DiskRange(disk, 0, disk.sizeBytes, 'disc');
  const { catalogLba } = readDescriptors(range);
  if (catalogLba === undefined) return [];
  const start = catalogLba * LOGICAL_SECTOR_BYTES;
  const fail = (message: string): never => {
    throw new InputError(disk.name, `El Torito boot catalog at offset ${start}: ${message}`);
  };
  if (start + CATALOG_BYTES > disk.sizeBytes) fail(`beyond the disc of ${disk.sizeBytes} bytes`);
  const view = new DataView(range.bytes(start, CATALOG_BYTES).buffer);
  const validation = ValidationEntry.cursor(view).at(0);
  if (validation.headerId !== VALIDATION_HEADER_ID || validation.keys !== VALIDATION_KEYS) {
    fail('the validation entry does not have header 01 and keys 55 AA');
  }
  let sum = 0;
  for (let at = 0; at < ValidationEntry.size; at += 2) sum += view.getUint16(at, true);
  if ((sum & 0xffff) !== 0) {
    fail(`the words of the validation entry add up to 0x${(sum & 0xffff).toString(16)}, not 0`);
  }
  const images = [readEntry(view, ValidationEntry.size, validation.platform, disk)];
  readSections(view, images, disk);
  return images;
}

function readSections(view: DataView, images: BootImage[], disk: BlockDevice): void {
  const header = SectionHeader.cursor(view);
  let at = ValidationEntry.size + BootEntry.size;
  while (at + SectionHeader.size <= CATALOG_BYTES) {
    const { indicator, platform, entryCount } = header.at(at);
    if (indicator !== SectionIndicator.is.more && indicator !== SectionIndicator.is.last) return;
    at += SectionHeader.size;
    for (let entry = 0; entry < entryCount && at + BootEntry.size <= CATALOG_BYTES; entry += 1) {
      images.push(readEntry(view, at, platform, disk));
      at += BootEntry.size;
      while (at < CATALOG_BYTES && view.getUint8(at) === ENTRY_EXTENSION) at += BootEntry.size;
    }
    if (indicator === SectionIndicator.is.last) return;
  }
}

function readEntry(view: DataView, at: number, platform: number, disk: BlockDevice): BootImage {
  const entry = BootEntry.cursor(view).at(at);
  const media = entry.media & 0x0f;
  const startByte = entry.imageLba * LOGICAL_SECTOR_BYTES;
  const left = Math.max(0, disk.sizeBytes - startByte);
  let sizeBytes = entry.sectorCount * 512;
  if (media !== BootMedia.is.noEmulation) sizeBytes = FLOPPY_BYTES.get(media) ?? left;
  else if (entry.sectorCount < 2) sizeBytes = left;
  return {
    platform,
    bootable: entry.indicator === BootIndicator.is.bootable,
    media,
    loadSegment: entry.loadSegment === 0 ? 0x7c0 : entry.loadSegment,
    systemType: entry.systemType,
    sectorCount: entry.sectorCount,
    startByte,
    sizeBytes: Math.min(sizeBytes, left),
  };
}

/** The first bootable image for a platform, such as `BootPlatform.is.efi`. */
export function findBootImage(
  images: readonly BootImage[],
  platform: number,
): BootImage | undefined {
  return images.find((image) => image.bootable && image.platform === platform);
}
