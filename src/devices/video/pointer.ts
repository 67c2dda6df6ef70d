import type { StateStream } from '../../core/state.ts';
import type { PointerShape } from '../../fb/display.ts';
import {
  LAST_POINTER_PART,
  MAX_POINTER_PART_BYTES,
  MAX_POINTER_PIXELS,
  PointerShapeHeader,
} from './spec.ts';

/** Puts a pointer's shape together from the parts in which it comes. */
export class PointerAssembly {
  readonly #pixels = new Uint8Array(MAX_POINTER_PIXELS * MAX_POINTER_PIXELS * 4);
  #nextPart = 0;
  #filled = 0;

  exchange(state: StateStream): void {
    this.#nextPart = state.number('nextPart', this.#nextPart);
    this.#filled = state.number('filled', this.#filled);
    state.array('pixels', this.#pixels);
  }

  reset(): void {
    this.#nextPart = 0;
    this.#filled = 0;
  }

  /**
   * Takes one message.
   * @param start of the payload within `bytes`
   * @returns the shape when it is complete, 'more' when it is not, 'bad' for a message that makes no
   *   sense; then the shape begins anew
   */
  take(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    length: number,
  ): PointerShape | 'more' | 'bad' {
    const header = PointerShapeHeader.cursor(view).at(start);
    const { part, width, height, hotX, hotY } = header;
    const isColor = header.isColor !== 0;
    const isLast = part === LAST_POINTER_PART;
    const partBytes = length - PointerShapeHeader.size;
    const isSizeRight = Math.max(width, height) <= MAX_POINTER_PIXELS && width > 0 && height > 0;
    const total = isColor ? width * height * 4 : ((width + 7) >>> 3) * height * 2;
    const isOutOfTurn = !isLast && part !== this.#nextPart;
    if (!isSizeRight || isOutOfTurn || partBytes > MAX_POINTER_PART_BYTES) return this.#bad();
    // Pipes round up to eight bytes in some guests: the last part may carry a few too many.
    const used = isLast ? Math.min(partBytes, total - this.#filled) : partBytes;
    if (used < 0 || this.#filled + used > total) return this.#bad();
    const from = start + PointerShapeHeader.size;
    this.#pixels.set(bytes.subarray(from, from + used), this.#filled);
    this.#filled += used;
    this.#nextPart += 1;
    if (!isLast) return 'more';
    if (this.#filled !== total) return this.#bad();
    const pixels = this.#pixels.slice(0, total);
    this.reset();
    return { width, height, hotX, hotY, isColor, pixels };
  }

  #bad(): 'bad' {
    this.reset();
    return 'bad';
  }
}
