/** hn's receive path: RNDIS messages in the shared buffer become frames for the stack. */
import {
  PACKET_ID_INFO,
  PacketIdFlag,
  PacketInfo,
  PacketInfoType,
  RNDIS_HEADER_BYTES,
  RndisPacket,
  RndisType,
  RxChecksum,
} from '../../devices/netvsc/spec/rndis.ts';
import { copyBytes } from '../../core/copy.ts';
import type { GuestMemory } from '../../core/memory.ts';
import type { GuestPacket } from '../vmbus/api.ts';
import { TransferPageHeader, TransferPageRange } from '../../vmbus/spec/ring.ts';
import { ChecksumFlag, HEADROOM, MAX_PACKET_BYTES, Packet } from '../inet/packet.ts';

/** The extension behind a packet's descriptor, in words. */
const EXTENSION_AT = 16;
const RANGES_AT = EXTENSION_AT + TransferPageHeader.size;
const RANGE_COUNT_WORD = (EXTENSION_AT + TransferPageHeader.offset.rangeCount) / 4;
const RANGES_WORD = RANGES_AT / 4;
const RANGE_WORDS = TransferPageRange.size / 4;
const { offset: field } = RndisPacket;
const { offset: infoField } = PacketInfo;
const PACKET_HEADER_BYTES = RndisPacket.size;
const INFO_HEADER_BYTES = PacketInfo.size;
const TYPE_PACKET = RndisType.is.packet;
/** Largest frame that the driver takes (jumbo cluster). */
const MAX_FRAME_BYTES = 16_384;
const MAX_INFOS = 16;

/** What the receive path hands on. */
export interface ReceiveTarget {
  frame(packet: Packet): void;
  /** Any other message. @param at linear position in guest memory */
  control(type: number, at: number, length: number): void;
}

export class Receiver {
  readonly #memory: GuestMemory;
  readonly #target: ReceiveTarget;
  readonly #packet = new Packet(HEADROOM + MAX_FRAME_BYTES);
  readonly #packetWords = new Int32Array(this.#packet.bytes.buffer);
  /** Linear position and bytes of the shared buffer. */
  #base = 0;
  #bytes = 0;
  /** Messages that make no sense. */
  malformed = 0;
  /** Packets that came in parts, coalesced by the host. */
  coalesced = 0;
  /** Flags of the part in hand; 0 for a packet of its own. */
  #part = 0;
  /** A coalesced packet whose last part has not come; it must be in the same transfer-page packet. */
  #unit: Packet | undefined;
  #isUnitOpen = false;

  constructor(memory: GuestMemory, target: ReceiveTarget) {
    this.#memory = memory;
    this.#target = target;
  }

  useBuffer(base: number, bytes: number): void {
    this.#base = base;
    this.#bytes = bytes;
  }

  /** Every message that a transfer-page packet names. @returns how many frames there were */
  packet(packet: GuestPacket): number {
    const { words } = packet;
    const declared = words[RANGE_COUNT_WORD]!;
    const room = Math.floor((packet.payloadStart - RANGES_AT) / TransferPageRange.size);
    const count = Math.min(declared, Math.max(0, room));
    let frames = 0;
    for (let index = 0; index < count; index += 1) {
      const word = RANGES_WORD + index * RANGE_WORDS;
      const length = words[word]!;
      const offset = words[word + 1]!;
      if (length < RNDIS_HEADER_BYTES || offset + length > this.#bytes) {
        this.malformed += 1;
        continue;
      }
      frames += this.#message(this.#base + offset, length);
    }
    this.#dropUnit();
    return frames;
  }

  #message(at: number, room: number): number {
    const memory = this.#memory;
    const type = memory.wordAt(at);
    const length = memory.wordAt(at + 4);
    if (length < RNDIS_HEADER_BYTES || length > room) {
      this.malformed += 1;
      return 0;
    }
    if (type !== TYPE_PACKET) {
      this.#target.control(type, at, length);
      return 0;
    }
    return this.#frame(at, length) ? 1 : 0;
  }

  #frame(at: number, length: number): boolean {
    const memory = this.#memory;
    const dataOffset = RNDIS_HEADER_BYTES + memory.wordAt(at + field.dataOffset);
    const dataLength = memory.wordAt(at + field.dataLength);
    const isWhole =
      length >= PACKET_HEADER_BYTES &&
      dataOffset >= PACKET_HEADER_BYTES &&
      dataOffset + dataLength <= length &&
      dataLength <= MAX_FRAME_BYTES;
    if (!isWhole) {
      this.malformed += 1;
      return false;
    }
    const packet = this.#packet;
    packet.reset();
    packet.length = dataLength;
    this.#part = 0;
    const infoLength = memory.wordAt(at + field.infoLength);
    if (infoLength > 0) {
      const info = RNDIS_HEADER_BYTES + memory.wordAt(at + field.infoOffset);
      if (info + infoLength > length) this.malformed += 1;
      else this.#infos(at + info, infoLength);
    }
    if ((this.#part & PacketIdFlag.part) !== 0) return this.#takePart(at + dataOffset, dataLength);
    this.#dropUnit();
    const { u8, i32 } = memory;
    copyBytes(u8, i32, at + dataOffset, packet.bytes, this.#packetWords, HEADROOM, dataLength);
    this.#target.frame(packet);
    return true;
  }

  /** A coalesced packet that is not whole is given up. */
  #dropUnit(): void {
    if (this.#isUnitOpen) this.malformed += 1;
    this.#isUnitOpen = false;
  }

  /** @returns whether the packet is whole now, and was handed on */
  #takePart(from: number, length: number): boolean {
    const part = this.#packet;
    const unit = (this.#unit ??= new Packet(MAX_PACKET_BYTES));
    if ((this.#part & PacketIdFlag.first) !== 0) {
      this.#dropUnit();
      this.#isUnitOpen = true;
      unit.reset();
      unit.csumFlags = part.csumFlags;
      unit.csumData = part.csumData;
      unit.flowId = part.flowId;
      unit.hashType = part.hashType;
    } else if (!this.#isUnitOpen) {
      this.malformed += 1;
      return false;
    }
    const to = HEADROOM + unit.length;
    if (to + length > unit.bytes.length) {
      this.#dropUnit();
      return false;
    }
    const { u8 } = this.#memory;
    unit.bytes.set(u8.subarray(from, from + length), to);
    unit.length += length;
    if ((this.#part & PacketIdFlag.last) === 0) return false;
    this.#isUnitOpen = false;
    this.coalesced += 1;
    this.#target.frame(unit);
    return true;
  }

  /** Per-packet information: checksums, the RSS hash, and the place in a coalesced packet. */
  #infos(start: number, length: number): void {
    const memory = this.#memory;
    const packet = this.#packet;
    const end = start + length;
    let at = start;
    for (let count = 0; count < MAX_INFOS && at + INFO_HEADER_BYTES <= end; count += 1) {
      const size = memory.wordAt(at);
      const dataOffset = memory.wordAt(at + infoField.dataOffset);
      if (size < INFO_HEADER_BYTES || at + size > end || dataOffset + 4 > size) {
        this.malformed += 1;
        return;
      }
      const type = memory.wordAt(at + infoField.type);
      const value = memory.wordAt(at + dataOffset);
      if (type === PacketInfoType.checksum) packet.csumFlags = checksumFlags(value);
      else if (type === PacketInfoType.hashValue) packet.flowId = value;
      else if (type === PacketInfoType.hashInfo) packet.hashType = value;
      else if (type === PACKET_ID_INFO) this.#part = (value >>> 8) & 0xff;
      at += size;
    }
    if ((packet.csumFlags & ChecksumFlag.dataValid) !== 0) packet.csumData = 0xffff;
  }
}

/** Hosts say "TCP succeeded" of UDP too, so that either counts for whatever the packet holds. */
function checksumFlags(found: number): number {
  const { bit } = RxChecksum;
  let flags = 0;
  if ((found & bit.ipSucceeded) !== 0) flags |= ChecksumFlag.ipChecked | ChecksumFlag.ipValid;
  if ((found & (bit.tcpSucceeded | bit.udpSucceeded)) !== 0) {
    flags |= ChecksumFlag.dataValid | ChecksumFlag.pseudoHeader;
  }
  return flags;
}
