import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { efiLoader } from '../../src/boot/default-code.ts';
import { guessGeneration } from '../../src/boot/guess-generation.ts';
import { ArrayDisk } from '../support/array-disk.ts';
import { hasTool, inFolder, run } from '../support/tools.ts';
import { boot, disk, MIB } from './rig.ts';

function all(...names: readonly string[]): boolean {
  return names.every((name) => hasTool(name));
}

/** A FAT volume by mkfs.vfat with our loader copied in by mtools. */
function espImage(folder: string, mebibytes: number, bits: number): Uint8Array {
  const image = join(folder, `esp${bits}.img`);
  const loader = join(folder, 'loader.efi');
  writeFileSync(image, new Uint8Array(mebibytes * MIB));
  writeFileSync(loader, efiLoader());
  run('mkfs.vfat', ['-F', `${bits}`, '-n', 'ESP', image]);
  run('mmd', ['-i', image, '::/EFI', '::/EFI/BOOT']);
  run('mcopy', ['-i', image, loader, '::/EFI/BOOT/BOOTX64.EFI']);
  return readFileSync(image);
}

describe.skipIf(!all('sgdisk', 'mkfs.vfat', 'mcopy'))('a disk made by sgdisk and mkfs.vfat', () => {
  it('boots Generation 2 with FAT12, FAT16 and FAT32', () => {
    inFolder((folder) => {
      for (const [bits, mebibytes] of [
        [12, 2],
        [16, 16],
        [32, 40],
      ] as const) {
        const path = join(folder, `disk${bits}.img`);
        writeFileSync(path, new Uint8Array((mebibytes + 3) * MIB));
        run('sgdisk', ['-n', `1:2048:+${mebibytes}M`, '-t', '1:ef00', '-n', '2:0:0', path]);
        const bytes = new Uint8Array(readFileSync(path));
        bytes.set(espImage(folder, mebibytes, bits), MIB);
        const block = new ArrayDisk(bytes);
        expect(guessGeneration(block)).toEqual({
          generation: 2,
          reason: 'a GPT with an EFI system partition',
        });
        const { result, warnings } = boot({ generation: 2, disks: [disk(block)] });
        expect(result.kind).toBe('started');
        expect(warnings).toEqual([]);
      }
    });
  });
});

describe.skipIf(!all('sfdisk'))('a disk made by sfdisk', () => {
  it('boots Generation 1 from its active partition', () => {
    inFolder((folder) => {
      const path = join(folder, 'mbr.img');
      writeFileSync(path, new Uint8Array(16 * MIB));
      run('sfdisk', [path], 'label: dos\n2048,8192,83\n10240,8192,a5,*\n');
      const bytes = new Uint8Array(readFileSync(path));
      bytes.set([0x55, 0xaa], 10_240 * 512 + 510);
      const block = new ArrayDisk(bytes);
      expect(guessGeneration(block).generation).toBe(1);
      expect(boot({ generation: 1, disks: [disk(block)] }).result).toMatchObject({
        kind: 'started',
        loader: 'disk 0:0 (disk.img) active partition 2 (FreeBSD)',
      });
    });
  });
});

describe.skipIf(!all('xorriso', 'mkfs.vfat', 'mcopy'))('a DVD made by xorriso', () => {
  it('boots both generations from its El Torito images', () => {
    inFolder((folder) => {
      const tree = join(folder, 'tree');
      mkdirSync(tree);
      writeFileSync(join(tree, 'efi.img'), espImage(folder, 2, 12));
      const bootstrap = new Uint8Array(2048).fill(0x90);
      bootstrap.set([0x4c, 0x44, 0x52]);
      writeFileSync(join(tree, 'cdboot'), bootstrap);
      const iso = join(folder, 'boot.iso');
      const bios = ['-b', 'cdboot', '-no-emul-boot', '-boot-load-size', '4'];
      const efi = ['-eltorito-alt-boot', '-e', 'efi.img', '-no-emul-boot'];
      run('xorriso', ['-as', 'mkisofs', '-quiet', '-o', iso, ...bios, ...efi, tree]);
      const block = new ArrayDisk(new Uint8Array(readFileSync(iso)), { name: 'boot.iso' });
      expect(guessGeneration(block).generation).toBe(2);
      const gen2 = boot({ generation: 2, dvds: [disk(block, 1, 'dvd')] }).result;
      expect(gen2).toMatchObject({ kind: 'started', start: { mode: 'efi' } });
      expect(gen2.kind === 'started' && gen2.loader).toContain('CDROM(0x1,');
      const gen1 = boot({ generation: 1, dvds: [disk(block, 1, 'dvd')] });
      expect(gen1.result).toMatchObject({
        kind: 'started',
        start: { mode: 'real', segment: 0x7c0, ip: 0, drive: 0xe0 },
      });
      expect(gen1.memory.readBytes(0x7c00, 3)).toEqual(Uint8Array.of(0x4c, 0x44, 0x52));
    });
  });
});
