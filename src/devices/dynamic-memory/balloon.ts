import type { StateStream } from '../../core/state.ts';
import { PAGE_BYTES, type GuestMemory } from '../../core/memory.ts';

/** A run of pages by number. */
export interface PageRange {
  readonly firstPage: number;
  readonly count: number;
}

/** Which pages of RAM a guest has given up, one bit each in the order of the linear memory. */
export class Balloon {
  readonly #memory: GuestMemory;
  readonly #bits: Uint8Array;
  /** Position of page 0 in the linear memory. */
  readonly #first: number;
  readonly #pages: number;
  #held = 0;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.#first = memory.resolve(0, PAGE_BYTES);
    this.#pages = memory.ramBytes / PAGE_BYTES;
    this.#bits = new Uint8Array(Math.ceil(this.#pages / 8));
  }

  /** Pages that the guest does not have now. */
  get held(): number {
    return this.#held;
  }

  exchange(state: StateStream): void {
    this.#held = state.number('held', this.#held);
    state.array('bits', this.#bits);
  }

  clear(): void {
    this.#bits.fill(0);
    this.#held = 0;
  }

  /**
   * Takes pages from the guest; they read as zeros afterwards.
   * @returns how many were taken, without those that were given before; -1 when any is no RAM
   */
  take(firstPage: number, count: number): number {
    const offset = this.#memory.resolve(firstPage * PAGE_BYTES, count * PAGE_BYTES);
    const start = (offset - this.#first) / PAGE_BYTES;
    if (offset < 0 || start + count > this.#pages) return -1;
    let taken = 0;
    for (let page = start; page < start + count; page += 1) {
      if (!this.#has(page)) {
        this.#bits[page >>> 3] = this.#bits[page >>> 3]! | (1 << (page & 7));
        taken += 1;
      }
    }
    this.#memory.written(offset, count * PAGE_BYTES);
    this.#memory.u8.fill(0, offset, offset + count * PAGE_BYTES);
    this.#held += taken;
    return taken;
  }

  /**
   * Gives pages back, the lowest first.
   * @returns the runs, none longer than `longest`; fewer pages than asked for when there are no more
   */
  give(count: number, longest: number): PageRange[] {
    const ranges: PageRange[] = [];
    let left = count;
    let page = this.#next(0);
    while (left > 0 && page >= 0) {
      const start = page;
      const isFollowedBy = (next: number): boolean =>
        this.#has(next) && this.#numberOf(next) === this.#numberOf(start) + (next - start);
      while (page - start < Math.min(left, longest) && isFollowedBy(page)) {
        this.#bits[page >>> 3] = this.#bits[page >>> 3]! & ~(1 << (page & 7));
        page += 1;
      }
      ranges.push({ firstPage: this.#numberOf(start), count: page - start });
      left -= page - start;
      page = this.#next(page);
    }
    this.#held -= count - left;
    return ranges;
  }

  #has(page: number): boolean {
    return page < this.#pages && ((this.#bits[page >>> 3]! >>> (page & 7)) & 1) === 1;
  }

  /** The first page held from one on, -1 for none. */
  #next(from: number): number {
    for (let page = from; page < this.#pages; page += 1) {
      if ((page & 7) === 0 && this.#bits[page >>> 3] === 0) page += 7;
      else if (this.#has(page)) return page;
    }
    return -1;
  }

  /** The guest's number of a page of the linear memory. */
  #numberOf(page: number): number {
    const gpa = this.#memory.gpaAt(this.#first + page * PAGE_BYTES);
    return gpa < 0 ? -1 : gpa / PAGE_BYTES;
  }
}
