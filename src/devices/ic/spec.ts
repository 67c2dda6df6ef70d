/**
 * What all integration components share: header, negotiation, statuses (hyperv-host.md 2.10; OpenVMM
 * hyperv_ic_protocol, MIT). Versions are written major << 16 | minor.
 */
import { flags, openEnum, struct, u16, u32, u8 } from '../../core/wire.ts';

export const IcMessageType = openEnum(u16, {
  negotiate: 0,
  heartbeat: 1,
  keyValuePair: 2,
  shutdown: 3,
  timeSync: 4,
  volumeShadowCopy: 5,
  remoteDesktop: 6,
  guestFileCopy: 7,
  session: 8,
});

/** An HRESULT. */
export const IcStatus = openEnum(u32, {
  success: 0,
  fail: 0x8000_4005,
  notFound: 0x8004_1002,
  notSupported: 0x8007_0032,
  alreadyExists: 0x8007_0050,
  invalidArgument: 0x8007_0057,
  diskFull: 0x8007_0070,
  noMoreItems: 0x8007_0103,
  deviceNotConnected: 0x8007_048f,
  machineLocked: 0x8007_04f7,
});

export const IcFlag = flags(u8, { transaction: 1, request: 2, response: 4 });

/** Stands before every message, after the pipe header. */
export const IcHeader = struct('IcHeader', 20, {
  frameworkMajor: u16,
  frameworkMinor: u16,
  type: IcMessageType,
  messageMajor: u16,
  messageMinor: u16,
  /** Bytes after this header. */
  size: u16,
  status: IcStatus,
  transactionId: u8,
  flags: IcFlag,
  reserved: u16,
});

/** Followed by `IcVersionEntry`, framework versions first, each list in ascending order. */
export const IcNegotiate = struct('IcNegotiate', 8, {
  frameworkCount: u16,
  messageCount: u16,
  reserved: u32,
});

export const IcVersionEntry = struct('IcVersionEntry', 4, { major: u16, minor: u16 });

/** Framework versions; every host since Windows Server 2008 R2 proposes both. */
export const FRAMEWORK_VERSIONS: readonly number[] = [0x1_0000, 0x3_0000];

/** Bytes of the largest message of an integration component. */
export const MAX_IC_MESSAGE_BYTES = 13_312;
