import { InputError } from '../core/errors.ts';
import type { BlockDevice } from '../storage/block.ts';
import { FatVolume } from '../storage/fat/volume.ts';
import { findBootImage, readBootCatalog } from '../storage/iso9660/el-torito.ts';
import { BootPlatform } from '../storage/iso9660/spec.ts';
import { readPartitions } from '../storage/partitions/read.ts';
import type { PartitionTable } from '../storage/partitions/spec.ts';
import { GptType, MbrType } from '../storage/partitions/spec.ts';
import { FALLBACK_LOADER_PATH } from '../uefi/spec/device-path.ts';

export interface GenerationGuess {
  readonly generation: 1 | 2;
  /** Why, as the rest of a sentence: "a GPT with an EFI system partition". */
  readonly reason: string;
}

/**
 * Which kind of machine a disk or DVD was made for. Never throws for a bad image: the boot itself
 * tells what is wrong with it.
 * @param format image format, such as `vhd-dynamic`; counts only when nothing on the disk decides
 */
export function guessGeneration(disk: BlockDevice, format = ''): GenerationGuess {
  try {
    const guess = fromPartitions(readPartitions(disk)) ?? fromDisc(disk) ?? fromFat(disk);
    if (guess !== undefined) return guess;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { generation: 2, reason: 'a GPT, though a damaged one' };
  }
  if (format.startsWith('vhd-') || /\.vhd$/i.test(disk.name)) {
    return {
      generation: 1,
      reason: 'nothing on the disk decides, and VHD cannot boot Generation 2',
    };
  }
  return { generation: 2, reason: 'nothing on the disk decides' };
}

function fromPartitions(table: PartitionTable): GenerationGuess | undefined {
  const has = (guid: string): boolean => table.partitions.some((each) => each.typeGuid === guid);
  if (table.kind === 'gpt') {
    if (has(GptType.efiSystem)) {
      return { generation: 2, reason: 'a GPT with an EFI system partition' };
    }
    if (has(GptType.freebsdBoot)) {
      return { generation: 1, reason: 'a GPT with a freebsd-boot partition, which a BIOS boots' };
    }
    if (has(GptType.biosBoot)) {
      return { generation: 1, reason: 'a GPT with a BIOS boot partition' };
    }
    return { generation: 2, reason: 'a GPT' };
  }
  if (table.kind === 'none') return undefined;
  if (table.partitions.some((each) => each.active)) {
    return { generation: 1, reason: 'an MBR with an active partition' };
  }
  if (table.partitions.some((each) => each.typeByte === MbrType.is.efiSystem)) {
    return { generation: 2, reason: 'an MBR with an EFI system partition' };
  }
  return undefined;
}

/** A disc that boots both ways goes to Generation 2. */
function fromDisc(disk: BlockDevice): GenerationGuess | undefined {
  try {
    const images = readBootCatalog(disk);
    if (findBootImage(images, BootPlatform.is.efi) !== undefined) {
      return { generation: 2, reason: 'a disc with an El Torito image for EFI' };
    }
    if (findBootImage(images, BootPlatform.is.x86) !== undefined) {
      return { generation: 1, reason: 'a disc with an El Torito image for a BIOS alone' };
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
  return undefined;
}

function fromFat(disk: BlockDevice): GenerationGuess | undefined {
  try {
    if (FatVolume.open(disk).stat(FALLBACK_LOADER_PATH) !== undefined) {
      return { generation: 2, reason: `a FAT volume with ${FALLBACK_LOADER_PATH}` };
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
  return undefined;
}
