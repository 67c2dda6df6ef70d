/** Bytes of a TCP stream in a ring of fixed size. */
export class StreamBuffer {
  readonly #bytes: Uint8Array;
  readonly #mask: number;
  #head = 0;
  #length = 0;

  /** @param capacity a power of two */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#mask = capacity - 1;
  }

  get length(): number {
    return this.#length;
  }

  get room(): number {
    return this.#mask + 1 - this.#length;
  }

  /** Appends what fits. @returns how much */
  append(source: Uint8Array, start: number, length: number): number {
    const taken = Math.min(length, this.room);
    const tail = this.#head + this.#length;
    for (let index = 0; index < taken; index += 1) {
      this.#bytes[(tail + index) & this.#mask] = source[start + index]!;
    }
    this.#length += taken;
    return taken;
  }

  /** Copies bytes from an offset on, which the caller knows to be there. */
  copyOut(offset: number, target: Uint8Array, to: number, length: number): void {
    const from = this.#head + offset;
    for (let index = 0; index < length; index += 1) {
      target[to + index] = this.#bytes[(from + index) & this.#mask]!;
    }
  }

  drop(length: number): void {
    this.#head = (this.#head + length) & this.#mask;
    this.#length -= length;
  }
}
