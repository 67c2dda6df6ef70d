/** What GEOM's partition class makes of a disk: providers with names, places and types. */
import { GptType, MbrType } from '../../storage/partitions/spec.ts';
import type { BlockDisk } from '../fs/media.ts';
import type { GptTable } from './gpt-table.ts';

/** A type as gpart(8) calls it, or the GUID or byte of one that it does not know. */
export type PartitionType = string;

export interface Provider {
  /** "da0p2", "da0s1", "da0s1a". */
  readonly name: string;
  readonly disk: BlockDisk;
  readonly firstLba: number;
  readonly sectors: number;
  readonly type: PartitionType;
  /** MBR: the active slice, or a part of it. */
  readonly isActive: boolean;
}

export type PartitionScheme = 'GPT' | 'MBR';

export interface PartitionTable {
  readonly scheme: PartitionScheme;
  readonly providers: readonly Provider[];
  /** What gpart(8) changes: GPT only. */
  readonly gpt?: GptTable;
}

const gptTypes = new Map<string, PartitionType>([
  [GptType.efiSystem, 'efi'],
  [GptType.biosBoot, 'bios-boot'],
  [GptType.microsoftReserved, 'ms-reserved'],
  [GptType.basicData, 'ms-basic-data'],
  [GptType.windowsRecovery, 'ms-recovery'],
  [GptType.ldmMetadata, 'ms-ldm-metadata'],
  [GptType.ldmData, 'ms-ldm-data'],
  [GptType.freebsdDisklabel, 'freebsd'],
  [GptType.freebsdBoot, 'freebsd-boot'],
  [GptType.freebsdSwap, 'freebsd-swap'],
  [GptType.freebsdUfs, 'freebsd-ufs'],
  [GptType.freebsdVinum, 'freebsd-vinum'],
  [GptType.freebsdZfs, 'freebsd-zfs'],
  [GptType.linuxFileSystem, 'linux-data'],
  [GptType.linuxRoot, 'linux-data'],
  [GptType.linuxUsr, 'linux-data'],
  [GptType.linuxHome, 'linux-data'],
  [GptType.linuxBoot, 'linux-boot'],
  [GptType.linuxSwap, 'linux-swap'],
  [GptType.linuxLvm, 'linux-lvm'],
  [GptType.linuxRaid, 'linux-raid'],
  [GptType.netbsdFfs, 'netbsd-ffs'],
  [GptType.openbsdData, 'openbsd-data'],
  [GptType.appleHfs, 'apple-hfs'],
  [GptType.appleApfs, 'apple-apfs'],
]);

const mbrTypes = new Map<number, PartitionType>([
  [MbrType.is.fat12, 'fat16'],
  [MbrType.is.fat16Small, 'fat16'],
  [MbrType.is.fat16, 'fat16'],
  [MbrType.is.fat16Lba, 'fat16'],
  [MbrType.is.fat32, 'fat32'],
  [MbrType.is.fat32Lba, 'fat32lba'],
  [MbrType.is.ntfs, 'ntfs'],
  [MbrType.is.extended, 'ebr'],
  [MbrType.is.extendedLba, 'ebr'],
  [MbrType.is.linuxExtended, 'ebr'],
  [MbrType.is.linuxSwap, 'linux-swap'],
  [MbrType.is.linux, 'linux-data'],
  [MbrType.is.linuxLvm, 'linux-lvm'],
  [MbrType.is.linuxRaid, 'linux-raid'],
  [MbrType.is.freebsd, 'freebsd'],
  [MbrType.is.efiSystem, 'efi'],
]);

export function gptTypeName(guid: string): PartitionType {
  return gptTypes.get(guid) ?? `!${guid}`;
}

/** @returns undefined for a name that gpart(8) does not know here */
export function gptTypeGuid(name: PartitionType): string | undefined {
  for (const [guid, known] of gptTypes) if (known === name) return guid;
  return undefined;
}

export function mbrTypeName(type: number): PartitionType {
  return mbrTypes.get(type) ?? `!${type}`;
}

/** The file system that a root on this type has; undefined where no root can be. */
export function fileSystemOf(type: PartitionType): string | undefined {
  switch (type) {
    case 'freebsd-ufs':
      return 'ufs';
    case 'freebsd-zfs':
      return 'zfs';
    case 'linux-data':
    case 'linux-boot':
      return 'ext2fs';
    case 'ms-basic-data':
    case 'fat16':
    case 'fat32':
    case 'fat32lba':
      return 'msdosfs';
    case 'ntfs':
      return 'ntfs';
    case 'netbsd-ffs':
    case 'openbsd-data':
      return 'ufs';
    default:
      // Types that gpart does not know may hold anything; FreeBSD's own format is its first guess.
      return type.startsWith('!') ? 'ufs' : undefined;
  }
}
