import { StateError, type StateStream } from './state.ts';

/** Bytes of a guest page, and of everything that Hyper-V shares with a guest. */
export const PAGE_BYTES = 4096;
const FOUR_GIB = 0x1_0000_0000;
const WASM_PAGE_BYTES = 65_536;
const WASM_PAGE_SHIFT = 16;
/**
 * A linear memory ends at 4 GiB. A machine with more RAM has so much of it in one piece; the rest
 * takes what is left, bank by bank, as it is touched, and a run across two banks is not contiguous.
 */
const FIXED_BYTES = 2 * 1024 * 1024 * 1024;
const NO_OFFSET = -1;
const BANK_BYTES = 128 * 1024 * 1024;

/** Where a run of guest physical addresses is kept in the linear memory. */
export interface MemoryRegion {
  readonly name: string;
  /** Guest physical address of the first byte. */
  readonly gpa: number;
  readonly bytes: number;
  /** Position of the first byte in the linear memory; -1 for what is placed bank by bank. */
  readonly offset: number;
}

export interface MemoryLayout {
  /** RAM in bytes, a multiple of 64 KiB. */
  readonly ramBytes: number;
  /** RAM stops here below 4 GiB and goes on at 4 GiB: the low MMIO gap begins at this address. */
  readonly lowGapStart: number;
  /** RAM-like memory that is not RAM: a frame buffer, for example. */
  readonly extra?: readonly {
    readonly name: string;
    readonly gpa: number;
    readonly bytes: number;
  }[];
  /** Bytes before all regions, for the processors' own state: short offsets make short generated code. */
  readonly privateBytes?: number;
  /** Generated code works on it: it is a linear memory, and no plain buffer. */
  readonly isLinear?: boolean;
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;
}

/** Whether any of some words is not 0. */
function isUsed(words: Int32Array, from: number, to: number): boolean {
  for (let word = from; word < to; word += 1) if (words[word] !== 0) return true;
  return false;
}

/** What holds the bytes of a guest's memory. */
export type Backing = WebAssembly.Memory | ArrayBuffer;

/** @param isLinear generated code is to work on it */
export function newBacking(pages: number, isLinear: boolean): Backing {
  if (!isLinear) return new ArrayBuffer(pages * WASM_PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages });
}

/**
 * Guest memory: one `WebAssembly.Memory` where generated code is to see the same bytes as the host
 * side, else an `ArrayBuffer`, because JavaScriptCore collects all of its garbage before it gives a
 * linear memory beside a few that are alive. Guest physical addresses are JavaScript numbers; every
 * one that comes from a guest goes through `resolve`. Hot loops keep `u8` and resolved offsets and
 * never make objects.
 */
export class GuestMemory {
  readonly #wasm: WebAssembly.Memory | undefined;
  readonly #buffer: ArrayBuffer;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** The same words with a sign, for loops that copy them or take their bits. */
  readonly i32: Int32Array;
  readonly view: DataView;
  readonly ramBytes: number;
  /** What a guest has, whether it has its place already or not. */
  readonly regions: readonly MemoryRegion[];
  readonly #placed: MemoryRegion[] = [];
  /** Banks of RAM that get a place when something touches them. */
  readonly #waiting: { readonly name: string; readonly gpa: number; readonly bytes: number }[] = [];
  #nextOffset = 0;
  /** Not 0 for each 64 KiB that anybody may have written to. */
  readonly #touched: Uint8Array;
  /** Whether `clear` makes it as good as new: nothing is written behind the back of `resolve`. */
  readonly isClearable: boolean;

  /** @param allocate gives so many pages of 64 KiB, all zeros */
  constructor(layout: MemoryLayout, allocate = newBacking) {
    if (layout.ramBytes <= 0 || layout.ramBytes % WASM_PAGE_BYTES !== 0) {
      throw new Error(`RAM of ${layout.ramBytes} bytes is not a multiple of 64 KiB`);
    }
    const placed = this.#placed;
    let offset = Math.ceil((layout.privateBytes ?? 0) / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;
    const place = (name: string, gpa: number, bytes: number): void => {
      placed.push({ name, gpa, bytes, offset });
      offset += Math.ceil(bytes / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;
    };
    const lowBytes = Math.min(layout.ramBytes, layout.lowGapStart);
    const highBytes = layout.ramBytes - lowBytes;
    const extraBytes = (layout.extra ?? []).reduce((sum, { bytes }) => sum + bytes, 0);
    const isLarge = offset + layout.ramBytes + extraBytes > FOUR_GIB;
    const fixedBytes = isLarge ? Math.min(lowBytes, FIXED_BYTES) : lowBytes;
    place('ram', 0, fixedBytes);
    this.#wait('ram', fixedBytes, lowBytes - fixedBytes);
    if (isLarge) this.#wait('ram-high', FOUR_GIB, highBytes);
    else if (highBytes > 0) place('ram-high', FOUR_GIB, highBytes);
    for (const { name, gpa, bytes } of layout.extra ?? []) place(name, gpa, bytes);
    this.#nextOffset = offset;
    const pages = isLarge ? FOUR_GIB / WASM_PAGE_BYTES : offset / WASM_PAGE_BYTES;
    const backing = allocate(pages, layout.isLinear === true);
    this.#wasm = backing instanceof ArrayBuffer ? undefined : backing;
    const buffer = backing instanceof ArrayBuffer ? backing : backing.buffer;
    this.#buffer = buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.view = new DataView(buffer);
    this.ramBytes = layout.ramBytes;
    this.#touched = new Uint8Array(pages);
    this.isClearable = !isLarge && this.#wasm === undefined;
    const whole = isLarge
      ? [
          { name: 'ram', gpa: 0, bytes: lowBytes, offset: placed[0]!.offset },
          ...(highBytes > 0
            ? [{ name: 'ram-high', gpa: FOUR_GIB, bytes: highBytes, offset: NO_OFFSET }]
            : []),
        ]
      : [];
    this.regions = isLarge ? [...whole, ...placed.filter(({ name }) => name !== 'ram')] : placed;
  }

  /** RAM from guest physical address 0 on that keeps its place: where, and how much. */
  get lowRam(): { readonly position: number; readonly bytes: number } {
    const { offset, bytes } = this.#placed[0]!;
    return { position: offset, bytes };
  }

  /** What generated code imports. */
  get wasm(): WebAssembly.Memory {
    if (this.#wasm === undefined) throw new Error('memory that was not made for generated code');
    return this.#wasm;
  }

  /**
   * Ends it: whatever still has a view of it has an empty one from now on.
   * @returns what holds the bytes, for somebody else
   */
  release(): Backing {
    if (this.#wasm === undefined) return this.#buffer.transfer();
    // Growth gives a memory a new buffer, and detaches the one before.
    this.#wasm.grow(0);
    return this.#wasm;
  }

  #wait(name: string, gpa: number, bytes: number): void {
    for (let done = 0; done < bytes; done += BANK_BYTES) {
      this.#waiting.push({ name, gpa: gpa + done, bytes: Math.min(BANK_BYTES, bytes - done) });
    }
  }

  /** Gives the bank of an address its place. @returns false for what is no RAM, or finds no room */
  #placeBank(gpa: number): boolean {
    const index = this.#waiting.findIndex((bank) => gpa >= bank.gpa && gpa < bank.gpa + bank.bytes);
    const bank = this.#waiting[index];
    if (bank === undefined || this.#nextOffset + bank.bytes > this.u8.length) return false;
    this.#waiting.splice(index, 1);
    this.#placed.push({ ...bank, offset: this.#nextOffset });
    this.#nextOffset += bank.bytes;
    return true;
  }

  #onWrite: ((position: number, length: number) => void) | undefined;

  /**
   * Whoever keeps something that it made of the memory's bytes (decoded code) hears of writes that no
   * processor did.
   */
  watchWrites(onWrite: (position: number, length: number) => void): void {
    this.#onWrite = onWrite;
  }

  /**
   * A device, firmware or loader calls it for what it wrote, or is about to write, at a position in
   * the linear memory.
   */
  written(position: number, length: number): void {
    this.#onWrite?.(position, length);
  }

  /**
   * @returns the position in the linear memory of `length` bytes at a guest physical address, or
   * -1 when any of them is not RAM (or RAM-like). The bytes are contiguous at that position.
   */
  resolve(gpa: number, length: number): number {
    const position = this.locate(gpa, length);
    if (position >= 0) this.touch(position, length);
    return position;
  }

  /** Likewise, for who only reads there, or calls `touch` before writing: of a large buffer little is used. */
  locate(gpa: number, length: number): number {
    const regions = this.#placed;
    for (let index = 0; index < regions.length; index += 1) {
      const region = regions[index]!;
      const within = gpa - region.gpa;
      if (within >= 0 && within + length <= region.bytes) return region.offset + within;
    }
    if (this.#waiting.length > 0 && this.#placeBank(gpa)) return this.locate(gpa, length);
    return -1;
  }

  /** Says that a run in the linear memory may be written from now on: `clear` zeroes it. */
  touch(position: number, length: number): void {
    const first = position >>> WASM_PAGE_SHIFT;
    this.#touched[first] = 1;
    const last = (position + length - 1) >>> WASM_PAGE_SHIFT;
    for (let page = first + 1; page <= last; page += 1) this.#touched[page] = 1;
  }

  /** Zeroes whatever was written since it was new or cleared, and forgets who watched. */
  clear(): void {
    const touched = this.#touched;
    for (let page = 0; page < touched.length; page += 1) {
      if (touched[page] === 0) continue;
      const first = page;
      while (page < touched.length && touched[page] !== 0) page += 1;
      this.u8.fill(0, first * WASM_PAGE_BYTES, page * WASM_PAGE_BYTES);
    }
    touched.fill(0);
    this.#onWrite = undefined;
  }

  /** The guest physical address of a position in the linear memory, or -1 where there is none. */
  gpaAt(offset: number): number {
    for (const region of this.#placed) {
      const within = offset - region.offset;
      if (within >= 0 && within < region.bytes) return region.gpa + within;
    }
    return -1;
  }

  /** A little-endian word at a position in the linear memory, aligned or not. */
  wordAt(position: number): number {
    if ((position & 3) === 0) return this.u32[position >>> 2]!;
    const { u8 } = this;
    const low = u8[position]! | (u8[position + 1]! << 8) | (u8[position + 2]! << 16);
    return (low | (u8[position + 3]! << 24)) >>> 0;
  }

  /** True when a whole page is RAM; `pfn` may be any number that a guest sent. */
  hasPage(pfn: number): boolean {
    return this.resolve(pfn * PAGE_BYTES, PAGE_BYTES) >= 0;
  }

  /** Copies bytes to a guest physical address that firmware chose; throws when it is not RAM. */
  writeBytes(gpa: number, bytes: Uint8Array): void {
    const offset = this.#mustResolve(gpa, bytes.length);
    this.written(offset, bytes.length);
    this.u8.set(bytes, offset);
  }

  /** A fresh copy of bytes at an address that is known to be RAM; throws when it is not. */
  readBytes(gpa: number, length: number): Uint8Array {
    const offset = this.#mustResolve(gpa, length);
    return this.u8.slice(offset, offset + length);
  }

  /**
   * Where banks have their places, and what is in them; what is all zeros takes no room. Processors'
   * own bytes are theirs to save.
   */
  exchange(state: StateStream): void {
    const all = [...this.#placed, ...this.#waiting];
    const banks = state.list('banks', this.#placed, (bank) => ({
      name: state.text('name', bank?.name ?? ''),
      gpa: state.number('gpa', bank?.gpa ?? 0),
      bytes: state.number('bytes', bank?.bytes ?? 0),
      offset: state.number('offset', bank?.offset ?? 0),
    }));
    const first = banks[0]?.offset ?? 0;
    if (state.isRestoring) {
      const isPlaced = (gpa: number): boolean => banks.some((bank) => bank.gpa === gpa);
      this.#placed.splice(0, Infinity, ...banks);
      this.#waiting.splice(0, Infinity, ...all.filter(({ gpa }) => !isPlaced(gpa)));
      const last = banks.at(-1);
      this.#nextOffset = last === undefined ? 0 : roundUp(last.offset + last.bytes);
      this.u8.fill(0, first, this.#nextOffset);
    }
    this.#exchangePages(state, first);
  }

  /** @param first position of the first byte that is not a processor's */
  #exchangePages(state: StateStream, first: number): void {
    const { u8, i32 } = this;
    const used: number[] = [];
    if (!state.isRestoring) {
      for (let at = first; at < this.#nextOffset; at += WASM_PAGE_BYTES) {
        if (isUsed(i32, at / 4, (at + WASM_PAGE_BYTES) / 4)) used.push(at);
      }
    }
    state.list('pages', used, (known) => {
      const at = state.number('position', known ?? 0);
      if (at < first || at + WASM_PAGE_BYTES > this.#nextOffset) {
        throw new StateError(`a page at ${at} is not memory`);
      }
      if (state.isRestoring) this.touch(at, WASM_PAGE_BYTES);
      state.array('bytes', u8.subarray(at, at + WASM_PAGE_BYTES));
      return at;
    });
  }

  #mustResolve(gpa: number, length: number): number {
    const offset = this.resolve(gpa, length);
    if (offset < 0) throw new Error(`${length} bytes at GPA 0x${gpa.toString(16)} are not RAM`);
    return offset;
  }
}
