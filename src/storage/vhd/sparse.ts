import { viewOf } from '../../core/wire.ts';
import { InputError } from '../../core/errors.ts';
import type { ByteStore } from '../block.ts';
import { ImageBase, readParent, readPart } from '../image.ts';
import type { Image, ImageFormat, ImageInfo } from '../image.ts';
import { guidBytes, timeStampsOf } from './footer.ts';
import type { FoundFooter, FoundHeader } from './footer.ts';
import { sectorBytes, unusedEntry } from './spec.ts';

/** Bitmaps kept in memory: 256 of 512 bytes for the usual block size. */
const cacheSlots = 256;

/**
 * A dynamic or differencing VHD. Each block is a sector bitmap (one bit a sector, the highest bit of
 * a byte first) and then its data; the block table gives the sector where the bitmap stands.
 *
 * The format has no log. A new block is written in an order that keeps the image sound at every
 * step: the footer at the new end of the file, bitmap and data, and the table entry last.
 */
export class SparseVhd extends ImageBase {
  readonly format: ImageFormat;
  readonly sectorBytes = sectorBytes;
  readonly physicalSectorBytes = sectorBytes;
  readonly sizeBytes: number;
  readonly diskId: Uint8Array;
  readonly #footer: FoundFooter;
  readonly #header: FoundHeader;
  readonly #parent: Image | undefined;
  readonly #table: Uint32Array;
  readonly #bitmapBytes: number;
  readonly #blockBytes: number;
  /** 1 for a block all of whose sectors are known to be present. */
  readonly #whole: Uint8Array;
  readonly #cachedBlock = new Int32Array(cacheSlots).fill(-1);
  readonly #cache: Uint8Array;
  readonly #entry = new Uint8Array(4);
  /** Where the footer stands and the next block goes. */
  #end: number;

  constructor(
    store: ByteStore,
    footer: FoundFooter,
    header: FoundHeader,
    parent: Image | undefined,
    readOnly: boolean,
  ) {
    super(store, readOnly);
    this.format = parent === undefined ? 'vhd-dynamic' : 'vhd-differencing';
    this.#footer = footer;
    this.#header = header;
    this.#parent = parent;
    this.sizeBytes = footer.currentSize;
    this.diskId = guidBytes(footer.uniqueId);
    this.#blockBytes = header.blockBytes;
    const bitmapBits = header.blockBytes / sectorBytes;
    this.#bitmapBytes = Math.ceil(bitmapBits / 8 / sectorBytes) * sectorBytes;
    this.#table = readTable(store, header);
    this.#end = this.#checkTable();
    this.#whole = new Uint8Array(header.entries);
    this.#cache = new Uint8Array(cacheSlots * this.#bitmapBytes);
  }

  /** What a child may have recorded of this disk: seconds since 2000. */
  get timeStamps(): number[] {
    return timeStampsOf(this.store, this.#footer);
  }

  info(): ImageInfo {
    let blocks = 0;
    for (const entry of this.#table) if (entry !== unusedEntry) blocks += 1;
    return {
      name: this.name,
      format: this.format,
      sizeBytes: this.sizeBytes,
      sectorBytes,
      physicalSectorBytes: sectorBytes,
      blockBytes: this.#blockBytes,
      allocatedBytes: blocks * this.#blockBytes,
      fileBytes: this.store.sizeBytes,
      creator: this.#footer.creator,
      ids:
        this.#parent === undefined
          ? { uniqueId: this.#footer.uniqueId }
          : { uniqueId: this.#footer.uniqueId, parentUniqueId: this.#header.parentUniqueId },
      ...(this.#parent === undefined ? {} : { parent: this.#parent.info() }),
    };
  }

  /** Checks that every block is inside the file and no two overlap; gives the end of the last. */
  #checkTable(): number {
    const { tableOffset, entries } = this.#header;
    const blockSpace = this.#bitmapBytes + this.#blockBytes;
    const first = tableOffset + Math.ceil((entries * 4) / sectorBytes) * sectorBytes;
    const used = this.#table.filter((entry) => entry !== unusedEntry).sort();
    let end = first;
    let previousEnd = 0;
    for (const entry of used) {
      const position = entry * sectorBytes;
      if (position < 3 * sectorBytes || position < previousEnd) {
        throw new InputError(
          this.name,
          `block ${this.#table.indexOf(entry)} of the VHD is placed at byte ${position}, which other data already takes: the block table at byte ${tableOffset} is damaged`,
        );
      }
      previousEnd = position + blockSpace;
      end = Math.max(end, previousEnd);
    }
    const limit = this.#footer.position === 0 ? this.store.sizeBytes : this.#footer.position;
    if (previousEnd > limit) {
      const last = used[used.length - 1]!;
      throw new InputError(
        this.name,
        `block ${this.#table.indexOf(last)} of the VHD ends at byte ${previousEnd}, but the data of the file ends at byte ${limit}: the image is truncated`,
      );
    }
    return Math.max(end, limit);
  }

  protected readRange(at: number, target: Uint8Array, start: number, length: number): void {
    const blockBytes = this.#blockBytes;
    let done = 0;
    while (done < length) {
      const block = Math.floor((at + done) / blockBytes);
      const within = at + done - block * blockBytes;
      const run = Math.min(length - done, blockBytes - within);
      const entry = this.#table[block]!;
      if (entry === unusedEntry) {
        this.#readAbsent(at + done, target, start + done, run);
      } else if (this.#whole[block] === 1) {
        const data = entry * sectorBytes + this.#bitmapBytes;
        this.store.read(data + within, target, start + done, run);
      } else {
        this.#readMixed(block, within, target, start + done, run);
      }
      done += run;
    }
  }

  #readAbsent(at: number, target: Uint8Array, start: number, length: number): void {
    if (this.#parent === undefined) target.fill(0, start, start + length);
    else readParent(this.#parent, at, target, start, length);
  }

  #readMixed(
    block: number,
    within: number,
    target: Uint8Array,
    start: number,
    length: number,
  ): void {
    const data = this.#table[block]! * sectorBytes + this.#bitmapBytes;
    const base = this.#bitmapOf(block);
    let sector = within / sectorBytes;
    const end = (within + length) / sectorBytes;
    let into = start;
    while (sector < end) {
      const present = this.#bit(base, sector);
      let next = sector + 1;
      while (next < end && this.#bit(base, next) === present) next += 1;
      const bytes = (next - sector) * sectorBytes;
      if (present) this.store.read(data + sector * sectorBytes, target, into, bytes);
      else this.#readAbsent(block * this.#blockBytes + sector * sectorBytes, target, into, bytes);
      into += bytes;
      sector = next;
    }
  }

  #bit(base: number, sector: number): boolean {
    return (this.#cache[base + (sector >>> 3)]! & (0x80 >>> (sector & 7))) !== 0;
  }

  /** Brings a block's bitmap into the cache; gives where it begins there. */
  #bitmapOf(block: number): number {
    const slot = block % cacheSlots;
    const base = slot * this.#bitmapBytes;
    if (this.#cachedBlock[slot] !== block) {
      this.#cachedBlock[slot] = -1;
      this.store.read(this.#table[block]! * sectorBytes, this.#cache, base, this.#bitmapBytes);
      this.#cachedBlock[slot] = block;
      this.#noteWhole(block, base);
    }
    return base;
  }

  #noteWhole(block: number, base: number): void {
    const bits = this.#blockBytes / sectorBytes;
    for (let byte = 0; byte < bits >>> 3; byte += 1) {
      if (this.#cache[base + byte] !== 0xff) return;
    }
    for (let sector = bits & ~7; sector < bits; sector += 1) {
      if (!this.#bit(base, sector)) return;
    }
    this.#whole[block] = 1;
  }

  protected writeRange(at: number, source: Uint8Array, start: number, length: number): void {
    const blockBytes = this.#blockBytes;
    let done = 0;
    while (done < length) {
      const block = Math.floor((at + done) / blockBytes);
      const within = at + done - block * blockBytes;
      const run = Math.min(length - done, blockBytes - within);
      const fresh = this.#table[block] === unusedEntry;
      const position = fresh ? this.#newBlock() : this.#table[block]! * sectorBytes;
      this.store.write(position + this.#bitmapBytes + within, source, start + done, run);
      if (fresh) this.#fillBitmap(block, position, within, run);
      else if (this.#whole[block] === 0) this.#markPresent(block, within, run);
      if (fresh) this.#enter(block, position);
      done += run;
    }
  }

  /** Room for a block where the footer stood, with the footer moved behind it first. */
  #newBlock(): number {
    const position = Math.ceil(this.#end / sectorBytes) * sectorBytes;
    const end = position + this.#bitmapBytes + this.#blockBytes;
    this.store.write(end, this.#footer.raw, 0, sectorBytes);
    this.#end = end;
    return position;
  }

  /** A dynamic disk's new block has all its sectors, zeros included; a child's only those written. */
  #fillBitmap(block: number, position: number, within: number, length: number): void {
    const slot = block % cacheSlots;
    const base = slot * this.#bitmapBytes;
    this.#cachedBlock[slot] = block;
    if (this.#parent === undefined || length === this.#blockBytes) {
      this.#cache.fill(0xff, base, base + this.#bitmapBytes);
      this.#whole[block] = 1;
    } else {
      this.#cache.fill(0, base, base + this.#bitmapBytes);
      this.#setBits(base, within, length);
    }
    this.store.write(position, this.#cache, base, this.#bitmapBytes);
  }

  #setBits(base: number, within: number, length: number): void {
    const end = (within + length) / sectorBytes;
    for (let sector = within / sectorBytes; sector < end; sector += 1) {
      this.#cache[base + (sector >>> 3)]! |= 0x80 >>> (sector & 7);
    }
  }

  #markPresent(block: number, within: number, length: number): void {
    const base = this.#bitmapOf(block);
    if (this.#whole[block] === 1) return;
    const from = Math.floor(within / sectorBytes / 8 / sectorBytes) * sectorBytes;
    const last = (within + length) / sectorBytes - 1;
    const to = (Math.floor(last / 8 / sectorBytes) + 1) * sectorBytes;
    this.#setBits(base, within, length);
    this.store.write(this.#table[block]! * sectorBytes + from, this.#cache, base + from, to - from);
    this.#noteWhole(block, base);
  }

  #enter(block: number, position: number): void {
    const sector = position / sectorBytes;
    viewOf(this.#entry).setUint32(0, sector);
    this.store.write(this.#header.tableOffset + block * 4, this.#entry, 0, 4);
    this.#table[block] = sector;
  }

  /** The format cannot say that a block became empty again. */
  protected unmapRange(): void {}

  protected flushAll(): void {
    this.store.flush();
  }

  protected finish(): void {
    if (!this.readOnly) this.store.flush();
    this.#parent?.close();
  }
}

function readTable(store: ByteStore, header: FoundHeader): Uint32Array {
  const { tableOffset, entries } = header;
  const raw = readPart(store, tableOffset, entries * 4, 'block table of the VHD');
  const view = viewOf(raw);
  const table = new Uint32Array(entries);
  for (let index = 0; index < entries; index += 1) table[index] = view.getUint32(index * 4);
  return table;
}
