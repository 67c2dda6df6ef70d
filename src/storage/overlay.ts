import type { StateStream } from '../core/state.ts';
import type { BlockDevice } from './block.ts';
import { readParent } from './image.ts';
import { RangeSet } from './range-set.ts';

const granuleBytes = 65_536;

/**
 * Keeps writes in memory, over a base that is only read: they are gone when the device is. A
 * granule of 64 KiB is copied from the base by the first write that covers a part of it.
 */
export class OverlayDevice implements BlockDevice {
  readonly name: string;
  readonly sectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly readOnly = false;
  readonly diskId: Uint8Array;
  readonly #base: BlockDevice;
  /** Granules that were written, by number. */
  readonly #granules = new Map<number, Uint8Array>();
  /** Granules that read as zeros unless they were written after: a discard of any size is one entry. */
  readonly #unmapped = new RangeSet();
  #sizeBytes: number;

  constructor(base: BlockDevice) {
    this.#base = base;
    this.name = base.name;
    this.sectorBytes = base.sectorBytes;
    this.physicalSectorBytes = base.physicalSectorBytes;
    this.#sizeBytes = base.sizeBytes;
    this.diskId = base.diskId;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The base keeps its size; what is cut off does not come back when the disk grows again. */
  resize(sizeBytes: number): void {
    if (sizeBytes < this.#sizeBytes) {
      const rest = sizeBytes % granuleBytes;
      const index = Math.floor(sizeBytes / granuleBytes);
      if (rest > 0) this.#writable(index, false).fill(0, rest);
      const end = Math.max(this.#sizeBytes, this.#base.sizeBytes);
      const first = index + (rest > 0 ? 1 : 0);
      this.unmap(
        first * granuleBytes,
        Math.ceil(end / granuleBytes) * granuleBytes - first * granuleBytes,
      );
    }
    this.#sizeBytes = sizeBytes;
  }

  /** Memory that the writes take so far, in bytes. */
  get overlayBytes(): number {
    return this.#granules.size * granuleBytes;
  }

  read(position: number, target: Uint8Array, start: number, length: number): void {
    if (this.#granules.size === 0 && this.#unmapped.rangeCount === 0) {
      readParent(this.#base, position, target, start, length);
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
      if (granule === undefined && !this.#unmapped.has(index)) {
        baseRun += run;
      } else {
        if (baseRun > 0) {
          readParent(this.#base, at - baseRun, target, start + done - baseRun, baseRun);
        }
        baseRun = 0;
        if (granule === undefined) target.fill(0, start + done, start + done + run);
        else if (run === granuleBytes) target.set(granule, start + done);
        else target.set(granule.subarray(within, within + run), start + done);
      }
      done += run;
    }
    if (baseRun > 0) {
      readParent(this.#base, position + done - baseRun, target, start + done - baseRun, baseRun);
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
    if (last <= first) return;
    this.#unmapped.add(first, last);
    if (last - first < this.#granules.size) {
      for (let index = first; index < last; index += 1) this.#granules.delete(index);
      return;
    }
    for (const index of this.#granules.keys()) {
      if (index >= first && index < last) this.#granules.delete(index);
    }
  }

  exchange(state: StateStream): void {
    this.#sizeBytes = state.number('sizeBytes', this.#sizeBytes);
    const granules = state.list('granules', [...this.#granules], (granule) => {
      const index = state.number('index', granule?.[0] ?? 0);
      const bytes = granule?.[1] ?? new Uint8Array(granuleBytes);
      state.array('bytes', bytes);
      return [index, bytes] as [number, Uint8Array];
    });
    state.part('unmapped', () => this.#unmapped.exchange(state));
    if (!state.isRestoring) return;
    this.#granules.clear();
    for (const [index, bytes] of granules) this.#granules.set(index, bytes);
  }

  flush(): void {}

  close(): void {
    this.#granules.clear();
    this.#unmapped.clear();
    this.#base.close();
  }

  #writable(index: number, whole: boolean): Uint8Array {
    const there = this.#granules.get(index);
    if (there !== undefined) return there;
    const granule = new Uint8Array(granuleBytes);
    if (!whole && !this.#unmapped.has(index)) {
      readParent(this.#base, index * granuleBytes, granule, 0, granuleBytes);
    }
    this.#granules.set(index, granule);
    return granule;
  }
}
