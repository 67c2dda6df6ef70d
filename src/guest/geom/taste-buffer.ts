import { PAGE_BYTES } from '../../core/memory.ts';
import type { BlockDisk } from '../fs/media.ts';
import type { KernelApi, Task } from '../kernel/api.ts';

/** Guest memory that sectors are read into. */
export class TasteBuffer {
  readonly #kernel: KernelApi;
  readonly #pages: number;
  readonly gpa: number;
  /** errno of the last read. */
  error = 0;

  constructor(kernel: KernelApi, bytes: number) {
    this.#kernel = kernel;
    this.#pages = Math.ceil(bytes / PAGE_BYTES);
    this.gpa = kernel.allocatePages(this.#pages);
  }

  /** @returns the guest memory with the sectors, until the next read; undefined on an error */
  *read(disk: BlockDisk, lba: number, sectors: number): Task<Uint8Array | undefined> {
    const length = sectors * disk.sectorBytes;
    if (length > this.#pages * PAGE_BYTES) return undefined;
    this.error = yield* disk.read(lba, sectors, this.gpa);
    if (this.error !== 0) return undefined;
    const { memory } = this.#kernel.hardware;
    const offset = memory.resolve(this.gpa, length);
    return memory.u8.subarray(offset, offset + length);
  }

  free(): void {
    this.#kernel.freePages(this.gpa, this.#pages);
  }
}
