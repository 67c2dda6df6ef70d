/**
 * NVSP: the channel protocol of a synthetic network adapter (hyperv-host.md 2.6 "NVSP message").
 * Source: OpenVMM, vm/devices/net/netvsp/src/protocol.rs (MIT), checked against FreeBSD's
 * hv_net_vsc.h.
 */
import { bytes, flags, openEnum, struct, u16, u32, u64 } from '../../../core/wire.ts';

/** Protocol versions, major << 16 | minor. */
export const NvspVersion = {
  /** Windows Server 2008. */
  v1: 0x0000_0002,
  /** 3.2, Windows Server 2008 R2. */
  v2: 0x0003_0002,
  /** Windows Server 2012. */
  v4: 0x0004_0000,
  /** Windows Server 2012 R2. */
  v5: 0x0005_0000,
  /** Windows Server 2016. */
  v6: 0x0006_0000,
  /** 6.1, Windows Server 2019. */
  v61: 0x0006_0001,
} as const;

export const NvspType = openEnum(u32, {
  none: 0,
  init: 1,
  initComplete: 2,
  sendNdisVersion: 100,
  sendReceiveBuffer: 101,
  sendReceiveBufferComplete: 102,
  revokeReceiveBuffer: 103,
  sendSendBuffer: 104,
  sendSendBufferComplete: 105,
  revokeSendBuffer: 106,
  sendRndisPacket: 107,
  sendRndisPacketComplete: 108,
  sendNdisConfig: 125,
  sendVfAssociation: 128,
  switchDataPath: 129,
  oidQueryEx: 131,
  oidQueryExComplete: 132,
  subChannel: 133,
  sendIndirectionTable: 134,
  packetDirectApi: 135,
  packetDirectBatch: 136,
});

export const NvspStatus = openEnum(u32, {
  none: 0,
  success: 1,
  failure: 2,
  invalidRndisPacket: 5,
  busy: 6,
});

/**
 * Bytes of every message that the host sends. The union is 28 bytes before version 6.1 and 40 from
 * there on; Linux copies 40 of any version.
 */
export const NVSP_MESSAGE_BYTES = 40;
/** The least that a guest may send: type and one word. */
export const NVSP_HEADER_BYTES = 4;

/** `status` of INIT_COMPLETE and `first` of every other message lie where the fields below say. */
export const NvspInit = struct('NvspInit', 12, {
  type: NvspType,
  version: u32,
  /** Guests write the same again; before 3.2 it was the newest version. */
  version2: u32,
});

export const NvspInitComplete = struct('NvspInitComplete', 16, {
  type: NvspType,
  /** All ones, but version 0.2 gets its number. */
  version: u32,
  maxMdlChain: u32,
  status: NvspStatus,
});
export const MAX_MDL_CHAIN = 34;
export const NO_VERSION = 0xffff_ffff;

export const NvspNdisVersion = struct('NvspNdisVersion', 12, {
  type: NvspType,
  major: u32,
  minor: u32,
});

/** SEND_RECEIVE_BUFFER and SEND_SEND_BUFFER. */
export const NvspBuffer = struct('NvspBuffer', 12, {
  type: NvspType,
  gpadlId: u32,
  id: u16,
  reserved: u16,
});

/** With the one section that hosts have ever sent. */
export const NvspReceiveBufferComplete = struct('NvspReceiveBufferComplete', 28, {
  type: NvspType,
  status: NvspStatus,
  sectionCount: u32,
  offset: u32,
  subAllocationBytes: u32,
  subAllocationCount: u32,
  endOffset: u32,
});

export const NvspSendBufferComplete = struct('NvspSendBufferComplete', 12, {
  type: NvspType,
  status: NvspStatus,
  sectionBytes: u32,
});

/** REVOKE_RECEIVE_BUFFER and REVOKE_SEND_BUFFER. */
export const NvspRevoke = struct('NvspRevoke', 8, { type: NvspType, id: u16, reserved: u16 });

export const NvspChannelType = openEnum(u32, { data: 0, control: 1 });
/** The message lies in memory that the packet itself names. */
export const NO_SECTION = 0xffff_ffff;

export const NvspRndisPacket = struct('NvspRndisPacket', 16, {
  type: NvspType,
  channelType: NvspChannelType,
  sectionIndex: u32,
  sectionBytes: u32,
});

/** Any answer with a status only: SEND_RNDIS_PACKET_COMPLETE, for one. */
export const NvspComplete = struct('NvspComplete', 8, { type: NvspType, status: NvspStatus });

export const NdisCapability = {
  vmq: 0x01,
  chimney: 0x02,
  sriov: 0x04,
  vlan: 0x08,
  correlationId: 0x10,
  teaming: 0x20,
  virtualSubnetId: 0x40,
  receiveCoalescing: 0x80,
} as const;

/** `capabilities` is 64 bits wide; only its low half has been given meanings. */
export const NvspNdisConfig = struct(
  'NvspNdisConfig',
  20,
  {
    type: NvspType,
    /** The largest frame without check sequence: MTU and Ethernet header. */
    mtu: u32,
    reserved: u32,
    capabilities: u64,
  },
  { packed: true },
);
export const ndisCapabilities = flags(u32, NdisCapability);

export const NvspVfAssociation = struct('NvspVfAssociation', 12, {
  type: NvspType,
  isAllocated: u32,
  serialNumber: u32,
});

export const DataPath = openEnum(u32, { synthetic: 0, virtualFunction: 1 });
export const NvspSwitchDataPath = struct('NvspSwitchDataPath', 8, {
  type: NvspType,
  dataPath: DataPath,
});

export const NvspOidQueryExComplete = struct('NvspOidQueryExComplete', 12, {
  type: NvspType,
  /** NDIS status. */
  status: u32,
  bytes: u32,
});

export const SubChannelOperation = openEnum(u32, { none: 0, allocate: 1 });
export const NvspSubChannelRequest = struct('NvspSubChannelRequest', 12, {
  type: NvspType,
  operation: SubChannelOperation,
  count: u32,
});
export const NvspSubChannelComplete = struct('NvspSubChannelComplete', 12, {
  type: NvspType,
  status: NvspStatus,
  count: u32,
});

/** Entries of the send indirection table; guests refuse any other number. */
export const SEND_TABLE_ENTRIES = 16;
/**
 * The table stands right behind the union of 40 bytes, where Linux looks for it whatever the offset
 * says (versions up to 6.0).
 */
export const NvspSendIndirectionTable = struct('NvspSendIndirectionTable', 104, {
  type: NvspType,
  entryCount: u32,
  /** From the start of the message. */
  tableOffset: u32,
  reserved: bytes(28),
  table: bytes(64),
});

export const NvspPacketDirect = struct('NvspPacketDirect', 12, {
  type: NvspType,
  operation: u32,
  /** NTSTATUS, in the answer. */
  status: u32,
});

/** Ranges in one transfer-page packet at the most. */
export const MAX_RECEIVE_RANGES = 375;
