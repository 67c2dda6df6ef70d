import { InputError } from '../core/errors.ts';
import type { BlockDevice } from './block.ts';

/**
 * A run of bytes on a disk, such as a partition, that can be read and written at any byte: what a
 * file system wants, where a disk has whole sectors only. A range outside it throws `InputError`,
 * since only a damaged image leads there.
 */
export class DiskRange {
  readonly disk: BlockDevice;
  /** Byte position on the disk. */
  readonly startByte: number;
  readonly sizeBytes: number;
  readonly #what: string;
  readonly #sector: Uint8Array;

  /** @param what names the range in messages, for example `FAT volume` */
  constructor(disk: BlockDevice, startByte: number, sizeBytes: number, what: string) {
    this.disk = disk;
    this.startByte = startByte;
    this.sizeBytes = sizeBytes;
    this.#what = what;
    this.#sector = new Uint8Array(disk.sectorBytes);
    if (!(startByte >= 0 && sizeBytes >= 0 && startByte + sizeBytes <= disk.sizeBytes)) {
      throw new InputError(
        disk.name,
        `the ${what} at offset ${startByte} with ${sizeBytes} bytes is not inside the disk of ${disk.sizeBytes} bytes`,
      );
    }
  }

  /** @param position bytes from the start of the range */
  read(position: number, target: Uint8Array, start: number, length: number): void {
    this.#check(position, length);
    const disk = this.disk;
    const sectorBytes = disk.sectorBytes;
    let at = this.startByte + position;
    let into = start;
    let left = length;
    while (left > 0) {
      const within = at % sectorBytes;
      let count: number;
      if (within === 0 && left >= sectorBytes) {
        count = left - (left % sectorBytes);
        disk.read(at, target, into, count);
      } else {
        count = Math.min(left, sectorBytes - within);
        disk.read(at - within, this.#sector, 0, sectorBytes);
        for (let index = 0; index < count; index += 1) {
          target[into + index] = this.#sector[within + index]!;
        }
      }
      at += count;
      into += count;
      left -= count;
    }
  }

  /** A fresh copy of `length` bytes. The caller bounds the length. */
  bytes(position: number, length: number): Uint8Array {
    this.#check(position, length);
    const target = new Uint8Array(length);
    this.read(position, target, 0, length);
    return target;
  }

  /** Sectors that are written in part are read first. */
  write(position: number, source: Uint8Array, start: number, length: number): void {
    this.#check(position, length);
    const disk = this.disk;
    if (disk.readOnly) throw new InputError(disk.name, 'the disk is read-only');
    const sectorBytes = disk.sectorBytes;
    let at = this.startByte + position;
    let from = start;
    let left = length;
    while (left > 0) {
      const within = at % sectorBytes;
      let count: number;
      if (within === 0 && left >= sectorBytes) {
        count = left - (left % sectorBytes);
        disk.write(at, source, from, count);
      } else {
        count = Math.min(left, sectorBytes - within);
        disk.read(at - within, this.#sector, 0, sectorBytes);
        for (let index = 0; index < count; index += 1) {
          this.#sector[within + index] = source[from + index]!;
        }
        disk.write(at - within, this.#sector, 0, sectorBytes);
      }
      at += count;
      from += count;
      left -= count;
    }
  }

  /** Makes the bytes read as zeros, 64 KiB at a time. */
  clear(position: number, length: number): void {
    const zeros = new Uint8Array(Math.min(length, 65_536));
    for (let done = 0; done < length; done += zeros.length) {
      this.write(position + done, zeros, 0, Math.min(zeros.length, length - done));
    }
  }

  #check(position: number, length: number): void {
    if (position >= 0 && length >= 0 && position + length <= this.sizeBytes) return;
    throw new InputError(
      this.disk.name,
      `${length} bytes at offset ${this.startByte + position} are past the end of the ${this.#what} at ${this.startByte + this.sizeBytes}`,
    );
  }
}
