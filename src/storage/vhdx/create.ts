import { latin1, writeUtf16 } from '../../core/text.ts';
import { viewOf } from '../../core/wire.ts';
import { InputError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { ByteStore } from '../block.ts';
import { newGuid } from '../guid.ts';
import { BlockTable, entriesPerPage, packEntry } from './bat.ts';
import { putHeader } from './header.ts';
import { buildMetadata } from './metadata.ts';
import type { VhdxMetadata } from './metadata.ts';
import { buildRegionTable } from './region.ts';
import {
  batEntryBytes,
  BlockState,
  FileIdentifier,
  fileSignature,
  logSectorBytes,
  maximumBlockBytes,
  maximumDiskBytes,
  mebibyte,
  minimumBlockBytes,
  Position,
  zeroGuid,
} from './spec.ts';

export interface NewVhdx {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly sectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly fixed: boolean;
  /** The finished locator item of a differencing disk. */
  readonly parentLocator?: Uint8Array;
  readonly random: Random;
}

const logOffset = mebibyte;
const logLength = mebibyte;
const metadataOffset = 2 * mebibyte;
const batOffset = 3 * mebibyte;

function check(name: string, disk: NewVhdx): void {
  const { blockBytes, sectorBytes, physicalSectorBytes, sizeBytes } = disk;
  const powerOfTwo = (blockBytes & (blockBytes - 1)) === 0;
  if (!powerOfTwo || blockBytes < minimumBlockBytes || blockBytes > maximumBlockBytes) {
    throw new InputError(
      name,
      `a VHDX has blocks of a power of two from 1 MiB to 256 MiB; ${blockBytes} bytes were asked for`,
    );
  }
  for (const bytes of [sectorBytes, physicalSectorBytes]) {
    if (bytes !== 512 && bytes !== 4096) {
      throw new InputError(
        name,
        `a VHDX has sectors of 512 or 4096 bytes; ${bytes} were asked for`,
      );
    }
  }
  if (!(sizeBytes > 0) || sizeBytes > maximumDiskBytes || sizeBytes % sectorBytes !== 0) {
    throw new InputError(
      name,
      `a VHDX has a multiple of ${sectorBytes} bytes up to 64 TiB; ${sizeBytes} were asked for`,
    );
  }
}

/** Writes an empty VHDX into an empty store. */
export function createVhdx(store: ByteStore, disk: NewVhdx): void {
  check(store.name, disk);
  const { random } = disk;
  const metadata: VhdxMetadata = {
    blockBytes: disk.blockBytes,
    leaveBlocksAllocated: disk.fixed,
    hasParent: disk.parentLocator !== undefined,
    sizeBytes: disk.sizeBytes,
    sectorBytes: disk.sectorBytes,
    physicalSectorBytes: disk.physicalSectorBytes,
    virtualDiskId: newGuid(random),
    ...(disk.parentLocator === undefined ? {} : { parentLocator: disk.parentLocator }),
  };
  const entryBytes = BlockTable.entryCount(metadata) * batEntryBytes;
  const bat = { offset: batOffset, length: Math.ceil(entryBytes / mebibyte) * mebibyte };
  const end = bat.offset + bat.length;
  store.resize(end);

  const identifier = new Uint8Array(FileIdentifier.size);
  identifier.set(latin1(fileSignature));
  const creator = 'synthvm';
  writeUtf16(viewOf(identifier), FileIdentifier.offset.creator, creator);
  store.write(Position.fileIdentifier, identifier, 0, identifier.length);

  const table = buildRegionTable(bat, { offset: metadataOffset, length: mebibyte });
  store.write(Position.regionTable1, table, 0, table.length);
  store.write(Position.regionTable2, table, 0, table.length);
  const items = buildMetadata(metadata);
  store.write(metadataOffset, items, 0, items.length);
  if (disk.fixed) placeAllBlocks(store, new BlockTable(bat, metadata), end, disk.blockBytes);

  // The headers come last: without them a file that was begun is not taken for a finished one.
  const ids = { fileWriteGuid: newGuid(random), dataWriteGuid: newGuid(random), logGuid: zeroGuid };
  const header = { ...ids, logOffset, logLength };
  putHeader(store, { ...header, sequenceNumber: 1n, position: Position.header1 });
  putHeader(store, { ...header, sequenceNumber: 2n, position: Position.header2 });
  store.flush();
}

function placeAllBlocks(
  store: ByteStore,
  table: BlockTable,
  start: number,
  blockBytes: number,
): void {
  const { payload, region } = table;
  for (let block = 0; block < payload.length; block += 1) {
    const mib = (start + block * blockBytes) / mebibyte;
    payload[block] = packEntry(BlockState.is.fullyPresent, mib);
  }
  store.resize(start + payload.length * blockBytes);
  const page = new Uint8Array(logSectorBytes);
  const pages = Math.ceil(region.length / batEntryBytes / entriesPerPage);
  const last = table.payloadPage(payload.length - 1);
  for (let index = 0; index < pages && index <= last; index += 1) {
    table.fillPage(index, viewOf(page));
    store.write(region.offset + index * logSectorBytes, page, 0, page.length);
  }
}
