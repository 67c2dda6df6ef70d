import { InputError } from '../core/errors.ts';
import type { BlockDevice } from '../storage/block.ts';
import { DiskFault } from '../storage/block.ts';
import { FatVolume } from '../storage/fat/volume.ts';
import { findBootImage, readBootCatalog } from '../storage/iso9660/el-torito.ts';
import { BootPlatform, LOGICAL_SECTOR_BYTES } from '../storage/iso9660/spec.ts';
import { readPartitions } from '../storage/partitions/read.ts';
import type { Partition, PartitionTable } from '../storage/partitions/spec.ts';
import { GptType, MbrType } from '../storage/partitions/spec.ts';
import type { PathNode } from './device-path.ts';
import { FALLBACK_LOADER_PATH } from './spec/device-path.ts';
import { EfiGuid } from './spec/guids.ts';

/** A disk or DVD as the firmware finds it on a synthetic SCSI controller; a BIOS has a floppy too. */
export interface FirmwareDisk {
  readonly block: BlockDevice;
  readonly kind: 'disk' | 'dvd' | 'floppy';
  /** VMBus instance GUID of its controller; a floppy's has none. */
  readonly controllerId: string;
  readonly target: number;
  readonly lun: number;
}

/** A file system that a loader may be on. */
export interface LoaderVolume {
  readonly device: FirmwareDisk;
  /** Undefined when the file system takes the whole medium. */
  readonly partition: Partition | undefined;
  readonly fat: FatVolume;
  /** From the controller to the partition, without a file. */
  readonly path: readonly PathNode[];
  /** For messages, with the name of the image. */
  readonly label: string;
  /** The same for traces, without it. */
  readonly place: string;
}

/** Something that was tried and is no good. `hasLoader`: there was a file to load. */
export interface BootFailure {
  readonly label: string;
  readonly place: string;
  readonly reason: string;
  readonly hasLoader: boolean;
}

/** Loaders of other machines, for a hint in the message. */
const OTHER_LOADERS: readonly (readonly [string, string])[] = [
  ['BOOTAA64.EFI', 'AArch64'],
  ['BOOTIA32.EFI', '32-bit x86'],
  ['BOOTARM.EFI', '32-bit Arm'],
  ['BOOTRISCV64.EFI', '64-bit RISC-V'],
];

/** Where a device is, without its file: a trace must not depend on where an image is kept. */
export function devicePlace(device: FirmwareDisk): string {
  if (device.kind === 'floppy') return 'floppy A:';
  return `${device.kind === 'dvd' ? 'DVD' : 'disk'} ${device.target}:${device.lun}`;
}

export function deviceLabel(device: FirmwareDisk): string {
  return `${devicePlace(device)} (${device.block.name})`;
}

export function devicePathOf(device: FirmwareDisk): PathNode[] {
  return [
    { kind: 'vmbus', interfaceId: EfiGuid.vmbusScsi, instanceId: device.controllerId },
    { kind: 'scsi', target: device.target, lun: device.lun },
  ];
}

/** The message of what the user's image did wrong; our own mistakes go on as they are. */
export function inputProblem(error: unknown): string {
  if (error instanceof InputError || error instanceof DiskFault) return error.message;
  throw error;
}

/**
 * The volumes of a device that a loader may be on: EFI system partitions, or the EFI boot image of
 * a DVD. Otherwise the reason why there is none that can be read.
 * @param warn hears what is odd but does not stop a boot
 */
export function findVolumes(
  device: FirmwareDisk,
  warn: (message: string) => void,
): LoaderVolume[] | string {
  if (device.kind === 'dvd') return findDvdVolume(device);
  let table: PartitionTable;
  try {
    table = readPartitions(device.block, (message) => warn(`${device.block.name}: ${message}`));
  } catch (error) {
    return inputProblem(error);
  }
  if (table.kind === 'none') return wholeDiskVolume(device);
  const candidates = table.partitions.filter(isEfiSystem);
  if (candidates.length === 0) return noSystemPartition(table);
  const volumes: LoaderVolume[] = [];
  const problems: string[] = [];
  for (const partition of candidates) {
    const volume = openVolume(device, table, partition);
    if (typeof volume === 'string') {
      problems.push(volume);
      continue;
    }
    for (const warning of volume.fat.warnings) warn(`${device.block.name}: ${warning}`);
    volumes.push(volume);
  }
  return volumes.length > 0 ? volumes : problems.join('; ');
}

function isEfiSystem(partition: Partition): boolean {
  return partition.typeGuid === GptType.efiSystem || partition.typeByte === MbrType.is.efiSystem;
}

function noSystemPartition(table: PartitionTable): string {
  const names = table.partitions.map((partition) => partition.typeName);
  const found = names.length === 0 ? 'no partition at all' : `only: ${names.join(', ')}`;
  return `no EFI system partition (ESP) in its ${table.kind.toUpperCase()}: it has ${found}`;
}

/** Opens the FAT volume of one partition. */
export function openVolume(
  device: FirmwareDisk,
  table: PartitionTable,
  partition: Partition,
): LoaderVolume | string {
  const name = `partition ${partition.index} (${partition.typeName})`;
  if (partition.problem !== '') return `${name} cannot be used: ${partition.problem}`;
  const { sectorBytes } = device.block;
  try {
    return {
      device,
      partition,
      fat: FatVolume.open(device.block, partition.startByte, partition.sizeBytes),
      path: [
        ...devicePathOf(device),
        {
          kind: 'partition',
          table: table.kind === 'gpt' ? 'gpt' : 'mbr',
          number: partition.index,
          startLba: partition.startByte / sectorBytes,
          sizeLba: partition.sizeBytes / sectorBytes,
          signature: table.kind === 'gpt' ? partition.uniqueId : table.diskId,
        },
      ],
      label: `${deviceLabel(device)} ${name}`,
      place: `${devicePlace(device)} ${name}`,
    };
  } catch (error) {
    return `${name} has no FAT file system: ${inputProblem(error)}`;
  }
}

/** UEFI 2.10, section 13.3.2.1: El Torito with platform EF holds a FAT volume. */
function findDvdVolume(device: FirmwareDisk): LoaderVolume[] | string {
  try {
    const images = readBootCatalog(device.block);
    if (images.length === 0) return 'it has no El Torito boot catalog';
    const image = findBootImage(images, BootPlatform.is.efi);
    if (image === undefined) return 'its El Torito boot catalog has no EFI image';
    const node: PathNode = {
      kind: 'cdrom',
      bootEntry: images.indexOf(image),
      startLba: image.startByte / LOGICAL_SECTOR_BYTES,
      sizeLba: Math.ceil(image.sizeBytes / LOGICAL_SECTOR_BYTES),
    };
    return [
      {
        device,
        partition: undefined,
        fat: FatVolume.open(device.block, image.startByte, image.sizeBytes),
        path: [...devicePathOf(device), node],
        label: `${deviceLabel(device)} El Torito EFI image`,
        place: `${devicePlace(device)} El Torito EFI image`,
      },
    ];
  } catch (error) {
    return inputProblem(error);
  }
}

/** A medium without partitions may be one FAT volume, as USB sticks are. */
function wholeDiskVolume(device: FirmwareDisk): LoaderVolume[] | string {
  try {
    const fat = FatVolume.open(device.block);
    const path = devicePathOf(device);
    const label = deviceLabel(device);
    return [{ device, partition: undefined, fat, path, label, place: devicePlace(device) }];
  } catch (error) {
    inputProblem(error);
    return 'neither a partition table nor a FAT file system is on it';
  }
}

/**
 * Reads a loader from a volume.
 * @returns its bytes, or why there are none; `isThere` tells a missing file from a damaged one
 */
export function readLoader(
  volume: LoaderVolume,
  path: string,
): Uint8Array | { readonly reason: string; readonly isThere: boolean } {
  let isThere = false;
  try {
    const entry = volume.fat.stat(path);
    if (entry === undefined) {
      return { reason: `no ${path} on it${otherLoaders(volume.fat, path)}`, isThere };
    }
    isThere = true;
    return volume.fat.readFile(path);
  } catch (error) {
    return { reason: inputProblem(error), isThere };
  }
}

function otherLoaders(fat: FatVolume, path: string): string {
  if (path !== FALLBACK_LOADER_PATH) return '';
  for (const [file, machine] of OTHER_LOADERS) {
    if (fat.stat(`\\EFI\\BOOT\\${file}`) !== undefined) {
      return `; it has ${file}, which is for ${machine}`;
    }
  }
  return '';
}
