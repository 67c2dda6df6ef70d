/** Reading an MBR, its extended partitions and FreeBSD disk labels (g_part_mbr, _ebr, _bsd). */
import {
  MasterBootRecord,
  MBR_PRIMARY_COUNT,
  MBR_SIGNATURE,
  MbrEntry,
  MbrStatus,
  MbrType,
} from '../../storage/partitions/spec.ts';
import type { BlockDisk } from '../fs/media.ts';
import type { Task } from '../kernel/api.ts';
import { mbrTypeName, type Provider } from './partition.ts';
import {
  DiskLabel,
  DISKLABEL_MAGIC,
  DISKLABEL_PARTITIONS,
  DISKLABEL_RAW,
  DISKLABEL_SECTOR,
  DISKLABEL_UFS,
  DiskLabelPartition,
} from './spec.ts';
import type { TasteBuffer } from './taste-buffer.ts';

/** Logical partitions that are followed, so that a looped chain ends. */
const MAX_LOGICAL = 64;
const LETTERS = 'abcdefgh';

interface Entry {
  readonly isActive: boolean;
  readonly type: number;
  readonly firstLba: number;
  readonly sectors: number;
}

/** The four entries of a boot record, or undefined when it is none. */
export function readEntries(sector: Uint8Array): readonly Entry[] | undefined {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.length);
  if (MasterBootRecord.cursor(view).at(0).signature !== MBR_SIGNATURE) return undefined;
  const entry = MbrEntry.cursor(view);
  const entries: Entry[] = [];
  for (let index = 0; index < MBR_PRIMARY_COUNT; index += 1) {
    entry.at(MasterBootRecord.offset.entries + index * MbrEntry.size);
    // A FAT boot sector ends alike, but has text or code here.
    if ((entry.status & ~MbrStatus.bit.ACTIVE) !== 0) return undefined;
    entries.push({
      isActive: entry.status === MbrStatus.bit.ACTIVE,
      type: entry.type,
      firstLba: entry.firstLba,
      sectors: entry.sectorCount,
    });
  }
  return entries;
}

export function isProtective(entries: readonly Entry[]): boolean {
  return entries.some((entry) => entry.type === MbrType.is.gptProtective);
}

export function* readMbr(
  disk: BlockDisk,
  buffer: TasteBuffer,
  entries: readonly Entry[],
): Task<readonly Provider[]> {
  const providers: Provider[] = [];
  for (const [index, entry] of entries.entries()) {
    if (!isInside(disk, entry)) continue;
    const slice = makeSlice(disk, index + 1, entry);
    providers.push(slice);
    if (slice.type === 'freebsd') providers.push(...(yield* readLabel(slice, buffer)));
    if (slice.type === 'ebr') providers.push(...(yield* readLogical(disk, buffer, slice)));
  }
  return providers;
}

function isInside(disk: BlockDisk, entry: Entry): boolean {
  if (entry.type === MbrType.is.empty || entry.sectors === 0) return false;
  return entry.firstLba > 0 && entry.firstLba + entry.sectors <= disk.sectors;
}

function makeSlice(disk: BlockDisk, number: number, entry: Entry): Provider {
  return {
    name: `${disk.name}s${number}`,
    disk,
    firstLba: entry.firstLba,
    sectors: entry.sectors,
    type: mbrTypeName(entry.type),
    isActive: entry.isActive,
  };
}

/** The chain of extended boot records: each holds one partition and the place of the next. */
function* readLogical(disk: BlockDisk, buffer: TasteBuffer, extended: Provider): Task<Provider[]> {
  const found: Provider[] = [];
  let at = extended.firstLba;
  while (found.length < MAX_LOGICAL) {
    const sector = yield* buffer.read(disk, at, 1);
    const entries = sector === undefined ? undefined : readEntries(sector);
    const [data, next] = entries ?? [];
    if (data === undefined || next === undefined || data.sectors === 0) break;
    const placed = { ...data, firstLba: at + data.firstLba };
    if (!isInside(disk, placed)) break;
    found.push(makeSlice(disk, MBR_PRIMARY_COUNT + 1 + found.length, placed));
    if (next.sectors === 0) break;
    const nextAt = extended.firstLba + next.firstLba;
    if (nextAt <= at || nextAt >= extended.firstLba + extended.sectors) break;
    at = nextAt;
  }
  return found;
}

function* readLabel(slice: Provider, buffer: TasteBuffer): Task<Provider[]> {
  const { disk } = slice;
  if (slice.sectors <= DISKLABEL_SECTOR) return [];
  const sector = yield* buffer.read(disk, slice.firstLba + DISKLABEL_SECTOR, 1);
  if (sector === undefined) return [];
  const view = new DataView(sector.buffer, sector.byteOffset, sector.length);
  const label = DiskLabel.cursor(view).at(0);
  if (label.magic !== DISKLABEL_MAGIC || label.magic2 !== DISKLABEL_MAGIC) return [];
  const count = Math.min(label.partitionCount, DISKLABEL_PARTITIONS);
  const partition = DiskLabelPartition.cursor(view);
  const at = (index: number): typeof partition => {
    partition.at(DiskLabel.size + index * DiskLabelPartition.size);
    return partition;
  };
  // Old labels count from the start of the disk; partition c tells which way this one does.
  const base = count > DISKLABEL_RAW ? at(DISKLABEL_RAW).offset : 0;
  const found: Provider[] = [];
  for (let index = 0; index < count; index += 1) {
    const { sectors, offset, fileSystem } = at(index);
    const relative = offset - base;
    if (index === DISKLABEL_RAW || sectors === 0) continue;
    if (relative < 0 || relative + sectors > slice.sectors) continue;
    found.push({
      name: `${slice.name}${LETTERS[index]!}`,
      disk,
      firstLba: slice.firstLba + relative,
      sectors,
      type: fileSystem === DISKLABEL_UFS ? 'freebsd-ufs' : 'freebsd-swap',
      isActive: slice.isActive,
    });
  }
  return found;
}
