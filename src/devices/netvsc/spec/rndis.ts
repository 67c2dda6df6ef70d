/**
 * Remote NDIS messages (hyperv-host.md 2.6 "RNDIS"; MS-RNDIS 2.2). Offsets in bodies count from the
 * byte after the eight of the header.
 */
import { flags, openEnum, struct, u16, u32, u8 } from '../../../core/wire.ts';

export const RndisType = openEnum(u32, {
  packet: 1,
  initialize: 2,
  halt: 3,
  query: 4,
  set: 5,
  reset: 6,
  indicateStatus: 7,
  keepAlive: 8,
  setEx: 9,
  initializeComplete: 0x8000_0002,
  queryComplete: 0x8000_0004,
  setComplete: 0x8000_0005,
  resetComplete: 0x8000_0006,
  keepAliveComplete: 0x8000_0008,
  setExComplete: 0x8000_0009,
});

/** NDIS status codes that a host answers with or indicates. */
export const NdisStatus = openEnum(u32, {
  success: 0,
  mediaConnect: 0x4001_000b,
  mediaDisconnect: 0x4001_000c,
  linkSpeedChange: 0x4001_0013,
  networkChange: 0x4001_0018,
  offloadCurrentConfig: 0x4002_0006,
  failure: 0xc000_0001,
  notSupported: 0xc000_00bb,
  badVersion: 0xc001_0004,
  invalidLength: 0xc001_0014,
  invalidData: 0xc001_0015,
});

/** `length` counts the header too. */
export const RndisHeader = struct('RndisHeader', 8, { type: RndisType, length: u32 });
export const RNDIS_HEADER_BYTES = RndisHeader.size;

/** PACKET, header included. */
export const RndisPacket = struct('RndisPacket', 44, {
  type: RndisType,
  length: u32,
  dataOffset: u32,
  dataLength: u32,
  outOfBandOffset: u32,
  outOfBandLength: u32,
  outOfBandCount: u32,
  infoOffset: u32,
  infoLength: u32,
  vcHandle: u32,
  reserved: u32,
});

export const RndisInitialize = struct('RndisInitialize', 24, {
  type: RndisType,
  length: u32,
  requestId: u32,
  major: u32,
  minor: u32,
  maxTransferBytes: u32,
});

export const RndisInitializeComplete = struct('RndisInitializeComplete', 52, {
  type: RndisType,
  length: u32,
  requestId: u32,
  status: NdisStatus,
  major: u32,
  minor: u32,
  /** 1: connectionless. */
  deviceFlags: u32,
  /** 0: 802.3. */
  medium: u32,
  maxPackets: u32,
  maxTransferBytes: u32,
  /** Alignment of packets in one transfer, as a power of two. */
  alignment: u32,
  addressFamilyOffset: u32,
  addressFamilyBytes: u32,
});

/** QUERY, SET and SET_EX. */
export const RndisRequest = struct('RndisRequest', 28, {
  type: RndisType,
  length: u32,
  requestId: u32,
  oid: u32,
  infoLength: u32,
  infoOffset: u32,
  vcHandle: u32,
});

/** QUERY_CMPLT and SET_EX_CMPLT. */
export const RndisQueryComplete = struct('RndisQueryComplete', 24, {
  type: RndisType,
  length: u32,
  requestId: u32,
  status: NdisStatus,
  infoLength: u32,
  infoOffset: u32,
});

/** SET_CMPLT and KEEPALIVE_CMPLT. */
export const RndisComplete = struct('RndisComplete', 16, {
  type: RndisType,
  length: u32,
  requestId: u32,
  status: NdisStatus,
});

export const RndisResetComplete = struct('RndisResetComplete', 16, {
  type: RndisType,
  length: u32,
  status: NdisStatus,
  /** 1: the guest must set filter and addresses again. */
  addressingReset: u32,
});

export const RndisIndicateStatus = struct('RndisIndicateStatus', 20, {
  type: RndisType,
  length: u32,
  status: NdisStatus,
  bufferLength: u32,
  bufferOffset: u32,
});

/** Before the data of each piece of per-packet information. */
export const PacketInfo = struct('PacketInfo', 12, {
  /** This header and the data. */
  size: u32,
  /** Bit 31: internal, with numbers of its own. */
  type: u32,
  /** From the start of this header. */
  dataOffset: u32,
});

export const PacketInfoType = {
  checksum: 0,
  largeSend: 2,
  vlan: 6,
  /** "Packet cancel id" in the other direction. */
  hashValue: 8,
  /** NDIS_HASH_ bits of the hash value. */
  hashInfo: 9,
} as const;

/** Of a type: an internal one, with numbers of its own. */
export const PACKET_INFO_INTERNAL = 0x8000_0000;
/** Internal type 1: version in bits 7:0, `PacketIdFlag` in bits 15:8, the packet's number in bits 31:16. */
export const PACKET_ID_INFO = (PACKET_INFO_INTERNAL | 1) >>> 0;
export const PACKET_ID_V1 = 1;
export const PacketIdFlag = {
  /** A part of a coalesced unit, which lies in one transfer-page packet. */
  part: 0x01,
  first: 0x02,
  last: 0x04,
} as const;

export const TxChecksum = flags(u32, {
  ipv4: 0x01,
  ipv6: 0x02,
  tcp: 0x04,
  udp: 0x08,
  ipHeader: 0x10,
});
/** Bits 25:16 of either offload word, beginning at 16 here and at 20 in the large-send word. */
export const TRANSPORT_OFFSET_MASK = 0x3ff;
export const LARGE_SEND_MSS_MASK = 0xf_ffff;
/** The large-send word's bit for IPv6. */
export const LARGE_SEND_IPV6 = 0x8000_0000;

export const RxChecksum = flags(u32, {
  tcpFailed: 0x01,
  udpFailed: 0x02,
  ipFailed: 0x04,
  tcpSucceeded: 0x08,
  udpSucceeded: 0x10,
  ipSucceeded: 0x20,
  loopback: 0x40,
  /** The fields hold no sums that fit, as after coalescing. */
  tcpValueInvalid: 0x80,
  ipValueInvalid: 0x100,
});

export const PacketFilter = flags(u32, {
  directed: 0x01,
  multicast: 0x02,
  allMulticast: 0x04,
  broadcast: 0x08,
  promiscuous: 0x20,
});

export const NdisObjectType = openEnum(u8, {
  default: 0x80,
  rssCapabilities: 0x88,
  rssParameters: 0x89,
  oidRequest: 0x96,
  offload: 0xa7,
  encapsulation: 0xa8,
});

/** Every NDIS structure begins so. */
export const NdisObject = struct('NdisObject', 4, {
  type: NdisObjectType,
  revision: u8,
  size: u16,
});
