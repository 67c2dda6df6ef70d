/**
 * Receive segment coalescing: TCP segments of one flow that come together become one unit for the guest.
 * On the wire of Windows Server 2019 it is a run of RNDIS packets in one transfer-page packet: the
 * first holds the headers, for all of them, and its own data, the others data only. Each is marked with
 * its place in the unit; headers have no checksums that fit, and the first one says so.
 */
import { readLong, readWord, writeLong, writeWord } from '../../core/network-order.ts';
import { FrameFact, networkOffset } from '../../net/inspect.ts';
import { ETHERNET_BYTES } from '../../net/spec/ethernet.ts';
import { Ipv4Header, TcpFlag, TcpHeader } from '../../net/spec/ip.ts';
import type { NetvscChannel } from './channel.ts';
import type { ReceiveSections } from './receive.ts';
import { PACKET_ID_V1, PacketIdFlag, RxChecksum } from './spec/rndis.ts';

const IP = Ipv4Header.offset;
const TCP = TcpHeader.offset;
const TCP_AT = ETHERNET_BYTES + Ipv4Header.size;
const MAX_TCP_HEADER_BYTES = 60;
/** The length field of an IPv4 header ends a unit. */
const MAX_DATAGRAM_BYTES = 65_535;
/** IPv4 with sound sums over TCP, in one piece. */
const SOUND = FrameFact.ipv4 | FrameFact.tcp | FrameFact.ipGood | FrameFact.transportGood;
const UNSOUND = FrameFact.fragment | FrameFact.malformed;
/** Any other flag belongs to a segment that must be seen by itself. */
const ALLOWED_FLAGS = TcpFlag.ack | TcpFlag.psh;
const ID_SHIFT = 16;

/** Whether a frame without a tag is plain data: IPv4 without options, no flag but ACK and PSH. */
export function isPlainSegment(bytes: Uint8Array, start: number, facts: number): boolean {
  if ((facts & SOUND) !== SOUND || (facts & UNSOUND) !== 0) return false;
  if (networkOffset(facts) !== ETHERNET_BYTES) return false;
  if (bytes[start + ETHERNET_BYTES] !== 0x45) return false;
  const flags = bytes[start + TCP_AT + TCP.flags]!;
  if ((flags & TcpFlag.ack) === 0 || (flags & ~ALLOWED_FLAGS) !== 0) return false;
  return payloadOf(bytes, start) > 0;
}

function headerBytesOf(bytes: Uint8Array, start: number): number {
  return (bytes[start + TCP_AT + TCP.dataOffset]! >>> 4) * 4;
}

/** Bytes of data; what a short frame is padded with is none. */
function payloadOf(bytes: Uint8Array, start: number): number {
  const total = readWord(bytes, start + ETHERNET_BYTES + IP.totalLength);
  return total - Ipv4Header.size - headerBytesOf(bytes, start);
}

/** The unit that grows. It is closed before the guest is told of it, in the same moment. */
export class ReceiveUnit {
  channel: NetvscChannel | undefined;
  /** Frames in it. */
  segments = 0;
  /** Bytes of the datagram that it is. */
  totalBytes = 0;
  /** First and last section. */
  first = 0;
  #last = 0;
  /** The first frame up to its data. */
  readonly #headers = new Uint8Array(TCP_AT + MAX_TCP_HEADER_BYTES);
  #headerBytes = 0;
  #nextSequence = 0;
  #checksum = 0;
  #infoCount = 0;

  /**
   * Begins with a frame that stands in a section as any other.
   * @param checksum word of its information, the first piece
   * @param infoCount pieces of information that it has
   */
  begin(
    channel: NetvscChannel,
    section: number,
    bytes: Uint8Array,
    start: number,
    checksum: number,
    infoCount: number,
  ): void {
    const headers = TCP_AT + headerBytesOf(bytes, start);
    for (let index = 0; index < headers; index += 1) this.#headers[index] = bytes[start + index]!;
    this.channel = channel;
    this.segments = 1;
    this.first = section;
    this.#last = section;
    this.#headerBytes = headers;
    this.#checksum = checksum;
    this.#infoCount = infoCount;
    this.totalBytes = headers - ETHERNET_BYTES + payloadOf(bytes, start);
    this.#nextSequence =
      (readLong(bytes, start + TCP_AT + TCP.sequence) + payloadOf(bytes, start)) >>> 0;
  }

  /** Whether a plain segment goes on where the unit ends: addresses, ports, options, sequence. */
  isContinuedBy(bytes: Uint8Array, start: number): boolean {
    const mine = this.#headers;
    const headers = this.#headerBytes;
    if (TCP_AT + headerBytesOf(bytes, start) !== headers) return false;
    if (this.totalBytes + payloadOf(bytes, start) > MAX_DATAGRAM_BYTES) return false;
    if (readLong(bytes, start + TCP_AT + TCP.sequence) !== this.#nextSequence) return false;
    const ip = ETHERNET_BYTES;
    return (
      isSame(mine, bytes, start, 0, ip + IP.totalLength) &&
      isSame(mine, bytes, start, ip + IP.timeToLive, ip + IP.checksum) &&
      isSame(mine, bytes, start, ip + IP.source, TCP_AT + TCP.sequence) &&
      isSame(mine, bytes, start, TCP_AT + TcpHeader.size, headers)
    );
  }

  /**
   * Adds a segment's data. @param section takes it
   * @returns bytes of the message
   */
  add(
    sections: ReceiveSections,
    section: number,
    bytes: Uint8Array,
    words: Int32Array,
    start: number,
  ): number {
    const payload = payloadOf(bytes, start);
    const id = this.#id(PacketIdFlag.part);
    const from = start + this.#headerBytes;
    const messageBytes = sections.writePart(section, bytes, words, from, payload, id);
    const tcp = start + TCP_AT;
    // What the last one says of the other direction counts; a push of any is a push of all.
    const headers = this.#headers;
    writeLong(headers, TCP_AT + TCP.acknowledgment, readLong(bytes, tcp + TCP.acknowledgment));
    writeWord(headers, TCP_AT + TCP.window, readWord(bytes, tcp + TCP.window));
    headers[TCP_AT + TCP.flags]! |= bytes[tcp + TCP.flags]!;
    this.totalBytes += payload;
    this.#nextSequence = (this.#nextSequence + payload) >>> 0;
    this.segments += 1;
    this.#last = section;
    return messageBytes;
  }

  /** Writes what is known only now: the headers of the whole, and which part is the last. */
  close(sections: ReceiveSections): void {
    this.channel = undefined;
    if (this.segments < 2) return;
    const { first } = this;
    const headers = this.#headers;
    writeWord(headers, ETHERNET_BYTES + IP.totalLength, this.totalBytes);
    sections.rewriteFrame(first, headers, this.#headerBytes);
    const { bit } = RxChecksum;
    const checksum = this.#checksum | bit.tcpValueInvalid | bit.ipValueInvalid;
    sections.setInfo(first, 0, checksum);
    sections.addPartInfo(first, this.#infoCount, this.#id(PacketIdFlag.part | PacketIdFlag.first));
    sections.setInfo(this.#last, 0, this.#id(PacketIdFlag.part | PacketIdFlag.last));
  }

  /** The unit's number is that of its first section. */
  #id(flag: number): number {
    return PACKET_ID_V1 | (flag << 8) | (this.first << ID_SHIFT);
  }
}

function isSame(
  mine: Uint8Array,
  bytes: Uint8Array,
  start: number,
  from: number,
  to: number,
): boolean {
  for (let index = from; index < to; index += 1) {
    if (mine[index] !== bytes[start + index]) return false;
  }
  return true;
}

/** Whether an IPv4 frame has bytes behind its datagram, as short ones do that have been on a wire. */
export function isPadded(bytes: Uint8Array, start: number, length: number): boolean {
  return readWord(bytes, start + ETHERNET_BYTES + IP.totalLength) !== length - ETHERNET_BYTES;
}
