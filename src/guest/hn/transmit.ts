/**
 * hn's transmit path: one ring for each channel. A frame goes out in a chimney section of the shared
 * send buffer when it fits, else from pages of its own by a GPA-direct packet.
 */
import { copyBytes } from '../../core/copy.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import {
  NO_SECTION,
  NvspChannelType,
  NvspRndisPacket,
  NvspType,
} from '../../devices/netvsc/spec/nvsp.ts';
import {
  LARGE_SEND_MSS_MASK,
  PacketInfo,
  PacketInfoType,
  RNDIS_HEADER_BYTES,
  RndisPacket,
  RndisType,
  TxChecksum,
} from '../../devices/netvsc/spec/rndis.ts';
import { ETHERNET_BYTES, EtherType, TYPE_AT } from '../../net/spec/ethernet.ts';
import { IpProtocol, Ipv4Header, TcpHeader } from '../../net/spec/ip.ts';
import { readWord, writeWord } from '../../core/network-order.ts';
import { fold, sumOf } from '../inet/checksum.ts';
import { ChecksumFlag, MAX_PACKET_BYTES, type Packet } from '../inet/packet.ts';
import type { KernelApi } from '../kernel/api.ts';
import type { GuestChannel, PageRange } from '../vmbus/api.ts';
import type { SharedBuffer } from './nvs.ts';

/** Descriptors of a ring (HN_TX_DESC_CNT). */
const DESCRIPTORS = 512;
const NVS_BYTES = 32;
const SECTION_INDEX_WORD = NvspRndisPacket.offset.sectionIndex / 4;
const SECTION_BYTES_WORD = NvspRndisPacket.offset.sectionBytes / 4;
/** Transaction ids: pointers to descriptors, as they lie in FreeBSD's heap. */
const POINTER_HI = 0xffff_f800;
const POINTER_LO = 0x0500_0000;
const POINTER_STEP = 0x80;
const RING_STEP = DESCRIPTORS * POINTER_STEP;
const FRAME_PAGES = Math.ceil((MAX_PACKET_BYTES + RndisPacket.size + 64) / PAGE_BYTES);
const RNDIS_PACKET_BYTES = RndisPacket.size;
const TYPE_PACKET = RndisType.is.packet;
const INFO_BYTES = PacketInfo.size + 4;
/** Bit 30 of the large-send word: version 2 of that offload. */
const LARGE_SEND_V2 = 0x4000_0000;
const TRANSPORT_OFFSET_SHIFT = 16;
const LARGE_SEND_OFFSET_SHIFT = 20;

/** The sections of the send buffer, shared by all rings. */
export class Chimney {
  readonly sectionBytes: number;
  readonly base: number;
  readonly #free: Int32Array;
  #count: number;
  readonly #memory: GuestMemory;
  /** The first of the sections that were never written. */
  #unused = 0;

  constructor(memory: GuestMemory, buffer: SharedBuffer, sectionBytes: number, count: number) {
    this.sectionBytes = sectionBytes;
    this.#memory = memory;
    this.base = memory.locate(buffer.gpa, buffer.bytes);
    this.#free = Int32Array.from({ length: count }, (_, index) => count - 1 - index);
    this.#count = count;
  }

  /** @returns a section, or -1 */
  take(): number {
    if (this.#count === 0) return -1;
    this.#count -= 1;
    const section = this.#free[this.#count]!;
    if (section >= this.#unused) this.#begin(section);
    return section;
  }

  /** The sections up to this one are written from now on. */
  #begin(section: number): void {
    const from = this.#unused * this.sectionBytes;
    this.#unused = section + 1;
    this.#memory.touch(this.base + from, this.#unused * this.sectionBytes - from);
  }

  give(section: number): void {
    this.#free[this.#count] = section;
    this.#count += 1;
  }

  get available(): number {
    return this.#count;
  }
}

/** What the host takes in one message, as its RNDIS INITIALIZE_CMPLT said. */
export interface Aggregation {
  readonly packets: number;
  readonly bytes: number;
  /** Where in a message the next packet may begin: a power of two. */
  readonly alignment: number;
}

const NO_AGGREGATION: Aggregation = { packets: 1, bytes: 0, alignment: 8 };

export interface TransmitOptions {
  readonly kernel: KernelApi;
  readonly channel: GuestChannel;
  readonly index: number;
  readonly chimney: Chimney | undefined;
  /** A packet is handed to the host's checksums for any flag that it has, as 10.2 does. */
  readonly isAnyFlag: boolean;
}

export class TransmitRing {
  readonly channel: GuestChannel;
  readonly index: number;
  packets = 0;
  bytes = 0;
  /** Packets that went in a chimney section. */
  chimneyPackets = 0;
  /** Times that there was no descriptor or no room in the ring. */
  noRoom = 0;
  /** Messages, of one packet or more. */
  sends = 0;
  aggregation = NO_AGGREGATION;
  /** The message that packets are added to: its section, or -1 for none. */
  #openSection = -1;
  #openBytes = 0;
  #openPackets = 0;
  /** Linear position of the last packet in it. */
  #openLast = 0;
  #isAdding = false;
  readonly #kernel: KernelApi;
  readonly #memory: GuestMemory;
  readonly #chimney: Chimney | undefined;
  readonly #isAnyFlag: boolean;
  readonly #free = Int32Array.from({ length: DESCRIPTORS }, (_, index) => DESCRIPTORS - 1 - index);
  #freeCount = DESCRIPTORS;
  /** Chimney section of each descriptor that is out; -1 for its own pages, -2 when it is free. */
  readonly #section = new Int32Array(DESCRIPTORS).fill(-2);
  /** Guest pages of descriptors that ever needed them. */
  readonly #pages: (readonly PageRange[] | undefined)[] = Array.from({ length: DESCRIPTORS });
  readonly #gpas = new Float64Array(DESCRIPTORS);
  readonly #nvs = new Uint8Array(NVS_BYTES);
  readonly #nvsWords = new Uint32Array(this.#nvs.buffer);
  /** Where a packet's bytes are seen as words, by identity of the packet. */
  #source: Uint8Array = this.#nvs;
  #sourceWords: Int32Array = new Int32Array(0);

  constructor(options: TransmitOptions) {
    this.#kernel = options.kernel;
    this.channel = options.channel;
    this.index = options.index;
    this.#chimney = options.chimney;
    this.#isAnyFlag = options.isAnyFlag;
    this.#memory = options.kernel.hardware.memory;
    const message = NvspRndisPacket.cursor(new DataView(this.#nvs.buffer)).at(0);
    message.type = NvspType.is.sendRndisPacket;
    message.channelType = NvspChannelType.is.data;
  }

  /** Packets that the host has not completed. */
  get outstanding(): number {
    return DESCRIPTORS - this.#freeCount;
  }

  /** Packets may share a message from now on, until `flush`. */
  begin(): void {
    this.#isAdding = this.aggregation.packets > 1;
  }

  /** Sends what shares a message. @returns false when there is no room for it yet */
  flush(): boolean {
    this.#isAdding = false;
    return this.#openSection < 0 || this.#sendOpen();
  }

  #sendOpen(): boolean {
    if (this.#freeCount === 0) return false;
    const descriptor = this.#free[this.#freeCount - 1]!;
    if (!this.#sendMessage(descriptor, this.#openSection, this.#openBytes)) return false;
    this.#freeCount -= 1;
    this.#section[descriptor] = this.#openSection;
    this.chimneyPackets += this.#openPackets;
    this.sends += 1;
    this.#openSection = -1;
    return true;
  }

  /** Adds a packet to the open message, or opens one. @returns false when it does not fit */
  #add(packet: Packet): boolean {
    const chimney = this.#chimney;
    if (chimney === undefined) return false;
    const headerBytes = RndisPacket.size + this.#infoBytes(packet);
    const total = headerBytes + packet.length;
    const { alignment, bytes, packets } = this.aggregation;
    const most = Math.min(chimney.sectionBytes - 1, bytes);
    const isOpen = this.#openSection >= 0;
    const start = isOpen ? Math.ceil(this.#openBytes / alignment) * alignment : 0;
    if (start + total > most || (isOpen && this.#openPackets >= packets)) return false;
    if (!isOpen) {
      if (this.#freeCount === 0) return false;
      this.#openSection = chimney.take();
      if (this.#openSection < 0) return false;
      this.#openPackets = 0;
    } else {
      // The packet before ends where this one begins.
      this.#memory.u32[(this.#openLast >>> 2) + 1]! += start - this.#openBytes;
    }
    this.#openLast = chimney.base + this.#openSection * chimney.sectionBytes + start;
    this.#build(packet, this.#openLast, headerBytes, total);
    this.#openBytes = start + total;
    this.#openPackets += 1;
    return true;
  }

  /** @returns false when nothing was sent for lack of room */
  send(packet: Packet): boolean {
    if (!this.#take(packet)) {
      this.noRoom += 1;
      return false;
    }
    this.packets += 1;
    this.bytes += packet.length;
    return true;
  }

  /** Adds a packet to those that wait for each other, or sends it. @returns false for lack of room */
  #take(packet: Packet): boolean {
    if (this.#isAdding && this.#add(packet)) return true;
    // What was there before goes first.
    if (this.#openSection >= 0) {
      if (!this.#sendOpen()) return false;
      if (this.#isAdding && this.#add(packet)) return true;
    }
    if (this.#freeCount === 0) return false;
    const descriptor = this.#free[this.#freeCount - 1]!;
    const headerBytes = RndisPacket.size + this.#infoBytes(packet);
    const total = headerBytes + packet.length;
    let section = -1;
    const chimney = this.#chimney;
    if (chimney !== undefined && total < chimney.sectionBytes) section = chimney.take();
    const isSent =
      section >= 0
        ? this.#sendSection(packet, descriptor, section, headerBytes, total)
        : this.#sendPages(packet, descriptor, headerBytes, total);
    if (!isSent) {
      if (section >= 0) chimney!.give(section);
      return false;
    }
    this.#freeCount -= 1;
    this.#section[descriptor] = section;
    this.sends += 1;
    return true;
  }

  #sendSection(
    packet: Packet,
    descriptor: number,
    section: number,
    headerBytes: number,
    total: number,
  ): boolean {
    const chimney = this.#chimney!;
    this.#build(packet, chimney.base + section * chimney.sectionBytes, headerBytes, total);
    const isSent = this.#sendMessage(descriptor, section, total);
    if (isSent) this.chimneyPackets += 1;
    return isSent;
  }

  #sendMessage(descriptor: number, section: number, bytes: number): boolean {
    this.#nvsWords[SECTION_INDEX_WORD] = section;
    this.#nvsWords[SECTION_BYTES_WORD] = bytes;
    const low = POINTER_LO + this.index * RING_STEP + descriptor * POINTER_STEP;
    return this.channel.sendInBand(this.#nvs, 0, NVS_BYTES, low, POINTER_HI, true);
  }

  #sendPages(packet: Packet, descriptor: number, headerBytes: number, total: number): boolean {
    const ranges = this.#rangesOf(descriptor, total);
    const at = this.#memory.resolve(this.#gpas[descriptor]!, total);
    if (at < 0) return false;
    this.#build(packet, at, headerBytes, total);
    this.#nvsWords[SECTION_INDEX_WORD] = NO_SECTION;
    this.#nvsWords[SECTION_BYTES_WORD] = 0;
    const low = POINTER_LO + this.index * RING_STEP + descriptor * POINTER_STEP;
    return this.channel.sendGpaDirect(ranges, this.#nvs, 0, NVS_BYTES, low, POINTER_HI);
  }

  /** One range a page, as the driver lists the segments of an mbuf chain. */
  #rangesOf(descriptor: number, total: number): readonly PageRange[] {
    let own = this.#pages[descriptor];
    if (own === undefined) {
      const gpa = this.#kernel.allocatePages(FRAME_PAGES);
      this.#gpas[descriptor] = gpa;
      own = Array.from({ length: FRAME_PAGES }, (_, index) => ({
        length: PAGE_BYTES,
        offset: 0,
        pfns: [gpa / PAGE_BYTES + index],
      }));
      this.#pages[descriptor] = own;
    }
    const whole = Math.floor(total / PAGE_BYTES);
    const rest = total % PAGE_BYTES;
    const ranges = own.slice(0, whole);
    if (rest > 0) ranges.push({ length: rest, offset: 0, pfns: own[whole]!.pfns });
    return ranges;
  }

  #infoBytes({ csumFlags }: Packet): number {
    const asked = ChecksumFlag.ip | ChecksumFlag.tcp | ChecksumFlag.udp | ChecksumFlag.tso;
    const wants = this.#isAnyFlag ? csumFlags !== 0 : (csumFlags & asked) !== 0;
    return wants ? INFO_BYTES : 0;
  }

  /** The RNDIS packet: header, per-packet information, frame. */
  #build(packet: Packet, at: number, headerBytes: number, total: number): void {
    const { u8, u32, i32 } = this.#memory;
    const infoLength = headerBytes - RNDIS_PACKET_BYTES;
    const word = at >>> 2;
    u32[word] = TYPE_PACKET;
    u32[word + 1] = total;
    u32[word + 2] = headerBytes - RNDIS_HEADER_BYTES;
    u32[word + 3] = packet.length;
    u32[word + 4] = 0;
    u32[word + 5] = 0;
    u32[word + 6] = 0;
    u32[word + 7] = infoLength === 0 ? 0 : RNDIS_PACKET_BYTES - RNDIS_HEADER_BYTES;
    u32[word + 8] = infoLength;
    u32[word + 9] = 0;
    u32[word + 10] = 0;
    const data = at + headerBytes;
    if (packet.bytes !== this.#source) {
      this.#source = packet.bytes;
      this.#sourceWords = new Int32Array(packet.bytes.buffer, 0, packet.bytes.length >>> 2);
    }
    copyBytes(packet.bytes, this.#sourceWords, packet.start, u8, i32, data, packet.length);
    if (infoLength > 0) this.#writeInfo(packet, at + RndisPacket.size, data);
  }

  #writeInfo(packet: Packet, at: number, data: number): void {
    const { u32, u8 } = this.#memory;
    const isLarge = (packet.csumFlags & ChecksumFlag.tso) !== 0;
    const type = isLarge ? PacketInfoType.largeSend : PacketInfoType.checksum;
    const first = at >>> 2;
    u32[first] = INFO_BYTES;
    u32[first + 1] = type;
    u32[first + 2] = PacketInfo.size;
    let word: number;
    if (isLarge) word = this.#prepareLargeSend(packet, data);
    else if (this.#isAnyFlag) word = wordOfHeaders(u8, data, packet.length);
    else word = wordOfRequests(packet.csumFlags, u8, data);
    u32[first + 3] = word >>> 0;
  }

  /** NDIS wants a total length of 0 and the pseudo header's sum without a length (LSO v2). */
  #prepareLargeSend(packet: Packet, data: number): number {
    const { u8 } = this.#memory;
    const ip = data + ETHERNET_BYTES;
    const tcp = ip + (u8[ip]! & 15) * 4;
    writeWord(u8, ip + Ipv4Header.offset.totalLength, 0);
    writeWord(u8, ip + Ipv4Header.offset.checksum, 0);
    const seed = fold(sumOf(u8, ip + Ipv4Header.offset.source, 8) + IpProtocol.tcp);
    writeWord(u8, tcp + TcpHeader.offset.checksum, seed);
    const segment = packet.segmentBytes & LARGE_SEND_MSS_MASK;
    return segment | ((tcp - data) << LARGE_SEND_OFFSET_SHIFT) | LARGE_SEND_V2;
  }

  /** Whether a transaction id is one of this ring's. */
  owns(low: number, high: number): boolean {
    const distance = low - POINTER_LO - this.index * RING_STEP;
    return (
      high === POINTER_HI &&
      distance >= 0 &&
      distance < RING_STEP &&
      distance % POINTER_STEP === 0 &&
      this.#section[distance / POINTER_STEP]! !== -2
    );
  }

  /** The host is done with a packet that `owns` knows. */
  completed(low: number): void {
    const descriptor = (low - POINTER_LO - this.index * RING_STEP) / POINTER_STEP;
    const section = this.#section[descriptor]!;
    if (section >= 0) this.#chimney?.give(section);
    this.#section[descriptor] = -2;
    this.#free[this.#freeCount] = descriptor;
    this.#freeCount += 1;
  }

  freePages(): void {
    for (const [index, ranges] of this.#pages.entries()) {
      if (ranges !== undefined) this.#kernel.freePages(this.#gpas[index]!, FRAME_PAGES);
      this.#pages[index] = undefined;
    }
  }
}

/** What the stack asked for, with the place of the transport header. */
function wordOfRequests(csumFlags: number, bytes: Uint8Array, data: number): number {
  const { bit } = TxChecksum;
  let word: number = bit.ipv4;
  if ((csumFlags & ChecksumFlag.ip) !== 0) word |= bit.ipHeader;
  if ((csumFlags & (ChecksumFlag.tcp | ChecksumFlag.udp)) === 0) return word;
  word |= (csumFlags & ChecksumFlag.tcp) !== 0 ? bit.tcp : bit.udp;
  const transport = ETHERNET_BYTES + (bytes[data + ETHERNET_BYTES]! & 15) * 4;
  return word | (transport << TRANSPORT_OFFSET_SHIFT);
}

/** 10.2: some flag is set, and what the packet holds decides, whoever set the flag (PR 203630). */
function wordOfHeaders(bytes: Uint8Array, data: number, length: number): number {
  const { bit } = TxChecksum;
  if (length < ETHERNET_BYTES + Ipv4Header.size) return 0;
  if (readWord(bytes, data + TYPE_AT) !== EtherType.ipv4) return bit.ipv6;
  const protocol = bytes[data + ETHERNET_BYTES + Ipv4Header.offset.protocol]!;
  if (protocol === IpProtocol.tcp) return bit.ipv4 | bit.tcp;
  if (protocol === IpProtocol.udp) return bit.ipv4 | bit.udp;
  return bit.ipv4;
}
