import type { ByteStore } from '../block.ts';
import { isZero } from '../zeros.ts';

const pageBytes = 4096;

/** A store with changes in memory: how a log is replayed on a file that may not be changed. */
export class PatchedStore implements ByteStore {
  readonly name: string;
  readonly readOnly = true;
  readonly modifiedMs: number | undefined;
  readonly #base: ByteStore;
  /** Pages that differ from the base; `undefined` is a page of zeros. */
  readonly #pages = new Map<number, Uint8Array | undefined>();
  #firstPage = Number.MAX_SAFE_INTEGER;
  #lastPage = -1;
  #sizeBytes: number;

  constructor(base: ByteStore) {
    this.#base = base;
    this.name = base.name;
    this.modifiedMs = base.modifiedMs;
    this.#sizeBytes = base.sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(position: number, target: Uint8Array, start: number, length: number): void {
    if (position + length > this.#sizeBytes) {
      throw new RangeError(`${this.name}: ${length} bytes at ${position} are not inside it`);
    }
    const there = Math.max(0, Math.min(length, this.#base.sizeBytes - position));
    if (there > 0) this.#base.read(position, target, start, there);
    if (there < length) target.fill(0, start + there, start + length);
    const first = Math.max(this.#firstPage, Math.floor(position / pageBytes));
    const last = Math.min(this.#lastPage, Math.floor((position + length - 1) / pageBytes));
    for (let page = first; page <= last; page += 1) {
      if (!this.#pages.has(page)) continue;
      const bytes = this.#pages.get(page);
      const from = Math.max(position, page * pageBytes);
      const to = Math.min(position + length, (page + 1) * pageBytes);
      const into = start + from - position;
      if (bytes === undefined) target.fill(0, into, into + to - from);
      else target.set(bytes.subarray(from - page * pageBytes, to - page * pageBytes), into);
    }
  }

  /** Whole pages at page boundaries, which is all that a log entry holds. */
  write(position: number, source: Uint8Array, start: number, length: number): void {
    for (let done = 0; done < length; done += pageBytes) {
      const page = (position + done) / pageBytes;
      const bytes = source.slice(start + done, start + done + pageBytes);
      this.#pages.set(page, isZero(bytes, 0, pageBytes) ? undefined : bytes);
      this.#firstPage = Math.min(this.#firstPage, page);
      this.#lastPage = Math.max(this.#lastPage, page);
    }
    this.#sizeBytes = Math.max(this.#sizeBytes, position + length);
  }

  resize(sizeBytes: number): void {
    this.#sizeBytes = sizeBytes;
  }

  flush(): void {}

  close(): void {
    this.#base.close();
  }
}
