import { type BlockDevice, DiskFault } from '../../../src/storage/block.ts';

export interface MemoryDiskOptions {
  readonly sectorBytes?: number;
  readonly physicalSectorBytes?: number;
  readonly readOnly?: boolean;
  /** What the disk claims to hold, when its content is only the first part of it. */
  readonly claimedBytes?: number;
}

/** A disk in memory that checks its callers, counts what they do, and can fail where it is told. */
export class MemoryDisk implements BlockDevice {
  readonly name = 'memory';
  readonly bytes: Uint8Array;
  readonly sectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly readOnly: boolean;
  readonly diskId = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index);
  readonly unmapped: [position: number, length: number][] = [];
  flushes = 0;
  /** Accesses that touch this byte position throw `DiskFault`. */
  badPosition = -1;
  sizeBytes: number;

  constructor(bytes: number, options: MemoryDiskOptions = {}) {
    this.bytes = new Uint8Array(bytes);
    this.sectorBytes = options.sectorBytes ?? 512;
    this.physicalSectorBytes = options.physicalSectorBytes ?? 4096;
    this.readOnly = options.readOnly ?? false;
    this.sizeBytes = options.claimedBytes ?? bytes;
  }

  /** Fills the disk so that every sector differs from its neighbours. */
  fillPattern(): this {
    for (let index = 0; index < this.bytes.length; index += 1) {
      this.bytes[index] = (index * 7 + (index >> 9) * 31) & 0xff;
    }
    return this;
  }

  read(position: number, target: Uint8Array, start: number, length: number): void {
    this.#check(position, length);
    target.set(this.bytes.subarray(position, position + length), start);
  }

  write(position: number, source: Uint8Array, start: number, length: number): void {
    if (this.readOnly) throw new Error('write to a read-only disk breaks the contract');
    this.#check(position, length);
    this.bytes.set(source.subarray(start, start + length), position);
  }

  unmap(position: number, length: number): void {
    this.#check(position, length);
    this.unmapped.push([position, length]);
  }

  flush(): void {
    this.flushes += 1;
  }

  close(): void {}

  #check(position: number, length: number): void {
    const isWhole = position % this.sectorBytes === 0 && length % this.sectorBytes === 0;
    if (!isWhole || position < 0 || length <= 0 || position + length > this.sizeBytes) {
      throw new Error(`${length} bytes at ${position} break the contract of BlockDevice`);
    }
    if (this.badPosition >= position && this.badPosition < position + length) {
      throw new DiskFault(this.badPosition, 'unreadable');
    }
  }
}
