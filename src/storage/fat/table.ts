import { InputError } from '../../core/errors.ts';
import type { DiskRange } from '../disk-range.ts';
import type { FatGeometry } from './boot-sector.ts';
import { BAD_CLUSTER, END_OF_CHAIN, FIRST_CLUSTER } from './spec.ts';

/** A whole number of sectors, and of entries too: a FAT12 table, at most 6 KiB, fits at once. */
const WINDOW_BYTES = { 12: 8192, 16: 4096, 32: 4096 } as const;

export interface Chain {
  /** Pairs of first cluster and cluster count, in file order. */
  readonly runs: readonly number[];
  /** Of the whole chain, also where `runs` was cut short. */
  readonly clusterCount: number;
}

/**
 * The file allocation table of a volume, read through one window and written back to every mirror.
 * Entries are given in the range of FAT32: what means bad or end of chain on FAT12 and FAT16 is
 * widened, so that callers know one set of values.
 */
export class FatTable {
  readonly #range: DiskRange;
  readonly #geometry: FatGeometry;
  readonly #window: Uint8Array;
  readonly #tableBytes: number;
  #windowStart = -1;
  #dirtyStart = Number.POSITIVE_INFINITY;
  #dirtyEnd = 0;
  #searchFrom = FIRST_CLUSTER;

  constructor(range: DiskRange, geometry: FatGeometry) {
    this.#range = range;
    this.#geometry = geometry;
    this.#window = new Uint8Array(WINDOW_BYTES[geometry.type]);
    const bits = (geometry.clusterCount + FIRST_CLUSTER) * geometry.type;
    this.#tableBytes = Math.min(geometry.fatBytes, Math.ceil(bits / 8));
  }

  get lastCluster(): number {
    return this.#geometry.clusterCount + 1;
  }

  /** @param cluster 0 to `lastCluster` */
  get(cluster: number): number {
    const offset = this.#seek(cluster);
    const window = this.#window;
    if (this.#geometry.type === 32) {
      const high = window[offset + 2]! | ((window[offset + 3]! & 0x0f) << 8);
      return (high << 16) | (window[offset + 1]! << 8) | window[offset]!;
    }
    const word = window[offset]! | (window[offset + 1]! << 8);
    if (this.#geometry.type === 16) return word >= 0xfff7 ? word | 0x0fff_0000 : word;
    const value = (cluster & 1) === 0 ? word & 0xfff : word >>> 4;
    return value >= 0xff7 ? value | 0x0fff_f000 : value;
  }

  /** The high four bits of a FAT32 entry stay as they are, as the specification asks. */
  set(cluster: number, value: number): void {
    const offset = this.#seek(cluster);
    const window = this.#window;
    let end = offset + 2;
    if (this.#geometry.type === 32) {
      window[offset + 2] = (value >>> 16) & 0xff;
      window[offset + 3] = (window[offset + 3]! & 0xf0) | ((value >>> 24) & 0x0f);
      end += 2;
    }
    if (this.#geometry.type === 12) {
      const old = window[offset]! | (window[offset + 1]! << 8);
      const even = (cluster & 1) === 0;
      const word = even
        ? (old & 0xf000) | (value & 0xfff)
        : (old & 0x000f) | ((value & 0xfff) << 4);
      window[offset] = word & 0xff;
      window[offset + 1] = word >>> 8;
    } else {
      window[offset] = value & 0xff;
      window[offset + 1] = (value >>> 8) & 0xff;
    }
    if (offset < this.#dirtyStart) this.#dirtyStart = offset;
    if (end > this.#dirtyEnd) this.#dirtyEnd = end;
  }

  /** Writes what changed to every FAT that is in use. */
  flush(): void {
    if (this.#dirtyEnd <= this.#dirtyStart) return;
    const { sectorBytes, fatStart, fatBytes, fatCount, mirrored, activeFat } = this.#geometry;
    const start = this.#dirtyStart - (this.#dirtyStart % sectorBytes);
    const held = Math.min(this.#window.length, fatBytes - this.#windowStart);
    const end = Math.min(held, Math.ceil(this.#dirtyEnd / sectorBytes) * sectorBytes);
    for (let fat = 0; fat < fatCount; fat += 1) {
      if (!mirrored && fat !== activeFat) continue;
      const position = fatStart + fat * fatBytes + this.#windowStart + start;
      this.#range.write(position, this.#window, start, end - start);
    }
    this.#dirtyStart = Number.POSITIVE_INFINITY;
    this.#dirtyEnd = 0;
  }

  /**
   * Follows a chain to its end, and checks all of it.
   * @param what the file, for messages
   * @param collect how many clusters `runs` is to hold at most
   * @throws InputError when it loops, leaves the volume, or reaches a free or bad cluster
   */
  chain(first: number, what: string, collect = Number.POSITIVE_INFINITY): Chain {
    const runs: number[] = [];
    let count = 0;
    let cluster = this.#checkLink(first, 0, what);
    // Brent's cycle search: `mark` waits at powers of two while `cluster` walks on.
    let mark = cluster;
    let power = 1;
    let distance = 0;
    for (;;) {
      if (count < collect) append(runs, cluster);
      count += 1;
      const next = this.get(cluster);
      if (next > BAD_CLUSTER) return { runs, clusterCount: count };
      cluster = this.#checkLink(next, cluster, what);
      distance += 1;
      if (cluster === mark) this.#failLoop(first, distance, what);
      if (distance === power) {
        mark = cluster;
        power *= 2;
        distance = 0;
      }
    }
  }

  /** Marks a cluster free. */
  release(cluster: number): void {
    this.set(cluster, 0);
    if (cluster < this.#searchFrom) this.#searchFrom = cluster;
  }

  /** @returns runs as in `Chain`, linked into one; undefined, with nothing changed, when full */
  allocate(count: number): number[] | undefined {
    const runs: number[] = [];
    let left = count;
    let cluster = this.#searchFrom;
    while (left > 0) {
      if (cluster > this.lastCluster) return undefined;
      if (this.get(cluster) === 0) {
        append(runs, cluster);
        left -= 1;
      }
      cluster += 1;
    }
    this.#searchFrom = cluster;
    for (let index = 0; index < runs.length; index += 2) {
      const first = runs[index]!;
      const last = first + runs[index + 1]! - 1;
      for (let each = first; each < last; each += 1) this.set(each, each + 1);
      this.set(last, runs[index + 2] ?? END_OF_CHAIN);
    }
    return runs;
  }

  /** Whether `allocate(count)` would succeed. */
  hasFree(count: number): boolean {
    let left = count;
    for (let cluster = this.#searchFrom; left > 0; cluster += 1) {
      if (cluster > this.lastCluster) return false;
      if (this.get(cluster) === 0) left -= 1;
    }
    return true;
  }

  /** The lowest cluster that may be free. */
  get searchFrom(): number {
    return this.#searchFrom;
  }

  #checkLink(cluster: number, from: number, what: string): number {
    if (cluster >= FIRST_CLUSTER && cluster <= this.lastCluster) return cluster;
    if (from === 0) {
      return this.#fail(
        `${what} starts at cluster ${cluster}, outside ${FIRST_CLUSTER} to ${this.lastCluster}`,
      );
    }
    const chain = `cluster chain of ${what}`;
    const where = `(FAT entry at offset ${this.#entryOffset(from)})`;
    if (cluster === 0)
      this.#fail(`${chain} breaks off after cluster ${from}, in a free one ${where}`);
    if (cluster === BAD_CLUSTER) {
      this.#fail(`${chain} goes from cluster ${from} to a bad one ${where}`);
    }
    return this.#fail(
      `${chain} goes from cluster ${from} to ${cluster}, outside ${FIRST_CLUSTER} to ${this.lastCluster} ${where}`,
    );
  }

  /** Finds the first cluster of the loop for the message: walk `length` ahead, then in step. */
  #failLoop(first: number, length: number, what: string): never {
    let ahead = first;
    let last = first;
    for (let step = 0; step < length; step += 1) {
      last = ahead;
      ahead = this.get(ahead);
    }
    let behind = first;
    while (behind !== ahead) {
      last = ahead;
      behind = this.get(behind);
      ahead = this.get(ahead);
    }
    return this.#fail(
      `cluster chain of ${what} loops at cluster ${ahead}, which cluster ${last} leads back to (FAT entry at offset ${this.#entryOffset(last)})`,
    );
  }

  #fail(message: string): never {
    throw new InputError(this.#range.disk.name, message);
  }

  /** Byte offset on the disk, for messages. */
  #entryOffset(cluster: number): number {
    const { fatStart, activeFat, fatBytes, type } = this.#geometry;
    const within = Math.floor((cluster * type) / 8);
    return this.#range.startByte + fatStart + activeFat * fatBytes + within;
  }

  /** Loads the window that holds an entry. @returns the entry's place in the window */
  #seek(cluster: number): number {
    const offset = Math.floor((cluster * this.#geometry.type) / 8);
    const start = offset - (offset % this.#window.length);
    if (start !== this.#windowStart) {
      this.flush();
      const { fatStart, activeFat, fatBytes, sectorBytes } = this.#geometry;
      const used = Math.ceil(this.#tableBytes / sectorBytes) * sectorBytes;
      const length = Math.min(this.#window.length, used - start);
      const position = fatStart + activeFat * fatBytes + start;
      this.#windowStart = -1;
      this.#range.read(position, this.#window, 0, length);
      this.#windowStart = start;
    }
    return offset - start;
  }
}

function append(runs: number[], cluster: number): void {
  const end = runs.length - 1;
  if (end > 0 && cluster === runs[end - 1]! + runs[end]!) runs[end] = runs[end]! + 1;
  else runs.push(cluster, 1);
}
