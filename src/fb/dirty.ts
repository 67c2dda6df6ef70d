const LEFT = 0;
const TOP = 1;
const RIGHT = 2;
const BOTTOM = 3;
const WORDS = 4;

/** Rectangles that are kept apart; more of them become one around all. */
const MAX_RECTANGLES = 64;

/**
 * Parts of a screen that have changed: rectangles of left, top, right and bottom, the last two
 * excluded. Bounded, whatever a guest reports.
 */
export class DirtyRectangles {
  /** Four numbers a rectangle; the first `count` are valid. */
  readonly words = new Int32Array(MAX_RECTANGLES * WORDS);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Adds what lies within a screen of `width` by `height`; any numbers will do. */
  add(
    left: number,
    top: number,
    right: number,
    bottom: number,
    width: number,
    height: number,
  ): void {
    const x0 = Math.max(left, 0);
    const y0 = Math.max(top, 0);
    const x1 = Math.min(right, width);
    const y1 = Math.min(bottom, height);
    if (x0 >= x1 || y0 >= y1 || this.#covers(x0, y0, x1, y1)) return;
    if (this.#count < MAX_RECTANGLES) {
      this.#set(this.#count, x0, y0, x1, y1);
      this.#count += 1;
    } else {
      this.#mergeAll(x0, y0, x1, y1);
    }
  }

  #covers(x0: number, y0: number, x1: number, y1: number): boolean {
    const { words } = this;
    for (let at = 0; at < this.#count * WORDS; at += WORDS) {
      const isWithin = words[at + LEFT]! <= x0 && words[at + TOP]! <= y0;
      if (isWithin && words[at + RIGHT]! >= x1 && words[at + BOTTOM]! >= y1) return true;
    }
    return false;
  }

  #mergeAll(x0: number, y0: number, x1: number, y1: number): void {
    const { words } = this;
    let [left, top, right, bottom] = [x0, y0, x1, y1];
    for (let at = 0; at < this.#count * WORDS; at += WORDS) {
      left = Math.min(left, words[at + LEFT]!);
      top = Math.min(top, words[at + TOP]!);
      right = Math.max(right, words[at + RIGHT]!);
      bottom = Math.max(bottom, words[at + BOTTOM]!);
    }
    this.#set(0, left, top, right, bottom);
    this.#count = 1;
  }

  #set(index: number, left: number, top: number, right: number, bottom: number): void {
    const at = index * WORDS;
    this.words[at + LEFT] = left;
    this.words[at + TOP] = top;
    this.words[at + RIGHT] = right;
    this.words[at + BOTTOM] = bottom;
  }
}
