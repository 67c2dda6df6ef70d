import { writeUtf16 } from '../../core/text.ts';
import { viewOf } from '../../core/wire.ts';
import { crc32 } from '../../core/crc32.ts';
import { InputError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { BlockDevice } from '../block.ts';
import { newGuid } from '../guid.ts';
import {
  GPT_ENTRY_COUNT,
  GPT_NAME_CHARACTERS,
  GPT_REVISION,
  GPT_SIGNATURE_HI,
  GPT_SIGNATURE_LO,
  GptEntry,
  GptHeader,
  MasterBootRecord,
  MBR_BOOT_CODE_BYTES,
  MBR_PRIMARY_COUNT,
  MBR_SIGNATURE,
  MbrEntry,
  MbrStatus,
  MbrType,
} from './spec.ts';

/** Where partitions start when the caller names no place, as every tool of today does. */
const ALIGNMENT_BYTES = 1 << 20;
const ENTRIES_BYTES = GPT_ENTRY_COUNT * GptEntry.size;
const FOUR_GIB = 0x1_0000_0000;
/** The geometry that a BIOS translates to on every disk above 8 GB. */
const HEADS = 255;
const SECTORS_PER_TRACK = 63;

export interface NewGptPartition {
  readonly typeGuid: string;
  /** Bytes; by default the next free MiB. */
  readonly startByte?: number;
  /** Bytes; by default everything up to the end of the disk. */
  readonly sizeBytes?: number;
  readonly name?: string;
  readonly uniqueId?: string;
  readonly attributes?: bigint;
}

export interface GptOptions {
  readonly partitions: readonly NewGptPartition[];
  readonly diskGuid?: string;
  /** Draws the GUIDs that are not given. */
  readonly random: Random;
}

export interface NewMbrPartition {
  readonly typeByte: number;
  readonly startByte?: number;
  readonly sizeBytes?: number;
  readonly active?: boolean;
}

export interface MbrOptions {
  readonly partitions: readonly NewMbrPartition[];
  /** At most 440 bytes. */
  readonly bootCode?: Uint8Array;
  readonly diskSignature?: number;
}

/** Where a partition was put. */
export interface Placed {
  readonly startByte: number;
  readonly sizeBytes: number;
}

/** Writes a protective MBR, a primary and a backup GPT. @returns where each partition lies */
export function writeGpt(disk: BlockDevice, options: GptOptions): Placed[] {
  const sectorBytes = disk.sectorBytes;
  const sectorCount = disk.sizeBytes / sectorBytes;
  const entrySectors = Math.ceil(ENTRIES_BYTES / sectorBytes);
  const firstUsableLba = 2 + entrySectors;
  const lastUsableLba = sectorCount - 2 - entrySectors;
  if (lastUsableLba < firstUsableLba) {
    throw new InputError(disk.name, `${disk.sizeBytes} bytes are too few for a GPT`);
  }
  if (options.partitions.length > GPT_ENTRY_COUNT) {
    throw new InputError(disk.name, `a GPT holds ${GPT_ENTRY_COUNT} partitions`);
  }
  const placed = place(
    disk,
    options.partitions,
    firstUsableLba * sectorBytes,
    (lastUsableLba + 1) * sectorBytes,
  );
  const entries = gptEntries(disk, options, placed);
  const entriesCrc32 = crc32(entries, 0, ENTRIES_BYTES);
  const diskGuid = options.diskGuid ?? newGuid(options.random);
  const sector = new Uint8Array(sectorBytes);
  const header = GptHeader.cursor(new DataView(sector.buffer)).at(0);
  const write = (lba: number, alternateLba: number, entriesLba: number): void => {
    header.signatureLo = GPT_SIGNATURE_LO;
    header.signatureHi = GPT_SIGNATURE_HI;
    header.revision = GPT_REVISION;
    header.headerBytes = GptHeader.size;
    header.headerCrc32 = 0;
    header.myLba = BigInt(lba);
    header.alternateLba = BigInt(alternateLba);
    header.firstUsableLba = BigInt(firstUsableLba);
    header.lastUsableLba = BigInt(lastUsableLba);
    header.diskGuid = diskGuid;
    header.entriesLba = BigInt(entriesLba);
    header.entryCount = GPT_ENTRY_COUNT;
    header.entryBytes = GptEntry.size;
    header.entriesCrc32 = entriesCrc32;
    header.headerCrc32 = crc32(sector, 0, GptHeader.size);
    disk.write(entriesLba * sectorBytes, entries, 0, entries.length);
    disk.write(lba * sectorBytes, sector, 0, sectorBytes);
  };
  write(1, sectorCount - 1, 2);
  write(sectorCount - 1, 1, lastUsableLba + 1);
  writeProtectiveMbr(disk, sectorCount);
  return placed;
}

function gptEntries(disk: BlockDevice, options: GptOptions, placed: readonly Placed[]): Uint8Array {
  const sectorBytes = disk.sectorBytes;
  const entries = new Uint8Array(Math.ceil(ENTRIES_BYTES / sectorBytes) * sectorBytes);
  const entry = GptEntry.cursor(new DataView(entries.buffer));
  for (const [slot, partition] of options.partitions.entries()) {
    const { startByte, sizeBytes } = placed[slot]!;
    const name = partition.name ?? '';
    if (name.length > GPT_NAME_CHARACTERS) {
      throw new InputError(
        disk.name,
        `the partition name "${name}" has ${name.length} UTF-16 units, at most ${GPT_NAME_CHARACTERS} fit`,
      );
    }
    entry.at(slot * GptEntry.size);
    entry.typeGuid = partition.typeGuid;
    entry.uniqueGuid = partition.uniqueId ?? newGuid(options.random);
    entry.firstLba = BigInt(startByte / sectorBytes);
    entry.lastLba = BigInt((startByte + sizeBytes) / sectorBytes - 1);
    entry.attributes = partition.attributes ?? 0n;
    const units = new Uint8Array(GptEntry.size - GptEntry.offset.name);
    writeUtf16(viewOf(units), 0, name);
    entry.name = units;
  }
  return entries;
}

/** UEFI 5.2.3: one entry of type EE from LBA 1 over the whole disk, or as much as 32 bits say. */
function writeProtectiveMbr(disk: BlockDevice, sectorCount: number): void {
  const sector = new Uint8Array(disk.sectorBytes);
  const view = new DataView(sector.buffer);
  const entry = MbrEntry.cursor(view).at(MasterBootRecord.offset.entries);
  const covered = Math.min(sectorCount - 1, FOUR_GIB - 1);
  entry.firstChs = Uint8Array.of(0, 2, 0);
  entry.type = MbrType.is.gptProtective;
  entry.lastChs = chs(covered);
  entry.firstLba = 1;
  entry.sectorCount = covered;
  view.setUint16(MasterBootRecord.offset.signature, MBR_SIGNATURE, true);
  disk.write(0, sector, 0, sector.length);
}

/** Writes up to four primary partitions. @returns where each lies */
export function writeMbr(disk: BlockDevice, options: MbrOptions): Placed[] {
  if (options.partitions.length > MBR_PRIMARY_COUNT) {
    throw new InputError(disk.name, `an MBR holds ${MBR_PRIMARY_COUNT} primary partitions`);
  }
  const bootCode = options.bootCode ?? new Uint8Array(0);
  if (bootCode.length > MBR_BOOT_CODE_BYTES) {
    throw new InputError(
      disk.name,
      `boot code of ${bootCode.length} bytes, at most ${MBR_BOOT_CODE_BYTES} fit`,
    );
  }
  const end = Math.min(disk.sizeBytes, (FOUR_GIB - 1) * disk.sectorBytes);
  const placed = place(disk, options.partitions, disk.sectorBytes, end);
  const sector = new Uint8Array(disk.sectorBytes);
  const view = new DataView(sector.buffer);
  sector.set(bootCode);
  view.setUint32(MasterBootRecord.offset.diskSignature, options.diskSignature ?? 0, true);
  const entry = MbrEntry.cursor(view);
  for (const [slot, partition] of options.partitions.entries()) {
    const firstLba = placed[slot]!.startByte / disk.sectorBytes;
    const sectorCount = placed[slot]!.sizeBytes / disk.sectorBytes;
    entry.at(MasterBootRecord.offset.entries + slot * MbrEntry.size);
    entry.status = partition.active === true ? MbrStatus.bit.ACTIVE : 0;
    entry.firstChs = chs(firstLba);
    entry.type = partition.typeByte;
    entry.lastChs = chs(firstLba + sectorCount - 1);
    entry.firstLba = firstLba;
    entry.sectorCount = sectorCount;
  }
  view.setUint16(MasterBootRecord.offset.signature, MBR_SIGNATURE, true);
  disk.write(0, sector, 0, sector.length);
  return placed;
}

/** Head, sector with the two high cylinder bits, cylinder; FE FF FF where CHS ends. */
function chs(lba: number): Uint8Array {
  const cylinder = Math.floor(lba / (HEADS * SECTORS_PER_TRACK));
  if (cylinder > 1023) return Uint8Array.of(0xfe, 0xff, 0xff);
  const head = Math.floor(lba / SECTORS_PER_TRACK) % HEADS;
  const sector = (lba % SECTORS_PER_TRACK) + 1;
  return Uint8Array.of(head, sector | ((cylinder >>> 2) & 0xc0), cylinder & 0xff);
}

function place(
  disk: BlockDevice,
  partitions: readonly { readonly startByte?: number; readonly sizeBytes?: number }[],
  firstByte: number,
  endByte: number,
): Placed[] {
  const placed: Placed[] = [];
  let free = firstByte;
  for (const [index, partition] of partitions.entries()) {
    const aligned = Math.ceil(free / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    const startByte = partition.startByte ?? aligned;
    const sizeBytes = partition.sizeBytes ?? endByte - startByte;
    const where = `partition ${index + 1} at offset ${startByte} with ${sizeBytes} bytes`;
    if (startByte % disk.sectorBytes !== 0 || sizeBytes % disk.sectorBytes !== 0) {
      throw new InputError(disk.name, `${where} is not whole sectors of ${disk.sectorBytes}`);
    }
    if (startByte < firstByte || sizeBytes <= 0 || startByte + sizeBytes > endByte) {
      throw new InputError(disk.name, `${where} does not fit between ${firstByte} and ${endByte}`);
    }
    const clash = placed.findIndex(
      (other) =>
        startByte < other.startByte + other.sizeBytes && other.startByte < startByte + sizeBytes,
    );
    if (clash >= 0) throw new InputError(disk.name, `${where} overlaps partition ${clash + 1}`);
    placed.push({ startByte, sizeBytes });
    free = Math.max(free, startByte + sizeBytes);
  }
  return placed;
}
