/** Decoded code, by where it lies in the linear memory. */
import { Mode } from '../mode.ts';
import type { BoundInstruction } from '../semantics/bind.ts';
import type { Region } from './region.ts';

export interface Block {
  /** Position of the first byte in the linear memory. */
  readonly position: number;
  /** Of its page; see {@link CodePage.key}. -1: not kept. */
  readonly key: number;
  /** Position of the page where the last instruction ends, if that is another one, or -1. */
  readonly second: number;
  /** See mode.ts. */
  readonly mode: number;
  /** How many instructions it has. */
  readonly count: number;
  /**
   * Of a block in two pages, and of one that is not kept. Those of the others, most of which nobody compiles, are
   * decoded again when somebody does: see `CodeCache.instructionsOf`.
   */
  readonly instructions: readonly BoundInstruction[] | undefined;
  /** Places in its page where it may lead by itself: at most two, without those that are functions' ends. */
  readonly links: readonly number[];
  readonly bytes: number;
  /** A call led here when the block was found: it is where a function of the guest begins. */
  readonly isCalled: boolean;
  /** Tier 0 records. */
  readonly record: number;
  /** Where a jump to the block goes, and with which parameter. */
  tableIndex: number;
  parameter: number;
  /** Link slots of other blocks that lead here. */
  readonly incoming: number[];
  /** Heads of the functions that this block's code is part of. */
  containers: Set<Block> | undefined;
  /** What the block's own function covers. */
  region: Region | undefined;
  isDead: boolean;
}

/** Flat code is worth compiling, but for single steps; the rest is rare. */
export function isCompilable({ key, mode }: Block): boolean {
  if ((Math.floor(key / 4096) & 1) !== 0) return false;
  const size = mode & Mode.codeSizeMask;
  return size === Mode.code64 || (size === Mode.code32 && (mode & Mode.flat) !== 0);
}

/** A granule is 64 bytes; a page has a bit for each that decoded code lies in. */
const GRANULE_SHIFT = 6;

export class CodePage {
  readonly blocks = new Map<number, Block>();
  #low = 0;
  #high = 0;

  static key(offset: number, mode: number, isStep: boolean): number {
    return (mode * 2 + (isStep ? 1 : 0)) * 4096 + offset;
  }

  /** Under which the page where a block ends knows it. */
  static secondKey(record: number): number {
    return -1 - record;
  }

  /** Marks bytes as decoded. `length` stays within the page. */
  mark(offset: number, length: number): void {
    const last = (offset + length - 1) >> GRANULE_SHIFT;
    for (let granule = offset >> GRANULE_SHIFT; granule <= last; granule += 1) {
      if (granule < 32) this.#low |= 1 << granule;
      else this.#high |= 1 << (granule - 32);
    }
  }

  touches(offset: number, length: number): boolean {
    const last = Math.min(63, (offset + length - 1) >> GRANULE_SHIFT);
    for (let granule = offset >> GRANULE_SHIFT; granule <= last; granule += 1) {
      const half = granule < 32 ? this.#low : this.#high;
      if (((half >>> (granule & 31)) & 1) !== 0) return true;
    }
    return false;
  }

  /** Marks anew from the blocks that are left. `base` is the page's position. */
  remark(base: number): void {
    this.#low = 0;
    this.#high = 0;
    for (const { position, bytes } of this.blocks.values()) {
      const from = Math.max(position, base);
      const to = Math.min(position + bytes, base + 4096);
      if (position < base) this.mark(0, 16);
      else this.mark(from - base, to - from);
    }
  }
}
