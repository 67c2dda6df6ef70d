/**
 * VMBus channel messages as they stand on the wire (hyperv-host.md 2.2 "Message table"). Every
 * structure begins with the 8-byte header; sizes and offsets are from the start of the message.
 */
import { bytes, guid, openEnum, struct, u16, u32, u64, u8 } from '../../core/wire.ts';
import { NO_MONITOR_ID, offerFlags, USER_DEFINED_BYTES } from './offers.ts';
import { featureFlags } from './versions.ts';

export const MessageType = {
  offerChannel: 1,
  rescindChannelOffer: 2,
  requestOffers: 3,
  allOffersDelivered: 4,
  openChannel: 5,
  openResult: 6,
  closeChannel: 7,
  gpadlHeader: 8,
  gpadlBody: 9,
  gpadlCreated: 10,
  gpadlTeardown: 11,
  gpadlTorndown: 12,
  relIdReleased: 13,
  initiateContact: 14,
  versionResponse: 15,
  unload: 16,
  unloadComplete: 17,
  openReservedChannel: 18,
  closeReservedChannel: 19,
  closeReservedChannelResponse: 20,
  tlConnectRequest: 21,
  modifyChannel: 22,
  tlConnectResult: 23,
  modifyChannelResponse: 24,
  modifyConnection: 25,
  modifyConnectionResponse: 26,
  pause: 27,
  pauseResponse: 28,
  resume: 29,
} as const;

const header = { messageType: openEnum(u32, MessageType), padding: u32 };

export const MessageHeader = struct('MessageHeader', 8, header);

export const OfferChannel = struct('OfferChannel', 196, {
  ...header,
  interfaceId: guid,
  instanceId: guid,
  reserved: bytes(16),
  flags: offerFlags,
  mmioMegabytes: u16,
  userDefined: bytes(USER_DEFINED_BYTES),
  /** 0 for the primary channel. */
  subChannelIndex: u16,
  mmioMegabytesOptional: u16,
  channelId: u32,
  monitorId: openEnum(u8, { none: NO_MONITOR_ID }),
  /** Bit 0: `monitorId` is valid. */
  monitorAllocated: u8,
  /** Bit 0: `connectionId` belongs to this channel alone. */
  isDedicated: u16,
  /** For HvSignalEvent. */
  connectionId: u32,
});

export const RescindChannelOffer = struct('RescindChannelOffer', 12, { ...header, channelId: u32 });

export const RequestOffers = struct('RequestOffers', 8, header);
export const AllOffersDelivered = struct('AllOffersDelivered', 8, header);

const openChannel = {
  ...header,
  channelId: u32,
  /** The guest's own, echoed in OpenResult. */
  openId: u32,
  /** Holds both rings, the guest-to-host one first. */
  ringBufferGpadlId: u32,
  /** 0xFFFFFFFF: no interrupts. */
  targetVp: u32,
  /** In pages: where the host-to-guest ring begins in the GPADL. */
  downstreamRingBufferPageOffset: u32,
  userData: bytes(USER_DEFINED_BYTES),
};
export const OpenChannel = struct('OpenChannel', 148, openChannel);
export const OpenChannel2 = struct('OpenChannel2', 156, {
  ...openChannel,
  /** With guest-specified signal parameters only. */
  connectionId: u32,
  eventFlag: u16,
  /** With channel interrupt redirection only; bit 0 redirects. */
  flags: u16,
});

export const OpenResult = struct('OpenResult', 20, {
  ...header,
  channelId: u32,
  openId: u32,
  /** NTSTATUS. */
  status: u32,
});

export const CloseChannel = struct('CloseChannel', 12, { ...header, channelId: u32 });

/** Followed by range data, see spec/gpadl.ts: at most 27 words of eight bytes here. */
export const GpadlHeader = struct('GpadlHeader', 20, {
  ...header,
  channelId: u32,
  gpadlId: u32,
  /** Of the data of all ranges, in this message and in the bodies that follow. */
  rangeBytes: u16,
  rangeCount: u16,
});

/** Followed by at most 28 words of range data. */
export const GpadlBody = struct('GpadlBody', 16, { ...header, messageNumber: u32, gpadlId: u32 });

export const GpadlCreated = struct('GpadlCreated', 20, {
  ...header,
  channelId: u32,
  gpadlId: u32,
  status: u32,
});

export const GpadlTeardown = struct('GpadlTeardown', 16, {
  ...header,
  channelId: u32,
  gpadlId: u32,
});
export const GpadlTorndown = struct('GpadlTorndown', 12, { ...header, gpadlId: u32 });

export const RelIdReleased = struct('RelIdReleased', 12, { ...header, channelId: u32 });

const initiateContact = {
  ...header,
  versionRequested: u32,
  /** Where the host sends its messages, from 3.0 on. */
  targetMessageVp: u32,
  /** Guest physical address below 2.4; `TargetInfo` from 5.0 on. */
  interruptPageOrTargetInfo: u64,
  parentToChildMonitorPageGpa: u64,
  childToParentMonitorPageGpa: u64,
};
export const InitiateContact = struct('InitiateContact', 40, initiateContact);
/** With the client-id feature; told from InitiateContact by its size. */
export const InitiateContact2 = struct('InitiateContact2', 56, {
  ...initiateContact,
  clientId: guid,
});

/** What `interruptPageOrTargetInfo` holds from 5.0 on. */
export const TargetInfo = struct('TargetInfo', 8, {
  sint: u8,
  vtl: u8,
  padding: u16,
  featureFlags,
});

export const ConnectionState = {
  successful: 0,
  failedLowResources: 1,
  failedUnknownFailure: 2,
} as const;
const connectionState = openEnum(u8, ConnectionState);

const versionResponse = {
  ...header,
  versionSupported: u8,
  connectionState,
  reserved1: u16,
  /** Below 5.0 the version; from 5.0 on, the connection id for all further messages. */
  selectedVersionOrConnectionId: u32,
};
export const VersionResponse = struct('VersionResponse', 16, versionResponse);
const versionResponse2 = { ...versionResponse, supportedFeatures: featureFlags };
export const VersionResponse2 = struct('VersionResponse2', 20, versionResponse2);
/** With server-specified monitor pages. */
export const VersionResponse3 = struct('VersionResponse3', 40, {
  ...versionResponse2,
  reserved2: u32,
  parentToChildMonitorPageGpa: u64,
  childToParentMonitorPageGpa: u64,
});

export const Unload = struct('Unload', 8, header);
export const UnloadComplete = struct('UnloadComplete', 8, header);

export const OpenReservedChannel = struct('OpenReservedChannel', 28, {
  ...header,
  channelId: u32,
  /** Where the replies go. */
  targetVp: u32,
  targetSint: u32,
  ringBufferGpadlId: u32,
  downstreamRingBufferPageOffset: u32,
});
export const CloseReservedChannel = struct('CloseReservedChannel', 20, {
  ...header,
  channelId: u32,
  targetVp: u32,
  targetSint: u32,
});
export const CloseReservedChannelResponse = struct('CloseReservedChannelResponse', 12, {
  ...header,
  channelId: u32,
});

const tlConnectRequest = { ...header, endpointId: guid, serviceId: guid };
export const TlConnectRequest = struct('TlConnectRequest', 40, tlConnectRequest);
/** Told from TlConnectRequest by its size. */
export const TlConnectRequest2 = struct('TlConnectRequest2', 56, {
  ...tlConnectRequest,
  siloId: guid,
});

export const ModifyChannel = struct('ModifyChannel', 16, {
  ...header,
  channelId: u32,
  targetVp: u32,
});

/** Sent on failure only: success is the offer itself. */
export const TlConnectResult = struct('TlConnectResult', 44, {
  ...header,
  endpointId: guid,
  serviceId: guid,
  status: u32,
});

export const ModifyChannelResponse = struct('ModifyChannelResponse', 16, {
  ...header,
  channelId: u32,
  status: u32,
});

export const ModifyConnection = struct('ModifyConnection', 24, {
  ...header,
  parentToChildMonitorPageGpa: u64,
  childToParentMonitorPageGpa: u64,
});
export const ModifyConnectionResponse = struct('ModifyConnectionResponse', 9, {
  ...header,
  connectionState,
});

export const Pause = struct('Pause', 8, header);
export const PauseResponse = struct('PauseResponse', 8, header);
export const Resume = struct('Resume', 8, header);
