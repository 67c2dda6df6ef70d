/** The metadata region, [MS-VHDX] 2.6. */
import { latin1 } from '../../core/text.ts';
import { InputError } from '../../core/errors.ts';
import { readGuid, writeGuid, viewOf, wide } from '../../core/wire.ts';
import type { ByteStore } from '../block.ts';
import { readPart } from '../image.ts';
import {
  FileParameters,
  logSectorBytes,
  maximumBlockBytes,
  maximumDiskBytes,
  maximumItemBytes,
  maximumMetadataEntries,
  MetadataItem,
  metadataFlags,
  metadataSignature,
  metadataTableBytes,
  MetadataTableEntry,
  MetadataTableHeader,
  minimumBlockBytes,
  parameterFlags,
  zeroGuid,
} from './spec.ts';
import type { Extent } from './region.ts';

export interface VhdxMetadata {
  readonly blockBytes: number;
  /** Set for a fixed disk: blocks keep their space. */
  readonly leaveBlocksAllocated: boolean;
  readonly hasParent: boolean;
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly virtualDiskId: string;
  /** The parent locator item, for a disk that has a parent. */
  readonly parentLocator?: Uint8Array;
}

const itemNames = new Map<string, string>([
  [MetadataItem.fileParameters, 'file parameters'],
  [MetadataItem.virtualDiskSize, 'virtual disk size'],
  [MetadataItem.virtualDiskId, 'virtual disk ID'],
  [MetadataItem.logicalSectorSize, 'logical sector size'],
  [MetadataItem.physicalSectorSize, 'physical sector size'],
  [MetadataItem.parentLocator, 'parent locator'],
]);

class MetadataReader {
  readonly #store: ByteStore;
  readonly #region: Extent;
  readonly #items = new Map<string, Extent>();

  constructor(store: ByteStore, region: Extent) {
    this.#store = store;
    this.#region = region;
    const table = readPart(store, region.offset, metadataTableBytes, 'VHDX metadata table');
    const view = viewOf(table);
    const header = MetadataTableHeader.cursor(view).at(0);
    const signature = String.fromCharCode(...header.signature);
    if (signature !== metadataSignature) {
      throw this.wrong(`does not begin with "${metadataSignature}": the image is damaged`);
    }
    const count = header.entryCount;
    if (count > maximumMetadataEntries) {
      throw this.wrong(`counts ${count} items; at most ${maximumMetadataEntries} were expected`);
    }
    const entry = MetadataTableEntry.cursor(view);
    const { isUser, isRequired } = metadataFlags;
    for (let index = 0; index < count; index += 1) {
      entry.at(MetadataTableHeader.size + index * MetadataTableEntry.size);
      const user = (entry.flags & isUser) !== 0;
      const required = (entry.flags & isRequired) !== 0;
      this.#add(entry.itemId, entry.offset, entry.length, user, required);
    }
  }

  wrong(message: string): InputError {
    return new InputError(
      this.#store.name,
      `the VHDX metadata table at byte ${this.#region.offset} ${message}`,
    );
  }

  #add(id: string, offset: number, length: number, user: boolean, required: boolean): void {
    if (id === zeroGuid) throw this.wrong('has an item without an id');
    if (required && (user || !itemNames.has(id))) {
      throw this.wrong(`requires item ${id}, which is not known here`);
    }
    if (user || !itemNames.has(id)) return;
    if (this.#items.has(id)) throw this.wrong(`lists the ${itemNames.get(id)} (${id}) twice`);
    const inside = offset >= metadataTableBytes && offset + length <= this.#region.length;
    if (length > maximumItemBytes || (length > 0 && !inside)) {
      throw this.wrong(
        `puts the ${itemNames.get(id)} (${id}) at offset ${offset} with ${length} bytes, which is not inside the region`,
      );
    }
    this.#items.set(id, { offset, length });
  }

  /** Where an item is in the region. */
  place(id: string): Extent {
    const place = this.#items.get(id);
    if (place === undefined) throw this.wrong(`lacks the ${itemNames.get(id)} (${id})`);
    return place;
  }

  /** The item's bytes. @param size what the specification says, when it is fixed */
  item(id: string, size?: number): DataView {
    const place = this.place(id);
    const name = itemNames.get(id);
    if (size !== undefined && place.length !== size) {
      throw this.wrong(`gives the ${name} (${id}) ${place.length} bytes; ${size} were expected`);
    }
    const position = this.#region.offset + place.offset;
    return viewOf(readPart(this.#store, position, place.length, `VHDX ${name}`));
  }

  value(id: string, message: string): InputError {
    return this.wrong(`gives as ${itemNames.get(id)} ${message}`);
  }
}

/** @throws InputError when the table is not sound, or an item is missing or cannot be */
export function readMetadata(store: ByteStore, region: Extent): VhdxMetadata {
  const reader = new MetadataReader(store, region);
  const parameters = FileParameters.cursor(
    reader.item(MetadataItem.fileParameters, FileParameters.size),
  ).at(0);
  const blockBytes = parameters.blockSize;
  const powerOfTwo = (blockBytes & (blockBytes - 1)) === 0;
  if (!powerOfTwo || blockBytes < minimumBlockBytes || blockBytes > maximumBlockBytes) {
    throw reader.value(
      MetadataItem.fileParameters,
      `blocks of ${blockBytes} bytes; a power of two from 1 MiB to 256 MiB was expected`,
    );
  }
  const sectorBytes = readSectorSize(reader, MetadataItem.logicalSectorSize);
  const physicalSectorBytes = readSectorSize(reader, MetadataItem.physicalSectorSize);
  const size = reader.item(MetadataItem.virtualDiskSize, 8);
  const sizeBytes = wide(size.getUint32(0, true), size.getUint32(4, true));
  if (sizeBytes === 0 || sizeBytes > maximumDiskBytes || sizeBytes % sectorBytes !== 0) {
    throw reader.value(
      MetadataItem.virtualDiskSize,
      `${sizeBytes} bytes; a multiple of ${sectorBytes} up to 64 TiB was expected`,
    );
  }
  const id = reader.item(MetadataItem.virtualDiskId, 16);
  const hasParent = (parameters.flags & parameterFlags.hasParent) !== 0;
  const locator = hasParent ? reader.item(MetadataItem.parentLocator) : undefined;
  return {
    blockBytes,
    leaveBlocksAllocated: (parameters.flags & parameterFlags.leaveBlocksAllocated) !== 0,
    hasParent,
    sizeBytes,
    sectorBytes,
    physicalSectorBytes,
    virtualDiskId: readGuid(id, 0),
    ...(locator === undefined ? {} : { parentLocator: new Uint8Array(locator.buffer) }),
  };
}

function readSectorSize(reader: MetadataReader, id: string): number {
  const value = reader.item(id, 4).getUint32(0, true);
  if (value !== 512 && value !== 4096) {
    throw reader.value(id, `${value} bytes; 512 or 4096 were expected`);
  }
  return value;
}

/** The 4 KiB of a file that hold the virtual disk size, with another size in them. */
export function metadataPage(
  store: ByteStore,
  region: Extent,
  { sizeBytes }: Pick<VhdxMetadata, 'sizeBytes'>,
): { readonly position: number; readonly bytes: Uint8Array } {
  const item = new MetadataReader(store, region).place(MetadataItem.virtualDiskSize);
  const at = region.offset + item.offset;
  const position = at - (at % logSectorBytes);
  if (at - position + 8 > logSectorBytes) {
    throw new InputError(store.name, `the virtual disk size at byte ${at} crosses 4 KiB`);
  }
  const bytes = readPart(store, position, logSectorBytes, 'VHDX metadata').slice();
  viewOf(bytes).setBigUint64(at - position, BigInt(sizeBytes), true);
  return { position, bytes };
}

/** The table and the items of a new file: what stands at the start of its metadata region. */
export function buildMetadata(metadata: VhdxMetadata): Uint8Array {
  const parameters = new Uint8Array(FileParameters.size);
  const fields = FileParameters.cursor(viewOf(parameters)).at(0);
  const { leaveBlocksAllocated, hasParent } = parameterFlags;
  fields.blockSize = metadata.blockBytes;
  fields.flags =
    (metadata.leaveBlocksAllocated ? leaveBlocksAllocated : 0) |
    (metadata.hasParent ? hasParent : 0);
  const size = new Uint8Array(8);
  viewOf(size).setBigUint64(0, BigInt(metadata.sizeBytes), true);
  const logical = new Uint8Array(4);
  viewOf(logical).setUint32(0, metadata.sectorBytes, true);
  const physical = new Uint8Array(4);
  viewOf(physical).setUint32(0, metadata.physicalSectorBytes, true);
  const id = new Uint8Array(16);
  writeGuid(viewOf(id), 0, metadata.virtualDiskId);

  const { isVirtualDisk, isRequired } = metadataFlags;
  const ofDisk = isVirtualDisk | isRequired;
  const items: [string, Uint8Array, number][] = [
    [MetadataItem.fileParameters, parameters, isRequired],
    [MetadataItem.virtualDiskSize, size, ofDisk],
    [MetadataItem.virtualDiskId, id, ofDisk],
    [MetadataItem.logicalSectorSize, logical, ofDisk],
    [MetadataItem.physicalSectorSize, physical, ofDisk],
  ];
  if (metadata.parentLocator !== undefined) {
    items.push([MetadataItem.parentLocator, metadata.parentLocator, isRequired]);
  }
  const total = items.reduce((sum, [, data]) => sum + data.length, metadataTableBytes);
  const raw = new Uint8Array(total);
  const view = viewOf(raw);
  const header = MetadataTableHeader.cursor(view).at(0);
  header.signature = latin1(metadataSignature);
  header.entryCount = items.length;
  const entry = MetadataTableEntry.cursor(view);
  let offset = metadataTableBytes;
  items.forEach(([itemId, data, bits], index) => {
    entry.at(MetadataTableHeader.size + index * MetadataTableEntry.size);
    entry.itemId = itemId;
    entry.offset = offset;
    entry.length = data.length;
    entry.flags = bits;
    raw.set(data, offset);
    offset += data.length;
  });
  return raw;
}
