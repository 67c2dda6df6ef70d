import { wordAt } from '../../core/words.ts';
import type { PacketLink } from '../../net/link.ts';
import { ETHERNET_BYTES, MAX_FRAME_BYTES } from '../../net/spec/ethernet.ts';
import { FrameBatch } from './frame-batch.ts';
import { SendInfo, SendOffload } from './offload.ts';
import type { NetvscProfile } from './profile.ts';
import { NvspStatus } from './spec/nvsp.ts';
import {
  PacketInfo,
  PacketInfoType,
  RNDIS_HEADER_BYTES,
  RndisPacket,
  RndisType,
} from './spec/rndis.ts';
import type { NetvscStatistics } from './statistics.ts';

const { offset: at } = RndisPacket;
/** A guest that sends more of it than there are kinds is not worth reading on. */
const MAX_INFO_ELEMENTS = 64;
const MAX_PACKETS = 256;

/**
 * Takes frames out of RNDIS PACKET messages. Nothing in a message is believed: every offset and
 * length is checked against the message before it is used.
 */
export class TransmitPath {
  /** Frames and their bytes in the last `take`, segments not yet made. */
  frames = 0;
  bytes = 0;
  readonly #info = new SendInfo();
  readonly #batch: FrameBatch;
  readonly #offload: SendOffload;
  readonly #statistics: NetvscStatistics;
  readonly #guest: Uint8Array;

  /** @param guest the guest's memory, in bytes */
  constructor(profile: NetvscProfile, statistics: NetvscStatistics, guest: Uint8Array) {
    this.#statistics = statistics;
    this.#guest = guest;
    this.#batch = new FrameBatch(guest);
    this.#offload = new SendOffload(this.#batch, statistics, profile.breaksUdpChecksum);
  }

  /** Sends what was taken. */
  flush(link: PacketLink | undefined): void {
    this.#batch.flush(link);
  }

  /**
   * Takes the frames of one or more PACKET messages that follow each other; `flush` sends them, or the
   * next `take` for which there is no room.
   * @param words the same buffer in words, or of length 0
   * @returns `NvspStatus` of the completion
   */
  take(
    link: PacketLink | undefined,
    bytes: Uint8Array,
    words: Int32Array,
    start: number,
    length: number,
  ): number {
    this.frames = 0;
    this.bytes = 0;
    const end = start + length;
    let message = start;
    while (message < end) {
      const left = end - message;
      if (left < RNDIS_HEADER_BYTES || this.frames === MAX_PACKETS) return this.#refuse();
      if (wordAt(bytes, words, message) !== RndisType.is.packet) return this.#refuse();
      const size = wordAt(bytes, words, message + at.length);
      if (size < RNDIS_HEADER_BYTES || size > left || left < RndisPacket.size) {
        return this.#refuse();
      }
      if (!this.#takeOne(link, bytes, words, message, size, left)) return this.#refuse();
      message += size;
    }
    return NvspStatus.is.success;
  }

  #refuse(): number {
    this.#statistics.transmitErrors += 1;
    return NvspStatus.is.invalidRndisPacket;
  }

  /** @param left bytes from the message's start: data may go beyond what the header says */
  #takeOne(
    link: PacketLink | undefined,
    bytes: Uint8Array,
    words: Int32Array,
    message: number,
    size: number,
    left: number,
  ): boolean {
    const dataOffset = wordAt(bytes, words, message + at.dataOffset) + RNDIS_HEADER_BYTES;
    const dataLength = wordAt(bytes, words, message + at.dataLength);
    const outOfBand =
      wordAt(bytes, words, message + at.outOfBandOffset) |
      wordAt(bytes, words, message + at.outOfBandLength) |
      wordAt(bytes, words, message + at.outOfBandCount) |
      wordAt(bytes, words, message + at.vcHandle);
    if (outOfBand !== 0 || dataLength < ETHERNET_BYTES || dataOffset + dataLength > left) {
      return false;
    }
    const infoLength = wordAt(bytes, words, message + at.infoLength);
    const start = message + dataOffset;
    this.#info.clear();
    if (infoLength !== 0) {
      const infoOffset = wordAt(bytes, words, message + at.infoOffset) + RNDIS_HEADER_BYTES;
      if (infoOffset + infoLength > size) return false;
      if (!this.#readInfo(bytes, words, message + infoOffset, infoLength)) return false;
    }
    if (this.#batch.isFull) this.#batch.flush(link);
    if (!this.#info.isPlain) {
      if (!this.#offload.add(link, this.#info, bytes, words, start, dataLength)) return false;
    } else {
      if (dataLength > MAX_FRAME_BYTES) return false;
      this.#statistics.countTransmitted(bytes, start, dataLength);
      if (bytes === this.#guest) {
        this.#batch.addGuest(start, dataLength);
      } else {
        // Joined from several places; the next message takes its buffer.
        this.#batch.flush(link);
        link?.send(bytes, start, dataLength);
      }
    }
    this.frames += 1;
    this.bytes += dataLength;
    return true;
  }

  #readInfo(bytes: Uint8Array, words: Int32Array, start: number, length: number): boolean {
    let left = length;
    let element = start;
    for (let count = 0; left > 0; count += 1) {
      if (left < PacketInfo.size || count === MAX_INFO_ELEMENTS) return false;
      const size = wordAt(bytes, words, element);
      const type = wordAt(bytes, words, element + PacketInfo.offset.type);
      const dataOffset = wordAt(bytes, words, element + PacketInfo.offset.dataOffset);
      if (size < PacketInfo.size || size > left || dataOffset > size) return false;
      if (isKnown(type)) {
        if (dataOffset + 4 > size) return false;
        this.#take(type, wordAt(bytes, words, element + dataOffset) | 0);
      }
      element += size;
      left -= size;
    }
    return true;
  }

  #take(type: number, value: number): void {
    const info = this.#info;
    // All ones would read as absent; as a checksum or large-send word it has no sense.
    if (type === PacketInfoType.checksum) info.checksum = value;
    else if (type === PacketInfoType.largeSend) info.largeSend = value;
    else info.vlan = value & 0xffff;
  }
}

function isKnown(type: number): boolean {
  return (
    type === PacketInfoType.checksum ||
    type === PacketInfoType.largeSend ||
    type === PacketInfoType.vlan
  );
}
