/** hn's receive path: RNDIS messages in the shared buffer become frames for the stack. */
import {
  PacketInfo,
  PacketInfoType,
  RNDIS_HEADER_BYTES,
  RndisPacket,
  RndisType,
  RxChecksum,
} from '../../devices/netvsc/spec/rndis.ts';
import type { GuestMemory } from '../../core/memory.ts';
import type { GuestPacket } from '../vmbus/api.ts';
import { TransferPageHeader, TransferPageRange } from '../../vmbus/spec/ring.ts';
import { ChecksumFlag, HEADROOM, Packet } from '../inet/packet.ts';
import { copyRun } from './copy.ts';

const EXTENSION_AT = 16;
const RANGES_AT = EXTENSION_AT + TransferPageHeader.size;
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
  readonly #packetWords = new Uint32Array(this.#packet.bytes.buffer);
  /** Linear position and bytes of the shared buffer. */
  #base = 0;
  #bytes = 0;
  /** Messages that make no sense. */
  malformed = 0;

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
    const { view } = packet;
    const declared = view.getUint32(EXTENSION_AT + TransferPageHeader.offset.rangeCount, true);
    const room = Math.floor((packet.payloadStart - RANGES_AT) / TransferPageRange.size);
    const count = Math.min(declared, Math.max(0, room));
    let frames = 0;
    for (let index = 0; index < count; index += 1) {
      const at = RANGES_AT + index * TransferPageRange.size;
      const length = view.getUint32(at + TransferPageRange.offset.byteCount, true);
      const offset = view.getUint32(at + TransferPageRange.offset.byteOffset, true);
      if (length < RNDIS_HEADER_BYTES || offset + length > this.#bytes) {
        this.malformed += 1;
        continue;
      }
      frames += this.#message(this.#base + offset, length);
    }
    return frames;
  }

  #message(at: number, room: number): number {
    const { view } = this.#memory;
    const type = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    if (length < RNDIS_HEADER_BYTES || length > room) {
      this.malformed += 1;
      return 0;
    }
    if (type !== RndisType.is.packet) {
      this.#target.control(type, at, length);
      return 0;
    }
    return this.#frame(at, length) ? 1 : 0;
  }

  #frame(at: number, length: number): boolean {
    const { view, u8, u32 } = this.#memory;
    const { offset } = RndisPacket;
    const dataOffset = RNDIS_HEADER_BYTES + view.getUint32(at + offset.dataOffset, true);
    const dataLength = view.getUint32(at + offset.dataLength, true);
    const isWhole =
      length >= RndisPacket.size &&
      dataOffset >= RndisPacket.size &&
      dataOffset + dataLength <= length &&
      dataLength <= MAX_FRAME_BYTES;
    if (!isWhole) {
      this.malformed += 1;
      return false;
    }
    const packet = this.#packet;
    packet.reset();
    packet.length = dataLength;
    const infoLength = view.getUint32(at + offset.infoLength, true);
    if (infoLength > 0) {
      const info = RNDIS_HEADER_BYTES + view.getUint32(at + offset.infoOffset, true);
      if (info + infoLength > length) this.malformed += 1;
      else this.#infos(at + info, infoLength);
    }
    copyRun(u8, u32, at + dataOffset, packet.bytes, this.#packetWords, HEADROOM, dataLength);
    this.#target.frame(packet);
    return true;
  }

  /** Per-packet information: checksums and the RSS hash. */
  #infos(start: number, length: number): void {
    const { view } = this.#memory;
    const packet = this.#packet;
    const end = start + length;
    let at = start;
    for (let count = 0; count < MAX_INFOS && at + PacketInfo.size <= end; count += 1) {
      const size = view.getUint32(at, true);
      const dataOffset = view.getUint32(at + PacketInfo.offset.dataOffset, true);
      if (size < PacketInfo.size || at + size > end || dataOffset + 4 > size) {
        this.malformed += 1;
        return;
      }
      const type = view.getUint32(at + PacketInfo.offset.type, true);
      const value = view.getUint32(at + dataOffset, true);
      if (type === PacketInfoType.checksum) packet.csumFlags = checksumFlags(value);
      else if (type === PacketInfoType.hashValue) packet.flowId = value;
      else if (type === PacketInfoType.hashInfo) packet.hashType = value;
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
