import type { BlockDevice } from './block.ts';
import { readParent } from './image.ts';

const granuleBytes = 65_536;
/** Stands for a granule that was unmapped; copied before it is written. */
const zeroGranule = new Uint8Array(granuleBytes);

/**
 * Keeps writes in memory, over a base that is only read: they are gone when the device is. A
 * granule of 64 KiB is copied from the base by the first write that covers a part of it.
 */
export class OverlayDevice implements BlockDevice {
  readonly name: string;
  readonly sectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly sizeBytes: number;
  readonly readOnly = false;
  readonly diskId: Uint8Array;
  readonly #base: BlockDevice;
  readonly #granules = new Map<number, Uint8Array>();

  constructor(base: BlockDevice) {
    this.#base = base;
    this.name = base.name;
    this.sectorBytes = base.sectorBytes;
    this.physicalSectorBytes = base.physicalSectorBytes;
    this.sizeBytes = base.sizeBytes;
    this.diskId = base.diskId;
  }

  /** Memory that the writes take so far, in bytes. */
  get overlayBytes(): number {
    return this.#granules.size * granuleBytes;
  }

  read(position: number, target: Uint8Array, start: number, length: number): void {
    if (this.#granules.size === 0) {
      this.#base.read(position, target, start, length);
      return;
    }
    let done = 0;
    let baseRun = 0;
    while (done < length) {
      const at = position + done;
      const index = Math.floor(at / granuleBytes);
      const within = at - index * granuleBytes;
      const run = Math.min(length - done, granuleBytes - within);
      const granule = this.#granules.get(index);
      if (granule === undefined) {
        baseRun += run;
      } else {
        if (baseRun > 0) this.#base.read(at - baseRun, target, start + done - baseRun, baseRun);
        baseRun = 0;
        if (run === granuleBytes) target.set(granule, start + done);
        else target.set(granule.subarray(within, within + run), start + done);
      }
      done += run;
    }
    if (baseRun > 0) {
      this.#base.read(position + done - baseRun, target, start + done - baseRun, baseRun);
    }
  }

  write(position: number, source: Uint8Array, start: number, length: number): void {
    let done = 0;
    while (done < length) {
      const at = position + done;
      const index = Math.floor(at / granuleBytes);
      const within = at - index * granuleBytes;
      const run = Math.min(length - done, granuleBytes - within);
      const granule = this.#writable(index, run === granuleBytes);
      granule.set(source.subarray(start + done, start + done + run), within);
      done += run;
    }
  }

  unmap(position: number, length: number): void {
    const first = Math.ceil(position / granuleBytes);
    const end = position + length;
    // The last granule of a disk may be short, and is whole all the same.
    const last =
      end === this.sizeBytes ? Math.ceil(end / granuleBytes) : Math.floor(end / granuleBytes);
    for (let index = first; index < last; index += 1) this.#granules.set(index, zeroGranule);
  }

  flush(): void {}

  close(): void {
    this.#granules.clear();
    this.#base.close();
  }

  #writable(index: number, whole: boolean): Uint8Array {
    const there = this.#granules.get(index);
    if (there !== undefined && there !== zeroGranule) return there;
    const granule = new Uint8Array(granuleBytes);
    if (there === undefined && !whole) {
      readParent(this.#base, index * granuleBytes, granule, 0, granuleBytes);
    }
    this.#granules.set(index, granule);
    return granule;
  }
}
