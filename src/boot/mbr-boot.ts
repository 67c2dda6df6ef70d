import type { BlockDevice } from '../storage/block.ts';
import { DiskFault } from '../storage/block.ts';
import { DiskRange } from '../storage/disk-range.ts';
import { readMbrEntries } from '../storage/partitions/mbr.ts';
import { readPartitions } from '../storage/partitions/read.ts';
import {
  GptType,
  MBR_BOOT_CODE_BYTES,
  MBR_SIGNATURE_OFFSET,
  MBR_TYPE_NAMES,
  MbrStatus,
  MbrType,
} from '../storage/partitions/spec.ts';
import { inputProblem } from '../uefi/boot-devices.ts';

/** What a BIOS and the code of the boot record load, and where from. */
export interface BootSector {
  /** A diskette has none. */
  readonly mbr?: Uint8Array;
  /** What is loaded at 7C00h: a boot sector, or all of a `freebsd-boot` partition. */
  readonly code: Uint8Array;
  /** For people: "active partition 1 (FreeBSD)". */
  readonly label: string;
}

/** Why not. `isLoader`: there was a partition to load from. */
export interface NoBootSector {
  readonly reason: string;
  readonly isLoader: boolean;
}

const SECTOR_BYTES = 512;
/** FreeBSD's pmbr(8) loads at most this much of a boot partition. */
const BOOT_PARTITION_MAX_BYTES = 545 * 1024;

function no(reason: string, isLoader = false): NoBootSector {
  return { reason, isLoader };
}

/** Does what the BIOS and a standard master boot record do, up to the jump to 7C00h. */
export function readBootSector(
  disk: BlockDevice,
  warn: (message: string) => void,
): BootSector | NoBootSector {
  try {
    return followMbr(disk, warn);
  } catch (error) {
    return no(inputProblem(error));
  }
}

/** What a BIOS loads from a diskette: its first sector, if that is signed. */
export function readFloppySector(disk: BlockDevice): BootSector | NoBootSector {
  const code = new Uint8Array(SECTOR_BYTES);
  try {
    disk.read(0, code, 0, SECTOR_BYTES);
  } catch (error) {
    return no(inputProblem(error));
  }
  const isSigned = code[MBR_SIGNATURE_OFFSET] === 0x55 && code[MBR_SIGNATURE_OFFSET + 1] === 0xaa;
  if (isSigned) return { code, label: 'boot sector' };
  return no(`no boot signature: sector 0 ends in ${sectorBytes(code)}, expected 55 AA`);
}

function sectorBytes(sector: Uint8Array): string {
  const at = MBR_SIGNATURE_OFFSET;
  const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');
  return `${hex(sector[at]!)} ${hex(sector[at + 1]!)}`;
}

function followMbr(disk: BlockDevice, warn: (message: string) => void): BootSector | NoBootSector {
  if (disk.sectorBytes !== SECTOR_BYTES) {
    return no(`sectors of ${disk.sectorBytes} bytes, a BIOS boots from 512`);
  }
  if (disk.sizeBytes < SECTOR_BYTES) return no('it has no sector at all');
  const mbr = new Uint8Array(SECTOR_BYTES);
  disk.read(0, mbr, 0, SECTOR_BYTES);
  const entries = readMbrEntries(mbr);
  if (entries === undefined) {
    return no(`no MBR signature: sector 0 ends in ${sectorBytes(mbr)}, expected 55 AA`);
  }
  if (entries.some((entry) => entry.type === MbrType.is.gptProtective)) {
    return followGpt(disk, mbr, warn);
  }
  const active = [...entries.entries()].filter(
    ([, entry]) => entry.status === MbrStatus.bit.ACTIVE,
  );
  if (active.length === 0) return no(noActive(entries.map((entry) => entry.type)));
  if (active.length > 1) {
    const list = active.map(([slot]) => slot + 1).join(' and ');
    return no(`more than one active partition in its MBR: ${list}`);
  }
  const [slot, entry] = active[0]!;
  const type = MBR_TYPE_NAMES.get(entry.type) ?? `type 0x${entry.type.toString(16)}`;
  const label = `active partition ${slot + 1} (${type})`;
  const start = entry.firstLba * SECTOR_BYTES;
  const end = start + entry.sectorCount * SECTOR_BYTES;
  if (entry.firstLba === 0 || entry.sectorCount === 0 || end > disk.sizeBytes) {
    return no(
      `${label} at LBA ${entry.firstLba} with ${entry.sectorCount} sectors is not inside the disk of ${disk.sizeBytes / SECTOR_BYTES}`,
      true,
    );
  }
  return loadSector(disk, mbr, start, label);
}

function noActive(types: readonly number[]): string {
  const used = types.filter((type) => type !== MbrType.is.empty);
  if (used.length === 0) return 'no active partition: its MBR lists no partition at all';
  const names = used.map((type) => MBR_TYPE_NAMES.get(type) ?? `type 0x${type.toString(16)}`);
  return `no active partition in its MBR, only: ${names.join(', ')}`;
}

function loadSector(
  disk: BlockDevice,
  mbr: Uint8Array,
  start: number,
  label: string,
): BootSector | NoBootSector {
  const code = new Uint8Array(SECTOR_BYTES);
  try {
    disk.read(start, code, 0, SECTOR_BYTES);
  } catch (error) {
    if (error instanceof DiskFault) return no(`${label}: ${error.message}`, true);
    throw error;
  }
  if (code[MBR_SIGNATURE_OFFSET] !== 0x55 || code[MBR_SIGNATURE_OFFSET + 1] !== 0xaa) {
    return no(
      `${label}: its boot sector at offset ${start} ends in ${sectorBytes(code)}, expected 55 AA`,
      true,
    );
  }
  return { mbr, code, label };
}

/** A GPT boots from a BIOS by FreeBSD's pmbr(8), which loads the `freebsd-boot` partition. */
function followGpt(
  disk: BlockDevice,
  mbr: Uint8Array,
  warn: (message: string) => void,
): BootSector | NoBootSector {
  const { partitions } = readPartitions(disk, (message) => warn(`${disk.name}: ${message}`));
  const boot = partitions.find((partition) => partition.typeGuid === GptType.freebsdBoot);
  const hasCode = mbr.subarray(0, MBR_BOOT_CODE_BYTES).some((byte) => byte !== 0);
  if (boot === undefined || !hasCode) {
    return no(
      'no active partition: its MBR only protects a GPT, and the GPT has no freebsd-boot partition with boot code before it; a disk with a GPT boots as Generation 2',
    );
  }
  const label = `GPT partition ${boot.index} (${boot.typeName})`;
  if (boot.problem !== '') return no(`${label} cannot be used: ${boot.problem}`, true);
  const length = Math.min(boot.sizeBytes, BOOT_PARTITION_MAX_BYTES);
  const range = new DiskRange(disk, boot.startByte, boot.sizeBytes, label);
  return { mbr, code: range.bytes(0, length), label };
}
