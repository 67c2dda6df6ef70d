import type { StateStream } from '../core/state.ts';

/** Whole numbers as disjoint ranges, so that a range of any length costs one entry. */
export class RangeSet {
  /** Start and end (not included) of each range in turn, ascending. */
  #bounds: number[] = [];

  get rangeCount(): number {
    return this.#bounds.length / 2;
  }

  has(value: number): boolean {
    return this.#firstAbove(value) % 2 === 1;
  }

  /** How many numbers from `value` on are all in the set, or all out of it. */
  runLength(value: number): number {
    return (this.#bounds[this.#firstAbove(value)] ?? Infinity) - value;
  }

  /** @param end not included */
  add(start: number, end: number): void {
    if (end <= start) return;
    // A range that ends where this one starts, and one that starts where it ends, become part of it.
    const from = this.#firstAbove(start - 1);
    const to = this.#firstAbove(end);
    const kept = [...(from % 2 === 0 ? [start] : []), ...(to % 2 === 0 ? [end] : [])];
    this.#bounds.splice(from, to - from, ...kept);
  }

  exchange(state: StateStream): void {
    this.#bounds = state.list('bounds', this.#bounds, (bound) => state.number('bound', bound ?? 0));
  }

  clear(): void {
    this.#bounds = [];
  }

  /** Index of the first bound above a value; odd: the value is in the set. */
  #firstAbove(value: number): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#bounds[middle]! > value) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
