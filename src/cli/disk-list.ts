import { ExitCode, InputError } from '../core/errors.ts';
import { openHostImage } from '../machine/images.ts';
import type { BlockDevice } from '../storage/block.ts';
import { readFatTree } from '../storage/fat/tree.ts';
import { FatVolume } from '../storage/fat/volume.ts';
import { IsoVolume } from '../storage/iso9660/volume.ts';
import { readPartitions } from '../storage/partitions/read.ts';
import type { Partition } from '../storage/partitions/spec.ts';
import { warnTo, type Output } from './output.ts';
import type { Invocation } from './parse.ts';

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

/** A file with its whole path. */
interface Placed {
  readonly path: string;
  readonly entry: Entry;
}

/** Directories deeper than this are a loop: ISO 9660 allows 8 levels, FAT as many as 260 characters. */
const MAX_DEPTH = 130;

/** `synthvm disk ls FILE[:N] [PATH]`: a directory, or one file, of a FAT partition or an ISO image. */
export function diskList({ operands, values }: Invocation, output: Output): ExitCode {
  const [, target, path = '\\', ...rest] = operands;
  if (target === undefined || rest.length > 0) {
    throw new InputError('disk', 'expected: synthvm disk ls FILE[:N] [PATH]', ExitCode.usage);
  }
  const match = /^(.*):(\d+)$/.exec(target);
  const file = match?.[1] ?? target;
  const index = match === null ? undefined : Number(match[2]);
  const image = openHostImage(file, {
    readOnly: true,
    warn: warnTo(output),
  });
  try {
    const volume = openVolume(image, index);
    // Shells make slashes easier to type than UEFI's backslashes.
    const wanted = path.replaceAll('/', '\\');
    for (const { path: shown, entry } of placed(volume, wanted, values.has('recursive'))) {
      const { isDirectory, sizeBytes } = entry;
      output.out(
        values.has('json')
          ? `${JSON.stringify({ name: shown, isDirectory, bytes: sizeBytes })}\n`
          : `${isDirectory ? '<dir>'.padStart(12) : String(sizeBytes).padStart(12)}  ${shown}\n`,
      );
    }
    return ExitCode.ok;
  } finally {
    image.close();
  }
}

function placed(volume: Volume, path: string, recursive: boolean): readonly Placed[] {
  const entry = volume.stat(path);
  if (entry !== undefined && !entry.isDirectory) return [{ path: entry.name, entry }];
  if (!recursive) return volume.list(path).map((each) => ({ path: each.name, entry: each }));
  // The whole FAT volume is read with a check that no two files share a cluster.
  if (volume instanceof FatVolume && entry === undefined) return readFatTree(volume);
  return walk(volume, path.replace(/\\+$/, ''), 0);
}

function walk(volume: Volume, folder: string, depth: number): Placed[] {
  if (depth > MAX_DEPTH) return [];
  return volume.list(folder === '' ? '\\' : folder).flatMap((entry) => {
    const path = `${folder}\\${entry.name}`;
    const below = entry.isDirectory ? walk(volume, path, depth + 1) : [];
    return [{ path, entry }, ...below];
  });
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
