import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatFat } from '../../../src/storage/fat/format.ts';
import type { FatType } from '../../../src/storage/fat/spec.ts';
import { FatVolume } from '../../../src/storage/fat/volume.ts';
import { makeFatDirectory, writeFatFile } from '../../../src/storage/fat/write.ts';
import { ArrayDisk } from '../../support/array-disk.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';

const MIB = 1 << 20;

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index += 1)
    bytes[index] = (index * seed + (index >> 8)) & 0xff;
  return bytes;
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What fsck.vfat says when something is not as it should be. */
const COMPLAINT = /wrong|mismatch|differ|orphan|reclaim|bad/i;

const VOLUMES: { type: FatType; megabytes: number; sectorBytes: number }[] = [
  { type: 12, megabytes: 2, sectorBytes: 512 },
  { type: 16, megabytes: 20, sectorBytes: 512 },
  { type: 32, megabytes: 34, sectorBytes: 512 },
  { type: 12, megabytes: 8, sectorBytes: 4096 },
];

describe.skipIf(!hasTool('mkfs.vfat') || !hasTool('mcopy'))(
  'a volume of mkfs.vfat and mcopy',
  () => {
    for (const { type, megabytes, sectorBytes } of VOLUMES) {
      it(`is read: FAT${type}, sectors of ${sectorBytes} bytes`, () => {
        inFolder((folder) => {
          const image = join(folder, 'fat.img');
          writeFileSync(image, new Uint8Array(megabytes * MIB));
          const sector = ['-S', String(sectorBytes)];
          run('mkfs.vfat', [
            '-F',
            String(type),
            ...sector,
            '-n',
            'ORACLE',
            '-i',
            'CAFEF00D',
            image,
          ]);
          const loader = pattern(123_457, 7);
          writeFileSync(join(folder, 'loader'), loader);
          writeFileSync(join(folder, 'empty'), '');
          run('mmd', ['-i', image, '::/EFI', '::/EFI/BOOT', '::/A long directory name']);
          run('mcopy', ['-i', image, join(folder, 'loader'), '::/EFI/BOOT/BOOTX64.EFI']);
          run('mcopy', ['-i', image, join(folder, 'loader'), '::/EFI/BOOT/bootx64.bak']);
          run('mcopy', [
            '-i',
            image,
            join(folder, 'empty'),
            '::/A long directory name/été №1.tar.gz',
          ]);
          const names = Array.from({ length: 40 }, (_, index) =>
            join(folder, `a rather long file name ${index + 1}.text`),
          );
          for (const name of names) writeFileSync(name, '');
          run('mcopy', ['-i', image, ...names, '::/EFI/']);
          const disk = new ArrayDisk(readFileSync(image), { sectorBytes });
          const volume = FatVolume.open(disk);
          expect(volume.type).toBe(type);
          expect(volume.label).toBe('ORACLE');
          expect(volume.serial).toBe(0xcafe_f00d);
          expect(volume.warnings).toEqual([]);
          expect(volume.list().map((entry) => entry.name)).toEqual([
            'EFI',
            'A long directory name',
          ]);
          expect(digest(volume.readFile('\\efi\\boot\\BootX64.efi'))).toBe(digest(loader));
          expect(digest(volume.readFile('/EFI/BOOT/BOOTX64.BAK'))).toBe(digest(loader));
          expect(volume.list('\\EFI\\BOOT').map((entry) => entry.name)).toEqual([
            'BOOTX64.EFI',
            'bootx64.bak',
          ]);
          expect(volume.list('\\A long directory name')[0]).toMatchObject({
            name: 'été №1.tar.gz',
            sizeBytes: 0,
            firstCluster: 0,
          });
          expect(volume.list('\\EFI')).toHaveLength(41);
          expect(volume.stat('\\EFI\\ARATHE~7.TEX')?.name).toBe('a rather long file name 7.text');

          makeFatDirectory(volume, '\\EFI\\Added by us');
          writeFatFile(volume, '\\EFI\\Added by us\\new', loader);
          writeFatFile(volume, '\\EFI\\BOOT\\BOOTX64.EFI', loader.subarray(0, 5000));
          writeFileSync(image, disk.bytes);
          expect(run('fsck.vfat', ['-n', '-v', image])).not.toMatch(COMPLAINT);
          run('mcopy', ['-i', image, '::/EFI/Added by us/new', join(folder, 'out')]);
          expect(digest(readFileSync(join(folder, 'out')))).toBe(digest(loader));
        });
      });
    }
  },
);

describe.skipIf(!hasTool('fsck.vfat') || !hasTool('mcopy'))('a volume that we made', () => {
  for (const { type, megabytes, sectorBytes } of VOLUMES) {
    it(`passes fsck.vfat and mtools: FAT${type}, sectors of ${sectorBytes} bytes`, () => {
      inFolder((folder) => {
        const image = join(folder, 'fat.img');
        const disk = new ArrayDisk(megabytes * MIB, { sectorBytes });
        disk.bytes.fill(0x5a);
        const volume = formatFat(disk, 0, disk.sizeBytes, {
          type,
          label: 'esp',
          serial: 0x1234_abcd,
        });
        expect(volume.type).toBe(type);
        makeFatDirectory(volume, '\\EFI\\BOOT');
        makeFatDirectory(volume, '\\EFI\\freebsd');
        const loader = pattern(700_001, 3);
        writeFatFile(volume, '\\EFI\\BOOT\\BOOTX64.EFI', pattern(9, 1));
        for (let index = 0; index < 60; index += 1) {
          writeFatFile(
            volume,
            `\\EFI\\freebsd\\Long Name + number ${index}.x`,
            pattern(index * 37, 5),
          );
        }
        writeFatFile(volume, '\\efi\\boot\\bootx64.efi', loader);
        writeFatFile(volume, '\\startup.nsh', pattern(4097, 9));
        writeFatFile(volume, '\\EFI\\freebsd\\Long Name + number 59.x', pattern(0, 5));
        writeFatFile(volume, '\\EFI\\freebsd\\Long Name + number 58.x', pattern(1, 5));
        const time = { year: 2015, month: 12, day: 31, hour: 23, minute: 59, second: 58 };
        writeFatFile(volume, '\\Überlänge.TXT', pattern(5, 2), time);
        writeFileSync(image, disk.bytes);

        const report = run('fsck.vfat', ['-n', '-v', image]);
        expect(report).not.toMatch(COMPLAINT);
        const listing = run('mdir', ['-i', image, '-/', '-b', '::']);
        expect(listing).toContain('::/EFI/BOOT/BOOTX64.EFI');
        expect(listing).toContain('::/EFI/freebsd/Long Name + number 59.x');
        expect(listing).toContain('::/startup.nsh');
        expect(listing.split('\n').filter((line) => line.includes('Long Name'))).toHaveLength(60);
        expect(run('mdir', ['-i', image, '::'])).toMatch(/2015-12-31\s+23:59\s+Überlänge\.TXT/);
        run('mcopy', ['-i', image, '::/EFI/BOOT/BOOTX64.EFI', join(folder, 'out')]);
        expect(digest(readFileSync(join(folder, 'out')))).toBe(digest(loader));
        expect(run('minfo', ['-i', image, '::'])).toMatch(/disk label="ESP\s+"/);

        const again = FatVolume.open(new ArrayDisk(disk.bytes, { sectorBytes }));
        expect(digest(again.readFile('\\EFI\\BOOT\\BOOTX64.EFI'))).toBe(digest(loader));
        expect(again.label).toBe('ESP');
      });
    });
  }
});
