/** What a frame is and whether its checksums hold, as one number of flags: no object for a frame. */
import { foldSum, ipv4PseudoSum, ipv6PseudoSum, sumBytes } from './checksum.ts';
import { ETHERNET_BYTES, EtherType, TYPE_AT, VLAN_TAG_BYTES } from './spec/ethernet.ts';
import {
  FRAGMENT_MASK,
  IcmpEcho,
  IpProtocol,
  Ipv4Header,
  Ipv6Header,
  TcpHeader,
  UdpHeader,
} from './spec/ip.ts';

/**
 * Bits of a frame's facts. The network header's offset from the frame's start is in bits 23:16, in
 * units of 2 bytes; the transport header's, where there is one, in bits 31:24 likewise.
 */
export const FrameFact = {
  ipv4: 0x0001,
  ipv6: 0x0002,
  tcp: 0x0004,
  udp: 0x0008,
  icmp: 0x0010,
  /** A part of a datagram: its transport checksum cannot be told. */
  fragment: 0x0020,
  ipGood: 0x0040,
  ipBad: 0x0080,
  transportGood: 0x0100,
  transportBad: 0x0200,
  /** The lengths in the headers go beyond the frame. */
  malformed: 0x0400,
  /** The facts were looked for; 0 as a whole means that they were not. */
  known: 0x0800,
} as const;

const MAX_EXTENSION_HEADERS = 8;

/** Bytes from the frame's start to its IP header. */
export function networkOffset(facts: number): number {
  return ((facts >>> 16) & 0xff) * 2;
}

/** Bytes from the frame's start to its TCP, UDP or ICMP header; 0 when there is none. */
export function transportOffset(facts: number): number {
  return (facts >>> 24) * 2;
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Looks through a frame and verifies its checksums. @returns `FrameFact` flags */
export function inspectFrame(
  bytes: Uint8Array,
  words: Int32Array,
  start: number,
  length: number,
): number {
  if (length < ETHERNET_BYTES) return FrameFact.known | FrameFact.malformed;
  let header = ETHERNET_BYTES;
  let type = word(bytes, start + TYPE_AT);
  while (type === EtherType.vlan || type === EtherType.serviceVlan) {
    header += VLAN_TAG_BYTES;
    // Two tags at most, as a switch takes them.
    if (header > ETHERNET_BYTES + 2 * VLAN_TAG_BYTES || length < header) {
      return FrameFact.known | FrameFact.malformed;
    }
    type = word(bytes, start + header - 2);
  }
  const facts = FrameFact.known | ((header >>> 1) << 16);
  if (type === EtherType.ipv4) {
    const isPlain =
      header === ETHERNET_BYTES && (start & 3) === 0 && bytes[start + header] === 0x45;
    const plain = isPlain && words.length > 0 ? inspectPlain(bytes, words, start, length) : 0;
    return plain === 0 ? inspectIpv4(bytes, words, start, length, header, facts) : plain;
  }
  if (type === EtherType.ipv6) return inspectIpv6(bytes, words, start, length, header, facts);
  return facts;
}

const PLAIN_TRANSPORT = ETHERNET_BYTES + Ipv4Header.size;
const PLAIN_FACTS =
  FrameFact.known |
  FrameFact.ipv4 |
  ((ETHERNET_BYTES >>> 1) << 16) |
  ((PLAIN_TRANSPORT >>> 1) << 24);

/**
 * The short way for almost every frame: TCP or UDP over IPv4 without options, aligned. Words are summed
 * as they lie in memory, which leaves all ones all ones.
 * @returns 0 for any other frame
 */
function inspectPlain(bytes: Uint8Array, words: Int32Array, start: number, length: number): number {
  if (length < PLAIN_TRANSPORT + UdpHeader.size) return 0;
  const at = start + ETHERNET_BYTES;
  const total = word(bytes, at + Ipv4Header.offset.totalLength);
  const transport = total - Ipv4Header.size;
  const protocol = bytes[at + Ipv4Header.offset.protocol]!;
  const isTcp = protocol === IpProtocol.tcp;
  if (!isTcp && protocol !== IpProtocol.udp) return 0;
  const least = isTcp ? TcpHeader.size : UdpHeader.size;
  if (transport < least || ETHERNET_BYTES + total > length) return 0;
  if ((word(bytes, at + Ipv4Header.offset.fragment) & FRAGMENT_MASK) !== 0) return 0;
  const udpChecksum = start + PLAIN_TRANSPORT + UdpHeader.offset.checksum;
  if (!isTcp && word(bytes, udpChecksum) === 0) return 0;
  // The header begins in the middle of a word; its addresses do too.
  const first = at >>> 2;
  const second = words[first + 1]!;
  const third = words[first + 2]!;
  const fourth = words[first + 3]!;
  const fifth = words[first + 4]!;
  const sixth = words[first + 5]!;
  const addresses = (fourth >>> 16) + (fifth & 0xffff) + (fifth >>> 16) + (sixth & 0xffff);
  const rest =
    (words[first]! >>> 16) +
    (second & 0xffff) +
    (second >>> 16) +
    (third & 0xffff) +
    (third >>> 16) +
    (fourth & 0xffff);
  const isHeaderSound = foldSum(rest + addresses) === 0xffff;
  const pseudo = foldSum(addresses);
  const sum =
    sumBytes(bytes, words, start + PLAIN_TRANSPORT, transport) +
    (((pseudo & 0xff) << 8) | (pseudo >>> 8)) +
    protocol +
    transport;
  return (
    (PLAIN_FACTS |
      (isTcp ? FrameFact.tcp : FrameFact.udp) |
      (isHeaderSound ? FrameFact.ipGood : FrameFact.ipBad) |
      (foldSum(sum) === 0xffff ? FrameFact.transportGood : FrameFact.transportBad)) >>>
    0
  );
}

function inspectIpv4(
  bytes: Uint8Array,
  words: Int32Array,
  start: number,
  length: number,
  header: number,
  known: number,
): number {
  const at = start + header;
  const facts = known | FrameFact.ipv4;
  if (length < header + Ipv4Header.size || bytes[at]! >>> 4 !== 4) {
    return facts | FrameFact.malformed;
  }
  const headerBytes = (bytes[at]! & 15) * 4;
  const total = word(bytes, at + Ipv4Header.offset.totalLength);
  if (headerBytes < Ipv4Header.size || total < headerBytes || header + total > length) {
    return facts | FrameFact.malformed;
  }
  const isSound = sumBytes(bytes, words, at, headerBytes) === 0xffff;
  const checked = facts | (isSound ? FrameFact.ipGood : FrameFact.ipBad);
  if ((word(bytes, at + Ipv4Header.offset.fragment) & FRAGMENT_MASK) !== 0) {
    return checked | FrameFact.fragment;
  }
  const protocol = bytes[at + Ipv4Header.offset.protocol]!;
  const transport = header + headerBytes;
  return inspectTransport(bytes, words, start, transport, total - headerBytes, protocol, checked);
}

function inspectIpv6(
  bytes: Uint8Array,
  words: Int32Array,
  start: number,
  length: number,
  header: number,
  known: number,
): number {
  const at = start + header;
  const facts = known | FrameFact.ipv6;
  if (length < header + Ipv6Header.size || bytes[at]! >>> 4 !== 6) {
    return facts | FrameFact.malformed;
  }
  const end = header + Ipv6Header.size + word(bytes, at + Ipv6Header.offset.payloadLength);
  if (end > length) return facts | FrameFact.malformed;
  let next = bytes[at + Ipv6Header.offset.nextHeader]!;
  let transport = header + Ipv6Header.size;
  for (let count = 0; isExtension(next); count += 1) {
    if (next === IpProtocol.fragment) return facts | FrameFact.fragment;
    if (count === MAX_EXTENSION_HEADERS || transport + 8 > end) return facts | FrameFact.malformed;
    next = bytes[start + transport]!;
    transport += (bytes[start + transport + 1]! + 1) * 8;
  }
  if (transport > end) return facts | FrameFact.malformed;
  return inspectTransport(bytes, words, start, transport, end - transport, next, facts);
}

function isExtension(header: number): boolean {
  return (
    header === IpProtocol.hopByHop ||
    header === IpProtocol.routing ||
    header === IpProtocol.fragment ||
    header === IpProtocol.destinationOptions
  );
}

/** @param length bytes of the transport header and its payload */
function inspectTransport(
  bytes: Uint8Array,
  words: Int32Array,
  start: number,
  transport: number,
  length: number,
  protocol: number,
  known: number,
): number {
  const at = start + transport;
  const isIpv6 = (known & FrameFact.ipv6) !== 0;
  let facts = known;
  let least: number;
  if (protocol === IpProtocol.tcp) {
    facts |= FrameFact.tcp;
    least = TcpHeader.size;
  } else if (protocol === IpProtocol.udp) {
    facts |= FrameFact.udp;
    least = UdpHeader.size;
  } else if (protocol === (isIpv6 ? IpProtocol.icmp6 : IpProtocol.icmp)) {
    facts |= FrameFact.icmp;
    least = IcmpEcho.size;
  } else {
    return facts;
  }
  // Headers end well before byte 510: four times 15 of IPv4, or eight extensions that a switch reads.
  if (length < least || transport > 510) return facts | FrameFact.malformed;
  facts |= ((transport >>> 1) << 24) >>> 0;
  if (protocol === IpProtocol.udp && word(bytes, at + UdpHeader.offset.checksum) === 0) {
    return facts >>> 0;
  }
  const network = start + networkOffset(facts);
  let sum = sumBytes(bytes, words, at, length);
  if (isIpv6) sum += ipv6PseudoSum(bytes, network, protocol, length);
  else if (protocol !== IpProtocol.icmp) sum += ipv4PseudoSum(bytes, network, protocol, length);
  const isGood = foldSum(sum) === 0xffff;
  return (facts | (isGood ? FrameFact.transportGood : FrameFact.transportBad)) >>> 0;
}
