import { ExitCode, InputError } from '../core/errors.ts';
import { openHostImage } from '../machine/images.ts';
import type { BlockDevice } from '../storage/block.ts';
import { FatVolume } from '../storage/fat/volume.ts';
import { IsoVolume } from '../storage/iso9660/volume.ts';
import { readPartitions } from '../storage/partitions/read.ts';
import type { Partition } from '../storage/partitions/spec.ts';
import type { Output } from './output.ts';

/** What both kinds of volume can tell of a file. */
interface Entry {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
}

interface Volume {
  list(path: string): readonly Entry[];
  stat(path: string): Entry | undefined;
}

/** `synthvm disk ls FILE[:N] [PATH]`: a directory, or one file, of a FAT partition or an ISO image. */
export function diskList(operands: readonly string[], json: boolean, output: Output): ExitCode {
  const [target, path = '\\', ...rest] = operands;
  if (target === undefined || rest.length > 0) {
    throw new InputError('disk', 'expected: synthvm disk ls FILE[:N] [PATH]', ExitCode.usage);
  }
  const match = /^(.*):(\d+)$/.exec(target);
  const file = match?.[1] ?? target;
  const index = match === null ? undefined : Number(match[2]);
  const image = openHostImage(file, {
    readOnly: true,
    warn: (message) => output.error(`${output.errorColors.yellow('warning:')} ${message}\n`),
  });
  try {
    const volume = openVolume(image, index);
    // Shells make slashes easier to type than UEFI's backslashes.
    const wanted = path.replaceAll('/', '\\');
    const entry = volume.stat(wanted);
    const entries = entry !== undefined && !entry.isDirectory ? [entry] : volume.list(wanted);
    for (const { name, isDirectory, sizeBytes } of entries) {
      output.out(
        json
          ? `${JSON.stringify({ name, isDirectory, bytes: sizeBytes })}\n`
          : `${isDirectory ? '<dir>'.padStart(12) : String(sizeBytes).padStart(12)}  ${name}\n`,
      );
    }
    return ExitCode.ok;
  } finally {
    image.close();
  }
}

function openVolume(image: BlockDevice, index: number | undefined): Volume {
  if (index === undefined && IsoVolume.detect(image)) return IsoVolume.open(image);
  const { kind, partitions } = readPartitions(image);
  if (kind === 'none' && index === undefined) return FatVolume.open(image);
  const chosen =
    index === undefined
      ? partitions.find((partition) => isFat(image, partition))
      : partitions.find((partition) => partition.index === index);
  if (chosen === undefined) {
    const there = partitions.map((partition) => partition.index).join(', ');
    const what =
      index === undefined ? 'no partition holds a FAT volume' : `there is no partition ${index}`;
    throw new InputError(image.name, `${what}; there are ${there === '' ? 'none' : there}`);
  }
  return FatVolume.open(image, chosen.startByte, chosen.sizeBytes);
}

function isFat(image: BlockDevice, partition: Partition): boolean {
  try {
    FatVolume.open(image, partition.startByte, partition.sizeBytes);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}
