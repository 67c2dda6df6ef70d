import { PAGE_BYTES } from '../core/memory.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { StateStream } from '../core/state.ts';
import type { GuestRanges } from './device.ts';

const FIRST_RUNS = 16;

/** The runs of linear memory behind GPA ranges; reused, and grown to what a message can name. */
export class RangeList implements GuestRanges {
  offsets = new Float64Array(FIRST_RUNS);
  lengths = new Float64Array(FIRST_RUNS);
  count = 0;
  rangeCount = 0;
  totalBytes = 0;
  readonly #isWritten: boolean;

  /** @param isWritten false: who writes to the runs calls `GuestMemory.touch` */
  constructor(isWritten = true) {
    this.#isWritten = isWritten;
  }

  clear(): void {
    this.count = 0;
    this.rangeCount = 0;
    this.totalBytes = 0;
  }

  /**
   * Reads `ranges` ranges of spec/gpadl.ts out of little-endian words. All of it comes from a guest.
   * @param end index after the last word that may be read
   * @returns '' or what is wrong; the list is empty then
   */
  parse(
    memory: GuestMemory,
    words: Uint32Array,
    first: number,
    end: number,
    ranges: number,
  ): string {
    this.clear();
    let at = first;
    for (let range = 0; range < ranges; range += 1) {
      if (at + 2 > end) return this.#refuse(`range ${range} of ${ranges} is cut off`);
      const byteCount = words[at]!;
      const byteOffset = words[at + 1]!;
      at += 2;
      if (byteCount === 0) return this.#refuse(`range ${range} is empty`);
      if (byteOffset >= PAGE_BYTES) return this.#refuse(`range ${range} begins at ${byteOffset}`);
      const pages = Math.ceil((byteOffset + byteCount) / PAGE_BYTES);
      if (at + pages * 2 > end) {
        return this.#refuse(`range ${range} of ${byteCount} bytes lacks page numbers`);
      }
      const wrongPage = this.#append(memory, words, at, byteCount, byteOffset);
      if (wrongPage >= 0) return this.#refuse(`page 0x${wrongPage.toString(16)} is not RAM`);
      at += pages * 2;
    }
    this.rangeCount = ranges;
    return '';
  }

  /** @returns -1, or the first page frame number that is not RAM */
  #append(
    memory: GuestMemory,
    words: Uint32Array,
    first: number,
    byteCount: number,
    byteOffset: number,
  ): number {
    let left = byteCount;
    let within = byteOffset;
    let at = first;
    while (left > 0) {
      const pfn = words[at]! + words[at + 1]! * 0x1_0000_0000;
      const position = memory.locate(pfn * PAGE_BYTES, PAGE_BYTES);
      if (position < 0) return pfn;
      if (this.#isWritten) memory.touch(position, PAGE_BYTES);
      const length = Math.min(left, PAGE_BYTES - within);
      this.#add(position + within, length);
      left -= length;
      within = 0;
      at += 2;
    }
    return -1;
  }

  #add(position: number, length: number): void {
    const last = this.count - 1;
    this.totalBytes += length;
    if (last >= 0 && position === this.offsets[last]! + this.lengths[last]!) {
      this.lengths[last] = this.lengths[last]! + length;
      return;
    }
    if (this.count === this.offsets.length) this.#grow();
    this.offsets[this.count] = position;
    this.lengths[this.count] = length;
    this.count += 1;
  }

  exchange(state: StateStream): void {
    const runs = Array.from({ length: this.count }, (_, index) => index);
    const rangeCount = state.number('rangeCount', this.rangeCount);
    if (state.isRestoring) this.clear();
    this.rangeCount = rangeCount;
    state.list('runs', runs, (index = 0) => {
      const offset = state.number('offset', this.offsets[index] ?? 0);
      const length = state.number('length', this.lengths[index] ?? 0);
      if (state.isRestoring) this.#add(offset, length);
      return index;
    });
  }

  #grow(): void {
    const offsets = new Float64Array(this.offsets.length * 2);
    const lengths = new Float64Array(this.offsets.length * 2);
    offsets.set(this.offsets);
    lengths.set(this.lengths);
    this.offsets = offsets;
    this.lengths = lengths;
  }

  #refuse(reason: string): string {
    this.clear();
    return reason;
  }
}
