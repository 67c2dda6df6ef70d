import type { StateStream } from '../../core/state.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { copyBytes } from '../../core/copy.ts';
import type { GuestRanges } from '../../vmbus/device.ts';

/** A receive or send buffer that the guest shares: pages that may lie anywhere, seen as one run. */
export class SharedBuffer {
  readonly gpadlId: number;
  readonly id: number;
  readonly bytes: number;
  /** Linear position when the pages follow each other, else -1. */
  readonly base: number;
  readonly #memory: GuestMemory;
  readonly #pages: Float64Array;

  private constructor(
    memory: GuestMemory,
    gpadlId: number,
    id: number,
    bytes: number,
    pages: Float64Array,
  ) {
    this.#memory = memory;
    this.gpadlId = gpadlId;
    this.id = id;
    this.bytes = bytes;
    this.#pages = pages;
    const first = pages[0]!;
    const isContiguous = pages.every((position, page) => position === first + page * PAGE_BYTES);
    this.base = isContiguous ? first : -1;
  }

  /** @returns undefined unless the GPADL is one range that begins at the start of a page */
  static of(
    memory: GuestMemory,
    ranges: GuestRanges | undefined,
    gpadlId: number,
    id: number,
  ): SharedBuffer | undefined {
    if (ranges === undefined || ranges.rangeCount !== 1 || ranges.totalBytes === 0)
      return undefined;
    const pages = new Float64Array(Math.ceil(ranges.totalBytes / PAGE_BYTES));
    let page = 0;
    for (let run = 0; run < ranges.count; run += 1) {
      const offset = ranges.offsets[run]!;
      if (offset % PAGE_BYTES !== 0) return undefined;
      for (let at = 0; at < ranges.lengths[run]!; at += PAGE_BYTES) {
        pages[page] = offset + at;
        page += 1;
      }
    }
    return new SharedBuffer(memory, gpadlId, id, ranges.totalBytes, pages);
  }

  /** A buffer outlives its GPADL on some hosts, so that its pages are its own. */
  static exchange(
    state: StateStream,
    memory: GuestMemory,
    buffer: SharedBuffer | undefined,
  ): SharedBuffer | undefined {
    const gpadlId = state.optionalNumber('gpadlId', buffer?.gpadlId);
    if (gpadlId === undefined) return undefined;
    const id = state.number('id', buffer?.id ?? 0);
    const bytes = state.number('bytes', buffer?.bytes ?? 0);
    const isKept = !state.isRestoring && buffer !== undefined;
    const pages = isKept ? buffer.#pages : new Float64Array(Math.ceil(bytes / PAGE_BYTES));
    state.array('pages', pages);
    return isKept ? buffer : new SharedBuffer(memory, gpadlId, id, bytes, pages);
  }

  /** Says that a part is about to be written: nothing else says it of a GPADL. */
  touch(offset: number, length: number): void {
    let done = 0;
    while (done < length) {
      const run = Math.min(length - done, this.runAt(offset + done));
      this.#memory.touch(this.positionOf(offset + done), run);
      done += run;
    }
  }

  /** Linear position of a byte. */
  positionOf(offset: number): number {
    if (this.base >= 0) return this.base + offset;
    return this.#pages[Math.floor(offset / PAGE_BYTES)]! + (offset % PAGE_BYTES);
  }

  /** Bytes from an offset to where the next one may lie elsewhere. */
  runAt(offset: number): number {
    if (this.base >= 0) return this.bytes - offset;
    return Math.min(PAGE_BYTES - (offset % PAGE_BYTES), this.bytes - offset);
  }

  /** Copies into the buffer; the caller has checked that the run is within it. */
  write(offset: number, source: Uint8Array, words: Int32Array, from: number, length: number): void {
    const { u8, i32 } = this.#memory;
    let done = 0;
    while (done < length) {
      const run = Math.min(length - done, this.runAt(offset + done));
      copyBytes(source, words, from + done, u8, i32, this.positionOf(offset + done), run);
      done += run;
    }
  }
}
