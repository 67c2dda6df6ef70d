import type { ByteStore } from './block.ts';
import { isZero } from './zeros.ts';

const chunkBytes = 65_536;

/** Bytes in memory. What was never written reads as zeros and costs nothing. */
export class MemoryStore implements ByteStore {
  readonly name: string;
  readonly readOnly: boolean;
  readonly #chunks = new Map<number, Uint8Array>();
  #sizeBytes: number;

  constructor(name: string, sizeBytes = 0, options: { readonly readOnly?: boolean } = {}) {
    this.name = name;
    this.#sizeBytes = sizeBytes;
    this.readOnly = options.readOnly ?? false;
  }

  /** A store that holds a copy of `content`; its zeros cost nothing either. */
  static from(name: string, content: Uint8Array): MemoryStore {
    const store = new MemoryStore(name, content.length);
    for (let at = 0; at < content.length; at += chunkBytes) {
      const length = Math.min(chunkBytes, content.length - at);
      store.write(at, content, at, length);
    }
    return store;
  }

  /** A store with the same content, which from now on changes on its own. */
  copy(): MemoryStore {
    const store = new MemoryStore(this.name, this.#sizeBytes);
    for (const [index, chunk] of this.#chunks) store.#chunks.set(index, chunk.slice());
    return store;
  }

  /** A store with the same bytes that cannot be written to. */
  freeze(): MemoryStore {
    const store = new MemoryStore(this.name, this.#sizeBytes, { readOnly: true });
    for (const [index, chunk] of this.#chunks) store.#chunks.set(index, chunk);
    return store;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Memory that the content takes, in bytes. */
  get allocatedBytes(): number {
    return this.#chunks.size * chunkBytes;
  }

  read(position: number, target: Uint8Array, start: number, length: number): void {
    if (position < 0 || length < 0 || position + length > this.#sizeBytes) {
      throw new RangeError(
        `${this.name}: ${length} bytes at ${position} are not inside its ${this.#sizeBytes} bytes`,
      );
    }
    let done = 0;
    while (done < length) {
      const index = Math.floor((position + done) / chunkBytes);
      const within = position + done - index * chunkBytes;
      const run = Math.min(length - done, chunkBytes - within);
      const chunk = this.#chunks.get(index);
      if (chunk === undefined) target.fill(0, start + done, start + done + run);
      else if (run === chunkBytes) target.set(chunk, start + done);
      else target.set(chunk.subarray(within, within + run), start + done);
      done += run;
    }
  }

  write(position: number, source: Uint8Array, start: number, length: number): void {
    if (this.readOnly) throw new Error(`${this.name} is read-only`);
    if (position < 0) throw new RangeError(`${this.name}: write at ${position}`);
    let done = 0;
    while (done < length) {
      const index = Math.floor((position + done) / chunkBytes);
      const within = position + done - index * chunkBytes;
      const run = Math.min(length - done, chunkBytes - within);
      let chunk = this.#chunks.get(index);
      if (chunk === undefined) {
        // What reads as zeros already takes no room.
        if (isZero(source, start + done, run)) {
          done += run;
          continue;
        }
        chunk = new Uint8Array(chunkBytes);
        this.#chunks.set(index, chunk);
      }
      chunk.set(source.subarray(start + done, start + done + run), within);
      done += run;
    }
    if (position + length > this.#sizeBytes) this.#sizeBytes = position + length;
  }

  resize(sizeBytes: number): void {
    if (this.readOnly) throw new Error(`${this.name} is read-only`);
    if (sizeBytes < this.#sizeBytes) {
      const last = Math.floor(sizeBytes / chunkBytes);
      for (const index of this.#chunks.keys()) if (index > last) this.#chunks.delete(index);
      // What a store grows by reads as zeros, so the cut-off rest must not come back.
      this.#chunks.get(last)?.fill(0, sizeBytes - last * chunkBytes);
    }
    this.#sizeBytes = sizeBytes;
  }

  flush(): void {}

  close(): void {}
}
