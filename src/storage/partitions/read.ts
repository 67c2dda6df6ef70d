import type { BlockDevice } from '../block.ts';
import { hasGptSignature, readGpt } from './gpt.ts';
import { readMbr, readMbrEntries } from './mbr.ts';
import { MasterBootRecord, MbrType, type PartitionTable } from './spec.ts';

const NONE: PartitionTable = { kind: 'none', diskId: '', partitions: [] };

/**
 * The partitions of a disk. As in UEFI 5.2.3 a GPT counts only behind a protective MBR.
 * @param warn hears one sentence for everything that is odd but does not stop a boot
 * @throws InputError when the disk claims a GPT and both copies are bad
 */
export function readPartitions(
  disk: BlockDevice,
  warn: (message: string) => void = () => {},
): PartitionTable {
  if (disk.sizeBytes < MasterBootRecord.size) return NONE;
  const sector = new Uint8Array(disk.sectorBytes);
  disk.read(0, sector, 0, sector.length);
  const entries = readMbrEntries(sector);
  const protective = (entries ?? []).filter((entry) => entry.type === MbrType.is.gptProtective);
  if (protective.length === 0 && hasGptSignature(disk)) {
    warn('the GPT at LBA 1 is left out, since no protective MBR stands before it');
  }
  if (entries === undefined) return NONE;
  if (protective.length === 0) return readMbr(disk, sector, entries, warn);
  if (entries.some((entry) => entry.type !== 0 && entry.type !== MbrType.is.gptProtective)) {
    warn('the MBR is a hybrid: its own partitions are left out, the GPT is used');
  }
  if (!protective.some((entry) => entry.firstLba === 1)) {
    warn(`the protective MBR entry starts at LBA ${protective[0]!.firstLba}, not at 1`);
  }
  return readGpt(disk, warn);
}
