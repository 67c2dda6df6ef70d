/** Address resolution for IPv4 over Ethernet (RFC 826). */
import { bytes, openEnum, struct, u16be, u32be, u8 } from '../../core/wire.ts';
import { etherType } from './ethernet.ts';

export const ArpOperation = { request: 1, reply: 2 } as const;
export const ARP_ETHERNET = 1;

/** The layout of RFC 826 with six-byte and four-byte addresses, from which fields lie unaligned. */
export const ArpPacket = struct(
  'ArpPacket',
  28,
  {
    hardware: u16be,
    protocol: etherType,
    hardwareBytes: u8,
    protocolBytes: u8,
    operation: openEnum(u16be, ArpOperation),
    senderMac: bytes(6),
    senderIp: u32be,
    targetMac: bytes(6),
    targetIp: u32be,
  },
  { packed: true },
);
