/**
 * ISO 9660: ECMA-119 (4th edition). Joliet: Joliet Specification 1.0. Rock Ridge: RRIP 1.12 over
 * SUSP 1.12. El Torito: "El Torito" Bootable CD-ROM Format Specification 1.0, with the platform
 * EFh of UEFI 2.10, section 13.3.2.1. Numbers that ECMA-119 stores in both byte orders are read
 * in the little-endian half.
 */
import { bytes, flags, openEnum, struct, u8, u16, u32 } from '../../core/wire.ts';

export const LOGICAL_SECTOR_BYTES = 2048;
/** The volume descriptors begin at logical sector 16. */
export const FIRST_DESCRIPTOR_SECTOR = 16;
export const STANDARD_ID = 'CD001';

export const DescriptorType = openEnum(u8, {
  boot: 0,
  primary: 1,
  supplementary: 2,
  partition: 3,
  terminator: 255,
});

/** ECMA-119 8.4 and 8.5: what primary and supplementary descriptors share. */
export const VolumeDescriptor = struct(
  'VolumeDescriptor',
  190,
  {
    type: DescriptorType,
    standardId: bytes(5),
    version: u8,
    flags: u8,
    systemId: bytes(32),
    volumeId: bytes(32),
    unused: bytes(8),
    volumeSectors: u32,
    volumeSectorsBe: u32,
    escapeSequences: bytes(32),
    volumeSetSize: u32,
    volumeSequence: u32,
    blockBytes: u16,
    blockBytesBe: u16,
    pathTableBytes: u32,
    pathTableBytesBe: u32,
    pathTableLba: u32,
    optionalPathTableLba: u32,
    pathTableLbaBe: u32,
    optionalPathTableLbaBe: u32,
    rootRecord: bytes(34),
  },
  { packed: true },
);

export const FileFlags = flags(u8, {
  HIDDEN: 0x01,
  DIRECTORY: 0x02,
  ASSOCIATED: 0x04,
  MULTI_EXTENT: 0x80,
});

/** ECMA-119 9.1: the fixed part; the identifier and the system use area follow. */
export const DirectoryRecord = struct(
  'DirectoryRecord',
  33,
  {
    length: u8,
    extendedLength: u8,
    extentLba: u32,
    extentLbaBe: u32,
    dataBytes: u32,
    dataBytesBe: u32,
    date: bytes(7),
    flags: FileFlags,
    unitBytes: u8,
    gapBytes: u8,
    volumeSequence: u32,
    nameLength: u8,
  },
  { packed: true },
);

/** Joliet: UCS-2 levels 1, 2 and 3. */
export const JOLIET_ESCAPES: readonly string[] = ['%/@', '%/C', '%/E'];

/** El Torito 2.0, figure 7: the boot record volume descriptor. */
export const BootRecord = struct(
  'BootRecord',
  75,
  {
    type: DescriptorType,
    standardId: bytes(5),
    version: u8,
    systemId: bytes(32),
    unused: bytes(32),
    catalogLba: u32,
  },
  { packed: true },
);

export const EL_TORITO_ID = 'EL TORITO SPECIFICATION';

export const BootPlatform = openEnum(u8, { x86: 0x00, powerPc: 0x01, mac: 0x02, efi: 0xef });

/** El Torito 2.1: all 16-bit words of the 32 bytes add up to 0. */
export const ValidationEntry = struct('ValidationEntry', 32, {
  headerId: u8,
  platform: BootPlatform,
  reserved: u16,
  developer: bytes(24),
  checksum: u16,
  keys: u16,
});

export const VALIDATION_HEADER_ID = 0x01;
export const VALIDATION_KEYS = 0xaa55;

export const BootIndicator = openEnum(u8, { bootable: 0x88, notBootable: 0x00 });

/** Bits 3:0 count; the section entries keep flags in the rest. */
export const BootMedia = openEnum(u8, {
  noEmulation: 0,
  floppy1200: 1,
  floppy1440: 2,
  floppy2880: 3,
  hardDisk: 4,
});

/** El Torito 2.2 and 2.4. */
export const BootEntry = struct('BootEntry', 32, {
  indicator: BootIndicator,
  media: BootMedia,
  loadSegment: u16,
  systemType: u8,
  unused: u8,
  /** Sectors of 512 bytes. */
  sectorCount: u16,
  imageLba: u32,
  selection: bytes(20),
});

export const SectionIndicator = openEnum(u8, { more: 0x90, last: 0x91 });

/** El Torito 2.3. */
export const SectionHeader = struct('SectionHeader', 32, {
  indicator: SectionIndicator,
  platform: BootPlatform,
  entryCount: u16,
  id: bytes(28),
});

/** El Torito 2.5: goes on with the selection criteria of the entry before it. */
export const ENTRY_EXTENSION = 0x44;
