/** Object identifiers (MS-RNDIS 2.2; hyperv-host.md 2.6 "OIDs"), and the structures they carry. */
import { bytes, flags, openEnum, struct, u16, u32, u64, u8 } from '../../../core/wire.ts';
import { NdisObjectType } from './rndis.ts';

export const Oid = openEnum(u32, {
  supportedList: 0x0001_0101,
  hardwareStatus: 0x0001_0102,
  mediaSupported: 0x0001_0103,
  mediaInUse: 0x0001_0104,
  maximumLookahead: 0x0001_0105,
  maximumFrameSize: 0x0001_0106,
  linkSpeed: 0x0001_0107,
  transmitBufferSpace: 0x0001_0108,
  receiveBufferSpace: 0x0001_0109,
  transmitBlockSize: 0x0001_010a,
  receiveBlockSize: 0x0001_010b,
  vendorId: 0x0001_010c,
  vendorDescription: 0x0001_010d,
  currentPacketFilter: 0x0001_010e,
  currentLookahead: 0x0001_010f,
  driverVersion: 0x0001_0110,
  maximumTotalSize: 0x0001_0111,
  protocolOptions: 0x0001_0112,
  macOptions: 0x0001_0113,
  mediaConnectStatus: 0x0001_0114,
  maximumSendPackets: 0x0001_0115,
  vendorDriverVersion: 0x0001_0116,
  networkLayerAddresses: 0x0001_0118,
  receiveScaleCapabilities: 0x0001_0203,
  receiveScaleParameters: 0x0001_0204,
  maxLinkSpeed: 0x0001_0206,
  linkState: 0x0001_0207,
  linkParameters: 0x0001_0208,
  rndisConfigParameter: 0x0001_021b,
  transmitOk: 0x0002_0101,
  receiveOk: 0x0002_0102,
  transmitError: 0x0002_0103,
  receiveError: 0x0002_0104,
  receiveNoBuffer: 0x0002_0105,
  directedBytesTransmitted: 0x0002_0201,
  directedFramesTransmitted: 0x0002_0202,
  multicastBytesTransmitted: 0x0002_0203,
  multicastFramesTransmitted: 0x0002_0204,
  broadcastBytesTransmitted: 0x0002_0205,
  broadcastFramesTransmitted: 0x0002_0206,
  directedBytesReceived: 0x0002_0207,
  directedFramesReceived: 0x0002_0208,
  multicastBytesReceived: 0x0002_0209,
  multicastFramesReceived: 0x0002_020a,
  broadcastBytesReceived: 0x0002_020b,
  broadcastFramesReceived: 0x0002_020c,
  receiveCrcError: 0x0002_020d,
  transmitQueueLength: 0x0002_020e,
  friendlyName: 0x0002_0216,
  bytesReceived: 0x0002_0219,
  bytesTransmitted: 0x0002_021a,
  receiveDiscards: 0x0002_021b,
  transmitDiscards: 0x0002_021c,
  permanentAddress: 0x0101_0101,
  currentAddress: 0x0101_0102,
  multicastList: 0x0101_0103,
  maximumListSize: 0x0101_0104,
  offloadEncapsulation: 0x0101_010a,
  receiveErrorAlignment: 0x0102_0101,
  transmitOneCollision: 0x0102_0102,
  transmitMoreCollisions: 0x0102_0103,
  offloadCurrentConfig: 0xfc01_020b,
  offloadParameters: 0xfc01_020c,
  offloadCapabilities: 0xfc01_020d,
});

/** OID_GEN_MAC_OPTIONS: copy lookahead, transfers do not pend, no loopback, 802.1p, 802.1Q. */
export const MAC_OPTIONS = 0x1 | 0x4 | 0x8 | 0x40 | 0x200;
/** The rest of Microsoft's address prefix. */
export const VENDOR_ID = 0x155d;
export const VENDOR_DESCRIPTION = 'Microsoft Corporation';
export const DRIVER_VERSION = 0x0100;
/** 255 characters of UTF-16 and a zero. */
export const FRIENDLY_NAME_BYTES = 512;

export const LinkState = struct('LinkState', 40, {
  objectType: NdisObjectType,
  revision: u8,
  size: u16,
  /** 1 connected, 2 disconnected. */
  connectState: u32,
  /** 0 unknown, 2 full. */
  duplexState: u32,
  padding: u32,
  transmitSpeed: u64,
  receiveSpeed: u64,
  pauseFunctions: u32,
  autoNegotiation: u32,
});

/** NDIS_HASH_ bits of RSS parameters and of the hash-info word. */
export const NdisHash = {
  toeplitz: 0x01,
  functionMask: 0xff,
  ipv4: 0x0100,
  tcpIpv4: 0x0200,
  ipv6: 0x0400,
  tcpIpv6: 0x1000,
  udpIpv4: 0x4000,
  udpIpv6: 0x8000,
} as const;

export const RssCapability = { tcpIpv4: 0x100, tcpIpv6: 0x200, toeplitz: 0x1 } as const;

/** NDIS_RECEIVE_SCALE_CAPABILITIES revision 2, without its padding. */
export const RssCapabilities = struct('RssCapabilities', 18, {
  objectType: NdisObjectType,
  revision: u8,
  size: u16,
  capabilities: u32,
  interruptMessages: u32,
  receiveQueues: u32,
  tableEntries: u16,
});

export const RssParameterFlag = {
  baseCpuUnchanged: 0x01,
  hashInfoUnchanged: 0x02,
  tableUnchanged: 0x04,
  keyUnchanged: 0x08,
  disable: 0x10,
} as const;

/** NDIS_RECEIVE_SCALE_PARAMETERS up to the key's offset; later revisions go on. */
export const RssParameters = struct('RssParameters', 28, {
  objectType: NdisObjectType,
  revision: u8,
  size: u16,
  flags: flags(u16, RssParameterFlag),
  baseCpu: u16,
  hashInformation: u32,
  tableBytes: u16,
  padding: u16,
  tableOffset: u32,
  keyBytes: u16,
  padding2: u16,
  keyOffset: u32,
});
export const RSS_KEY_BYTES = 40;
export const RSS_TABLE_ENTRIES = 128;

export const ENCAPSULATION_ETHERNET = 2;

/** NDIS_OFFLOAD revision 3. Each flag of the checksum words is two bits wide: 1 is supported. */
export const NdisOffload = struct('NdisOffload', 156, {
  objectType: NdisObjectType,
  revision: u8,
  size: u16,
  ipv4TxEncapsulation: u32,
  ipv4TxFlags: u32,
  ipv4RxEncapsulation: u32,
  ipv4RxFlags: u32,
  ipv6TxEncapsulation: u32,
  ipv6TxFlags: u32,
  ipv6RxEncapsulation: u32,
  ipv6RxFlags: u32,
  largeSendV1: bytes(16),
  ipsecV1: bytes(28),
  lso4Encapsulation: u32,
  lso4MaxBytes: u32,
  lso4MinSegments: u32,
  lso6Encapsulation: u32,
  lso6MaxBytes: u32,
  lso6MinSegments: u32,
  lso6Flags: u32,
  flags: u32,
  ipsecV2: bytes(32),
  coalescingIpv4: u8,
  coalescingIpv6: u8,
  reserved: bytes(2),
  encapsulatedPackets: bytes(8),
});
export const Ipv4OffloadFlag = {
  ipOptions: 0x001,
  tcpOptions: 0x004,
  tcp: 0x010,
  udp: 0x040,
  ip: 0x100,
} as const;
export const Ipv6OffloadFlag = {
  extensionHeaders: 0x01,
  tcpOptions: 0x04,
  tcp: 0x10,
  udp: 0x40,
} as const;
export const LSO_MIN_SEGMENTS = 2;
export const LSO_MAX_BYTES = 0xf53c;

/** NDIS_OFFLOAD_PARAMETERS revision 1; revision 2 and 3 go on. */
export const OffloadParameters = struct('OffloadParameters', 20, {
  objectType: NdisObjectType,
  revision: u8,
  size: u16,
  ipv4: u8,
  tcpIpv4: u8,
  udpIpv4: u8,
  tcpIpv6: u8,
  udpIpv6: u8,
  largeSendV1: u8,
  ipsecV1: u8,
  largeSendV2Ipv4: u8,
  largeSendV2Ipv6: u8,
  connectionIpv4: u8,
  connectionIpv6: u8,
  reserved: u8,
  flags: u32,
});
/** Revision 3 of the above, which goes on (NDIS 6.30). */
export const OffloadParameters3 = struct('OffloadParameters3', 28, {
  revision1: bytes(20),
  ipsecV2: u8,
  ipsecV2Ipv4: u8,
  coalescingIpv4: u8,
  coalescingIpv6: u8,
  encapsulation: u8,
  encapsulationTypes: u8,
  reserved: u16,
});
/** Values of a coalescing field. 0 leaves it as it is. */
export const CoalescingChoice = { disabled: 1, enabled: 2 } as const;
/** Values of a checksum field of the first one. 0 leaves it as it is. */
export const OffloadChoice = { disabled: 1, transmit: 2, receive: 3, both: 4 } as const;
/** Values of a large-send field. */
export const LargeSendChoice = { disabled: 1, enabled: 2 } as const;

export const OffloadEncapsulation = struct('OffloadEncapsulation', 28, {
  objectType: NdisObjectType,
  revision: u8,
  size: u16,
  ipv4Enabled: u32,
  ipv4Type: u32,
  ipv4HeaderBytes: u32,
  ipv6Enabled: u32,
  ipv6Type: u32,
  ipv6HeaderBytes: u32,
});

/** OID_GEN_RNDIS_CONFIG_PARAMETER; offsets count from its start. */
export const ConfigParameter = struct('ConfigParameter', 20, {
  nameOffset: u32,
  nameLength: u32,
  /** 0 integer, 2 UTF-16 string. */
  type: u32,
  valueOffset: u32,
  valueLength: u32,
});
export const CONFIG_STRING = 2;
export const MAX_CONFIG_BYTES = 255;
