/** The block allocation table, [MS-VHDX] 2.5. */
import { viewOf, wide } from '../../core/wire.ts';
import { InputError } from '../../core/errors.ts';
import type { ByteStore } from '../block.ts';
import { readPart } from '../image.ts';
import type { VhdxMetadata } from './metadata.ts';
import type { Extent } from './region.ts';
import {
  batEntryBytes,
  bitmapPresent,
  BlockState,
  logSectorBytes,
  mebibyte,
  sectorsPerChunk,
} from './spec.ts';

export const entriesPerPage = logSectorBytes / batEntryBytes;

/** State in the low three bits, place in the file in MiB above them. */
export function packEntry(state: number, mib: number): number {
  return mib * 8 + state;
}

/**
 * All entries, each packed into 32 bits, payload blocks and sector bitmap blocks apart. In the file
 * a bitmap block's entry follows those of every `chunkRatio` payload blocks.
 */
export class BlockTable {
  readonly region: Extent;
  readonly chunkRatio: number;
  readonly payload: Uint32Array;
  /** One entry a chunk; empty for a disk without a parent. */
  readonly bitmap: Uint32Array;

  constructor(region: Extent, metadata: VhdxMetadata) {
    this.region = region;
    this.chunkRatio = (sectorsPerChunk * metadata.sectorBytes) / metadata.blockBytes;
    const blocks = Math.ceil(metadata.sizeBytes / metadata.blockBytes);
    const chunks = metadata.hasParent ? Math.ceil(blocks / this.chunkRatio) : 0;
    this.payload = new Uint32Array(blocks);
    this.bitmap = new Uint32Array(chunks);
  }

  /** Entries that the table in the file has for a disk, as 2.5 counts them. */
  static entryCount(metadata: VhdxMetadata): number {
    const ratio = (sectorsPerChunk * metadata.sectorBytes) / metadata.blockBytes;
    const blocks = Math.ceil(metadata.sizeBytes / metadata.blockBytes);
    if (metadata.hasParent) return Math.ceil(blocks / ratio) * (ratio + 1);
    return blocks + Math.floor((blocks - 1) / ratio);
  }

  /** Which 4 KiB page of the region a payload block's entry is in. */
  payloadPage(block: number): number {
    return Math.floor((block + Math.floor(block / this.chunkRatio)) / entriesPerPage);
  }

  bitmapPage(chunk: number): number {
    return Math.floor(((chunk + 1) * this.chunkRatio + chunk) / entriesPerPage);
  }

  /** @throws InputError for an entry that cannot be */
  static load(store: ByteStore, region: Extent, metadata: VhdxMetadata): BlockTable {
    const needed = BlockTable.entryCount(metadata);
    if (needed * batEntryBytes > region.length) {
      throw new InputError(
        store.name,
        `the VHDX block allocation table at byte ${region.offset} has ${region.length} bytes, but ${needed} entries of 8 bytes are needed`,
      );
    }
    const table = new BlockTable(region, metadata);
    const group = table.chunkRatio + 1;
    const batch = 64 * entriesPerPage;
    for (let first = 0; first < needed; first += batch) {
      const count = Math.min(batch, needed - first);
      const position = region.offset + first * batEntryBytes;
      const raw = readPart(store, position, count * batEntryBytes, 'VHDX block allocation table');
      const view = viewOf(raw);
      for (let index = 0; index < count; index += 1) {
        const low = view.getUint32(index * 8, true);
        const high = view.getUint32(index * 8 + 4, true);
        if (low === 0 && high === 0) continue;
        const number = first + index;
        const chunk = Math.floor(number / group);
        const within = number - chunk * group;
        table.#set(store, number, chunk, within, low, high, metadata);
      }
    }
    table.#checkBitmaps(store);
    return table;
  }

  #set(
    store: ByteStore,
    number: number,
    chunk: number,
    within: number,
    low: number,
    high: number,
    metadata: VhdxMetadata,
  ): void {
    const at = this.region.offset + number * batEntryBytes;
    const state = low & 7;
    const mib = Math.floor(wide(low, high) / mebibyte);
    const isBitmap = within === this.chunkRatio;
    const known = isBitmap ? state === 0 || state === bitmapPresent : state <= 3 || state >= 6;
    if (!known || (low & 0xf_fff8) !== 0) {
      throw new InputError(
        store.name,
        `entry ${number} of the VHDX block allocation table, at byte ${at}, is 0x${wide(low, high).toString(16)}, which is no ${isBitmap ? 'sector bitmap' : 'payload'} block state`,
      );
    }
    const present = state >= BlockState.is.fullyPresent;
    const length = isBitmap ? mebibyte : metadata.blockBytes;
    if (present && (mib === 0 || mib * mebibyte + length > store.sizeBytes)) {
      throw new InputError(
        store.name,
        `entry ${number} of the VHDX block allocation table, at byte ${at}, puts a block of ${length} bytes at byte ${mib * mebibyte}, which is not inside the file of ${store.sizeBytes} bytes: the image is truncated or damaged`,
      );
    }
    if (isBitmap) {
      if (present && chunk < this.bitmap.length) this.bitmap[chunk] = packEntry(state, mib);
      return;
    }
    const block = chunk * this.chunkRatio + within;
    if (block >= this.payload.length) return;
    // Without a parent there are no bitmaps, so a block that is there at all is there in full.
    const partial = state === BlockState.is.partiallyPresent && metadata.hasParent;
    const effective = present && !partial ? BlockState.is.fullyPresent : state;
    // Unmapped and undefined blocks may hold on to space; elsewhere a place has no meaning.
    const anchored = state === BlockState.is.unmapped || state === BlockState.is.undefined;
    const inside = mib * mebibyte + length <= store.sizeBytes;
    this.payload[block] = packEntry(effective, present || (anchored && inside) ? mib : 0);
  }

  #checkBitmaps(store: ByteStore): void {
    if (this.bitmap.length === 0) return;
    this.payload.forEach((entry, block) => {
      const chunk = Math.floor(block / this.chunkRatio);
      if ((entry & 7) !== BlockState.is.partiallyPresent || this.bitmap[chunk] !== 0) return;
      throw new InputError(
        store.name,
        `block ${block} of the VHDX is present in part, but chunk ${chunk} has no sector bitmap: the block allocation table at byte ${this.region.offset} is damaged`,
      );
    });
  }

  /** Writes the 512 entries of one page of the region, as the file has them, to `target`. */
  fillPage(page: number, target: DataView): void {
    const group = this.chunkRatio + 1;
    for (let index = 0; index < entriesPerPage; index += 1) {
      const number = page * entriesPerPage + index;
      const chunk = Math.floor(number / group);
      const within = number - chunk * group;
      const entry =
        within === this.chunkRatio
          ? this.bitmap[chunk]
          : this.payload[chunk * this.chunkRatio + within];
      const packed = entry ?? 0;
      const mib = packed >>> 3;
      target.setUint32(index * 8, ((mib << 20) | (packed & 7)) >>> 0, true);
      target.setUint32(index * 8 + 4, mib >>> 12, true);
    }
  }
}
