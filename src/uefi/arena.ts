import type { Cursor, Field, Struct } from '../core/wire.ts';
import type { FirmwareMemory } from './memory-map.ts';

const ALIGNMENT = 16;

/** Pages of one type that the firmware fills from the front with its structures. */
export class Arena {
  readonly gpa: number;
  readonly bytes: number;
  readonly view: DataView;
  readonly #u8: Uint8Array;
  #used = 0;

  /** Throws when guest memory is too small for the firmware; `powerOn` checks that before. */
  constructor(pages: FirmwareMemory, type: number, bytes: number) {
    this.gpa = pages.allocate(bytes, type);
    if (this.gpa < 0) throw new Error(`no ${bytes} bytes for firmware tables`);
    const offset = pages.memory.resolve(this.gpa, bytes);
    this.bytes = bytes;
    this.#u8 = pages.memory.u8.subarray(offset, offset + bytes);
    this.#u8.fill(0);
    this.view = new DataView(this.#u8.buffer, this.#u8.byteOffset, bytes);
  }

  /** @returns the GPA of `bytes` zeroed bytes, 16-aligned */
  reserve(bytes: number): number {
    const at = this.#used;
    this.#used += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (this.#used > this.bytes) throw new Error(`firmware tables exceed ${this.bytes} bytes`);
    return this.gpa + at;
  }

  /** Copies bytes in. @returns their GPA */
  place(bytes: Uint8Array): number {
    const gpa = this.reserve(bytes.length);
    this.#u8.set(bytes, gpa - this.gpa);
    return gpa;
  }

  /** A fresh, zeroed structure and the means to fill it. */
  make<F extends Record<string, Field>>(layout: Struct<F>): { gpa: number; fields: Cursor<F> } {
    const gpa = this.reserve(layout.size);
    return { gpa, fields: layout.cursor(this.view).at(gpa - this.gpa) };
  }

  /** Sets one 64-bit pointer of something that was placed here. */
  point(gpa: number, target: number): void {
    this.view.setBigUint64(gpa - this.gpa, BigInt(target), true);
  }

  /** The bytes of something that was placed here. */
  at(gpa: number, length: number): Uint8Array {
    return this.#u8.subarray(gpa - this.gpa, gpa - this.gpa + length);
  }
}
