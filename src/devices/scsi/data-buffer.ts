import type { BlockDevice } from '../../storage/block.ts';
import type { GuestRanges } from '../../vmbus/device.ts';

/** Guest pieces that are no whole sectors go through a buffer of this many bytes. */
const BOUNCE_BYTES = 65_536;
/** Below this, a loop beats the cost of making a view. */
const SMALL_COPY_BYTES = 64;

const FROM_START = new Float64Array(1);

/** Guest memory, or a drive's own buffer, which nobody watches. */
export interface TransferMemory {
  readonly u8: Uint8Array;
  /** As `GuestMemory.written`. */
  written?(position: number, length: number): void;
}

/**
 * The data of one request: scattered guest memory, cut to the length that the request declared.
 * Nothing ever moves beyond that length. Reused for every request; no allocation on the block path.
 */
export class DataBuffer {
  readonly #u8: Uint8Array;
  readonly #memory: TransferMemory;
  readonly #bounce = new Uint8Array(BOUNCE_BYTES);
  readonly #hostLength = new Float64Array(1);
  #offsets: Float64Array = new Float64Array(0);
  #lengths: Float64Array = new Float64Array(0);
  #count = 0;
  #length = 0;

  /** @param memory where the data lies: guest memory, or a drive's own buffer */
  constructor(memory: TransferMemory) {
    this.#memory = memory;
    this.#u8 = memory.u8;
  }

  /** Bytes that the request may move. */
  get length(): number {
    return this.#length;
  }

  /** @param length at most `ranges.totalBytes`; the caller has checked it */
  attach(ranges: GuestRanges, length: number): void {
    this.#offsets = ranges.offsets;
    this.#lengths = ranges.lengths;
    this.#count = ranges.count;
    this.#length = Math.min(length, ranges.totalBytes);
  }

  /** The first `length` bytes of the memory. */
  attachHost(length: number): void {
    this.#offsets = FROM_START;
    this.#hostLength[0] = length;
    this.#lengths = this.#hostLength;
    this.#count = 1;
    this.#length = length;
  }

  /** Copies host bytes into the guest, cut to what fits. @returns bytes copied */
  write(position: number, source: Uint8Array, start: number, length: number): number {
    return this.#copy(position, source, start, length, true);
  }

  /** Copies guest bytes to the host, cut to what there is. @returns bytes copied */
  read(position: number, target: Uint8Array, start: number, length: number): number {
    return this.#copy(position, target, start, length, false);
  }

  #copy(
    position: number,
    host: Uint8Array,
    start: number,
    length: number,
    toGuest: boolean,
  ): number {
    const total = Math.max(0, Math.min(length, this.#length - position));
    let skip = position;
    let done = 0;
    for (let index = 0; index < this.#count && done < total; index += 1) {
      const run = this.#lengths[index]!;
      if (skip >= run) {
        skip -= run;
        continue;
      }
      const guest = this.#offsets[index]! + skip;
      const part = Math.min(run - skip, total - done);
      if (toGuest) {
        this.#memory.written?.(guest, part);
        copyBytes(host, start + done, this.#u8, guest, part);
      } else copyBytes(this.#u8, guest, host, start + done, part);
      done += part;
      skip = 0;
    }
    return done;
  }

  /**
   * Fills the buffer's first `length` bytes from a disk. Both numbers are multiples of its sector.
   * Throws what the disk throws.
   */
  readFrom(disk: BlockDevice, diskPosition: number, length: number): void {
    if (!this.#isSectorAligned(disk.sectorBytes, length)) {
      for (let done = 0; done < length; done += BOUNCE_BYTES) {
        const part = Math.min(BOUNCE_BYTES, length - done);
        disk.read(diskPosition + done, this.#bounce, 0, part);
        this.#copy(done, this.#bounce, 0, part, true);
      }
      return;
    }
    const u8 = this.#u8;
    let done = 0;
    for (let index = 0; done < length; index += 1) {
      const part = Math.min(this.#lengths[index]!, length - done);
      this.#memory.written?.(this.#offsets[index]!, part);
      disk.read(diskPosition + done, u8, this.#offsets[index]!, part);
      done += part;
    }
  }

  /** Writes the buffer's first `length` bytes to a disk; as `readFrom`. */
  writeTo(disk: BlockDevice, diskPosition: number, length: number): void {
    if (!this.#isSectorAligned(disk.sectorBytes, length)) {
      for (let done = 0; done < length; done += BOUNCE_BYTES) {
        const part = Math.min(BOUNCE_BYTES, length - done);
        this.#copy(done, this.#bounce, 0, part, false);
        disk.write(diskPosition + done, this.#bounce, 0, part);
      }
      return;
    }
    const u8 = this.#u8;
    let done = 0;
    for (let index = 0; done < length; index += 1) {
      const part = Math.min(this.#lengths[index]!, length - done);
      disk.write(diskPosition + done, u8, this.#offsets[index]!, part);
      done += part;
    }
  }

  /**
   * Compares the buffer's first `length` bytes with the disk.
   * @returns false at the first difference
   */
  equals(disk: BlockDevice, diskPosition: number, length: number): boolean {
    const half = BOUNCE_BYTES / 2;
    const bounce = this.#bounce;
    for (let done = 0; done < length; done += half) {
      const part = Math.min(half, length - done);
      disk.read(diskPosition + done, bounce, 0, part);
      this.#copy(done, bounce, half, part, false);
      for (let index = 0; index < part; index += 1) {
        if (bounce[index] !== bounce[half + index]) return false;
      }
    }
    return true;
  }

  /** Writes the first `blockBytes` of the buffer to every block of a range (WRITE SAME). */
  repeatTo(disk: BlockDevice, diskPosition: number, blockBytes: number, length: number): void {
    const bounce = this.#bounce;
    this.#copy(0, bounce, 0, blockBytes, false);
    const chunk = Math.min(BOUNCE_BYTES, length);
    for (let filled = blockBytes; filled < chunk; filled *= 2) {
      bounce.copyWithin(filled, 0, Math.min(filled, chunk - filled));
    }
    for (let done = 0; done < length; done += BOUNCE_BYTES) {
      disk.write(diskPosition + done, bounce, 0, Math.min(BOUNCE_BYTES, length - done));
    }
  }

  #isSectorAligned(sectorBytes: number, length: number): boolean {
    let covered = 0;
    for (let index = 0; covered < length; index += 1) {
      const run = this.#lengths[index]!;
      covered += run;
      if (covered < length && run % sectorBytes !== 0) return false;
    }
    return true;
  }
}

function copyBytes(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  length: number,
): void {
  if (length > SMALL_COPY_BYTES) {
    target.set(source.subarray(from, from + length), to);
    return;
  }
  for (let index = 0; index < length; index += 1) target[to + index] = source[from + index]!;
}
