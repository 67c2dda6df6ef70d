/** IPv4 (RFC 791 3.1), IPv6 (RFC 8200 3), and the protocols in them that a switch looks at. */
import { bytes, openEnum, struct, u16be, u32be, u8 } from '../../core/wire.ts';

export const IpProtocol = {
  hopByHop: 0,
  icmp: 1,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  icmp6: 58,
  none: 59,
  destinationOptions: 60,
} as const;
export const ipProtocol = openEnum(u8, IpProtocol);

/** Without options. */
export const Ipv4Header = struct('Ipv4Header', 20, {
  /** Version 4 in the high nibble, header length in units of 4 bytes in the low one. */
  versionAndLength: u8,
  service: u8,
  totalLength: u16be,
  id: u16be,
  /** Bit 14 don't fragment, bit 13 more fragments, below them the offset in units of 8 bytes. */
  fragment: u16be,
  timeToLive: u8,
  protocol: ipProtocol,
  checksum: u16be,
  source: u32be,
  destination: u32be,
});
/** More fragments, or an offset. */
export const FRAGMENT_MASK = 0x3fff;
export const DONT_FRAGMENT = 0x4000;

export const Ipv6Header = struct('Ipv6Header', 40, {
  versionAndFlow: u32be,
  /** Bytes after this header, extension headers included. */
  payloadLength: u16be,
  nextHeader: ipProtocol,
  hopLimit: u8,
  source: bytes(16),
  destination: bytes(16),
});

/** RFC 9293 3.1, without options. */
export const TcpHeader = struct('TcpHeader', 20, {
  sourcePort: u16be,
  destinationPort: u16be,
  sequence: u32be,
  acknowledgment: u32be,
  /** Header length in units of 4 bytes, in the high nibble. */
  dataOffset: u8,
  flags: u8,
  window: u16be,
  checksum: u16be,
  urgent: u16be,
});
export const TcpFlag = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  cwr: 0x80,
} as const;

/** RFC 768. */
export const UdpHeader = struct('UdpHeader', 8, {
  sourcePort: u16be,
  destinationPort: u16be,
  length: u16be,
  /** 0: the sender made none (IPv4 only). */
  checksum: u16be,
});

export const IcmpType = { echoReply: 0, echoRequest: 8 } as const;

/** Echo and echo reply of RFC 792. */
export const IcmpEcho = struct('IcmpEcho', 8, {
  type: openEnum(u8, IcmpType),
  code: u8,
  checksum: u16be,
  id: u16be,
  sequence: u16be,
});
