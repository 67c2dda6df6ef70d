/** The two region tables, [MS-VHDX] 2.2.3. */
import { viewOf, wide } from '../../core/wire.ts';
import { InputError } from '../../core/errors.ts';
import type { ByteStore } from '../block.ts';
import { hex32, readPart } from '../image.ts';
import { structureChecksum } from './crc32c.ts';
import {
  maximumRegions,
  mebibyte,
  Position,
  Region,
  regionSignature,
  RegionTableEntry,
  RegionTableHeader,
  regionTableBytes,
} from './spec.ts';

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface Regions {
  readonly bat: Extent;
  readonly metadata: Extent;
  /** All regions, unknown ones too: space that holds no blocks. */
  readonly all: readonly Extent[];
  /** The good table, when the other place is damaged or differs and is to be written anew. */
  readonly repair?: { readonly position: number; readonly table: Uint8Array };
}

function defect(table: Uint8Array, position: number): string | undefined {
  const header = RegionTableHeader.cursor(viewOf(table)).at(0);
  if (header.signature !== regionSignature) return `no "regi" at byte ${position}`;
  const computed = structureChecksum(table);
  if (header.checksum === computed) return undefined;
  return `checksum ${hex32(header.checksum)} at byte ${position} where its bytes give ${hex32(computed)}`;
}

/** @throws InputError when neither table is sound or what it says cannot be */
export function readRegions(store: ByteStore, warn: (message: string) => void): Regions {
  const places = [Position.regionTable1, Position.regionTable2];
  const tables = places.map((at) => readPart(store, at, regionTableBytes, 'VHDX region table'));
  const defects = places.map((at, index) => defect(tables[index]!, at));
  if (defects[0] !== undefined && defects[1] !== undefined) {
    throw new InputError(
      store.name,
      `both region tables of the VHDX are damaged: ${defects[0]}, ${defects[1]}`,
    );
  }
  const good = defects[0] === undefined ? 0 : 1;
  const problem = defects[1 - good];
  if (problem !== undefined) {
    warn(`${store.name}: one region table of the VHDX is damaged (${problem}); the other is used`);
  }
  const table = tables[good]!;
  const same = table.every((byte, index) => byte === tables[1 - good]![index]);
  const regions = parse(store, table, places[good]!);
  return same ? regions : { ...regions, repair: { position: places[1 - good]!, table } };
}

function parse(store: ByteStore, table: Uint8Array, position: number): Regions {
  const view = viewOf(table);
  const count = RegionTableHeader.cursor(view).at(0).entryCount;
  const wrong = (message: string): InputError =>
    new InputError(store.name, `the VHDX region table at byte ${position} ${message}`);
  if (count > maximumRegions) {
    throw wrong(`counts ${count} regions; at most ${maximumRegions} were expected`);
  }
  const found = new Map<string, Extent>();
  const entry = RegionTableEntry.cursor(view);
  for (let index = 0; index < count; index += 1) {
    entry.at(RegionTableHeader.size + index * RegionTableEntry.size);
    const id = entry.guid;
    const offset = wide(entry.fileOffsetLo, entry.fileOffsetHi);
    const length = entry.length;
    const known = id === Region.bat || id === Region.metadata;
    if (!known && (entry.required & 1) !== 0) {
      throw wrong(`requires region ${id}, which is not known here`);
    }
    if (found.has(id)) throw wrong(`lists region ${id} twice`);
    const place = `puts region ${id} at byte ${offset} with ${length} bytes`;
    if (offset % mebibyte !== 0 || length % mebibyte !== 0 || length === 0 || offset < mebibyte) {
      throw wrong(`${place}; multiples of 1 MiB behind the first were expected`);
    }
    if (known && offset + length > store.sizeBytes) {
      throw wrong(`${place}, but the file ends at byte ${store.sizeBytes}: the image is truncated`);
    }
    found.set(id, { offset, length });
  }
  const sorted = [...found.values()].sort((a, b) => a.offset - b.offset);
  for (let index = 1; index < sorted.length; index += 1) {
    const before = sorted[index - 1]!;
    if (before.offset + before.length > sorted[index]!.offset) {
      throw wrong(`has regions that overlap at byte ${sorted[index]!.offset}`);
    }
  }
  const bat = found.get(Region.bat);
  const metadata = found.get(Region.metadata);
  if (bat === undefined) throw wrong(`has no block allocation table region (${Region.bat})`);
  if (metadata === undefined) throw wrong(`has no metadata region (${Region.metadata})`);
  return { bat, metadata, all: sorted };
}

/** A region table of 64 KiB with its checksum. */
export function buildRegionTable(bat: Extent, metadata: Extent): Uint8Array {
  const table = new Uint8Array(regionTableBytes);
  const view = viewOf(table);
  const header = RegionTableHeader.cursor(view).at(0);
  header.signature = regionSignature;
  header.entryCount = 2;
  const entry = RegionTableEntry.cursor(view);
  const regions: [string, Extent][] = [
    [Region.bat, bat],
    [Region.metadata, metadata],
  ];
  regions.forEach(([id, extent], index) => {
    entry.at(RegionTableHeader.size + index * RegionTableEntry.size);
    entry.guid = id;
    entry.fileOffset = BigInt(extent.offset);
    entry.length = extent.length;
    entry.required = 1;
  });
  header.checksum = structureChecksum(table);
  return table;
}
