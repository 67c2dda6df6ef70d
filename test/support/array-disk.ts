import type { BlockDevice } from '../../src/storage/block.ts';

/** A disk that is one array: what file-system and partition tests read and damage. */
export class ArrayDisk implements BlockDevice {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly sectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly readOnly: boolean;
  readonly diskId = new Uint8Array(16);
  /** Bytes written so far, to see how much work a formatter does. */
  writtenBytes = 0;

  constructor(
    content: Uint8Array | number,
    options: { readonly name?: string; readonly sectorBytes?: number; readOnly?: boolean } = {},
  ) {
    this.bytes = typeof content === 'number' ? new Uint8Array(content) : content;
    this.name = options.name ?? 'disk.img';
    this.sectorBytes = options.sectorBytes ?? 512;
    this.physicalSectorBytes = this.sectorBytes;
    this.readOnly = options.readOnly ?? false;
    if (this.bytes.length % this.sectorBytes !== 0) throw new Error('not whole sectors');
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(position: number, target: Uint8Array, start: number, length: number): void {
    this.#check(position, length);
    target.set(this.bytes.subarray(position, position + length), start);
  }

  write(position: number, source: Uint8Array, start: number, length: number): void {
    this.#check(position, length);
    this.bytes.set(source.subarray(start, start + length), position);
    this.writtenBytes += length;
  }

  unmap(position: number, length: number): void {
    this.#check(position, length);
    this.bytes.fill(0, position, position + length);
  }

  flush(): void {}

  close(): void {}

  /** Callers must keep to the contract of `BlockDevice`: breaking it is a bug, not a bad image. */
  #check(position: number, length: number): void {
    const whole = position % this.sectorBytes === 0 && length % this.sectorBytes === 0;
    if (!whole || position < 0 || position + length > this.bytes.length) {
      throw new Error(`access of ${length} bytes at ${position} breaks the contract`);
    }
  }
}
