/** System Management BIOS Reference Specification 3.6 (DSP0134): what firmware says of the machine. */
import { bytes, guid, struct, u16, u32, u8 } from '../wire.ts';

/** Section 5.2.1; on a 16-byte boundary from F0000h on, or named by the EFI configuration table. */
export const SmbiosEntryPoint = struct(
  'SmbiosEntryPoint',
  31,
  {
    anchor: bytes(4),
    checksum: u8,
    entryBytes: u8,
    majorVersion: u8,
    minorVersion: u8,
    maxStructureBytes: u16,
    revision: u8,
    formatted: bytes(5),
    intermediateAnchor: bytes(5),
    intermediateChecksum: u8,
    tableBytes: u16,
    tableGpa: u32,
    structureCount: u16,
    bcdRevision: u8,
  },
  { packed: true },
);
export const SMBIOS_ANCHOR = '_SM_';
export const SMBIOS_INTERMEDIATE_ANCHOR = '_DMI_';
/** Where the part that the intermediate checksum covers begins. */
export const SMBIOS_INTERMEDIATE_AT = 16;
export const SMBIOS_TABLE_GUID = 'eb9d2d31-2d88-11d3-9a16-0090273fc14d';

export const SmbiosHeader = struct('SmbiosHeader', 4, { type: u8, length: u8, handle: u16 });
export const SmbiosType = {
  bios: 0,
  system: 1,
  memoryArray: 16,
  memoryDevice: 17,
  end: 127,
} as const;

/** 7.1, up to the extension bytes of version 2.4. */
export const SmbiosBios = struct(
  'SmbiosBios',
  24,
  {
    header: bytes(4),
    vendor: u8,
    version: u8,
    startSegment: u16,
    releaseDate: u8,
    romSize: u8,
    characteristics: bytes(8),
    extension: bytes(2),
    biosMajor: u8,
    biosMinor: u8,
    controllerMajor: u8,
    controllerMinor: u8,
  },
  { packed: true },
);

/** 7.2. */
export const SmbiosSystem = struct(
  'SmbiosSystem',
  27,
  {
    header: bytes(4),
    manufacturer: u8,
    product: u8,
    version: u8,
    serialNumber: u8,
    uuid: guid,
    wakeUpType: u8,
    sku: u8,
    family: u8,
  },
  { packed: true },
);

/** 7.17. */
export const SmbiosMemoryArray = struct(
  'SmbiosMemoryArray',
  15,
  {
    header: bytes(4),
    location: u8,
    use: u8,
    errorCorrection: u8,
    maxKib: u32,
    errorHandle: u16,
    deviceCount: u16,
  },
  { packed: true },
);

/** 7.18, as of version 2.7. */
export const SmbiosMemoryDevice = struct(
  'SmbiosMemoryDevice',
  34,
  {
    header: bytes(4),
    arrayHandle: u16,
    errorHandle: u16,
    totalWidth: u16,
    dataWidth: u16,
    /** MiB; `SMBIOS_EXTENDED_SIZE`: it does not fit. */
    sizeMib: u16,
    formFactor: u8,
    deviceSet: u8,
    deviceLocator: u8,
    bankLocator: u8,
    memoryType: u8,
    typeDetail: u16,
    speed: u16,
    manufacturer: u8,
    serialNumber: u8,
    assetTag: u8,
    partNumber: u8,
    attributes: u8,
    extendedSizeMib: u32,
    configuredSpeed: u16,
  },
  { packed: true },
);
export const SMBIOS_EXTENDED_SIZE = 0x7fff;
