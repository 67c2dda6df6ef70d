import { PAGE_BYTES } from '../core/memory.ts';
import type { GuestMemory } from '../core/memory.ts';
import { WordViews } from '../core/words.ts';
import { RING_CONTROL_BYTES, RingControl } from './spec/ring.ts';

/** Above this, a block copy is quicker than a loop, its two view objects included. */
const BLOCK_COPY_BYTES = 512;

const WORD_IN = RingControl.offset.inIndex / 4;
const WORD_OUT = RingControl.offset.outIndex / 4;
const WORD_MASK = RingControl.offset.interruptMask / 4;
const WORD_PENDING = RingControl.offset.pendingSendSize / 4;
const WORD_FEATURES = RingControl.offset.featureBits / 4;

/**
 * One ring in guest memory: a control page and data pages, which may lie anywhere. Positions are
 * byte offsets into the data and multiples of 8; they wrap at `dataBytes`. Callers check them.
 */
export class RingMemory {
  /** Bytes of the data area, a multiple of 4096. */
  readonly dataBytes: number;
  /** Linear position of the data when its pages follow each other, else -1. */
  readonly base: number;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly #views = new WordViews();
  /** Linear position of each data page. */
  readonly #pages: Float64Array;
  /** Index of the control page in `u32`. */
  readonly #control: number;

  /**
   * @param pages linear position of each page, as `GuestMemory.resolve` gave it
   * @param first index of the control page in `pages`
   * @param count pages of the ring with its control page, at the least 2
   */
  constructor(memory: GuestMemory, pages: ArrayLike<number>, first: number, count: number) {
    if (count < 2 || first < 0 || first + count > pages.length) {
      throw new Error(`a ring of ${count} pages from ${first} of ${pages.length}`);
    }
    this.u8 = memory.u8;
    this.u32 = memory.u32;
    this.i32 = memory.i32;
    this.#control = pages[first]! / 4;
    for (let page = first; page < first + count; page += 1) memory.touch(pages[page]!, PAGE_BYTES);
    this.#pages = new Float64Array(count - 1);
    let isContiguous = true;
    for (let page = 0; page < count - 1; page += 1) {
      const position = pages[first + 1 + page]!;
      this.#pages[page] = position;
      if (position !== this.#pages[0]! + page * PAGE_BYTES) isContiguous = false;
    }
    this.base = isContiguous ? this.#pages[0]! : -1;
    this.dataBytes = (count - 1) * PAGE_BYTES;
  }

  /** A ring whose pages follow each other, control page first. */
  static contiguous(memory: GuestMemory, position: number, bytes: number): RingMemory {
    const pages = new Float64Array(Math.floor(bytes / PAGE_BYTES));
    for (let page = 0; page < pages.length; page += 1) pages[page] = position + page * PAGE_BYTES;
    return new RingMemory(memory, pages, 0, pages.length);
  }

  get inIndex(): number {
    return this.u32[this.#control + WORD_IN]!;
  }
  set inIndex(position: number) {
    this.u32[this.#control + WORD_IN] = position;
  }

  get outIndex(): number {
    return this.u32[this.#control + WORD_OUT]!;
  }
  set outIndex(position: number) {
    this.u32[this.#control + WORD_OUT] = position;
  }

  get interruptMask(): number {
    return this.u32[this.#control + WORD_MASK]!;
  }
  set interruptMask(mask: number) {
    this.u32[this.#control + WORD_MASK] = mask;
  }

  get pendingSendSize(): number {
    return this.u32[this.#control + WORD_PENDING]!;
  }
  set pendingSendSize(bytes: number) {
    this.u32[this.#control + WORD_PENDING] = bytes;
  }

  get featureBits(): number {
    return this.u32[this.#control + WORD_FEATURES]!;
  }
  set featureBits(bits: number) {
    this.u32[this.#control + WORD_FEATURES] = bits;
  }

  /** Zeroes the control page, as a guest does before it offers the ring to the host. */
  clearControl(): void {
    const start = this.#control * 4;
    this.u8.fill(0, start, start + RING_CONTROL_BYTES);
  }

  /** True for an index that a peer may write: within the data and a multiple of 8. */
  isPosition(index: number): boolean {
    return index < this.dataBytes && (index & 7) === 0;
  }

  /** Index in `u32` of a position below `dataBytes`. */
  wordAt(position: number): number {
    const base = this.base;
    if (base >= 0) return (base + position) >>> 2;
    return (this.#pages[position >>> 12]! + (position & (PAGE_BYTES - 1))) >>> 2;
  }

  /** Copies `length` bytes (a multiple of 8) to the start of a buffer, seen as bytes and words. */
  read(position: number, target: Uint8Array, words: Uint32Array, length: number): void {
    const base = this.base;
    if (base >= 0 && position + length <= this.dataBytes) {
      this.#readRun(base + position, target, words, 0, length);
      return;
    }
    let from = position;
    let done = 0;
    while (done < length) {
      const run = Math.min(length - done, this.#runAt(from));
      this.#readRun(this.wordAt(from) * 4, target, words, done, run);
      done += run;
      from += run;
      if (from >= this.dataBytes) from = 0;
    }
  }

  #readRun(from: number, target: Uint8Array, words: Uint32Array, to: number, length: number): void {
    if (length > BLOCK_COPY_BYTES) {
      target.set(this.u8.subarray(from, from + length), to);
      return;
    }
    const memory = this.i32;
    const count = length >>> 2;
    const source = from >>> 2;
    const start = to >>> 2;
    for (let index = 0; index < count; index += 1) words[start + index] = memory[source + index]!;
  }

  /**
   * Copies bytes into the ring and fills the rest of the last eight with zeros.
   * @returns the position after them
   */
  write(position: number, source: Uint8Array, start: number, length: number): number {
    const padded = (length + 7) & ~7;
    let to = position;
    let done = 0;
    while (done < padded) {
      const run = Math.min(padded - done, this.#runAt(to));
      this.#writeRun(this.wordAt(to) * 4, source, start + done, Math.min(run, length - done), run);
      done += run;
      to += run;
      if (to >= this.dataBytes) to = 0;
    }
    return to;
  }

  /** @param room bytes to fill: `length` of the source, then zeros */
  #writeRun(to: number, source: Uint8Array, start: number, length: number, room: number): void {
    const u8 = this.u8;
    if (length > BLOCK_COPY_BYTES) {
      if (source === u8) u8.copyWithin(to, start, start + length);
      else u8.set(source.subarray(start, start + length), to);
    } else {
      let done = 0;
      if ((start & 3) === 0) {
        const words = this.#views.of(source);
        const target = this.i32;
        const from = start >>> 2;
        const count = Math.min(length >>> 2, words.length - from);
        for (let index = 0; index < count; index += 1)
          target[(to >>> 2) + index] = words[from + index]!;
        done = Math.max(0, count * 4);
      }
      for (; done < length; done += 1) u8[to + done] = source[start + done]!;
    }
    for (let index = Math.max(0, length); index < room; index += 1) u8[to + index] = 0;
  }

  /** Bytes from a position to where the next byte may lie elsewhere. */
  #runAt(position: number): number {
    if (this.base >= 0) return this.dataBytes - position;
    return PAGE_BYTES - (position & (PAGE_BYTES - 1));
  }
}
