/**
 * The storvsc (vstor) protocol: SCSI requests over a VMBus channel. Source: OpenVMM,
 * vm/devices/storage/storvsp_protocol (MIT), checked against FreeBSD's hv_vstorage.h.
 */
import { bytes, flags, openEnum, struct, u16, u32, u8 } from '../../core/wire.ts';

/** Protocol versions, major << 8 | minor. */
export const VstorVersion = {
  /** Windows Server 2008. */
  win6: 0x0200,
  win7: 0x0402,
  win8: 0x0501,
  /** Windows Server 2012 R2. */
  blue: 0x0600,
  /** Windows Server 2016. */
  threshold: 0x0602,
} as const;

export const VstorOperation = openEnum(u32, {
  completeIo: 1,
  removeDevice: 2,
  executeSrb: 3,
  resetLun: 4,
  resetAdapter: 5,
  resetBus: 6,
  beginInitialization: 7,
  endInitialization: 8,
  queryProtocolVersion: 9,
  queryProperties: 10,
  enumerateBus: 11,
  fcHbaData: 12,
  createSubChannels: 13,
  eventNotification: 14,
});

export const VstorStatus = openEnum(u32, {
  success: 0x0000_0000,
  bufferOverflow: 0x8000_0005,
  deviceBusy: 0x8000_0011,
  unsuccessful: 0xc000_0001,
  invalidParameter: 0xc000_000d,
  invalidDeviceRequest: 0xc000_0010,
  revisionMismatch: 0xc000_0059,
  deviceNotConnected: 0xc000_009d,
  ioTimeout: 0xc000_00b5,
  deviceDoesNotExist: 0xc000_00c0,
  cancelled: 0xc000_0120,
  invalidDeviceState: 0xc000_0184,
  ioDeviceError: 0xc000_0185,
});

export const VstorHeader = struct('VstorHeader', 12, {
  operation: VstorOperation,
  /** Bit 0: the guest wants a completion. */
  flags: u32,
  status: VstorStatus,
});

/** EXECUTE_SRB and its completion; the last 16 bytes exist since version 5.1. */
export const VstorScsiRequest = struct('VstorScsiRequest', 64, {
  operation: VstorOperation,
  flags: u32,
  status: VstorStatus,
  /** Guests disagree on what it counts (FreeBSD 10 sends 64), so no host reads it. */
  length: u16,
  srbStatus: u8,
  scsiStatus: u8,
  port: u8,
  path: u8,
  target: u8,
  lun: u8,
  cdbLength: u8,
  senseLength: u8,
  /** 1: the host writes guest memory, 0: it reads it, 2: no data. */
  dataIn: u8,
  properties: u8,
  dataTransferLength: u32,
  /** The CDB in its first 16 bytes; in a completion, sense data. */
  cdbOrSense: bytes(20),
  reserved: u16,
  queueTag: u8,
  queueAction: u8,
  srbFlags: u32,
  timeoutSeconds: u32,
  queueSortKey: u32,
});

export const VstorVersionQuery = struct('VstorVersionQuery', 16, {
  operation: VstorOperation,
  flags: u32,
  status: VstorStatus,
  version: u16,
  revision: u16,
});

export const VstorPropertyFlags = flags(u32, { multiChannel: 1 });

export const VstorProperties = struct('VstorProperties', 36, {
  operation: VstorOperation,
  flags: u32,
  status: VstorStatus,
  reserved: u32,
  maxSubChannels: u16,
  reserved2: u16,
  propertyFlags: VstorPropertyFlags,
  maxTransferBytes: u32,
  reserved3: bytes(8),
});

export const VstorCreateSubChannels = struct(
  'VstorCreateSubChannels',
  14,
  { operation: VstorOperation, flags: u32, status: VstorStatus, count: u16 },
  { packed: true },
);

/** Packet bytes before version 5.1, and from there on. A guest checks for exactly these. */
export const PACKET_BYTES_V1 = 48;
export const PACKET_BYTES_V2 = 64;

/** "User defined" bytes of an IDE accelerator's offer. */
export const IdeOfferProperties = struct('IdeOfferProperties', 24, {
  reserved: u16,
  path: u8,
  target: u8,
  reserved2: u32,
  flags: u32,
  reserved3: bytes(12),
});
export const IDE_OFFER_FLAG = 2;

/** Room for sense data in a completion. */
export const SENSE_FIELD_BYTES = 20;
