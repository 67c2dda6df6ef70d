import type { ByteStore } from '../block.ts';
import type { BlockTable } from './bat.ts';
import type { LoggedPage } from './log-writer.ts';
import { logSectorBytes, mebibyte } from './spec.ts';

const bitsPerPage = logSectorBytes * 8;
/** Clean pages beyond this are dropped: 16 MiB. */
const maximumPages = 4096;

/**
 * The sector bitmaps of a differencing disk ([MS-VHDX] 2.4), in pages of 4 KiB. The lowest bit of a
 * byte comes first; a set bit says that the sector is in this file and not in the parent. Changed
 * pages stay here until they have gone through the log.
 */
export class SectorBitmaps {
  readonly #store: ByteStore;
  readonly #table: BlockTable;
  readonly #pages = new Map<number, Uint8Array>();
  readonly #dirty = new Set<number>();

  constructor(store: ByteStore, table: BlockTable) {
    this.#store = store;
    this.#table = table;
  }

  /**
   * How many sectors from `sector` of the chunk on are alike, up to `limit`: a positive number when
   * they are present, a negative one when they are not.
   */
  run(chunk: number, sector: number, limit: number): number {
    if (this.#table.bitmap[chunk]! >>> 3 === 0) return -limit;
    const page = this.#pages.get(this.#key(chunk, sector)) ?? this.#load(chunk, sector);
    const first = sector % bitsPerPage;
    const end = Math.min(bitsPerPage, first + limit);
    const bit = (page[first >>> 3]! >>> (first & 7)) & 1;
    const alike = bit === 1 ? 0xff : 0;
    let next = first + 1;
    while (next < end) {
      if ((next & 7) === 0 && next + 8 <= end && page[next >>> 3] === alike) {
        next += 8;
      } else if (((page[next >>> 3]! >>> (next & 7)) & 1) === bit) {
        next += 1;
      } else {
        break;
      }
    }
    return bit === 1 ? next - first : first - next;
  }

  /** Sets (1) or clears (0) the bits of `count` sectors. The chunk must have its bitmap block. */
  mark(chunk: number, sector: number, count: number, bit: 0 | 1): void {
    let at = sector;
    const end = sector + count;
    while (at < end) {
      const run = this.run(chunk, at, end - at);
      const length = Math.abs(run);
      if (run > 0 !== (bit === 1)) {
        const key = this.#key(chunk, at);
        const page = this.#pages.get(key)!;
        const first = at % bitsPerPage;
        for (let index = first; index < first + length; index += 1) {
          if (bit === 1) page[index >>> 3]! |= 1 << (index & 7);
          else page[index >>> 3]! &= ~(1 << (index & 7));
        }
        this.#dirty.add(key);
      }
      at += length;
    }
  }

  /** Changed pages, in the order of the file. */
  dirtyPages(): LoggedPage[] {
    const keys = [...this.#dirty].sort((a, b) => a - b);
    return keys.map((key) => ({ position: key * logSectorBytes, bytes: this.#pages.get(key)! }));
  }

  /** The changed pages have reached the file. */
  clean(): void {
    this.#dirty.clear();
  }

  #key(chunk: number, sector: number): number {
    const block = this.#table.bitmap[chunk]! >>> 3;
    return (block * mebibyte) / logSectorBytes + Math.floor(sector / bitsPerPage);
  }

  #load(chunk: number, sector: number): Uint8Array {
    if (this.#pages.size >= maximumPages) {
      for (const key of this.#pages.keys()) if (!this.#dirty.has(key)) this.#pages.delete(key);
    }
    const key = this.#key(chunk, sector);
    const page = new Uint8Array(logSectorBytes);
    this.#store.read(key * logSectorBytes, page, 0, logSectorBytes);
    this.#pages.set(key, page);
    return page;
  }
}
