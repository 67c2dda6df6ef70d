/** Ring buffers and the packets in them (hyperv-host.md 2.3). */
import { bytes, flags, openEnum, struct, u16, u32, u64, u8 } from '../../core/wire.ts';

/** Bytes of the page before the data of each ring. */
export const RING_CONTROL_BYTES = 4096;

export const RingFeature = {
  /** This ring's writer uses `pendingSendSize`, and as a reader of the other ring honours it. */
  pendingSendSize: 0x1,
} as const;

/**
 * The control page. Indices are byte offsets into the data, multiples of 8. Equal indices mean
 * empty, so a writer leaves at least 8 bytes unused.
 */
export const RingControl = struct('RingControl', 4096, {
  /** The writer's. */
  inIndex: u32,
  /** The reader's. */
  outIndex: u32,
  /** The reader sets it while it drains: the writer need not signal. */
  interruptMask: u32,
  /** Bytes that a blocked writer waits for; 0 none. The low three bits do not count. */
  pendingSendSize: u32,
  reserved1: bytes(48),
  featureBits: flags(u32, RingFeature),
  reserved2: bytes(4028),
});

export const PacketType = {
  inBand: 0x6,
  transferPages: 0x7,
  gpaDirect: 0x9,
  completion: 0xb,
} as const;

export const PacketFlag = { completionRequested: 0x1 } as const;

/** Stands before every packet. Both lengths are in units of 8 bytes and count from here. */
export const PacketHeader = struct('PacketHeader', 16, {
  type: openEnum(u16, PacketType),
  dataOffset8: u16,
  /** Header, extension and padded payload; the footer is not counted. */
  length8: u16,
  flags: flags(u16, PacketFlag),
  transactionId: u64,
});

/** Follows every packet. `offset` is where in the ring the packet began. */
export const PacketFooter = struct('PacketFooter', 8, { reserved: u32, offset: u32 });

/** Extension of a transfer-page packet, followed by `rangeCount` times `TransferPageRange`. */
export const TransferPageHeader = struct('TransferPageHeader', 8, {
  transferPageSetId: u16,
  senderOwnsSet: u8,
  reserved: u8,
  rangeCount: u32,
});

/** Bytes within the GPADL that the transfer page set names. */
export const TransferPageRange = struct('TransferPageRange', 8, {
  byteCount: u32,
  byteOffset: u32,
});

/** Extension of a GPA-direct packet, followed by `rangeCount` ranges of spec/gpadl.ts. */
export const GpaDirectHeader = struct('GpaDirectHeader', 8, { reserved: u32, rangeCount: u32 });
