/** [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format". All integers are little-endian. */
import { bytes, flags, guid, openEnum, struct, u16, u32, u64, u8 } from '../../core/wire.ts';

export const mebibyte = 1_048_576;
/** Regions, blocks and the log lie on multiples of 1 MiB. */
export const alignmentBytes = mebibyte;

/** 2.2: where the parts of the header section stand. */
export const Position = {
  fileIdentifier: 0,
  header1: 65_536,
  header2: 131_072,
  regionTable1: 196_608,
  regionTable2: 262_144,
  /** Below this the log may not write. */
  loggable: 196_608,
  endOfHeaders: mebibyte,
} as const;

export const zeroGuid = '00000000-0000-0000-0000-000000000000';

/** 2.2.1 */
export const FileIdentifier = struct('VhdxFileIdentifier', 520, {
  signature: bytes(8),
  /** UTF-16. */
  creator: bytes(512),
});
export const fileSignature = 'vhdxfile';

/** 2.2.2; the checksum covers 4 KiB. */
export const Header = struct('VhdxHeader', 4096, {
  signature: u32,
  checksum: u32,
  sequenceNumber: u64,
  fileWriteGuid: guid,
  dataWriteGuid: guid,
  logGuid: guid,
  logVersion: u16,
  version: u16,
  logLength: u32,
  logOffset: u64,
  reserved: bytes(4016),
});
export const headerSignature = 0x6461_6568;
export const formatVersion = 1;
export const logVersion = 0;

/** 2.2.3.1; the checksum covers the whole table of 64 KiB. */
export const RegionTableHeader = struct('VhdxRegionTableHeader', 16, {
  signature: u32,
  checksum: u32,
  entryCount: u32,
  reserved: u32,
});
export const regionSignature = 0x6967_6572;
export const regionTableBytes = 65_536;
export const maximumRegions = 2047;

/** 2.2.3.2 */
export const RegionTableEntry = struct('VhdxRegionTableEntry', 32, {
  guid,
  fileOffset: u64,
  length: u32,
  required: flags(u32, { required: 1 }),
});
export const Region = {
  bat: '2dc27766-f623-4200-9d64-115e9bfd4a08',
  metadata: '8b7ca206-4790-4b9a-b8fe-575f050f886e',
} as const;

/** 2.3.1.1; the checksum covers the whole entry. */
export const LogEntryHeader = struct('VhdxLogEntryHeader', 64, {
  signature: u32,
  checksum: u32,
  entryLength: u32,
  tail: u32,
  sequenceNumber: u64,
  descriptorCount: u32,
  reserved: u32,
  logGuid: guid,
  flushedFileOffset: u64,
  lastFileOffset: u64,
});
export const logEntrySignature = 0x6567_6f6c;
export const logSectorBytes = 4096;

/** 2.3.1.2 */
export const ZeroDescriptor = struct('VhdxLogZeroDescriptor', 32, {
  signature: u32,
  reserved: u32,
  zeroLength: u64,
  fileOffset: u64,
  sequenceNumber: u64,
});
export const zeroDescriptorSignature = 0x6f72_657a;

/** 2.3.1.3: the first 8 and last 4 bytes of the sector stand here, not in the data sector. */
export const DataDescriptor = struct('VhdxLogDataDescriptor', 32, {
  signature: u32,
  trailingBytes: bytes(4),
  leadingBytes: bytes(8),
  fileOffset: u64,
  sequenceNumber: u64,
});
export const dataDescriptorSignature = 0x6373_6564;

/** 2.3.1.4 */
export const DataSector = struct('VhdxLogDataSector', 4096, {
  signature: u32,
  sequenceHigh: u32,
  data: bytes(4084),
  sequenceLow: u32,
});
export const dataSectorSignature = 0x6174_6164;

/** 2.5.1.1: what a block table entry of a payload block says in its low three bits. */
export const BlockState = openEnum(u8, {
  notPresent: 0,
  undefined: 1,
  zero: 2,
  unmapped: 3,
  fullyPresent: 6,
  partiallyPresent: 7,
});
/** 2.5.1.2: a sector bitmap block is there or not. */
export const bitmapPresent = 6;
/** 2.4: a sector bitmap block has one bit for each of this many sectors, a chunk. */
export const sectorsPerChunk = 8 * mebibyte;
export const bitmapBlockBytes = mebibyte;
export const batEntryBytes = 8;

/** 2.6.1.1 */
export const MetadataTableHeader = struct('VhdxMetadataTableHeader', 32, {
  signature: bytes(8),
  reserved: u16,
  entryCount: u16,
  reserved2: bytes(20),
});
export const metadataSignature = 'metadata';
export const metadataTableBytes = 65_536;
export const maximumMetadataEntries = 2047;
export const maximumItemBytes = mebibyte;

export const metadataFlags = { isUser: 1, isVirtualDisk: 2, isRequired: 4 } as const;

/** 2.6.1.2 */
export const MetadataTableEntry = struct('VhdxMetadataTableEntry', 32, {
  itemId: guid,
  offset: u32,
  length: u32,
  flags: flags(u32, metadataFlags),
  reserved: u32,
});

/** 2.6.2 */
export const MetadataItem = {
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  virtualDiskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  virtualDiskId: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  logicalSectorSize: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  physicalSectorSize: 'cda348c7-445d-4471-9cc9-e9885251c556',
  parentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
} as const;

export const parameterFlags = { leaveBlocksAllocated: 1, hasParent: 2 } as const;

/** 2.6.2.1 */
export const FileParameters = struct('VhdxFileParameters', 8, {
  blockSize: u32,
  flags: flags(u32, parameterFlags),
});

/** 2.6.2.6.1 */
export const ParentLocatorHeader = struct('VhdxParentLocatorHeader', 20, {
  locatorType: guid,
  reserved: u16,
  keyValueCount: u16,
});
export const vhdxParentLocator = 'b04aefb7-d19e-4a81-b789-25b8e9445913';

/** 2.6.2.6.2 */
export const ParentLocatorEntry = struct('VhdxParentLocatorEntry', 12, {
  keyOffset: u32,
  valueOffset: u32,
  keyLength: u16,
  valueLength: u16,
});

export const minimumBlockBytes = mebibyte;
export const maximumBlockBytes = 256 * mebibyte;
export const defaultBlockBytes = 2 * mebibyte;
/** 64 TiB. */
export const maximumDiskBytes = 64 * mebibyte * mebibyte;
