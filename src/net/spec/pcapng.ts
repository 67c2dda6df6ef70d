/** Blocks of a pcapng file (draft-ietf-opsawg-pcapng 3 and 4), little-endian here. */
import { openEnum, struct, u16, u32, u64 } from '../../core/wire.ts';

export const PcapngBlock = openEnum(u32, {
  interfaceDescription: 1,
  enhancedPacket: 6,
  sectionHeader: 0x0a0d_0d0a,
});
export const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
export const LINKTYPE_ETHERNET = 1;

/** Before every block's body; the length stands after the body again. */
export const BlockHeader = struct('BlockHeader', 8, { type: PcapngBlock, length: u32 });

export const SectionHeader = struct('SectionHeader', 16, {
  magic: u32,
  major: u16,
  minor: u16,
  /** All ones: not known. */
  sectionLength: u64,
});

export const InterfaceDescription = struct('InterfaceDescription', 8, {
  linkType: u16,
  reserved: u16,
  /** Longest packet kept; 0 means all of it. */
  snapLength: u32,
});

/** Followed by the packet, padded to four bytes, and options. */
export const EnhancedPacket = struct('EnhancedPacket', 20, {
  interfaceId: u32,
  timestampHigh: u32,
  timestampLow: u32,
  capturedLength: u32,
  originalLength: u32,
});

export const OptionHeader = struct('OptionHeader', 4, { code: u16, length: u16 });
export const PcapngOption = {
  end: 0,
  comment: 1,
  /** Section header: the program that wrote it. */
  userApplication: 4,
  interfaceName: 2,
  /** One byte: negative power of ten of the timestamps. */
  timestampResolution: 9,
  /** 64-bit seconds to add to every timestamp. */
  timestampOffset: 14,
  /** Enhanced packet: bits 1:0 direction. */
  packetFlags: 2,
} as const;
export const PacketDirection = { unknown: 0, inbound: 1, outbound: 2 } as const;
