import { Random } from '../../src/core/random.ts';
import { formatFat } from '../../src/storage/fat/format.ts';
import type { FatVolume } from '../../src/storage/fat/volume.ts';
import { makeFatDirectory, writeFatFile } from '../../src/storage/fat/write.ts';
import { GptType } from '../../src/storage/partitions/spec.ts';
import type { NewMbrPartition } from '../../src/storage/partitions/write.ts';
import { writeGpt, writeMbr } from '../../src/storage/partitions/write.ts';
import { ArrayDisk } from '../support/array-disk.ts';
import { MIB } from './rig.ts';

export const LOADER_PATH = '\\EFI\\BOOT\\BOOTX64.EFI';

/** A GPT disk with an ESP that holds the given files, and the volume in it. */
export function efiDisk(
  files: Readonly<Record<string, Uint8Array | string>>,
  name = 'gen2.img',
): { disk: ArrayDisk; volume: FatVolume; espStart: number } {
  const disk = new ArrayDisk(24 * MIB, { name });
  const [esp] = writeGpt(disk, {
    random: new Random(5),
    partitions: [{ typeGuid: GptType.efiSystem, sizeBytes: 20 * MIB, name: 'esp' }],
  });
  const volume = formatFat(disk, esp!.startByte, esp!.sizeBytes, { serial: 1, blank: true });
  makeFatDirectory(volume, '\\EFI\\BOOT');
  for (const [path, content] of Object.entries(files)) {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    makeFatDirectory(volume, path.slice(0, path.lastIndexOf('\\')));
    writeFatFile(volume, path, bytes);
  }
  return { disk, volume, espStart: esp!.startByte };
}

/** A GPT disk with one partition of a type. */
export function gptDisk(typeGuid: string): ArrayDisk {
  const disk = new ArrayDisk(8 * MIB, { name: 'gpt.img' });
  writeGpt(disk, { random: new Random(5), partitions: [{ typeGuid }] });
  return disk;
}

/** An MBR disk; every partition with `bootable` gets a boot sector that ends in 55 AA. */
export function mbrDisk(
  partitions: readonly (NewMbrPartition & { readonly bootable?: boolean })[],
): ArrayDisk {
  const disk = new ArrayDisk(8 * MIB, { name: 'gen1.img' });
  const placed = writeMbr(disk, { partitions, bootCode: Uint8Array.of(0xfa, 0xf4) });
  for (const [index, partition] of partitions.entries()) {
    if (partition.bootable !== true) continue;
    const at = placed[index]!.startByte;
    disk.bytes.set([0xeb, 0xfe], at);
    disk.bytes.set([0x55, 0xaa], at + 510);
  }
  return disk;
}
