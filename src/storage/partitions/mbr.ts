import type { BlockDevice } from '../block.ts';
import { withOverlaps } from './gpt.ts';
import {
  MasterBootRecord,
  MBR_PRIMARY_COUNT,
  MBR_SIGNATURE,
  MBR_TYPE_NAMES,
  MbrEntry,
  MbrStatus,
  MbrType,
  type Partition,
  type PartitionTable,
} from './spec.ts';

/** Far more logical partitions than any system shows. */
const MAX_LOGICAL = 128;
const ENTRIES = MasterBootRecord.offset.entries;

interface RawEntry {
  readonly status: number;
  readonly type: number;
  readonly firstLba: number;
  readonly sectorCount: number;
}

/** The four entries of a boot sector, or undefined without the 55 AA signature. */
export function readMbrEntries(sector: Uint8Array): RawEntry[] | undefined {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.length);
  if (view.getUint16(MasterBootRecord.offset.signature, true) !== MBR_SIGNATURE) return undefined;
  const entry = MbrEntry.cursor(view);
  const entries: RawEntry[] = [];
  for (let slot = 0; slot < MBR_PRIMARY_COUNT; slot += 1) {
    const { status, type, firstLba, sectorCount } = entry.at(ENTRIES + slot * MbrEntry.size);
    entries.push({ status, type, firstLba, sectorCount });
  }
  return entries;
}

function isExtended(type: number): boolean {
  return (
    type === MbrType.is.extended ||
    type === MbrType.is.extendedLba ||
    type === MbrType.is.linuxExtended
  );
}

/** A boot sector of FAT, NTFS or exFAT ends in 55 AA too, and is no partition table. */
function isFileSystem(sector: Uint8Array): boolean {
  const text = (at: number, length: number): string =>
    String.fromCharCode(...sector.subarray(at, at + length));
  return (
    text(0x36, 3) === 'FAT' ||
    text(0x52, 5) === 'FAT32' ||
    text(3, 4) === 'NTFS' ||
    text(3, 5) === 'EXFAT'
  );
}

export function mbrSignature(sector: Uint8Array): string {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.length);
  const signature = view.getUint32(MasterBootRecord.offset.diskSignature, true);
  return signature.toString(16).padStart(8, '0');
}

/** @param sector the disk's first sector, known to have the signature and no protective entry */
export function readMbr(
  disk: BlockDevice,
  sector: Uint8Array,
  entries: readonly RawEntry[],
  warn: (message: string) => void,
): PartitionTable {
  const none: PartitionTable = { kind: 'none', diskId: '', partitions: [] };
  if (entries.some((entry) => (entry.status & 0x7f) !== 0)) return none;
  if (entries.every((entry) => entry.type === 0) && isFileSystem(sector)) return none;
  const diskId = mbrSignature(sector);
  const partitions: Partition[] = [];
  for (const [slot, entry] of entries.entries()) {
    if (entry.type === MbrType.is.empty || entry.sectorCount === 0) continue;
    partitions.push(partition(disk, diskId, slot + 1, entry, entry.firstLba));
  }
  for (const extended of entries) {
    if (!isExtended(extended.type) || extended.sectorCount === 0) continue;
    readLogical(disk, diskId, extended, partitions, warn);
  }
  const active = partitions.filter((each) => each.active);
  if (active.length > 1) {
    const list = active.map((each) => each.index).join(' and ');
    warn(`partitions ${list} are both marked active; the first is used`);
  }
  const containers = partitions.filter((each) => isExtended(each.typeByte));
  const others = partitions.filter((each) => !isExtended(each.typeByte));
  return {
    kind: 'mbr',
    diskId,
    partitions: [...containers, ...withOverlaps(others, warn)].sort(
      (one, two) => one.index - two.index,
    ),
  };
}

/**
 * Follows a chain of extended boot records: each holds a logical partition, placed from itself, and
 * the next record, placed from the start of the extended partition.
 */
function readLogical(
  disk: BlockDevice,
  diskId: string,
  extended: RawEntry,
  partitions: Partition[],
  warn: (message: string) => void,
): void {
  const sector = new Uint8Array(disk.sectorBytes);
  const seen = new Set<number>();
  const lastLba = disk.sizeBytes / disk.sectorBytes - 1;
  let index = Math.max(MBR_PRIMARY_COUNT, ...partitions.map((each) => each.index)) + 1;
  let lba = extended.firstLba;
  while (seen.size < MAX_LOGICAL) {
    const offset = lba * disk.sectorBytes;
    if (lba > lastLba) {
      warn(`the chain of logical partitions leaves the disk at offset ${offset}`);
      return;
    }
    if (seen.has(lba)) {
      warn(`the chain of logical partitions loops at offset ${offset}`);
      return;
    }
    seen.add(lba);
    disk.read(offset, sector, 0, sector.length);
    const entries = readMbrEntries(sector);
    if (entries === undefined) {
      warn(`the extended boot record at offset ${offset} has no 55 AA signature`);
      return;
    }
    const [logical, next] = [entries[0]!, entries[1]!];
    if (logical.type !== MbrType.is.empty && logical.sectorCount !== 0) {
      partitions.push(partition(disk, diskId, index, logical, lba + logical.firstLba));
      index += 1;
    }
    if (!isExtended(next.type) || next.sectorCount === 0) return;
    lba = extended.firstLba + next.firstLba;
  }
  warn(`more than ${MAX_LOGICAL} logical partitions: the rest is left out`);
}

function partition(
  disk: BlockDevice,
  diskId: string,
  index: number,
  entry: RawEntry,
  firstLba: number,
): Partition {
  const startByte = firstLba * disk.sectorBytes;
  const sizeBytes = entry.sectorCount * disk.sectorBytes;
  let problem = '';
  if (startByte + sizeBytes > disk.sizeBytes) {
    problem = `it ends at offset ${startByte + sizeBytes}, beyond the disk of ${disk.sizeBytes} bytes`;
  } else if (firstLba === 0) {
    problem = 'it starts at LBA 0, on the partition table itself';
  }
  return {
    index,
    startByte,
    sizeBytes,
    typeGuid: '',
    typeByte: entry.type,
    typeName: MBR_TYPE_NAMES.get(entry.type) ?? `0x${entry.type.toString(16).padStart(2, '0')}`,
    name: '',
    uniqueId: `${diskId}-${index.toString(16).padStart(2, '0')}`,
    active: entry.status === MbrStatus.bit.ACTIVE,
    attributes: 0n,
    problem,
  };
}
