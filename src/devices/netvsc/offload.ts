/** Work that the guest leaves to the host for a frame it sends: checksums and segmentation. */
import { readWord, writeWord } from '../../core/network-order.ts';
import { complementOf, ipv4PseudoSum, ipv6PseudoSum, sumBytes } from '../../net/checksum.ts';
import { copyBytes } from '../../core/copy.ts';
import type { PacketLink } from '../../net/link.ts';
import {
  ETHERNET_BYTES,
  EtherType,
  MAX_FRAME_BYTES,
  MAX_VLAN_ID,
  TYPE_AT,
  VLAN_TAG_BYTES,
} from '../../net/spec/ethernet.ts';
import {
  IpProtocol,
  Ipv4Header,
  Ipv6Header,
  TcpFlag,
  TcpHeader,
  UdpHeader,
} from '../../net/spec/ip.ts';
import {
  LARGE_SEND_IPV6,
  LARGE_SEND_MSS_MASK,
  TRANSPORT_OFFSET_MASK,
  TxChecksum,
} from './spec/rndis.ts';
import type { FrameBatch } from './frame-batch.ts';
import type { NetvscStatistics } from './statistics.ts';

/** More pieces than this of one frame would need a segment size that no network has. */
const MAX_SEGMENTS = 1024;
const MAX_TCP_HEADERS_BYTES = 256;

/** `info` words of one frame; -1 for each that it does not have. */
export class SendInfo {
  checksum = -1;
  largeSend = -1;
  vlan = -1;

  clear(): void {
    this.checksum = -1;
    this.largeSend = -1;
    this.vlan = -1;
  }

  get isPlain(): boolean {
    return this.checksum === -1 && this.largeSend === -1 && this.vlan === -1;
  }
}

/** Finishes frames in a batch's buffer. */
export class SendOffload {
  readonly #batch: FrameBatch;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #statistics: NetvscStatistics;
  readonly #breaksUdp: boolean;
  /** Where the frame stands without its tag. */
  #frame = 0;
  /** Where it begins: there, or before that by a tag. */
  #begin = 0;

  constructor(batch: FrameBatch, statistics: NetvscStatistics, breaksUdp: boolean) {
    this.#batch = batch;
    this.#bytes = batch.bytes;
    this.#words = batch.words;
    this.#view = new DataView(batch.bytes.buffer);
    this.#statistics = statistics;
    this.#breaksUdp = breaksUdp;
  }

  /**
   * Adds a frame to the batch with the work that goes with it done; the pieces of a large one are sent.
   * @returns false when what the guest says of the frame cannot be
   */
  add(
    link: PacketLink | undefined,
    info: SendInfo,
    bytes: Uint8Array,
    words: Int32Array,
    start: number,
    length: number,
  ): boolean {
    if (length < ETHERNET_BYTES) return false;
    if (info.largeSend !== -1) return this.#segment(link, info, bytes, words, start, length);
    if (length > MAX_FRAME_BYTES - VLAN_TAG_BYTES) return false;
    const frame = this.#batch.next;
    this.#frame = frame;
    copyBytes(bytes, words, start, this.#bytes, this.#words, frame, length);
    if (info.checksum !== -1 && !this.#complete(info.checksum >>> 0, length)) return false;
    this.#tag(info.vlan);
    this.#batch.addOwn(this.#begin, this.#count(length));
    return true;
  }

  /** Counts the finished frame. @returns its bytes, with the tag */
  #count(length: number): number {
    const size = length + this.#frame - this.#begin;
    this.#statistics.countTransmitted(this.#bytes, this.#begin, size);
    return size;
  }

  /** Where the IP header of an untagged frame is. */
  get #ip(): number {
    return this.#frame + ETHERNET_BYTES;
  }

  /** Puts the tag in, and the addresses before it. */
  #tag(vlan: number): void {
    this.#begin = this.#frame;
    if (vlan === -1) return;
    const id = (vlan >>> 4) & 0xfff;
    const control = ((vlan & 7) << 13) | ((vlan & 8) << 9) | (id > MAX_VLAN_ID ? 0 : id);
    this.#begin = this.#frame - VLAN_TAG_BYTES;
    this.#bytes.copyWithin(this.#begin, this.#frame, this.#frame + TYPE_AT);
    this.#view.setUint16(this.#begin + TYPE_AT, EtherType.vlan);
    this.#view.setUint16(this.#begin + TYPE_AT + 2, control);
  }

  /**
   * Where the transport header begins, counted from the frame's start: as the guest says, or where
   * the shortest way leads when it says 0. @returns -1 when that cannot be
   */
  #transport(said: number, isIpv6: boolean, length: number): number {
    const least = ETHERNET_BYTES + (isIpv6 ? Ipv6Header.size : Ipv4Header.size);
    let transport = said;
    if (said === 0) {
      transport = isIpv6 ? least : ETHERNET_BYTES + (this.#bytes[this.#ip]! & 15) * 4;
    }
    return transport < least || transport >= length ? -1 : transport;
  }

  /** Completes the checksums that the guest asks for, in the frame of the buffer. */
  #complete(asked: number, length: number): boolean {
    const { bit } = TxChecksum;
    const isIpv4 = (asked & bit.ipv4) !== 0;
    const isIpv6 = !isIpv4 && (asked & bit.ipv6) !== 0;
    if (!isIpv4 && !isIpv6) return true;
    const isTcp = (asked & bit.tcp) !== 0;
    const isUdp = !isTcp && (asked & bit.udp) !== 0;
    if (isTcp || isUdp) {
      const said = (asked >>> 16) & TRANSPORT_OFFSET_MASK;
      const transport = this.#transport(said, isIpv6, length);
      if (transport < 0) return false;
      this.#completeTransport(transport, isIpv6, isUdp, length);
      this.#statistics.checksumsCompleted += 1;
    }
    if (isIpv4 && (asked & bit.ipHeader) !== 0) this.#completeIpHeader(length);
    return true;
  }

  /**
   * The field holds the sum of the pseudo header, so the complement of everything, the field
   * included, is the checksum. Whatever else it holds goes into the sum as well.
   */
  #completeTransport(transport: number, isIpv6: boolean, isUdp: boolean, length: number): void {
    const total = isIpv6
      ? Ipv6Header.size + readWord(this.#bytes, this.#ip + Ipv6Header.offset.payloadLength)
      : readWord(this.#bytes, this.#ip + Ipv4Header.offset.totalLength);
    const end = Math.min(ETHERNET_BYTES + total, length);
    const at = this.#frame + transport;
    const field = at + (isUdp ? UdpHeader.offset.checksum : TcpHeader.offset.checksum);
    if (field + 2 > this.#frame + end) return;
    if (isUdp && this.#breaksUdp) writeWord(this.#bytes, field, 0);
    const sum = sumBytes(this.#bytes, this.#words, at, end - transport);
    const checksum = complementOf(sum);
    writeWord(this.#bytes, field, isUdp && checksum === 0 ? 0xffff : checksum);
  }

  #completeIpHeader(length: number): void {
    const headerBytes = (this.#bytes[this.#ip]! & 15) * 4;
    if (headerBytes < Ipv4Header.size || ETHERNET_BYTES + headerBytes > length) return;
    const field = this.#ip + Ipv4Header.offset.checksum;
    writeWord(this.#bytes, field, 0);
    const sum = sumBytes(this.#bytes, this.#words, this.#ip, headerBytes);
    writeWord(this.#bytes, field, complementOf(sum));
  }

  /** Large send offload version 2: one long TCP segment becomes many of the given size. */
  #segment(
    link: PacketLink | undefined,
    info: SendInfo,
    bytes: Uint8Array,
    words: Int32Array,
    start: number,
    length: number,
  ): boolean {
    const asked = info.largeSend >>> 0;
    const isIpv6 = (asked & LARGE_SEND_IPV6) !== 0;
    const mss = asked & LARGE_SEND_MSS_MASK;
    const known = Math.min(length, MAX_TCP_HEADERS_BYTES);
    this.#batch.flush(link);
    this.#frame = this.#batch.next;
    copyBytes(bytes, words, start, this.#bytes, this.#words, this.#frame, known);
    const transport = this.#transport((asked >>> 20) & TRANSPORT_OFFSET_MASK, isIpv6, known);
    if (transport < 0 || transport + TcpHeader.size > known) return false;
    const tcpAt = this.#frame + transport;
    const tcpBytes = (this.#bytes[tcpAt + TcpHeader.offset.dataOffset]! >>> 4) * 4;
    const headers = transport + tcpBytes;
    if (tcpBytes < TcpHeader.size || headers > known || mss === 0) return false;
    const payload = length - headers;
    if (payload > mss * MAX_SEGMENTS) return false;
    if (headers + Math.min(mss, payload) > MAX_FRAME_BYTES - VLAN_TAG_BYTES) return false;
    this.#statistics.largeSends += 1;
    this.#tag(info.vlan);
    const view = this.#view;
    const sequence = view.getUint32(tcpAt + TcpHeader.offset.sequence);
    const flags = this.#bytes[tcpAt + TcpHeader.offset.flags]!;
    const firstId = view.getUint16(this.#ip + Ipv4Header.offset.id);
    let sent = 0;
    let index = 0;
    do {
      const size = Math.min(mss, payload - sent);
      const isLast = sent + size === payload;
      copyBytes(
        bytes,
        words,
        start + headers + sent,
        this.#bytes,
        this.#words,
        this.#frame + headers,
        size,
      );
      view.setUint32(tcpAt + TcpHeader.offset.sequence, sequence + sent);
      let segmentFlags = flags;
      if (!isLast) segmentFlags &= ~(TcpFlag.fin | TcpFlag.psh);
      if (index > 0) segmentFlags &= ~TcpFlag.cwr;
      this.#bytes[tcpAt + TcpHeader.offset.flags] = segmentFlags;
      this.#headSegment(transport, headers + size, isIpv6, firstId + index);
      const segmentBytes = this.#count(headers + size);
      link?.send(this.#bytes, this.#begin, segmentBytes);
      sent += size;
      index += 1;
    } while (sent < payload);
    return true;
  }

  /** Lengths and checksums of one segment of `length` bytes. */
  #headSegment(transport: number, length: number, isIpv6: boolean, id: number): void {
    const view = this.#view;
    const tcpLength = length - transport;
    const tcpAt = this.#frame + transport;
    const field = tcpAt + TcpHeader.offset.checksum;
    view.setUint16(field, 0);
    let sum = sumBytes(this.#bytes, this.#words, tcpAt, tcpLength);
    if (isIpv6) {
      const payloadLength = length - ETHERNET_BYTES - Ipv6Header.size;
      view.setUint16(this.#ip + Ipv6Header.offset.payloadLength, payloadLength);
      sum += ipv6PseudoSum(this.#bytes, this.#ip, IpProtocol.tcp, tcpLength);
    } else {
      view.setUint16(this.#ip + Ipv4Header.offset.totalLength, length - ETHERNET_BYTES);
      view.setUint16(this.#ip + Ipv4Header.offset.id, id);
      this.#completeIpHeader(length);
      sum += ipv4PseudoSum(this.#bytes, this.#ip, IpProtocol.tcp, tcpLength);
    }
    view.setUint16(field, complementOf(sum));
  }
}
