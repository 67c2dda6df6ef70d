import type { GuestMemory } from '../../core/memory.ts';
import { PAGE_BYTES } from '../../core/memory.ts';

export interface MemoryRange {
  readonly start: number;
  readonly bytes: number;
}

/** Wired, zeroed pages out of the RAM that firmware said is free. */
export class PageAllocator {
  readonly #memory: GuestMemory;
  readonly #ranges: { next: number; end: number }[] = [];
  readonly #freed = new Map<number, number[]>();

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /**
   * @param from pages below it are the kernel's own image and early tables
   * @param to likewise for pages from there on
   */
  addRanges(ranges: readonly MemoryRange[], from: number, to = Infinity): void {
    for (const { start, bytes } of ranges) {
      const first = Math.ceil(Math.max(start, from) / PAGE_BYTES) * PAGE_BYTES;
      const end = Math.floor(Math.min(start + bytes, to) / PAGE_BYTES) * PAGE_BYTES;
      const isThere = (gpa: number): boolean => this.#memory.locate(gpa, PAGE_BYTES) >= 0;
      if (first < end && isThere(first) && isThere(end - PAGE_BYTES)) {
        this.#ranges.push({ next: first, end });
      }
    }
  }

  /** @returns the guest physical address, or -1 when no free range is long enough */
  allocate(pages: number): number {
    const bytes = pages * PAGE_BYTES;
    const gpa = this.reserve(pages);
    const offset = gpa < 0 ? -1 : this.#memory.resolve(gpa, bytes);
    if (offset < 0) return -1;
    this.#memory.u8.fill(0, offset, offset + bytes);
    return gpa;
  }

  /** Likewise, with whatever the pages hold; who writes to them resolves them, or touches them. */
  reserve(pages: number): number {
    const bytes = pages * PAGE_BYTES;
    let gpa = this.#freed.get(pages)?.pop() ?? -1;
    for (let index = 0; gpa < 0 && index < this.#ranges.length; index += 1) {
      const range = this.#ranges[index]!;
      if (range.next + bytes > range.end) continue;
      gpa = range.next;
      range.next += bytes;
    }
    return gpa < 0 || this.#memory.locate(gpa, bytes) < 0 ? -1 : gpa;
  }

  free(gpa: number, pages: number): void {
    const list = this.#freed.get(pages);
    if (list === undefined) this.#freed.set(pages, [gpa]);
    else list.push(gpa);
  }
}
