import type { StateStream } from '../../core/state.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { copyBytes as copy } from '../../core/copy.ts';
import type { SharedBuffer } from './buffers.ts';
import { MAX_RECEIVE_RANGES } from './spec/nvsp.ts';
import { PACKET_ID_INFO, PacketInfoType, RndisType } from './spec/rndis.ts';

/** Room before the frame for the RNDIS header and its per-packet information. */
const HEADER_BYTES = 128;
/** Some Windows guests use the end of a section for themselves. */
const TAIL_BYTES = 36;
const SECTION_ALIGNMENT = 64;
const MAX_CONTROL_SECTIONS = 16;
const INFO_BYTES = 16;
/** Offset of the information from byte 8: the rest of the PACKET header. */
const INFO_AT = 36;

const Use = { free: 0, listed: 1, first: 2 } as const;

/**
 * Bytes of one section of the receive buffer: 1728 for standard frames, as on Windows.
 * @param mtu largest frame, Ethernet header included
 */
export function sectionBytesFor(mtu: number): number {
  const least = HEADER_BYTES + mtu + TAIL_BYTES;
  return Math.ceil(least / SECTION_ALIGNMENT) * SECTION_ALIGNMENT;
}

/**
 * The receive buffer, cut into sections of which each holds one RNDIS message until the guest has
 * completed the packet that told it. A packet's sections are a list that begins at the one whose
 * number is the packet's transaction id.
 */
export class ReceiveSections {
  readonly buffer: SharedBuffer;
  readonly mtu: number;
  readonly sectionBytes: number;
  readonly count: number;
  /** Largest frame that a section takes. */
  readonly maxFrameBytes: number;
  readonly #memory: GuestMemory;
  readonly #controlCount: number;
  readonly #free: Int32Array;
  #freeCount = 0;
  readonly #freeControl: Int32Array;
  #freeControlCount = 0;
  readonly #use: Uint8Array;
  readonly #next: Int32Array;
  /** Which channel was told of the list that begins here. */
  readonly #channels: Uint16Array;
  readonly #scratch: Uint8Array;
  readonly #scratchWords: Int32Array;
  /** The first of the sections that were never written. */
  #unused = 0;

  /** @param mtu largest frame, Ethernet header included */
  constructor(memory: GuestMemory, buffer: SharedBuffer, mtu: number) {
    this.#memory = memory;
    this.buffer = buffer;
    this.mtu = mtu;
    this.sectionBytes = sectionBytesFor(mtu);
    this.count = Math.floor(buffer.bytes / this.sectionBytes);
    this.maxFrameBytes = this.sectionBytes - HEADER_BYTES;
    this.#controlCount = Math.min(MAX_CONTROL_SECTIONS, Math.ceil(this.count / 2));
    this.#free = new Int32Array(this.count);
    this.#freeControl = new Int32Array(this.#controlCount);
    this.#use = new Uint8Array(this.count);
    this.#next = new Int32Array(this.count).fill(-1);
    this.#channels = new Uint16Array(this.count);
    this.#scratch = new Uint8Array(this.sectionBytes);
    this.#scratchWords = new Int32Array(this.#scratch.buffer);
    // The lowest number is taken first.
    for (let section = this.count - 1; section >= 0; section -= 1) this.#giveBack(section);
  }

  #giveBack(section: number): void {
    this.#use[section] = Use.free;
    this.#next[section] = -1;
    if (section < this.#controlCount) {
      this.#freeControl[this.#freeControlCount] = section;
      this.#freeControlCount += 1;
    } else {
      this.#free[this.#freeCount] = section;
      this.#freeCount += 1;
    }
  }

  exchange(state: StateStream): void {
    state.array('free', this.#free);
    this.#freeCount = state.number('freeCount', this.#freeCount);
    state.array('freeControl', this.#freeControl);
    this.#freeControlCount = state.number('freeControlCount', this.#freeControlCount);
    state.array('use', this.#use);
    state.array('next', this.#next);
    state.array('channels', this.#channels);
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** @returns a free section for a frame, or -1 */
  take(): number {
    if (this.#freeCount === 0) return -1;
    this.#freeCount -= 1;
    const section = this.#free[this.#freeCount]!;
    this.#use[section] = Use.listed;
    if (section >= this.#unused) this.#begin(section);
    return section;
  }

  /** The sections up to this one are written from now on. */
  #begin(section: number): void {
    const from = this.#unused * this.sectionBytes;
    this.#unused = section + 1;
    this.buffer.touch(from, this.#unused * this.sectionBytes - from);
  }

  /** @returns a free section for a control message, or -1 */
  takeControl(): number {
    if (this.#freeControlCount === 0) return -1;
    this.#freeControlCount -= 1;
    const section = this.#freeControl[this.#freeControlCount]!;
    this.#use[section] = Use.listed;
    if (section >= this.#unused) this.#begin(section);
    return section;
  }

  /** Takes back a section that the guest was never told of. */
  putBack(section: number): void {
    this.#giveBack(section);
  }

  /** Appends to a list. */
  link(last: number, section: number): void {
    this.#next[last] = section;
  }

  /** The guest was told of the list that begins here. */
  told(first: number, channel: number): void {
    this.#use[first] = Use.first;
    this.#channels[first] = channel;
  }

  /**
   * The guest completed a packet.
   * @returns false when it was sent none with that number on that channel
   */
  release(first: number, channel: number): boolean {
    if (first >= this.count || this.#use[first] !== Use.first) return false;
    if (this.#channels[first] !== channel) return false;
    for (let section = first; section >= 0;) {
      const next = this.#next[section]!;
      this.#giveBack(section);
      section = next;
    }
    return true;
  }

  /** A channel is closed: what it was told of comes back. */
  releaseChannel(channel: number): void {
    for (let section = 0; section < this.count; section += 1) {
      if (this.#use[section] === Use.first && this.#channels[section] === channel) {
        this.release(section, channel);
      }
    }
  }

  offsetOf(section: number): number {
    return section * this.sectionBytes;
  }

  /** Writes a control message. */
  writeControl(section: number, bytes: Uint8Array, words: Int32Array, length: number): void {
    this.buffer.write(this.offsetOf(section), bytes, words, 0, length);
  }

  /**
   * Writes a PACKET message with a frame. Information words are -1 where there is none.
   * @param skip bytes of a tag to leave out after the addresses
   * @returns bytes of the message
   */
  writeFrame(
    section: number,
    bytes: Uint8Array,
    words: Int32Array,
    start: number,
    length: number,
    skip: number,
    checksum: number,
    vlan: number,
    hash: number,
    hashType: number,
  ): number {
    const offset = this.offsetOf(section);
    const frameBytes = length - skip;
    const messageBytes = HEADER_BYTES + frameBytes;
    const isWhole = this.buffer.runAt(offset) >= messageBytes;
    const target = isWhole ? this.#memory.u8 : this.#scratch;
    const targetWords = isWhole ? this.#memory.i32 : this.#scratchWords;
    const to = isWhole ? this.buffer.positionOf(offset) : 0;
    const head = to >>> 2;
    let info = head + 2 + INFO_AT / 4;
    const firstInfo = info;
    if (checksum !== -1) {
      info = putInfo(targetWords, info, PacketInfoType.checksum, checksum);
    }
    if (vlan !== -1) info = putInfo(targetWords, info, PacketInfoType.vlan, vlan);
    if (hashType !== 0) {
      info = putInfo(targetWords, info, PacketInfoType.hashValue, hash);
      info = putInfo(targetWords, info, PacketInfoType.hashInfo, hashType);
    }
    const infoBytes = (info - firstInfo) * 4;
    targetWords[head] = RndisType.is.packet;
    targetWords[head + 1] = messageBytes;
    targetWords[head + 2] = HEADER_BYTES - 8;
    targetWords[head + 3] = frameBytes;
    targetWords[head + 4] = 0;
    targetWords[head + 5] = 0;
    targetWords[head + 6] = 0;
    targetWords[head + 7] = infoBytes === 0 ? 0 : INFO_AT;
    targetWords[head + 8] = infoBytes;
    targetWords[head + 9] = 0;
    targetWords[head + 10] = 0;
    const frame = to + HEADER_BYTES;
    if (skip === 0) {
      copy(bytes, words, start, target, targetWords, frame, length);
    } else {
      copy(bytes, words, start, target, targetWords, frame, 12);
      const rest = length - 12 - skip;
      copy(bytes, words, start + 12 + skip, target, targetWords, frame + 12, rest);
    }
    if (!isWhole) this.buffer.write(offset, this.#scratch, this.#scratchWords, 0, messageBytes);
    return messageBytes;
  }

  /**
   * Writes a PACKET message with a later part of a coalesced unit, which is data alone.
   * @returns bytes of the message
   */
  writePart(
    section: number,
    bytes: Uint8Array,
    words: Int32Array,
    start: number,
    length: number,
    id: number,
  ): number {
    const messageBytes = HEADER_BYTES + length;
    const scratch = this.#scratch;
    const target = this.#scratchWords;
    target.fill(0, 0, HEADER_BYTES / 4);
    target[0] = RndisType.is.packet;
    target[1] = messageBytes;
    target[2] = HEADER_BYTES - 8;
    target[3] = length;
    target[7] = INFO_AT;
    target[8] = INFO_BYTES;
    putInfo(target, 2 + INFO_AT / 4, PACKET_ID_INFO, id);
    copy(bytes, words, start, scratch, target, HEADER_BYTES, length);
    this.buffer.write(this.offsetOf(section), scratch, target, 0, messageBytes);
    return messageBytes;
  }

  /** Puts other bytes in the place of the first of a frame that `writeFrame` wrote without a tag. */
  rewriteFrame(section: number, bytes: Uint8Array, length: number): void {
    const scratch = this.#scratch;
    for (let index = 0; index < length; index += 1) scratch[index] = bytes[index]!;
    const offset = this.offsetOf(section) + HEADER_BYTES;
    this.buffer.write(offset, scratch, this.#scratchWords, 0, length);
  }

  /** Changes the word of a piece of information. */
  setInfo(section: number, index: number, value: number): void {
    this.#putWord(section, infoWordAt(index), value);
  }

  /** Adds the piece that tells of a part to the information of a frame that has some. */
  addPartInfo(section: number, infoCount: number, id: number): void {
    const at = infoWordAt(infoCount) - 12;
    this.#putWord(section, at, INFO_BYTES);
    this.#putWord(section, at + 4, PACKET_ID_INFO);
    this.#putWord(section, at + 8, 12);
    this.#putWord(section, at + 12, id);
    this.#putWord(section, 8 * 4, (infoCount + 1) * INFO_BYTES);
  }

  /** @param at of the section, a multiple of 4 as sections are of 64: no page ends within the word */
  #putWord(section: number, at: number, value: number): void {
    this.#memory.u32[this.buffer.positionOf(this.offsetOf(section) + at) >>> 2] = value;
  }
}

/** Where a piece of information has its word, from the section's start. */
function infoWordAt(index: number): number {
  return 8 + INFO_AT + index * INFO_BYTES + 12;
}

/** @returns the index after the element */
function putInfo(words: Int32Array, at: number, type: number, value: number): number {
  words[at] = INFO_BYTES;
  words[at + 1] = type;
  words[at + 2] = 12;
  words[at + 3] = value;
  return at + 4;
}

/** Frames on the way to a guest through one channel: the ranges of its next transfer-page packet. */
export class ReceiveBatch {
  /** Byte count and byte offset of each. */
  readonly ranges = new Uint32Array(MAX_RECEIVE_RANGES * 2);
  count = 0;
  bytes = 0;
  /** First and last section of the list; -1 when it is empty. */
  first = -1;
  #last = -1;

  get isFull(): boolean {
    return this.count === MAX_RECEIVE_RANGES;
  }

  exchange(state: StateStream): void {
    state.array('ranges', this.ranges);
    this.count = state.number('count', this.count);
    this.bytes = state.number('bytes', this.bytes);
    this.first = state.number('first', this.first);
    this.#last = state.number('last', this.#last);
  }

  add(sections: ReceiveSections, section: number, messageBytes: number): void {
    if (this.count === 0) this.first = section;
    else sections.link(this.#last, section);
    this.#last = section;
    this.ranges[this.count * 2] = messageBytes;
    this.ranges[this.count * 2 + 1] = sections.offsetOf(section);
    this.count += 1;
    this.bytes += messageBytes;
  }

  clear(): void {
    this.count = 0;
    this.bytes = 0;
    this.first = -1;
    this.#last = -1;
  }
}
