import { readUtf16 } from '../../core/text.ts';
import { viewOf, wide } from '../../core/wire.ts';
import { crc32 } from '../../core/crc32.ts';
import { InputError } from '../../core/errors.ts';
import { type BlockDevice, DiskFault } from '../block.ts';
import {
  EMPTY_TYPE,
  GPT_SIGNATURE_HI,
  GPT_SIGNATURE_LO,
  GPT_TYPE_NAMES,
  GptAttribute,
  GptEntry,
  GptHeader,
  type Partition,
  type PartitionTable,
} from './spec.ts';

/** 128 entries take 16 KiB; this leaves room for every table that tools can make. */
const MAX_ENTRIES_BYTES = 1 << 20;
const MAX_ENTRY_BYTES = 4096;

interface GptCopy {
  readonly lba: number;
  readonly alternateLba: number;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  readonly diskGuid: string;
  readonly entryBytes: number;
  readonly entryCount: number;
  readonly entriesCrc32: number;
  readonly entries: Uint8Array;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

/** @returns the copy whose header is at `lba`, or the reason why it is not to be trusted */
function readCopy(disk: BlockDevice, lba: number): GptCopy | string {
  const sector = new Uint8Array(disk.sectorBytes);
  try {
    disk.read(lba * disk.sectorBytes, sector, 0, sector.length);
  } catch (error) {
    if (error instanceof DiskFault) return error.message;
    throw error;
  }
  const header = GptHeader.cursor(new DataView(sector.buffer)).at(0);
  if (header.signatureLo !== GPT_SIGNATURE_LO || header.signatureHi !== GPT_SIGNATURE_HI) {
    return 'no "EFI PART" signature';
  }
  const headerBytes = header.headerBytes;
  if (headerBytes < GptHeader.size || headerBytes > disk.sectorBytes) {
    return `a header of ${headerBytes} bytes, expected ${GptHeader.size} to ${disk.sectorBytes}`;
  }
  const stored = header.headerCrc32;
  header.headerCrc32 = 0;
  const computed = crc32(sector, 0, headerBytes);
  if (stored !== computed) {
    return `header CRC32 is ${hex(stored)}, computed ${hex(computed)}`;
  }
  const myLba = wide(header.myLbaLo, header.myLbaHi);
  if (myLba !== lba) return `the header says that it is at LBA ${myLba}, not ${lba}`;
  return readEntries(disk, lba, sector);
}

/** Whether LBA 1 begins as a GPT header does. */
export function hasGptSignature(disk: BlockDevice): boolean {
  if (disk.sizeBytes < disk.sectorBytes * 2) return false;
  const sector = new Uint8Array(disk.sectorBytes);
  disk.read(disk.sectorBytes, sector, 0, sector.length);
  const header = GptHeader.cursor(new DataView(sector.buffer)).at(0);
  return header.signatureLo === GPT_SIGNATURE_LO && header.signatureHi === GPT_SIGNATURE_HI;
}

function readEntries(disk: BlockDevice, lba: number, sector: Uint8Array): GptCopy | string {
  const header = GptHeader.cursor(new DataView(sector.buffer)).at(0);
  const lastLba = disk.sizeBytes / disk.sectorBytes - 1;
  const { entryBytes, entryCount, entriesCrc32 } = header;
  const powerOfTwo = (entryBytes & (entryBytes - 1)) === 0;
  if (entryBytes < GptEntry.size || entryBytes > MAX_ENTRY_BYTES || !powerOfTwo) {
    return `entries of ${entryBytes} bytes, expected 128 times a power of two up to ${MAX_ENTRY_BYTES}`;
  }
  const length = entryBytes * entryCount;
  if (entryCount === 0 || length > MAX_ENTRIES_BYTES) {
    return `${entryCount} entries of ${entryBytes} bytes, expected 1 to ${MAX_ENTRIES_BYTES / entryBytes}`;
  }
  const entriesLba = wide(header.entriesLbaLo, header.entriesLbaHi);
  const sectors = Math.ceil(length / disk.sectorBytes);
  if (entriesLba < 2 || entriesLba + sectors - 1 > lastLba) {
    return `entries at LBA ${entriesLba} are not inside the disk (last LBA ${lastLba})`;
  }
  const firstUsableLba = wide(header.firstUsableLbaLo, header.firstUsableLbaHi);
  const lastUsableLba = wide(header.lastUsableLbaLo, header.lastUsableLbaHi);
  if (firstUsableLba > lastUsableLba + 1) {
    return `the usable range ${firstUsableLba} to ${lastUsableLba} is reversed`;
  }
  const entries = new Uint8Array(sectors * disk.sectorBytes);
  try {
    disk.read(entriesLba * disk.sectorBytes, entries, 0, entries.length);
  } catch (error) {
    if (error instanceof DiskFault) return error.message;
    throw error;
  }
  const computed = crc32(entries, 0, length);
  if (computed !== entriesCrc32) {
    return `CRC32 of the entries is ${hex(entriesCrc32)}, computed ${hex(computed)}`;
  }
  return {
    lba,
    alternateLba: wide(header.alternateLbaLo, header.alternateLbaHi),
    firstUsableLba,
    lastUsableLba,
    diskGuid: header.diskGuid,
    entryBytes,
    entryCount,
    entriesCrc32,
    entries,
  };
}

/** A GPT made for another sector size is a usual accident: say so instead of "no signature". */
function otherSectorSize(disk: BlockDevice): string {
  const probe = new Uint8Array(disk.sectorBytes);
  const view = new DataView(probe.buffer);
  for (const sectorBytes of [512, 2048, 4096]) {
    if (sectorBytes === disk.sectorBytes || disk.sizeBytes < sectorBytes * 2) continue;
    const aligned = sectorBytes - (sectorBytes % disk.sectorBytes);
    disk.read(aligned, probe, 0, probe.length);
    const header = GptHeader.cursor(view).at(sectorBytes - aligned);
    if (header.signatureLo === GPT_SIGNATURE_LO && header.signatureHi === GPT_SIGNATURE_HI) {
      return `; offset ${sectorBytes} has a GPT for sectors of ${sectorBytes} bytes, but this disk has ${disk.sectorBytes}`;
    }
  }
  return '';
}

/**
 * Reads a disk whose protective MBR promises a GPT. With a damaged primary copy the backup serves,
 * with a warning; with both damaged it throws `InputError` with both reasons.
 */
export function readGpt(disk: BlockDevice, warn: (message: string) => void): PartitionTable {
  const lastLba = disk.sizeBytes / disk.sectorBytes - 1;
  if (lastLba < 3) throw new InputError(disk.name, `${disk.sizeBytes} bytes are too few for a GPT`);
  const primary = readCopy(disk, 1);
  if (typeof primary !== 'string') {
    checkBackup(disk, primary, lastLba, warn);
    return table(disk, primary, warn);
  }
  const backup = readCopy(disk, lastLba);
  const where = `primary at offset ${disk.sectorBytes}: ${primary}`;
  if (typeof backup === 'string') {
    throw new InputError(
      disk.name,
      `both GPT headers are bad: ${where}; backup at offset ${lastLba * disk.sectorBytes}: ${backup}${otherSectorSize(disk)}`,
    );
  }
  warn(
    `the primary GPT is bad (${where}); the backup at offset ${lastLba * disk.sectorBytes} is used`,
  );
  return table(disk, backup, warn);
}

function checkBackup(
  disk: BlockDevice,
  primary: GptCopy,
  lastLba: number,
  warn: (message: string) => void,
): void {
  const lba = primary.alternateLba;
  if (lba > lastLba || lba === primary.lba) {
    warn(`the backup GPT at LBA ${lba} is not inside the disk (last LBA ${lastLba})`);
    return;
  }
  const backup = readCopy(disk, lba);
  if (typeof backup === 'string') {
    warn(`the backup GPT at offset ${lba * disk.sectorBytes} is bad: ${backup}`);
  } else if (backup.entriesCrc32 !== primary.entriesCrc32) {
    warn('the backup GPT lists other partitions than the primary one, which is used');
  } else if (lba !== lastLba) {
    warn(`the backup GPT is at LBA ${lba}, not at the last one, ${lastLba}: the disk has grown`);
  }
}

function table(disk: BlockDevice, copy: GptCopy, warn: (message: string) => void): PartitionTable {
  const view = new DataView(copy.entries.buffer);
  const entry = GptEntry.cursor(view);
  const partitions: Partition[] = [];
  for (let slot = 0; slot < copy.entryCount; slot += 1) {
    entry.at(slot * copy.entryBytes);
    const typeGuid = entry.typeGuid;
    if (typeGuid === EMPTY_TYPE) continue;
    const firstLba = wide(entry.firstLbaLo, entry.firstLbaHi);
    const lastLba = wide(entry.lastLbaLo, entry.lastLbaHi);
    const attributes = entry.attributes;
    const partition: Partition = {
      index: slot + 1,
      startByte: firstLba * disk.sectorBytes,
      sizeBytes: Math.max(0, lastLba - firstLba + 1) * disk.sectorBytes,
      typeGuid,
      typeByte: 0,
      typeName: GPT_TYPE_NAMES.get(typeGuid) ?? typeGuid,
      name: readUtf16(viewOf(entry.name), 0, entry.name.length),
      uniqueId: entry.uniqueGuid,
      active: (attributes & GptAttribute.legacyBiosBootable) !== 0n,
      attributes,
      problem: rangeProblem(copy, firstLba, lastLba, disk.sizeBytes / disk.sectorBytes - 1),
    };
    partitions.push(partition);
  }
  return { kind: 'gpt', diskId: copy.diskGuid, partitions: withOverlaps(partitions, warn) };
}

function rangeProblem(
  copy: GptCopy,
  firstLba: number,
  lastLba: number,
  diskLastLba: number,
): string {
  if (firstLba > lastLba) return `its last LBA ${lastLba} is before its first, ${firstLba}`;
  if (firstLba < copy.firstUsableLba || lastLba > copy.lastUsableLba) {
    return `LBA ${firstLba} to ${lastLba} is outside the usable ${copy.firstUsableLba} to ${copy.lastUsableLba}`;
  }
  if (lastLba > diskLastLba) {
    return `its last LBA ${lastLba} is outside the disk, which ends at ${diskLastLba}`;
  }
  return '';
}

/** Marks the later one (by position) of two that share bytes, and warns of every problem. */
export function withOverlaps(
  partitions: readonly Partition[],
  warn: (message: string) => void,
): Partition[] {
  const sound = partitions
    .filter((partition) => partition.problem === '')
    .sort((one, two) => one.startByte - two.startByte || one.index - two.index);
  const overlaps = new Map<number, string>();
  let previous: Partition | undefined;
  for (const partition of sound) {
    if (previous !== undefined && partition.startByte < previous.startByte + previous.sizeBytes) {
      overlaps.set(partition.index, `it overlaps partition ${previous.index}`);
      continue;
    }
    previous = partition;
  }
  const result = partitions.map((partition) => {
    const problem = overlaps.get(partition.index);
    return problem === undefined ? partition : { ...partition, problem };
  });
  for (const partition of result) {
    if (partition.problem !== '') warn(`partition ${partition.index}: ${partition.problem}`);
  }
  return result;
}
