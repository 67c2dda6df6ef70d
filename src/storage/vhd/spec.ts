/** "Virtual Hard Disk Image Format Specification", version 1.0, 2006. All integers are big-endian. */
import { bytes, flags, guid, openEnum, struct, u8, u16be, u32be, u64be } from '../../core/wire.ts';

export const sectorBytes = 512;
/** "Block Allocation Table": an entry of a block that has no data. */
export const unusedEntry = 0xffff_ffff;
export const defaultBlockBytes = 2 * 1024 * 1024;
export const formatVersion = 0x0001_0000;
/** What Hyper-V's tools accept: 2040 GiB. */
export const maximumDiskBytes = 2040 * 1024 * 1024 * 1024;

export const DiskType = openEnum(u32be, { none: 0, fixed: 2, dynamic: 3, differencing: 4 });

/** "Hard Disk Footer Format"; the same bytes stand at offset 0 of dynamic and differencing disks. */
export const Footer = struct('VhdFooter', 512, {
  cookie: bytes(8),
  features: flags(u32be, { temporary: 1, reserved: 2 }),
  fileFormatVersion: u32be,
  dataOffset: u64be,
  /** Seconds since 2000-01-01 00:00:00 UTC. */
  timeStamp: u32be,
  creatorApplication: bytes(4),
  creatorVersion: u32be,
  creatorHostOs: bytes(4),
  originalSize: u64be,
  currentSize: u64be,
  cylinders: u16be,
  heads: u8,
  sectorsPerTrack: u8,
  diskType: DiskType,
  checksum: u32be,
  uniqueId: guid,
  savedState: u8,
  reserved: bytes(427),
});

/** "Dynamic Disk Header Format". */
export const DynamicHeader = struct('VhdDynamicHeader', 1024, {
  cookie: bytes(8),
  dataOffset: u64be,
  tableOffset: u64be,
  headerVersion: u32be,
  maxTableEntries: u32be,
  blockSize: u32be,
  checksum: u32be,
  parentUniqueId: guid,
  parentTimeStamp: u32be,
  reserved: u32be,
  /** UTF-16, big-endian. */
  parentUnicodeName: bytes(512),
  parentLocatorEntries: bytes(8 * 24),
  reserved2: bytes(256),
});

/** "Parent Locator Entry". */
export const ParentLocator = struct('VhdParentLocator', 24, {
  platformCode: bytes(4),
  /** The text says 512-byte sectors; Virtual PC and Hyper-V write bytes. */
  platformDataSpace: u32be,
  platformDataLength: u32be,
  reserved: u32be,
  platformDataOffset: u64be,
});

export const parentLocatorCount = 8;
export const footerCookie = 'conectix';
export const headerCookie = 'cxsparse';
