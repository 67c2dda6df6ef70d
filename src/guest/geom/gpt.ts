/** Reading a GPT as g_part_gpt.c does, with the two headers and what it says of a bad one. */
import { wide } from '../../core/wire.ts';
import { crc32 } from '../../core/crc32.ts';
import {
  EMPTY_TYPE,
  GPT_REVISION,
  GPT_SIGNATURE_HI,
  GPT_SIGNATURE_LO,
  GptEntry,
  GptHeader,
} from '../../storage/partitions/spec.ts';
import type { BlockDisk } from '../fs/media.ts';
import type { Task } from '../kernel/api.ts';
import { gptTypeName, type Provider } from './partition.ts';
import type { TasteBuffer } from './taste-buffer.ts';

/** More entries than this are not read: 512 of the usual size. */
const MAX_TABLE_BYTES = 65_536;

/** A header that is right, with its entries. */
export interface GptCopy {
  readonly entryCount: number;
  readonly entryBytes: number;
  readonly firstUsable: number;
  readonly lastUsable: number;
  readonly alternateLba: number;
  readonly diskGuid: string;
  readonly entries: Uint8Array;
}

export interface GptResult {
  readonly providers: readonly Provider[];
  readonly copy: GptCopy;
  /** One of the two headers is missing, or not where it belongs. */
  readonly isCorrupt: boolean;
}

/**
 * @param print takes one line about the disk, without "GEOM: da0: "
 * @returns undefined when the disk has no usable GPT
 */
export function* readGpt(
  disk: BlockDisk,
  buffer: TasteBuffer,
  print: (text: string) => void,
): Task<GptResult | undefined> {
  const lastLba = disk.sectors - 1;
  const primary = yield* readCopy(disk, buffer, 1);
  // The primary names its partner; without one the last sector is the place.
  const secondaryLba = primary === undefined ? lastLba : primary.alternateLba;
  let secondary = yield* readCopy(disk, buffer, secondaryLba);
  if (secondary === undefined && secondaryLba !== lastLba) {
    secondary = yield* readCopy(disk, buffer, lastLba);
  }
  const used = primary ?? secondary;
  if (used === undefined) return undefined;
  if (primary === undefined) {
    print('the primary GPT table is corrupt or invalid.');
    print('using the secondary instead -- recovery strongly advised.');
  } else if (secondary === undefined) {
    print('the secondary GPT table is corrupt or invalid.');
    print('using the primary only -- recovery suggested.');
  } else if (secondaryLba !== lastLba) {
    print('the secondary GPT header is not in the last LBA.');
  }
  const isCorrupt = primary === undefined || secondary === undefined || secondaryLba !== lastLba;
  return { providers: listProviders(disk, used), copy: used, isCorrupt };
}

function* readCopy(disk: BlockDisk, buffer: TasteBuffer, lba: number): Task<GptCopy | undefined> {
  if (lba < 1 || lba >= disk.sectors) return undefined;
  const sector = yield* buffer.read(disk, lba, 1);
  if (sector === undefined) return undefined;
  const view = new DataView(sector.buffer, sector.byteOffset, sector.length);
  const header = GptHeader.cursor(view).at(0);
  const { headerBytes } = header;
  if (header.signatureLo !== GPT_SIGNATURE_LO || header.signatureHi !== GPT_SIGNATURE_HI) {
    return undefined;
  }
  if (header.revision < GPT_REVISION) return undefined;
  if (headerBytes < GptHeader.size || headerBytes > sector.length) return undefined;
  const checked = sector.slice(0, headerBytes);
  checked.fill(0, GptHeader.offset.headerCrc32, GptHeader.offset.headerCrc32 + 4);
  if (crc32(checked) !== header.headerCrc32) return undefined;
  if (wide(header.myLbaLo, header.myLbaHi) !== lba) return undefined;
  const { entryCount, entryBytes, entriesCrc32 } = header;
  const tableBytes = entryCount * entryBytes;
  if (entryBytes < GptEntry.size || entryBytes % 8 !== 0) return undefined;
  if (tableBytes === 0 || tableBytes > MAX_TABLE_BYTES) return undefined;
  const entriesLba = wide(header.entriesLbaLo, header.entriesLbaHi);
  const entriesSectors = Math.ceil(tableBytes / disk.sectorBytes);
  if (entriesLba < 1 || entriesLba + entriesSectors > disk.sectors) return undefined;
  const copy = {
    entryCount,
    entryBytes,
    firstUsable: wide(header.firstUsableLbaLo, header.firstUsableLbaHi),
    lastUsable: wide(header.lastUsableLbaLo, header.lastUsableLbaHi),
    alternateLba: wide(header.alternateLbaLo, header.alternateLbaHi),
    diskGuid: header.diskGuid,
  };
  const table = yield* buffer.read(disk, entriesLba, entriesSectors);
  if (table === undefined) return undefined;
  const entries = table.slice(0, tableBytes);
  return crc32(entries) === entriesCrc32 ? { ...copy, entries } : undefined;
}

export function listProviders(
  disk: BlockDisk,
  copy: Pick<GptCopy, 'entries' | 'entryBytes' | 'entryCount' | 'firstUsable' | 'lastUsable'>,
): Provider[] {
  const providers: Provider[] = [];
  const entry = GptEntry.cursor(new DataView(copy.entries.buffer));
  for (let index = 0; index < copy.entryCount; index += 1) {
    entry.at(index * copy.entryBytes);
    const { typeGuid } = entry;
    if (typeGuid === EMPTY_TYPE) continue;
    const firstLba = wide(entry.firstLbaLo, entry.firstLbaHi);
    const lastLba = wide(entry.lastLbaLo, entry.lastLbaHi);
    const isInside = firstLba >= copy.firstUsable && lastLba <= copy.lastUsable;
    if (!isInside || lastLba < firstLba || lastLba >= disk.sectors) continue;
    providers.push({
      name: `${disk.name}p${index + 1}`,
      disk,
      firstLba,
      sectors: lastLba - firstLba + 1,
      type: gptTypeName(typeGuid),
      isActive: false,
    });
  }
  return providers;
}
