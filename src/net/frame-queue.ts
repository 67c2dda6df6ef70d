import type { StateStream } from '../core/state.ts';
import { wordsOf } from '../core/words.ts';
import { copyBytes } from '../core/copy.ts';

/** What a queue begins with: most ports never hold more than a few frames. */
const FIRST_BYTES = 64 * 1024;

/**
 * Frames on their way out of one port, in order of arrival. Its memory becomes its full size when
 * frames stand in the way of each other for the first time.
 */
export class FrameQueue {
  bytes: Uint8Array;
  words: Int32Array;
  readonly #capacityBytes: number;
  readonly #starts: Int32Array;
  readonly #lengths: Int32Array;
  readonly #facts: Uint32Array;
  readonly #dueNs: Float64Array;
  readonly #mask: number;
  #first = 0;
  #count = 0;
  /** Where the next frame's bytes go. */
  #end = 0;

  /**
   * @param capacityBytes of frames, a multiple of 8
   * @param maxFrames a power of two
   */
  constructor(capacityBytes: number, maxFrames: number) {
    this.#capacityBytes = capacityBytes;
    // Growing needs twice the space at the least.
    const isLarge = capacityBytes >= 2 * FIRST_BYTES;
    this.bytes = new Uint8Array(isLarge ? FIRST_BYTES : capacityBytes);
    this.words = wordsOf(this.bytes);
    this.#starts = new Int32Array(maxFrames);
    this.#lengths = new Int32Array(maxFrames);
    this.#facts = new Uint32Array(maxFrames);
    this.#dueNs = new Float64Array(maxFrames);
    this.#mask = maxFrames - 1;
  }

  get count(): number {
    return this.#count;
  }

  /** When the first frame is due, or Infinity. */
  get nextDueNs(): number {
    return this.#count > 0 ? this.#dueNs[this.#first]! : Infinity;
  }

  /** When the last of the frames is due that are due by then; -Infinity when none is. */
  lastDueBy(limitNs: number): number {
    let dueNs = -Infinity;
    for (let index = 0; index < this.#count; index += 1) {
      const next = this.#dueNs[(this.#first + index) & this.#mask]!;
      if (next > limitNs) break;
      dueNs = next;
    }
    return dueNs;
  }

  get firstStart(): number {
    return this.#starts[this.#first]!;
  }
  get firstLength(): number {
    return this.#lengths[this.#first]!;
  }
  get firstFacts(): number {
    return this.#facts[this.#first]!;
  }

  /**
   * Makes room for a frame, which the caller fills in at the position returned.
   * @returns -1 when the queue is full
   */
  push(length: number, facts: number, dueNs: number): number {
    if (this.#count > this.#mask) return -1;
    let start = this.#room((length + 7) & ~7);
    if (start < 0 && this.bytes.length < this.#capacityBytes) {
      this.#grow();
      start = this.#room((length + 7) & ~7);
    }
    if (start < 0) return -1;
    const slot = (this.#first + this.#count) & this.#mask;
    this.#starts[slot] = start;
    this.#lengths[slot] = length;
    this.#facts[slot] = facts;
    this.#dueNs[slot] = dueNs;
    this.#count += 1;
    this.#end = start + ((length + 7) & ~7);
    return start;
  }

  /** Frames do not wrap: one that does not fit before the end begins at 0. */
  #room(length: number): number {
    if (this.#count === 0) return length <= this.bytes.length ? 0 : -1;
    const begin = this.firstStart;
    if (this.#end > begin) {
      if (this.#end + length <= this.bytes.length) return this.#end;
      return length <= begin ? 0 : -1;
    }
    return this.#end + length <= begin ? this.#end : -1;
  }

  /** Frames that had begun again at 0 move behind the others, so that the new space is one piece. */
  #grow(): void {
    const old = this.bytes;
    const { length } = old;
    this.bytes = new Uint8Array(this.#capacityBytes);
    this.words = wordsOf(this.bytes);
    this.bytes.set(old);
    if (this.#count === 0 || this.#end > this.firstStart) return;
    const begin = this.firstStart;
    this.bytes.set(old.subarray(0, this.#end), length);
    for (let index = 0; index < this.#count; index += 1) {
      const slot = (this.#first + index) & this.#mask;
      if (this.#starts[slot]! < begin) this.#starts[slot] = this.#starts[slot]! + length;
    }
    this.#end += length;
  }

  copyIn(
    source: Uint8Array,
    sourceWords: Int32Array,
    from: number,
    to: number,
    length: number,
  ): void {
    copyBytes(source, sourceWords, from, this.bytes, this.words, to, length);
  }

  dropFirst(): void {
    this.#first = (this.#first + 1) & this.#mask;
    this.#count -= 1;
  }

  exchange(state: StateStream): void {
    const count = state.number('count', this.#count);
    const isGrown = state.flag('isGrown', this.bytes.length === this.#capacityBytes);
    this.#end = state.number('end', this.#end);
    if (state.isRestoring) {
      this.#first = 0;
      this.#count = count;
      if (isGrown && this.bytes.length < this.#capacityBytes) {
        this.bytes = new Uint8Array(this.#capacityBytes);
        this.words = wordsOf(this.bytes);
      }
    }
    for (let index = 0; index < count; index += 1) {
      const slot = (this.#first + index) & this.#mask;
      this.#starts[slot] = state.number('start', this.#starts[slot]!);
      this.#lengths[slot] = state.number('length', this.#lengths[slot]!);
      this.#facts[slot] = state.number('facts', this.#facts[slot]!);
      this.#dueNs[slot] = state.number('dueNs', this.#dueNs[slot]!);
      const start = this.#starts[slot];
      state.array('bytes', this.bytes.subarray(start, start + this.#lengths[slot]));
    }
  }

  clear(): void {
    this.#count = 0;
    this.#end = 0;
  }
}
