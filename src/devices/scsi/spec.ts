/**
 * SCSI as Hyper-V's virtual disks and DVD drives speak it. Sources: SPC-4 (INCITS 513), SBC-3
 * (INCITS 514), MMC-6 (INCITS 468); identity strings and the choice of pages are Microsoft's, as
 * published in OpenVMM (vm/devices/storage/scsidisk) and seen in guests' logs.
 */
import { bytes, openEnum, struct, u16be, u32be, u64be, u8 } from '../../core/wire.ts';

/** Operation codes (SPC-4 annex E, MMC-6 table 240). */
export const ScsiOperation = openEnum(u8, {
  testUnitReady: 0x00,
  requestSense: 0x03,
  formatUnit: 0x04,
  read6: 0x08,
  write6: 0x0a,
  inquiry: 0x12,
  modeSelect6: 0x15,
  reserve6: 0x16,
  release6: 0x17,
  modeSense6: 0x1a,
  startStopUnit: 0x1b,
  sendDiagnostic: 0x1d,
  preventAllowMediumRemoval: 0x1e,
  readCapacity10: 0x25,
  read10: 0x28,
  write10: 0x2a,
  writeAndVerify10: 0x2e,
  verify10: 0x2f,
  synchronizeCache10: 0x35,
  writeSame10: 0x41,
  unmap: 0x42,
  readToc: 0x43,
  getConfiguration: 0x46,
  getEventStatusNotification: 0x4a,
  readDiscInformation: 0x51,
  readTrackInformation: 0x52,
  modeSelect10: 0x55,
  modeSense10: 0x5a,
  readBufferCapacity: 0x5c,
  persistentReserveIn: 0x5e,
  persistentReserveOut: 0x5f,
  read16: 0x88,
  write16: 0x8a,
  writeAndVerify16: 0x8e,
  verify16: 0x8f,
  synchronizeCache16: 0x91,
  writeSame16: 0x93,
  serviceActionIn16: 0x9e,
  reportLuns: 0xa0,
  read12: 0xa8,
  write12: 0xaa,
  getPerformance: 0xac,
  readDvdStructure: 0xad,
  writeAndVerify12: 0xae,
  verify12: 0xaf,
  mechanismStatus: 0xbd,
}).is;

/** SERVICE ACTION IN(16) actions, SBC-3 5.15 and 5.6. */
export const ServiceAction = { readCapacity16: 0x10, getLbaStatus: 0x12 } as const;

/** Status codes, SAM-5 5.3.1. */
export const ScsiStatus = {
  good: 0x00,
  checkCondition: 0x02,
  busy: 0x08,
  reservationConflict: 0x18,
  taskAborted: 0x40,
} as const;

/** SRB_STATUS_x of the Windows storage stack (srb.h): what a storvsc completion carries. */
export const SrbStatus = openEnum(u8, {
  pending: 0x00,
  success: 0x01,
  aborted: 0x02,
  abortFailed: 0x03,
  error: 0x04,
  busy: 0x05,
  invalidRequest: 0x06,
  noDevice: 0x08,
  timeout: 0x09,
  selectionTimeout: 0x0a,
  commandTimeout: 0x0b,
  dataOverrun: 0x12,
  badFunction: 0x22,
  badSrbBlockLength: 0x15,
  requestFlushed: 0x16,
  invalidLun: 0x20,
  invalidTargetId: 0x21,
}).is;
export const SRB_STATUS_MASK = 0x3f;
export const SRB_QUEUE_FROZEN = 0x40;
export const SRB_AUTOSENSE_VALID = 0x80;

/** Sense key << 16 | additional sense code << 8 | qualifier (SPC-4 tables 48 and 49). */
export const Sense = {
  none: 0x00_00_00,
  mediumNotPresentTrayClosed: 0x02_3a_01,
  mediumNotPresentTrayOpen: 0x02_3a_02,
  notReadyRemovalPrevented: 0x02_53_02,
  writeError: 0x03_0c_00,
  unrecoveredReadError: 0x03_11_00,
  parameterListLength: 0x05_1a_00,
  invalidCommand: 0x05_20_00,
  lbaOutOfRange: 0x05_21_00,
  invalidFieldInCdb: 0x05_24_00,
  invalidFieldInParameterList: 0x05_26_00,
  invalidReleaseOfReservation: 0x05_26_04,
  incompatibleFormat: 0x05_30_02,
  savingParametersNotSupported: 0x05_39_00,
  mediumRemovalPrevented: 0x05_53_02,
  capacityDataChanged: 0x06_2a_09,
  writeProtected: 0x07_27_00,
  miscompareDuringVerify: 0x0e_1d_00,
} as const;

/** Fixed-format sense data, SPC-4 4.5.3: 18 bytes, additional length 10. */
export const SENSE_BYTES = 18;

/** Peripheral device types, SPC-4 table 147. */
export const PeripheralDeviceType = { directAccess: 0x00, cdDvd: 0x05 } as const;
/** Qualifier 3 and type 1Fh: no device can be behind this LUN (SPC-4 6.4.2). */
export const PERIPHERAL_NOT_CAPABLE = 0x7f;

/** Standard INQUIRY data, SPC-4 6.4.2, its first 36 bytes. */
export const StandardInquiry = struct('StandardInquiry', 36, {
  peripheral: u8,
  /** Bit 7: removable medium. */
  removable: u8,
  version: u8,
  /** Low four bits: response data format 2. */
  format: u8,
  additionalLength: u8,
  flags5: u8,
  flags6: u8,
  /** Bit 1: CmdQue. */
  flags7: u8,
  vendor: bytes(8),
  product: bytes(16),
  revision: bytes(4),
});
export const INQUIRY_RESPONSE_FORMAT = 2;
export const INQUIRY_CMDQUE = 0x02;
export const INQUIRY_REMOVABLE = 0x80;
export const INQUIRY_HEADER_BYTES = 5;

export const VpdPage = {
  supportedPages: 0x00,
  unitSerialNumber: 0x80,
  deviceIdentification: 0x83,
  blockLimits: 0xb0,
  blockDeviceCharacteristics: 0xb1,
  logicalBlockProvisioning: 0xb2,
  /** Microsoft: paging extent properties. */
  microsoftPagingExtent: 0xce,
  /** Microsoft: virtual device properties. */
  microsoftVirtualDevice: 0xcf,
} as const;

/** Header of every vital product data page, SPC-4 7.8.1. */
export const VpdHeader = struct('VpdHeader', 4, { peripheral: u8, page: u8, length: u16be });

/** Identification descriptor header, SPC-4 7.8.6. */
export const VpdDesignator = struct('VpdDesignator', 4, {
  /** Low four bits: 1 = binary. */
  codeSet: u8,
  /** Low four bits: 1 = T10 vendor id, 3 = NAA; association 0 = logical unit. */
  type: u8,
  reserved: u8,
  length: u8,
});

/** Block Limits VPD page after its header, SBC-3 6.6.4. */
export const BlockLimits = struct('BlockLimits', 60, {
  wsnz: u8,
  maxCompareAndWriteLength: u8,
  optimalTransferGranularity: u16be,
  maxTransferLength: u32be,
  optimalTransferLength: u32be,
  maxPrefetchLength: u32be,
  maxUnmapLbaCount: u32be,
  maxUnmapDescriptors: u32be,
  optimalUnmapGranularity: u32be,
  /** Bit 31: the alignment is valid. */
  unmapAlignment: u32be,
  maxWriteSameLengthHi: u32be,
  maxWriteSameLengthLo: u32be,
  reserved: bytes(20),
});

/** READ CAPACITY (10) parameter data, SBC-3 5.12.2. */
export const ReadCapacity10Data = struct('ReadCapacity10Data', 8, {
  lastLba: u32be,
  blockBytes: u32be,
});

/** READ CAPACITY (16) parameter data, SBC-3 5.13.2. */
export const ReadCapacity16Data = struct('ReadCapacity16Data', 32, {
  lastLba: u64be,
  blockBytes: u32be,
  protection: u8,
  /** Low four bits: logical blocks per physical block, as a power of two. */
  physicalExponent: u8,
  /** Bit 15: LBPME, bit 14: LBPRZ, rest: lowest aligned LBA. */
  provisioning: u16be,
  reserved: bytes(16),
});
export const CAPACITY_LBPME = 0x8000;

/** UNMAP parameter list header and block descriptor, SBC-3 5.28.2. */
export const UnmapHeader = struct('UnmapHeader', 8, {
  dataLength: u16be,
  descriptorsLength: u16be,
  reserved: u32be,
});
export const UnmapDescriptor = struct('UnmapDescriptor', 16, {
  lba: u64be,
  blocks: u32be,
  reserved: u32be,
});

/** GET LBA STATUS parameter data with one descriptor, SBC-3 5.6.2. */
export const LbaStatusData = struct('LbaStatusData', 24, {
  parameterLength: u32be,
  reserved: u32be,
  lba: u64be,
  blocks: u32be,
  /** 0 = mapped. */
  provisioningStatus: u8,
  reserved2: bytes(3),
});

export const ModePage = {
  readWriteErrorRecovery: 0x01,
  caching: 0x08,
  powerCondition: 0x1a,
  timeoutAndProtect: 0x1d,
  all: 0x3f,
} as const;
export const MODE_HEADER6_BYTES = 4;
export const MODE_HEADER10_BYTES = 8;
/** Device-specific parameter of a disk, SBC-3 6.5.1. */
export const MODE_WRITE_PROTECTED = 0x80;
export const MODE_DPOFUA = 0x10;
/** Write cache enable, byte 2 of the caching page. */
export const CACHING_WCE = 0x04;
/** Bytes of every mode page that Microsoft's devices answer, with its two-byte head. */
export const MODE_PAGE_BYTES = 12;
export const ModePageControl = { current: 0, changeable: 1, defaults: 2, saved: 3 } as const;

/** Bytes of a CDB on the wire of storvsc. */
export const CDB_BYTES = 16;
/** A CD or DVD block. */
export const DVD_BLOCK_BYTES = 2048;
