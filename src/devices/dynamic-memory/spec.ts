/**
 * The dynamic memory protocol: plain messages, no pipe header (hyperv-host.md 2.11; the layouts are
 * those of the public drivers for Linux and the device of QEMU).
 */
import { flags, openEnum, struct, u16, u32, u64 } from '../../core/wire.ts';

/** Major << 16 | minor: Windows 7, 8 and 10. */
export const DynamicMemoryVersion = { v0_3: 0x0003, v1_0: 0x1_0000, v2_0: 0x2_0000 } as const;

export const DynamicMemoryMessage = openEnum(u16, {
  error: 0,
  versionRequest: 1,
  versionResponse: 2,
  capabilities: 3,
  capabilitiesResponse: 4,
  status: 5,
  balloonRequest: 6,
  balloonResponse: 7,
  unballoonRequest: 8,
  unballoonResponse: 9,
  hotAddRequest: 10,
  hotAddResponse: 11,
  /** Since 1.0. */
  info: 12,
});

/** `size` counts the whole message. */
export const DynamicMemoryHeader = struct('DynamicMemoryHeader', 8, {
  type: DynamicMemoryMessage,
  size: u16,
  transactionId: u32,
});

/** Bit 0 of `isLastAttempt`: the guest gives up when this one is refused. */
export const DmVersionRequest = struct('DmVersionRequest', 16, {
  type: DynamicMemoryMessage,
  size: u16,
  transactionId: u32,
  version: u32,
  isLastAttempt: u32,
});

/** Answers versions and capabilities. Bit 0. */
export const DmAccepted = struct('DmAccepted', 16, {
  type: DynamicMemoryMessage,
  size: u16,
  transactionId: u32,
  accepted: u32,
  reserved: u32,
});

/** Bits 2 to 5: hot add in units of 2 to the power of this, in MiB. */
export const DmCapability = flags(u32, { balloon: 1, hotAdd: 2 });
export const HOT_ADD_ALIGNMENT_SHIFT = 2;
export const HOT_ADD_ALIGNMENT_MASK = 0xf;

export const DmCapabilities = struct('DmCapabilities', 32, {
  type: DynamicMemoryMessage,
  size: u16,
  transactionId: u32,
  capabilities: DmCapability,
  reserved: u32,
  minPageCount: u64,
  maxPageNumber: u64,
});

/** Pages. */
export const DmStatus = struct('DmStatus', 48, {
  type: DynamicMemoryMessage,
  size: u16,
  transactionId: u32,
  available: u64,
  committed: u64,
  pageFile: u64,
  zeroAndFree: u64,
  pageFileWrites: u32,
  ioDifference: u32,
});

export const DmBalloonRequest = struct('DmBalloonRequest', 16, {
  type: DynamicMemoryMessage,
  size: u16,
  transactionId: u32,
  pages: u32,
  reserved: u32,
});

/** Followed by ranges. `moreAndCount`: bit 0, more messages follow; bits 1 to 31, ranges here. */
export const DmBalloonResponse = struct('DmBalloonResponse', 16, {
  type: DynamicMemoryMessage,
  size: u16,
  transactionId: u32,
  reserved: u32,
  moreAndCount: u32,
});

/** Followed by ranges. Bit 0 of `more`. */
export const DmUnballoonRequest = struct('DmUnballoonRequest', 16, {
  type: DynamicMemoryMessage,
  size: u16,
  transactionId: u32,
  more: u32,
  rangeCount: u32,
});

/** Followed by the range to add, and by the region that it is a part of, where there is one. */
export const DM_HOT_ADD_HEADER_BYTES = 8;

export const DmHotAddResponse = struct('DmHotAddResponse', 16, {
  type: DynamicMemoryMessage,
  size: u16,
  transactionId: u32,
  pages: u32,
  /** 1: done. */
  result: u32,
});

/** One number of 64 bits: first page in bits 0 to 39, count of pages in bits 40 to 63. */
export const DmRange = struct('DmRange', 8, { firstPageLow: u32, firstPageHighAndCount: u32 });

export const MAX_RANGE_PAGES = 0xff_ffff;
export const MAX_PAGE_NUMBER = 2 ** 40 - 1;

/** Windows stops answering requests for more than this. */
export const MAX_BALLOON_PAGES = 585_728;

/** Guests receive into one page. */
export const MAX_DM_MESSAGE_BYTES = 4096;
