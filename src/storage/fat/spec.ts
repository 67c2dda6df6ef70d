/**
 * FAT12, FAT16, FAT32 and long names: Microsoft Extensible Firmware Initiative FAT32 File System
 * Specification 1.03 ("fatgen103"), and the case bits that Windows NT adds to short names.
 *
 * One deviation: a volume whose 16-bit FAT size is 0 is FAT32 at any cluster count, as Windows,
 * EDK2 and Linux read it, since small EFI system partitions made with `mkfs.vfat -F 32` are common.
 */
import { bytes, flags, struct, u8, u16, u32 } from '../../core/wire.ts';

/** The part of the BIOS parameter block that all types share. fatgen103, "Boot Sector and BPB". */
export const BootSector = struct(
  'BootSector',
  36,
  {
    jump: bytes(3),
    oemName: bytes(8),
    bytesPerSector: u16,
    sectorsPerCluster: u8,
    reservedSectors: u16,
    fatCount: u8,
    rootEntries: u16,
    totalSectors16: u16,
    media: u8,
    fatSectors16: u16,
    sectorsPerTrack: u16,
    heads: u16,
    hiddenSectors: u32,
    totalSectors32: u32,
  },
  { packed: true },
);

/** What follows at offset 36 on FAT12 and FAT16. */
export const ExtendedBpb16 = struct(
  'ExtendedBpb16',
  26,
  {
    drive: u8,
    reserved: u8,
    bootSignature: u8,
    serial: u32,
    label: bytes(11),
    fileSystem: bytes(8),
  },
  { packed: true },
);

/** Bit 7: only the FAT in bits 3:0 is live, instead of all being mirrors. */
export const FatFlags = flags(u16, { NO_MIRROR: 0x80 });

/** What follows at offset 36 on FAT32. */
export const ExtendedBpb32 = struct(
  'ExtendedBpb32',
  54,
  {
    fatSectors32: u32,
    extendedFlags: FatFlags,
    version: u16,
    rootCluster: u32,
    infoSector: u16,
    backupBootSector: u16,
    reserved: bytes(12),
    drive: u8,
    reserved1: u8,
    bootSignature: u8,
    serial: u32,
    label: bytes(11),
    fileSystem: bytes(8),
  },
  { packed: true },
);

export const EXTENDED_BPB_OFFSET = 36;
export const EXTENDED_BOOT_SIGNATURE = 0x29;
export const BOOT_SIGNATURE_OFFSET = 510;
export const BOOT_SIGNATURE = 0xaa55;

/** fatgen103, "FAT32 FSInfo Sector Structure". */
export const FsInfo = struct('FsInfo', 512, {
  leadSignature: u32,
  reserved: bytes(480),
  structSignature: u32,
  /** 0xFFFFFFFF: not known. */
  freeCount: u32,
  nextFree: u32,
  reserved1: bytes(12),
  trailSignature: u32,
});

export const FSINFO_LEAD = 0x4161_5252;
export const FSINFO_STRUCT = 0x6141_7272;
export const FSINFO_TRAIL = 0xaa55_0000;
export const FSINFO_UNKNOWN = 0xffff_ffff;

export const Attribute = flags(u8, {
  READ_ONLY: 0x01,
  HIDDEN: 0x02,
  SYSTEM: 0x04,
  VOLUME_ID: 0x08,
  DIRECTORY: 0x10,
  ARCHIVE: 0x20,
});

/** READ_ONLY, HIDDEN, SYSTEM and VOLUME_ID together mark an entry of a long name. */
export const LONG_NAME_ATTRIBUTE = 0x0f;
export const LONG_NAME_ATTRIBUTE_MASK = 0x3f;

/** Windows NT: this part of the short name is to be shown in lower case. */
export const CaseBits = flags(u8, { LOWER_BASE: 0x08, LOWER_EXTENSION: 0x10 });

/** fatgen103, "FAT Directory Structure". */
export const DirectoryEntry = struct('DirectoryEntry', 32, {
  name: bytes(11),
  attributes: Attribute,
  /** Windows NT: the short name is to be shown in lower case. */
  caseBits: CaseBits,
  createdTenMs: u8,
  createdTime: u16,
  createdDate: u16,
  accessedDate: u16,
  clusterHigh: u16,
  modifiedTime: u16,
  modifiedDate: u16,
  clusterLow: u16,
  sizeBytes: u32,
});

/** fatgen103, "FAT Long Directory Entries". */
export const LongNameEntry = struct(
  'LongNameEntry',
  32,
  {
    /** From 1; bit 6 marks the last part, which stands first. */
    order: u8,
    name1: bytes(10),
    attributes: Attribute,
    type: u8,
    checksum: u8,
    name2: bytes(12),
    cluster: u16,
    name3: bytes(4),
  },
  { packed: true },
);

export const LONG_NAME_LAST = 0x40;
export const LONG_NAME_UNITS = 13;
export const MAX_LONG_NAME_UNITS = 255;
export const MAX_LONG_NAME_ENTRIES = 20;

export const ENTRY_FREE = 0xe5;
export const ENTRY_END = 0x00;
/** Stands for a first byte of 0xE5, which would mean "free". */
export const ENTRY_KANJI_E5 = 0x05;

/** A directory is at most 65,536 entries long. */
export const MAX_DIRECTORY_BYTES = 65_536 * DirectoryEntry.size;

export type FatType = 12 | 16 | 32;
/** Fewer clusters than this are FAT12; fewer than `FAT16_CLUSTERS` are FAT16. */
export const FAT12_CLUSTERS = 4085;
export const FAT16_CLUSTERS = 65_525;
export const FAT32_CLUSTERS = 0x0fff_fff5;

/** Values of a FAT entry, as the low bits of the type's width. */
export const FIRST_CLUSTER = 2;
export const BAD_CLUSTER = 0x0fff_fff7;
export const END_OF_CHAIN = 0x0fff_ffff;
