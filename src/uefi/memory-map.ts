import type { GuestMemory } from '../core/memory.ts';
import { PAGE_BYTES } from '../core/memory.ts';
import {
  EfiMemoryType,
  MEMORY_DESCRIPTOR_STRIDE,
  MemoryAttribute,
  MemoryDescriptor,
} from './spec/memory.ts';

/** A run of pages of one type. Addresses and counts in bytes, multiples of 4 KiB. */
export interface MemoryRun {
  readonly start: number;
  readonly bytes: number;
  /** `EfiMemoryType`. */
  readonly type: number;
}

const FOUR_GIB = 0x1_0000_0000;
const RAM_ATTRIBUTES =
  MemoryAttribute.uncacheable |
  MemoryAttribute.writeCombining |
  MemoryAttribute.writeThrough |
  MemoryAttribute.writeBack;

/**
 * The firmware's page allocator, which is at the same time the EFI memory map: a sorted list of
 * runs with no gaps inside RAM, neighbours of one type merged.
 */
export class FirmwareMemory {
  readonly memory: GuestMemory;
  #runs: MemoryRun[] = [];

  constructor(memory: GuestMemory) {
    this.memory = memory;
    for (const region of memory.regions) {
      if (!region.name.startsWith('ram')) continue;
      const bytes = region.bytes - (region.bytes % PAGE_BYTES);
      this.#runs.push({ start: region.gpa, bytes, type: EfiMemoryType.is.Conventional });
    }
    this.#runs.sort((one, two) => one.start - two.start);
  }

  get runs(): readonly MemoryRun[] {
    return this.#runs;
  }

  /** Highest RAM address plus one. */
  get topOfMemory(): number {
    const last = this.#runs[this.#runs.length - 1]!;
    return last.start + last.bytes;
  }

  /** The type of a page, or -1 where there is no RAM. */
  typeAt(gpa: number): number {
    return this.#runs.find((run) => gpa >= run.start && gpa < run.start + run.bytes)?.type ?? -1;
  }

  /** Whether the whole range is free. */
  isFree(start: number, bytes: number): boolean {
    return this.#runs.some(
      (run) =>
        run.type === EfiMemoryType.is.Conventional &&
        start >= run.start &&
        start + bytes <= run.start + run.bytes,
    );
  }

  /**
   * AllocatePages(AllocateAddress).
   * @returns false when any of the range is not free
   */
  allocateAt(start: number, bytes: number, type: number): boolean {
    const rounded = roundUp(bytes);
    if (start % PAGE_BYTES !== 0 || !this.isFree(start, rounded)) return false;
    this.setType(start, rounded, type);
    return true;
  }

  /**
   * AllocatePages(AllocateMaxAddress): the highest free pages that end at or below a limit.
   * @param limit 4 GiB unless told, so that every pointer fits 32 bits
   * @returns the address, or -1 when there is no such run
   */
  allocate(bytes: number, type: number, limit = FOUR_GIB): number {
    const rounded = roundUp(bytes);
    for (let index = this.#runs.length - 1; index >= 0; index -= 1) {
      const run = this.#runs[index]!;
      if (run.type !== EfiMemoryType.is.Conventional) continue;
      const end = Math.min(run.start + run.bytes, limit - (limit % PAGE_BYTES));
      if (end - rounded < run.start) continue;
      this.setType(end - rounded, rounded, type);
      return end - rounded;
    }
    return -1;
  }

  /** Gives a range of RAM a type, whatever it was. What is not RAM stays out. */
  setType(start: number, bytes: number, type: number): void {
    const end = start + bytes;
    const pieces: MemoryRun[] = [];
    for (const run of this.#runs) {
      const runEnd = run.start + run.bytes;
      const from = Math.max(run.start, start);
      const to = Math.min(runEnd, end);
      if (from >= to) {
        pieces.push(run);
        continue;
      }
      if (run.start < from) pieces.push({ ...run, bytes: from - run.start });
      pieces.push({ start: from, bytes: to - from, type });
      if (to < runEnd) pieces.push({ ...run, start: to, bytes: runEnd - to });
    }
    this.#runs = merge(pieces);
  }

  /** Takes a range out of the map: it is neither RAM nor reserved there. */
  exclude(start: number, bytes: number): void {
    this.setType(start, bytes, -1);
    this.#runs = this.#runs.filter((run) => run.type !== -1);
  }

  /**
   * The descriptors as GetMemoryMap() gives them, `MEMORY_DESCRIPTOR_STRIDE` bytes each.
   */
  descriptors(): Uint8Array {
    const bytes = new Uint8Array(this.#runs.length * MEMORY_DESCRIPTOR_STRIDE);
    const descriptor = MemoryDescriptor.cursor(new DataView(bytes.buffer));
    for (const [index, run] of this.#runs.entries()) {
      descriptor.at(index * MEMORY_DESCRIPTOR_STRIDE);
      descriptor.type = run.type;
      descriptor.physicalStart = BigInt(run.start);
      descriptor.pageCount = BigInt(run.bytes / PAGE_BYTES);
      const isRuntime =
        run.type === EfiMemoryType.is.RuntimeServicesCode ||
        run.type === EfiMemoryType.is.RuntimeServicesData;
      descriptor.attributes = isRuntime ? RAM_ATTRIBUTES | MemoryAttribute.runtime : RAM_ATTRIBUTES;
    }
    return bytes;
  }
}

function roundUp(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / PAGE_BYTES)) * PAGE_BYTES;
}

function merge(pieces: readonly MemoryRun[]): MemoryRun[] {
  const merged: MemoryRun[] = [];
  for (const piece of pieces) {
    const last = merged[merged.length - 1];
    if (last !== undefined && last.type === piece.type && last.start + last.bytes === piece.start) {
      merged[merged.length - 1] = { ...last, bytes: last.bytes + piece.bytes };
    } else {
      merged.push(piece);
    }
  }
  return merged;
}
