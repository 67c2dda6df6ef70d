/** Blocks of a file system in memory: read once, written back in runs. */
import type { Task } from '../kernel/api.ts';
import type { Media } from './media.ts';

/** Buffers that stay; dirty ones are written before they are given up. */
const MAX_BUFFERS = 256;
const MAX_RUN_BYTES = 131_072;

export interface Buffer {
  /** Number of the block. */
  readonly block: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  isDirty: boolean;
}

export class BufferCache {
  readonly #media: Media;
  readonly #blockBytes: number;
  /** In the order of their last use. */
  readonly #buffers = new Map<number, Buffer>();
  #dirtyCount = 0;

  constructor(media: Media, blockBytes: number) {
    this.#media = media;
    this.#blockBytes = blockBytes;
  }

  *get(block: number): Task<Buffer> {
    const there = this.#buffers.get(block);
    if (there !== undefined) {
      this.#buffers.delete(block);
      this.#buffers.set(block, there);
      return there;
    }
    const buffer = yield* this.#make(block);
    yield* this.#media.read(block * this.#blockBytes, buffer.bytes);
    return buffer;
  }

  /** A block whose old content does not matter; all zeros. */
  *fresh(block: number): Task<Buffer> {
    this.forget(block);
    return yield* this.#make(block);
  }

  change(buffer: Buffer): void {
    this.#buffers.set(buffer.block, buffer);
    if (buffer.isDirty) return;
    buffer.isDirty = true;
    this.#dirtyCount += 1;
  }

  /** The block is written, or free: what is here of it is void. */
  forget(block: number): void {
    const buffer = this.#buffers.get(block);
    if (buffer === undefined) return;
    if (buffer.isDirty) this.#dirtyCount -= 1;
    buffer.isDirty = false;
    this.#buffers.delete(block);
  }

  *flush(): Task {
    if (this.#dirtyCount === 0) return;
    const dirty = [...this.#buffers.values()].filter(({ isDirty }) => isDirty);
    dirty.sort((left, right) => left.block - right.block);
    for (let index = 0; index < dirty.length;) {
      let end = index + 1;
      const most = MAX_RUN_BYTES / this.#blockBytes;
      while (end - index < most && dirty[end]?.block === dirty[end - 1]!.block + 1) end += 1;
      yield* this.#writeRun(dirty.slice(index, end));
      index = end;
    }
  }

  *#writeRun(run: readonly Buffer[]): Task {
    const first = run[0]!;
    const length = run.reduce((sum, { bytes }) => sum + bytes.length, 0);
    let data = first.bytes;
    if (run.length > 1) {
      data = new Uint8Array(length);
      for (const [index, { bytes }] of run.entries()) data.set(bytes, index * this.#blockBytes);
    }
    for (const buffer of run) {
      buffer.isDirty = false;
      this.#dirtyCount -= 1;
    }
    yield* this.#media.write(first.block * this.#blockBytes, data);
  }

  *#make(block: number): Task<Buffer> {
    if (this.#buffers.size >= MAX_BUFFERS) yield* this.#giveUpOldest();
    // The last block of a partition may be short.
    const rest = this.#media.sizeBytes - block * this.#blockBytes;
    const bytes = new Uint8Array(Math.min(this.#blockBytes, rest));
    const buffer = { block, bytes, view: new DataView(bytes.buffer), isDirty: false };
    this.#buffers.set(block, buffer);
    return buffer;
  }

  *#giveUpOldest(): Task {
    if (this.#dirtyCount > MAX_BUFFERS / 2) yield* this.flush();
    for (const [block, { isDirty }] of this.#buffers) {
      if (this.#buffers.size < MAX_BUFFERS / 2) break;
      if (!isDirty) this.#buffers.delete(block);
    }
  }
}
