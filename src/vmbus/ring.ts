/**
 * The two ends of a VMBus ring (hyperv-host.md 2.3). Host and model guest use the same classes, each
 * as writer of one ring and reader of the other. An end keeps its own index and believes only the
 * peer's, after a check; a ring that breaks a rule is marked with the reason and stays silent.
 */
import type { StateStream } from '../core/state.ts';
import { WordViews } from '../core/words.ts';
import type { RingMemory } from './ring-memory.ts';
import { GpaRange } from './spec/gpadl.ts';
import {
  GpaDirectHeader,
  PacketFlag,
  PacketFooter,
  PacketHeader,
  PacketType,
  RingFeature,
} from './spec/ring.ts';

export { RingMemory } from './ring-memory.ts';

/** `length8` is 16 bits wide. */
export const MAX_PACKET_BYTES = 0xffff * 8;
/** Kept free, so that equal indices mean empty. */
const UNUSED_BYTES = 8;
const HEADER_BYTES = PacketHeader.size;
const FOOTER_BYTES = PacketFooter.size;
const NO_BYTES = new Uint8Array(0);
/** Longer payloads are copied as a block. */
const SHORT_BYTES = 512;

export interface RingOptions {
  /**
   * False for guests that know nothing of the pending send size: they neither set the feature bit
   * nor look at it after a read. Default true.
   */
  readonly pendingSendSize?: boolean;
}

/** Ring bytes that a packet takes, footer included. */
export function packetBytes(extensionBytes: number, payloadBytes: number): number {
  return HEADER_BYTES + extensionBytes + ((payloadBytes + 7) & ~7) + FOOTER_BYTES;
}

/** A packet taken out of a ring: a copy, whose buffer the next packet reuses. */
export class RingPacket {
  type = 0;
  flags = 0;
  transactionLo = 0;
  transactionHi = 0;
  /** Bytes of the type's own extension, which begins at 16. */
  extensionLength = 0;
  payloadStart = 0;
  /** Padded to eight bytes, as on the wire. */
  payloadLength = 0;
  /** Header, extension and payload. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Uint32Array;

  /** @param capacity bytes of the largest packet that can come */
  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
    this.words = new Uint32Array(this.bytes.buffer);
  }

  /** The buffer that a ring needs. */
  static capacityFor(ring: RingMemory): number {
    return Math.min(ring.dataBytes, MAX_PACKET_BYTES + 8);
  }
}

/** The end that takes packets out. */
export class RingReader<Packet extends RingPacket = RingPacket> {
  readonly ring: RingMemory;
  readonly packet: Packet;
  /** A blocked writer has room now: the caller signals it and clears this. */
  signalDue = false;
  /** Why the ring is not read any more; '' while it is sound. */
  fault = '';
  readonly #looksAtPendingSend: boolean;
  #out: number;

  constructor(ring: RingMemory, packet: Packet, options: RingOptions = {}) {
    this.ring = ring;
    this.packet = packet;
    this.#looksAtPendingSend = options.pendingSendSize !== false;
    this.#out = ring.outIndex;
    if (!ring.isPosition(this.#out)) this.#fail(`read index ${this.#out} at opening`);
  }

  /** Bytes to read, footers included; 0 for a ring with a fault. */
  get availableBytes(): number {
    return this.fault === '' ? this.#available() : 0;
  }

  /** While masked, the writer does not signal. A reader that unmasks must look again. */
  setMask(masked: boolean): void {
    this.ring.interruptMask = masked ? 1 : 0;
  }

  /** Takes the next packet into `packet`; false when there is none. */
  receive(): boolean {
    if (this.fault !== '') return false;
    const available = this.#available();
    if (available === 0) return false;
    const { ring } = this;
    const out = this.#out;
    const first = ring.wordAt(out);
    const head = ring.u32[first]!;
    const tail = ring.u32[first + 1]!;
    const type = head & 0xffff;
    const payloadStart = (head >>> 16) * 8;
    const length = (tail & 0xffff) * 8;
    const taken = length + FOOTER_BYTES;
    if (
      available < HEADER_BYTES + FOOTER_BYTES ||
      payloadStart < HEADER_BYTES ||
      payloadStart > length ||
      taken > available ||
      tail >>> 16 > PacketFlag.completionRequested ||
      !isKnownType(type)
    ) {
      return this.#fail(
        `packet at ${out}: type ${type}, flags ${tail >>> 16}, data at ${payloadStart}, ` +
          `${length} bytes, ${available} available`,
      );
    }
    const { packet } = this;
    ring.read(out, packet.bytes, packet.words, length);
    packet.type = type;
    packet.flags = tail >>> 16;
    packet.transactionLo = packet.words[2]!;
    packet.transactionHi = packet.words[3]!;
    packet.extensionLength = payloadStart - HEADER_BYTES;
    packet.payloadStart = payloadStart;
    packet.payloadLength = length - payloadStart;
    this.#advance(available, taken);
    return true;
  }

  exchange(state: StateStream): void {
    this.#out = state.number('out', this.#out);
    this.signalDue = state.flag('signalDue', this.signalDue);
    this.fault = state.text('fault', this.fault);
  }

  #available(): number {
    const input = this.ring.inIndex;
    if (!this.ring.isPosition(input)) {
      this.#fail(`write index ${input} of ${this.ring.dataBytes}`);
      return 0;
    }
    const distance = input - this.#out;
    return distance >= 0 ? distance : distance + this.ring.dataBytes;
  }

  #advance(available: number, taken: number): void {
    const { ring } = this;
    let out = this.#out + taken;
    if (out >= ring.dataBytes) out -= ring.dataBytes;
    this.#out = out;
    ring.outIndex = out;
    if (!this.#looksAtPendingSend) return;
    // Some guests ask for one byte less than the ring has.
    const pending = (ring.pendingSendSize & ~7) >>> 0;
    if (pending === 0) return;
    const freeBefore = ring.dataBytes - UNUSED_BYTES - available;
    if (freeBefore < pending && freeBefore + taken >= pending) this.signalDue = true;
  }

  #fail(reason: string): false {
    this.fault = reason;
    return false;
  }
}

/** What a type's extension says is for the receiver to judge: the ring itself is sound. */
function isKnownType(type: number): boolean {
  return (
    type === PacketType.inBand ||
    type === PacketType.completion ||
    type === PacketType.gpaDirect ||
    type === PacketType.transferPages
  );
}

/** The end that puts packets in. */
export class RingWriter {
  readonly ring: RingMemory;
  /** The ring was empty and its reader waits: the caller signals it and clears this. */
  signalDue = false;
  /** Why the ring is not written any more; '' while it is sound. */
  fault = '';
  readonly #views = new WordViews();
  readonly #extensionViews = new WordViews();
  #in: number;

  constructor(ring: RingMemory, options: RingOptions = {}) {
    this.ring = ring;
    this.#in = ring.inIndex;
    if (!ring.isPosition(this.#in)) this.fault = `write index ${this.#in} at opening`;
    if (options.pendingSendSize === false) return;
    ring.featureBits = RingFeature.pendingSendSize;
    ring.pendingSendSize = 0;
  }

  /** The largest packet that the empty ring takes, as `packetBytes` counts. */
  get capacityBytes(): number {
    return Math.min(this.ring.dataBytes - UNUSED_BYTES, MAX_PACKET_BYTES + FOOTER_BYTES);
  }

  /** Bytes that can be written now; 0 for a ring with a fault. */
  get freeBytes(): number {
    if (this.fault !== '') return 0;
    const out = this.ring.outIndex;
    if (!this.ring.isPosition(out)) {
      this.fault = `read index ${out} of ${this.ring.dataBytes}`;
      return 0;
    }
    const used = this.#in - out;
    const size = this.ring.dataBytes;
    return size - UNUSED_BYTES - (used >= 0 ? used : used + size);
  }

  /** Bytes written that the reader has not taken; 0 for a ring with a fault. */
  get unreadBytes(): number {
    const free = this.freeBytes;
    return this.fault === '' ? this.ring.dataBytes - UNUSED_BYTES - free : 0;
  }

  /**
   * Writes one packet. The extension's length must be a multiple of 8; the payload is padded.
   * @param flags `PacketFlag`
   * @param lo low half of the transaction id
   * @param hi its high half
   * @returns false when there is no room for it now, or the ring has a fault
   */
  write(
    type: number,
    flags: number,
    lo: number,
    hi: number,
    source: Uint8Array,
    start: number,
    length: number,
    extension: Uint8Array = NO_BYTES,
    extensionLength = 0,
  ): boolean {
    const total = packetBytes(extensionLength, length);
    if (total > this.freeBytes || total - FOOTER_BYTES > MAX_PACKET_BYTES) return false;
    const begin = this.#in;
    const to = this.#isShort(begin + total, start, length)
      ? this.#writeShort(type, flags, lo, hi, source, start, length, extension, extensionLength)
      : this.#writeAny(type, flags, lo, hi, source, start, length, extension, extensionLength);
    this.#in = to;
    const { ring } = this;
    ring.inIndex = to;
    // Read after the new index is visible: a reader that unmasked in between looks again itself.
    if (ring.interruptMask === 0 && ring.outIndex === begin) this.signalDue = true;
    return true;
  }

  /** Whether a packet lies in one piece and is made of whole words, as almost all are. */
  #isShort(end: number, start: number, length: number): boolean {
    const { ring } = this;
    return (
      ((start | length) & 3) === 0 &&
      length <= SHORT_BYTES &&
      ring.base >= 0 &&
      end <= ring.dataBytes
    );
  }

  /** @returns the position after the packet */
  #writeShort(
    type: number,
    flags: number,
    lo: number,
    hi: number,
    source: Uint8Array,
    start: number,
    length: number,
    extension: Uint8Array,
    extensionLength: number,
  ): number {
    const begin = this.#in;
    const { i32, base, dataBytes } = this.ring;
    const padded = (length + 7) & ~7;
    let word = (base + begin) >>> 2;
    i32[word] = type | ((HEADER_BYTES + extensionLength) << 13);
    i32[word + 1] = ((HEADER_BYTES + extensionLength + padded) >>> 3) | (flags << 16);
    i32[word + 2] = lo;
    i32[word + 3] = hi;
    word += HEADER_BYTES >>> 2;
    if (extensionLength > 0) {
      const words = this.#extensionViews.of(extension);
      const count = extensionLength >>> 2;
      for (let index = 0; index < count; index += 1) i32[word + index] = words[index]!;
      word += count;
    }
    const words = this.#views.of(source);
    const from = start >>> 2;
    const count = length >>> 2;
    for (let index = 0; index < count; index += 1) i32[word + index] = words[from + index]!;
    if (padded !== length) i32[word + count] = 0;
    word += padded >>> 2;
    i32[word] = 0;
    i32[word + 1] = begin;
    const to = begin + HEADER_BYTES + extensionLength + padded + FOOTER_BYTES;
    return to >= dataBytes ? 0 : to;
  }

  #writeAny(
    type: number,
    flags: number,
    lo: number,
    hi: number,
    source: Uint8Array,
    start: number,
    length: number,
    extension: Uint8Array,
    extensionLength: number,
  ): number {
    const { ring } = this;
    const begin = this.#in;
    const packet = packetBytes(extensionLength, length) - FOOTER_BYTES;
    const head = type | ((HEADER_BYTES + extensionLength) << 13);
    let to = this.#writePair(begin, head, (packet >>> 3) | (flags << 16));
    to = this.#writePair(to, lo, hi);
    if (extensionLength > 0) to = ring.write(to, extension, 0, extensionLength);
    if (length > 0) to = ring.write(to, source, start, length);
    return this.#writePair(to, 0, begin);
  }

  exchange(state: StateStream): void {
    this.#in = state.number('in', this.#in);
    this.signalDue = state.flag('signalDue', this.signalDue);
    this.fault = state.text('fault', this.fault);
  }

  /**
   * Asks the reader for a signal when it has made room for this many bytes.
   * @returns true when there is room already; nothing is asked for then
   */
  awaitSpace(bytes: number): boolean {
    this.ring.pendingSendSize = bytes;
    if (this.freeBytes < bytes) return false;
    this.ring.pendingSendSize = 0;
    return true;
  }

  #writePair(position: number, low: number, high: number): number {
    const { ring } = this;
    const word = ring.wordAt(position);
    ring.u32[word] = low;
    ring.u32[word + 1] = high;
    const next = position + 8;
    return next >= ring.dataBytes ? 0 : next;
  }
}

/** Builds the extension of a GPA-direct packet; reused for packet after packet. */
export class GpaDirectExtension {
  bytes = new Uint8Array(512);
  length: number = GpaDirectHeader.size;
  #view = new DataView(this.bytes.buffer);
  #ranges = 0;

  clear(): void {
    this.length = GpaDirectHeader.size;
    this.#ranges = 0;
    this.#view.setUint32(GpaDirectHeader.offset.rangeCount, 0, true);
  }

  /**
   * @param byteOffset into the first page
   * @param pfns page frame numbers; ceil((byteOffset + byteCount) / 4096) of them are used
   */
  add(byteCount: number, byteOffset: number, pfns: ArrayLike<number>): void {
    const count = Math.ceil((byteOffset + byteCount) / 4096);
    this.#reserve(this.length + GpaRange.size + count * 8);
    const view = this.#view;
    view.setUint32(this.length + GpaRange.offset.byteCount, byteCount, true);
    view.setUint32(this.length + GpaRange.offset.byteOffset, byteOffset, true);
    let at = this.length + GpaRange.size;
    for (let index = 0; index < count; index += 1) {
      const pfn = pfns[index] ?? 0;
      view.setUint32(at, pfn >>> 0, true);
      view.setUint32(at + 4, Math.floor(pfn / 0x1_0000_0000), true);
      at += 8;
    }
    this.length = at;
    this.#ranges += 1;
    view.setUint32(GpaDirectHeader.offset.rangeCount, this.#ranges, true);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(bytes, this.bytes.length * 2));
    larger.set(this.bytes);
    this.bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
