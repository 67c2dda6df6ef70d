/** What a file system lies on: a partition or a whole disk, through a buffer in guest memory. */
import { PAGE_BYTES } from '../../core/memory.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { FileError } from './errors.ts';

/** Bytes of one transfer (DFLTPHYS and more). */
const BUFFER_BYTES = 131_072;

/** A disk as file systems and partition tools use it; `da`, `ada`, `cd` and `fd` give one each. */
export interface BlockDisk {
  /** "da1". */
  readonly name: string;
  readonly sectorBytes: number;
  readonly sectors: number;
  readonly isInvalid: boolean;
  /** What has it open: mounted file systems and the like. */
  openCount: number;
  /** Contiguous guest memory. @returns 0 or an errno */
  read(lba: number, count: number, gpa: number): Task<number>;
  write(lba: number, count: number, gpa: number): Task<number>;
  flush(): Task<number>;
  /** What opening the device does: asks for the medium's size anew. @returns 0 or an errno */
  open(): Task<number>;
}

/** A run of sectors of a disk. */
export interface MediaRange {
  /** "da1p1". */
  readonly name: string;
  readonly disk: BlockDisk;
  readonly firstLba: number;
  readonly sectors: number;
}

export class Media {
  readonly name: string;
  readonly disk: BlockDisk;
  readonly sectorBytes: number;
  readonly sizeBytes: number;
  readonly #kernel: KernelApi;
  readonly #firstLba: number;
  #gpa = -1;

  constructor(kernel: KernelApi, range: MediaRange) {
    this.#kernel = kernel;
    this.name = range.name;
    this.disk = range.disk;
    this.sectorBytes = range.disk.sectorBytes;
    this.sizeBytes = range.sectors * range.disk.sectorBytes;
    this.#firstLba = range.firstLba;
  }

  /** Fills `target` from a position that is a multiple of the sector. Throws `FileError`. */
  *read(position: number, target: Uint8Array): Task {
    const { memory } = this.#kernel.hardware;
    for (let done = 0; done < target.length;) {
      const length = Math.min(BUFFER_BYTES, target.length - done);
      const at = this.#buffer();
      const sectors = Math.ceil(length / this.sectorBytes);
      const error = yield* this.disk.read(this.#lba(position + done), sectors, this.#gpa);
      if (error !== 0) throw new FileError(error);
      target.set(memory.u8.subarray(at, at + length), done);
      done += length;
    }
  }

  /** Whole sectors. Throws `FileError`. */
  *write(position: number, source: Uint8Array): Task {
    const { memory } = this.#kernel.hardware;
    for (let done = 0; done < source.length;) {
      const length = Math.min(BUFFER_BYTES, source.length - done);
      memory.u8.set(source.subarray(done, done + length), this.#buffer());
      const sectors = length / this.sectorBytes;
      const error = yield* this.disk.write(this.#lba(position + done), sectors, this.#gpa);
      if (error !== 0) throw new FileError(error);
      done += length;
    }
  }

  *flush(): Task {
    const error = yield* this.disk.flush();
    if (error !== 0) throw new FileError(error);
  }

  /** Gives the buffer back. */
  close(): void {
    if (this.#gpa >= 0) this.#kernel.freePages(this.#gpa, BUFFER_BYTES / PAGE_BYTES);
    this.#gpa = -1;
  }

  #lba(position: number): number {
    return this.#firstLba + position / this.sectorBytes;
  }

  /** Position of the buffer in linear memory. */
  #buffer(): number {
    if (this.#gpa < 0) this.#gpa = this.#kernel.allocatePages(BUFFER_BYTES / PAGE_BYTES);
    return this.#kernel.hardware.memory.resolve(this.#gpa, BUFFER_BYTES);
  }
}
