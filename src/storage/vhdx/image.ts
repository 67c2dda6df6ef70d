import { Random } from '../../core/random.ts';
import { writeGuid, viewOf } from '../../core/wire.ts';
import type { ByteStore } from '../block.ts';
import { newGuid } from '../guid.ts';
import { ImageBase, readParent } from '../image.ts';
import type { Image, ImageFormat, ImageInfo } from '../image.ts';
import { BlockTable, packEntry } from './bat.ts';
import { InputError } from '../../core/errors.ts';
import { isZero } from '../zeros.ts';
import { replaceHeader } from './header.ts';
import type { VhdxHeader } from './header.ts';
import { LogWriter } from './log-writer.ts';
import type { LoggedPage } from './log-writer.ts';
import { metadataPage, type VhdxMetadata } from './metadata.ts';
import { buildRegionTable, type Extent, type Regions } from './region.ts';
import { SectorBitmaps } from './sector-bitmap.ts';
import type { SpaceMap } from './space.ts';
import {
  batEntryBytes,
  bitmapPresent,
  BlockState,
  logSectorBytes,
  maximumDiskBytes,
  mebibyte,
  Position,
  zeroGuid,
} from './spec.ts';

const { notPresent, unmapped, zero, fullyPresent, partiallyPresent } = BlockState.is;
const zeros = new Uint8Array(65_536);

/** The parts of a VHDX file, read and found sound. */
export interface VhdxParts {
  readonly header: VhdxHeader;
  readonly regions: Regions;
  readonly metadata: VhdxMetadata;
  readonly table: BlockTable;
  readonly space: SpaceMap;
  readonly creator: string;
  readonly replayed: boolean;
  readonly parent: Image | undefined;
  readonly random: Random | undefined;
}

/**
 * A VHDX. Data goes straight to its block; what says where blocks are (block table, sector bitmaps)
 * changes in memory and goes through the log when the disk is flushed or closed. Until then the file
 * shows the disk as it was at the last flush, as a drive with a write cache may.
 */
export class VhdxImage extends ImageBase {
  readonly format: ImageFormat;
  readonly sectorBytes: number;
  readonly physicalSectorBytes: number;
  #sizeBytes: number;
  readonly diskId: Uint8Array;
  readonly #parts: VhdxParts;
  readonly #parent: Image | undefined;
  readonly #blockBytes: number;
  #payload: Uint32Array;
  #table: BlockTable;
  readonly #bitmaps: SectorBitmaps;
  #regions: Regions;
  #metadata: VhdxMetadata;
  readonly #dirtyPages = new Set<number>();
  /** Space to give back once the log has what says that it is free: MiB and their count. */
  readonly #released: [number, number][] = [];
  /** Space from here on (in MiB) was added by the last growth and reads as zeros. */
  #grownFrom = Number.MAX_SAFE_INTEGER;
  #header: VhdxHeader;
  #log: LogWriter | undefined;

  constructor(store: ByteStore, parts: VhdxParts, readOnly: boolean) {
    super(store, readOnly);
    const { metadata, table } = parts;
    this.#parts = parts;
    this.#parent = parts.parent;
    this.#header = parts.header;
    this.#table = table;
    this.#payload = table.payload;
    this.#bitmaps = new SectorBitmaps(store, table);
    this.#blockBytes = metadata.blockBytes;
    this.sectorBytes = metadata.sectorBytes;
    this.physicalSectorBytes = metadata.physicalSectorBytes;
    this.#sizeBytes = metadata.sizeBytes;
    this.#regions = parts.regions;
    this.#metadata = metadata;
    this.diskId = new Uint8Array(16);
    writeGuid(viewOf(this.diskId), 0, metadata.virtualDiskId);
    if (metadata.hasParent) this.format = 'vhdx-differencing';
    else this.format = metadata.leaveBlocksAllocated ? 'vhdx-fixed' : 'vhdx-dynamic';
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Changes with the disk's content; what a child records of its parent. */
  get dataWriteGuid(): string {
    return this.#header.dataWriteGuid;
  }

  info(): ImageInfo {
    let allocatedBytes = 0;
    for (const entry of this.#payload) {
      if ((entry & 7) >= fullyPresent) allocatedBytes += this.#blockBytes;
    }
    const { fileWriteGuid, dataWriteGuid } = this.#header;
    const idle = this.#parts.replayed ? 'replayed' : 'clean';
    return {
      name: this.name,
      format: this.format,
      sizeBytes: this.sizeBytes,
      sectorBytes: this.sectorBytes,
      physicalSectorBytes: this.physicalSectorBytes,
      blockBytes: this.#blockBytes,
      allocatedBytes,
      fileBytes: this.store.sizeBytes,
      creator: this.#parts.creator,
      ids: { virtualDiskId: this.#parts.metadata.virtualDiskId, dataWriteGuid, fileWriteGuid },
      log: this.#log === undefined ? idle : 'in use',
      ...(this.#parent === undefined ? {} : { parent: this.#parent.info() }),
    };
  }

  protected readRange(at: number, target: Uint8Array, start: number, length: number): void {
    const blockBytes = this.#blockBytes;
    let done = 0;
    while (done < length) {
      const block = Math.floor((at + done) / blockBytes);
      const within = at + done - block * blockBytes;
      const run = Math.min(length - done, blockBytes - within);
      const entry = this.#payload[block]!;
      const state = entry & 7;
      if (state === fullyPresent) {
        this.store.read((entry >>> 3) * mebibyte + within, target, start + done, run);
      } else if (state === partiallyPresent) {
        this.#readMixed(block, within, target, start + done, run);
      } else if (state === notPresent && this.#parent !== undefined) {
        readParent(this.#parent, at + done, target, start + done, run);
      } else {
        target.fill(0, start + done, start + done + run);
      }
      done += run;
    }
  }

  #readMixed(
    block: number,
    within: number,
    target: Uint8Array,
    start: number,
    length: number,
  ): void {
    const { sectorBytes } = this;
    const chunk = Math.floor(block / this.#table.chunkRatio);
    const data = (this.#payload[block]! >>> 3) * mebibyte;
    const base = this.#firstSector(block, chunk);
    let done = 0;
    while (done < length) {
      const sector = base + (within + done) / sectorBytes;
      const run = this.#bitmaps.run(chunk, sector, (length - done) / sectorBytes);
      const bytes = Math.abs(run) * sectorBytes;
      if (run > 0) {
        this.store.read(data + within + done, target, start + done, bytes);
      } else {
        const at = block * this.#blockBytes + within + done;
        readParent(this.#parent!, at, target, start + done, bytes);
      }
      done += bytes;
    }
  }

  /** The bit of a block's first sector in its chunk's bitmap. */
  #firstSector(block: number, chunk: number): number {
    return ((block - chunk * this.#table.chunkRatio) * this.#blockBytes) / this.sectorBytes;
  }

  protected writeRange(at: number, source: Uint8Array, start: number, length: number): void {
    if (this.#log === undefined) this.#beginWriting();
    const blockBytes = this.#blockBytes;
    let done = 0;
    while (done < length) {
      const block = Math.floor((at + done) / blockBytes);
      const within = at + done - block * blockBytes;
      const run = Math.min(length - done, blockBytes - within);
      const entry = this.#payload[block]!;
      if ((entry & 7) === fullyPresent) {
        this.store.write((entry >>> 3) * mebibyte + within, source, start + done, run);
      } else {
        this.#writeOther(block, within, source, start + done, run);
      }
      done += run;
    }
  }

  /** Writes to a block that is not there yet, or only in part. */
  #writeOther(
    block: number,
    within: number,
    source: Uint8Array,
    start: number,
    length: number,
  ): void {
    const state = this.#payload[block]! & 7;
    const whole = length === this.#blockBytes;
    if (state !== partiallyPresent) {
      const partial = state === notPresent && this.#parent !== undefined && !whole;
      this.#allocate(block, partial, within, length);
    } else if (whole) {
      this.#enter(block, fullyPresent, this.#payload[block]! >>> 3);
    }
    const entry = this.#payload[block]!;
    this.store.write((entry >>> 3) * mebibyte + within, source, start, length);
    if ((entry & 7) === partiallyPresent) this.#mark(block, within, length, 1);
  }

  #mark(block: number, within: number, length: number, bit: 0 | 1): void {
    const chunk = Math.floor(block / this.#table.chunkRatio);
    const first = this.#firstSector(block, chunk) + within / this.sectorBytes;
    this.#bitmaps.mark(chunk, first, length / this.sectorBytes, bit);
  }

  #enter(block: number, state: number, mib: number): void {
    this.#payload[block] = packEntry(state, mib);
    this.#dirtyPages.add(this.#table.payloadPage(block));
  }

  /** Gives the block space. What the coming write leaves out of it must not show old data. */
  #allocate(block: number, partial: boolean, within: number, length: number): void {
    const blockMib = this.#blockBytes / mebibyte;
    const anchor = this.#payload[block]! >>> 3;
    if (anchor !== 0) this.#released.push([anchor, blockMib]);
    if (partial) this.#provideBitmap(block);
    const mib = this.#takeSpace(blockMib);
    if (partial) {
      this.#enter(block, partiallyPresent, mib);
      // The block may have been here before: its bits are from that time.
      this.#mark(block, 0, this.#blockBytes, 0);
      return;
    }
    this.#enter(block, fullyPresent, mib);
    if (mib < this.#grownFrom) {
      this.#fillZeros(mib * mebibyte, within);
      const end = within + length;
      this.#fillZeros(mib * mebibyte + end, this.#blockBytes - end);
    }
  }

  #takeSpace(count: number): number {
    const { space } = this.#parts;
    const before = space.endMib;
    const mib = space.allocate(count);
    this.#grownFrom = before;
    if (space.endMib > before) this.store.resize(space.endMib * mebibyte);
    return mib;
  }

  #provideBitmap(block: number): void {
    const chunk = Math.floor(block / this.#table.chunkRatio);
    if (this.#table.bitmap[chunk] !== 0) return;
    const mib = this.#takeSpace(1);
    if (mib < this.#grownFrom) this.#fillZeros(mib * mebibyte, mebibyte);
    this.#table.bitmap[chunk] = packEntry(bitmapPresent, mib);
    this.#dirtyPages.add(this.#table.bitmapPage(chunk));
  }

  #fillZeros(position: number, length: number): void {
    for (let done = 0; done < length; done += zeros.length) {
      this.store.write(position + done, zeros, 0, Math.min(zeros.length, length - done));
    }
  }

  /** Blocks that the range covers in full become unmapped, which reads as zeros. */
  protected unmapRange(at: number, length: number): void {
    if (this.#parts.metadata.leaveBlocksAllocated || length === 0) return;
    const end = at + length;
    const first = Math.ceil(at / this.#blockBytes);
    // The last block of a disk may reach beyond it.
    const last = end === this.sizeBytes ? this.#payload.length : Math.floor(end / this.#blockBytes);
    for (let block = first; block < last; block += 1) {
      const entry = this.#payload[block]!;
      const state = entry & 7;
      if (state === unmapped || state === zero) continue;
      if (state === notPresent && this.#parent === undefined) continue;
      if (this.#log === undefined) this.#beginWriting();
      if (entry >>> 3 !== 0) this.#released.push([entry >>> 3, this.#blockBytes / mebibyte]);
      this.#enter(block, unmapped, 0);
    }
  }

  /** Before the first change: a log in use, and GUIDs that tell others of the change (2.2.2). */
  #beginWriting(): void {
    const { fileWriteGuid, dataWriteGuid, sequenceNumber } = this.#header;
    const random =
      this.#parts.random ?? new Random(sequenceNumber, `${fileWriteGuid} ${dataWriteGuid}`);
    const logGuid = newGuid(random);
    this.#log = new LogWriter(this.store, this.#header, logGuid);
    this.#header = replaceHeader(this.store, this.#header, {
      fileWriteGuid: newGuid(random),
      dataWriteGuid: newGuid(random),
      logGuid,
    });
    const { repair } = this.#parts.regions;
    if (repair !== undefined) this.#log.commit(pagesOf(repair.position, repair.table));
  }

  protected flushAll(): void {
    const log = this.#log;
    if (log === undefined) return;
    const { region } = this.#table;
    // Should one entry not hold them all: bits first, and a chunk's bitmap block, whose entry comes
    // last in the chunk, before the blocks that need it.
    const pages = this.#bitmaps.dirtyPages();
    for (const page of [...this.#dirtyPages].sort((a, b) => b - a)) {
      const bytes = new Uint8Array(logSectorBytes);
      this.#table.fillPage(page, viewOf(bytes));
      pages.push({ position: region.offset + page * logSectorBytes, bytes });
    }
    if (pages.length > 0) log.commit(pages);
    else this.store.flush();
    this.#dirtyPages.clear();
    this.#bitmaps.clean();
    for (const [mib, count] of this.#released) this.#parts.space.release(mib, count);
    this.#released.length = 0;
  }

  /**
   * Gives the disk another size, as Resize-VHD does. What lies beyond the new end is lost, and comes
   * back as zeros. A table that outgrows its place in the file gets a new one. Either all of it is in
   * the file after a crash, or nothing.
   */
  override resize(sizeBytes: number): void {
    const metadata = { ...this.#metadata, sizeBytes };
    this.#checkResize(metadata);
    if (sizeBytes === this.#sizeBytes) return;
    if (this.#log === undefined) this.#beginWriting();
    this.flushAll();
    if (sizeBytes < this.#sizeBytes) this.#clearTail(sizeBytes);
    const { bat, metadata: items } = this.#regions;
    const needed = BlockTable.entryCount(metadata) * batEntryBytes;
    const isMoved = needed > bat.length;
    const length = isMoved ? Math.ceil(needed / mebibyte) * mebibyte : bat.length;
    const offset = isMoved ? this.#takeSpace(length / mebibyte) * mebibyte : bat.offset;
    const table = new BlockTable({ offset, length }, metadata);
    table.payload.set(this.#payload.subarray(0, table.payload.length));
    if (metadata.leaveBlocksAllocated) this.#placeNewBlocks(table);
    const pages = [metadataPage(this.store, items, metadata)];
    if (isMoved) {
      this.#writeTable(table);
      const regionTable = buildRegionTable(table.region, items).subarray(0, logSectorBytes);
      for (const position of [Position.regionTable1, Position.regionTable2]) {
        pages.push({ position, bytes: regionTable });
      }
    } else {
      pages.push(...changedPages(this.#table, table));
    }
    this.#log!.commit(pages);
    this.store.flush();
    this.#giveBack(isMoved ? bat : undefined, table.payload.length);
    this.#regions = { ...this.#regions, bat: table.region };
    this.#table = table;
    this.#payload = table.payload;
    this.#metadata = metadata;
    this.#sizeBytes = sizeBytes;
  }

  #checkResize({ sizeBytes, sectorBytes }: VhdxMetadata): void {
    const refuse = (message: string): InputError => new InputError(this.name, message);
    if (this.readOnly) throw refuse('is open for reading only, so it cannot be resized');
    if (this.#parent !== undefined) {
      throw refuse('a differencing disk has the size of its parent and cannot be resized');
    }
    if (this.#regions.all.length > 2) {
      throw refuse('the VHDX has regions that are not known here, so it cannot be resized');
    }
    if (!(sizeBytes > 0) || sizeBytes > maximumDiskBytes || sizeBytes % sectorBytes !== 0) {
      throw refuse(
        `a VHDX has a multiple of ${sectorBytes} bytes up to 64 TiB; ${sizeBytes} were asked for`,
      );
    }
  }

  /** The block that the new end lies in must not show old data when the disk grows again. */
  #clearTail(sizeBytes: number): void {
    const block = Math.floor(sizeBytes / this.#blockBytes);
    const within = sizeBytes - block * this.#blockBytes;
    const entry = this.#payload[block]!;
    if (within === 0 || (entry & 7) !== fullyPresent) return;
    this.#fillZeros((entry >>> 3) * mebibyte + within, this.#blockBytes - within);
  }

  #placeNewBlocks(table: BlockTable): void {
    for (let block = this.#payload.length; block < table.payload.length; block += 1) {
      const mib = this.#takeSpace(this.#blockBytes / mebibyte);
      if (mib < this.#grownFrom) this.#fillZeros(mib * mebibyte, this.#blockBytes);
      table.payload[block] = packEntry(fullyPresent, mib);
    }
  }

  /** Nothing refers to this place yet. */
  #writeTable(table: BlockTable): void {
    const { offset, length } = table.region;
    const bytes = new Uint8Array(logSectorBytes);
    for (let page = 0; page < length / logSectorBytes; page += 1) {
      table.fillPage(page, viewOf(bytes));
      if (offset / mebibyte >= this.#grownFrom && isZero(bytes, 0, bytes.length)) continue;
      this.store.write(offset + page * logSectorBytes, bytes, 0, bytes.length);
    }
  }

  /** Space of the old table, and of blocks behind the new end. */
  #giveBack(oldTable: Extent | undefined, blocks: number): void {
    const { space } = this.#parts;
    if (oldTable !== undefined) {
      space.release(oldTable.offset / mebibyte, oldTable.length / mebibyte);
    }
    for (let block = blocks; block < this.#payload.length; block += 1) {
      const mib = this.#payload[block]! >>> 3;
      if (mib !== 0) space.release(mib, this.#blockBytes / mebibyte);
    }
  }

  protected finish(): void {
    try {
      if (this.#log !== undefined) {
        this.flushAll();
        this.#header = replaceHeader(this.store, this.#header, { logGuid: zeroGuid });
        this.#log = undefined;
      }
    } finally {
      this.#parent?.close();
    }
  }
}

/** Pages that differ between two tables of one file, as the newer one has them. */
function changedPages(old: BlockTable, now: BlockTable): LoggedPage[] {
  const pages: LoggedPage[] = [];
  const before = new Uint8Array(logSectorBytes);
  const count = old.payloadPage(Math.max(old.payload.length, now.payload.length) - 1) + 1;
  for (let page = 0; page < count; page += 1) {
    const bytes = new Uint8Array(logSectorBytes);
    now.fillPage(page, viewOf(bytes));
    old.fillPage(page, viewOf(before));
    if (bytes.every((byte, at) => byte === before[at])) continue;
    pages.push({ position: now.region.offset + page * logSectorBytes, bytes });
  }
  return pages;
}

function pagesOf(position: number, bytes: Uint8Array): LoggedPage[] {
  const pages: LoggedPage[] = [];
  for (let at = 0; at < bytes.length; at += logSectorBytes) {
    pages.push({ position: position + at, bytes: bytes.subarray(at, at + logSectorBytes) });
  }
  return pages;
}
