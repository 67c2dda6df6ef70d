import { InputError } from '../../core/errors.ts';
import type { BlockTable } from './bat.ts';
import type { Extent } from './region.ts';
import { BlockState, mebibyte } from './spec.ts';

/** Which mebibytes of the file are taken; built when the file is opened. */
export class SpaceMap {
  #taken: Uint8Array;
  /** The file's end, in MiB. */
  #end: number;
  /** Free MiB that are worth a look. */
  #free = 0;
  /** No free run begins before this, in MiB. */
  #from = 1;

  constructor(fileBytes: number) {
    this.#end = Math.ceil(fileBytes / mebibyte);
    this.#taken = new Uint8Array(Math.max(64, this.#end));
    this.#free = this.#end;
    this.#claim(0, 1);
  }

  /**
   * The map of a file with these regions and blocks.
   * @throws InputError when two blocks share a place, or a block lies in a region
   */
  static of(
    name: string,
    fileBytes: number,
    regions: readonly Extent[],
    log: Extent,
    table: BlockTable,
    blockBytes: number,
  ): SpaceMap {
    const map = new SpaceMap(fileBytes);
    for (const { offset, length } of [...regions, log]) {
      const end = Math.min(map.#end, (offset + length) / mebibyte);
      map.#claim(offset / mebibyte, Math.max(0, end - offset / mebibyte));
    }
    const blockMib = blockBytes / mebibyte;
    const clash = (what: string, mib: number): InputError =>
      new InputError(
        name,
        `${what} of the VHDX is placed at byte ${mib * mebibyte}, which other data already takes: the block allocation table at byte ${table.region.offset} is damaged`,
      );
    table.bitmap.forEach((entry, chunk) => {
      const mib = entry >>> 3;
      if (mib !== 0 && !map.#claim(mib, 1)) throw clash(`sector bitmap block ${chunk}`, mib);
    });
    const { payload } = table;
    for (let block = 0; block < payload.length; block += 1) {
      const entry = payload[block]!;
      if ((entry & 7) < BlockState.is.fullyPresent) continue;
      if (!map.#claim(entry >>> 3, blockMib)) throw clash(`block ${block}`, entry >>> 3);
    }
    for (let block = 0; block < payload.length; block += 1) {
      const entry = payload[block]!;
      if ((entry & 7) >= BlockState.is.fullyPresent || entry >>> 3 === 0) continue;
      // Space that an empty block holds on to is only a hint; data of another block wins.
      if (!map.#claim(entry >>> 3, blockMib)) payload[block] = entry & 7;
    }
    return map;
  }

  /** Takes a run when all of it is free. */
  #claim(mib: number, count: number): boolean {
    for (let index = mib; index < mib + count; index += 1) {
      if (this.#taken[index] === 1) return false;
    }
    this.#taken.fill(1, mib, mib + count);
    this.#free -= count;
    return true;
  }

  get endMib(): number {
    return this.#end;
  }

  /** A run of `count` MiB: the first that is free, or else at the end, which moves. */
  allocate(count: number): number {
    if (this.#free >= count) {
      let run = 0;
      let firstFree = -1;
      for (let mib = this.#from; mib < this.#end; mib += 1) {
        run = this.#taken[mib] === 1 ? 0 : run + 1;
        if (run > 0 && firstFree < 0) firstFree = mib;
        if (run === count) {
          const start = mib - count + 1;
          this.#claim(start, count);
          this.#from = firstFree === start ? mib + 1 : firstFree;
          return start;
        }
      }
      // What is left is in smaller pieces: not worth another look until something is given back.
      this.#free = 0;
    }
    const start = this.#end;
    this.#end += count;
    if (this.#end > this.#taken.length) {
      const larger = new Uint8Array(Math.max(this.#end, this.#taken.length * 2));
      larger.set(this.#taken);
      this.#taken = larger;
    }
    this.#taken.fill(1, start, this.#end);
    return start;
  }

  release(mib: number, count: number): void {
    this.#taken.fill(0, mib, mib + count);
    this.#from = Math.min(this.#from, mib);
    this.#free += count;
  }
}
