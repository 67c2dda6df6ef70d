/** Boot disks made by other people's tools, as users would make them. */
import { closeSync, openSync, readSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { efiLoader } from '../../src/boot/default-code.ts';
import { run } from './tools.ts';

const MIB = 1024 * 1024;
const DISK_MIB = 48;
const ESP_START_MIB = 1;
const ESP_MIB = 40;

export const GPT_TOOLS = ['sgdisk', 'mkfs.vfat', 'mmd', 'mcopy'] as const;

/**
 * A raw GPT disk with an ESP, by sgdisk, mkfs.vfat and mcopy, and a second partition.
 * @param loader content of \EFI\BOOT\BOOTX64.EFI; null for no such file
 */
export function makeGptDisk(
  folder: string,
  name = 'disk.raw',
  loader: Uint8Array | null = efiLoader(),
): string {
  const path = join(folder, name);
  writeFileSync(path, '');
  truncateSync(path, DISK_MIB * MIB);
  const start = String((ESP_START_MIB * MIB) / 512);
  run('mkfs.vfat', ['-F', '32', '-n', 'ESP', '--offset', start, path, String(ESP_MIB * 1024)]);
  const esp = `${path}@@${ESP_START_MIB * MIB}`;
  if (loader !== null) {
    const file = join(folder, `${name}.efi`);
    writeFileSync(file, loader);
    run('mmd', ['-i', esp, '::/EFI', '::/EFI/BOOT']);
    run('mcopy', ['-i', esp, file, '::/EFI/BOOT/BOOTX64.EFI']);
  }
  run('sgdisk', [
    '-n',
    `1:${start}:+${ESP_MIB}M`,
    '-t',
    '1:ef00',
    '-n',
    '2:0:0',
    '-t',
    '2:a503',
    path,
  ]);
  return path;
}

const piece = new Uint8Array(MIB);

/** CRC-32 of a file, which is read piece by piece: a disk whole is a quarter of a boot's time in page faults. */
export function sumOf(path: string): number {
  const file = openSync(path, 'r');
  let sum = 0;
  for (;;) {
    const length = readSync(file, piece);
    if (length === 0) break;
    sum = crc32(piece.subarray(0, length), sum);
  }
  closeSync(file);
  return sum;
}
