import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { DiskFault } from '../../../src/storage/block.ts';
import { FatVolume } from '../../../src/storage/fat/volume.ts';
import { findBootImage, readBootCatalog } from '../../../src/storage/iso9660/el-torito.ts';
import { BootMedia, BootPlatform } from '../../../src/storage/iso9660/spec.ts';
import { IsoVolume } from '../../../src/storage/iso9660/volume.ts';
import { formatFat } from '../../../src/storage/fat/format.ts';
import { makeFatDirectory, writeFatFile } from '../../../src/storage/fat/write.ts';
import { ArrayDisk } from '../../support/array-disk.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';
import { cases } from '../../support/cases.ts';

const LONG = 'a name that is much too long for plain ISO 9660, and with Ünïcode.tar.gz';
const LOADER = new Uint8Array(5000).fill(0x4d);
const xorriso = describe.skipIf(!hasTool('xorriso'));

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A disc of a tree with a long name, a big file, 80 names in one folder, and two boot images. */
function disc(options: readonly string[]): ArrayDisk {
  return inFolder((folder) => {
    const tree = join(folder, 'tree');
    mkdirSync(join(tree, 'boot', 'many'), { recursive: true });
    writeFileSync(join(tree, LONG), 'long');
    writeFileSync(join(tree, 'boot', 'kernel'), new Uint8Array(300_000).fill(0x6b));
    writeFileSync(join(tree, 'boot', 'cdboot'), new Uint8Array(2048).fill(0xcd));
    for (let index = 0; index < 80; index += 1) {
      writeFileSync(join(tree, 'boot', 'many', `module-number-${index}.ko`), String(index));
    }
    const esp = new ArrayDisk(1 << 20);
    const volume = formatFat(esp, 0, esp.sizeBytes, { serial: 1 });
    makeFatDirectory(volume, '\\EFI\\BOOT');
    writeFatFile(volume, '\\EFI\\BOOT\\BOOTX64.EFI', LOADER);
    writeFileSync(join(tree, 'boot', 'efi.img'), esp.bytes);
    const image = join(folder, 'disc.iso');
    run('xorriso', ['-as', 'mkisofs', '-V', 'INSTALL', ...options, '-o', image, tree]);
    return new ArrayDisk(readFileSync(image), { name: 'disc.iso', sectorBytes: 2048 });
  });
}

const BIOS_AND_EFI = [
  ...'-b boot/cdboot -c boot/catalog -no-emul-boot -boot-load-size 4'.split(' '),
  ...'-eltorito-alt-boot -e boot/efi.img -no-emul-boot'.split(' '),
];

xorriso('a disc of xorriso', () => {
  for (const [names, options] of [
    ['rock-ridge', ['-R', '-J', '-joliet-long']],
    ['joliet', ['-J', '-joliet-long', '--norock']],
  ] as const) {
    it(`is read by its ${names} names`, () => {
      const volume = IsoVolume.open(disc(options));
      expect(volume).toMatchObject({ names, label: 'INSTALL' });
      expect(volume.list().map((entry) => entry.name)).toEqual([LONG, 'boot']);
      expect(volume.readFile(`\\${LONG}`)).toEqual(new TextEncoder().encode('long'));
      expect(digest(volume.readFile('/BOOT/KERNEL'))).toBe(
        digest(new Uint8Array(300_000).fill(0x6b)),
      );
      expect(volume.list('\\boot\\many')).toHaveLength(80);
      expect(volume.readFile('\\boot\\many\\module-number-79.ko')).toEqual(
        Uint8Array.of(0x37, 0x39),
      );
      expect(volume.stat('\\boot\\none')).toBeUndefined();
      expect(() => volume.readFile('\\boot\\none')).toThrow('there is no \\boot\\none on the disc');
      expect(() => volume.list('\\boot\\kernel')).toThrow('\\boot\\kernel is a file');
    });
  }

  it('is read by plain ISO 9660 names when it has no others', () => {
    const volume = IsoVolume.open(disc(['--norock']));
    expect(volume.names).toBe('iso9660');
    expect(volume.stat('\\BOOT\\KERNEL')).toMatchObject({ name: 'KERNEL', sizeBytes: 300_000 });
  });

  it('gives its boot images, and the EFI one is a FAT volume', () => {
    const disk = disc(['-R', ...BIOS_AND_EFI]);
    const images = readBootCatalog(disk);
    expect(images).toMatchObject([
      {
        platform: BootPlatform.is.x86,
        bootable: true,
        media: BootMedia.is.noEmulation,
        loadSegment: 0x7c0,
        sectorCount: 4,
        sizeBytes: 2048,
      },
      { platform: BootPlatform.is.efi, bootable: true, sizeBytes: 1 << 20 },
    ]);
    expect(disk.bytes[images[0]!.startByte]).toBe(0xcd);
    const { startByte, sizeBytes } = findBootImage(images, BootPlatform.is.efi)!;
    const esp = FatVolume.open(disk, startByte, sizeBytes);
    expect(esp.readFile('\\EFI\\BOOT\\BOOTX64.EFI')).toEqual(LOADER);
  });

  it('without a catalog gives no boot images', () => {
    expect(readBootCatalog(disc([]))).toEqual([]);
  });
});

describe.skipIf(!hasTool('genisoimage'))('a disc of genisoimage', () => {
  it('is read, with long Rock Ridge names in continuation areas', () => {
    inFolder((folder) => {
      const tree = join(folder, 'tree');
      const name = 'x'.repeat(240);
      mkdirSync(tree);
      writeFileSync(join(tree, name), 'continued');
      const image = join(folder, 'disc.iso');
      run('genisoimage', ['-quiet', '-R', '-V', 'OLD', '-o', image, tree]);
      const volume = IsoVolume.open(new ArrayDisk(readFileSync(image), { sectorBytes: 512 }));
      expect(volume).toMatchObject({ names: 'rock-ridge', label: 'OLD' });
      expect(volume.list()).toMatchObject([{ name, sizeBytes: 9, isDirectory: false }]);
    });
  });
});

describe('a disc that is none', () => {
  it('is refused with the offset', () => {
    const disk = new ArrayDisk(100 * 2048, { sectorBytes: 2048 });
    expect(IsoVolume.detect(disk)).toBe(false);
    expect(() => IsoVolume.open(disk)).toThrow(
      'not an ISO 9660 disc: no primary volume descriptor (01 "CD001") at offset 32768',
    );
    expect(() => IsoVolume.open(new ArrayDisk(2048, { sectorBytes: 2048 }))).toThrow(InputError);
  });
});

xorriso('a damaged disc', () => {
  it('tells what is wrong with its boot catalog', () => {
    const disk = disc(['-R', ...BIOS_AND_EFI]);
    const record = 17 * 2048;
    const view = new DataView(disk.bytes.buffer, disk.bytes.byteOffset);
    const catalog = view.getUint32(record + 0x47, true) * 2048;
    disk.bytes[catalog + 5]! ^= 1;
    expect(() => readBootCatalog(disk)).toThrow(
      /^El Torito boot catalog at offset \d+: the words of the validation entry add up to 0x/,
    );
    disk.bytes[catalog + 30] = 0;
    expect(() => readBootCatalog(disk)).toThrow('does not have header 01 and keys 55 AA');
    view.setUint32(record + 0x47, 0xffff_ffff, true);
    expect(() => readBootCatalog(disk)).toThrow('beyond the disc of');
  });

  it('tells of a damaged directory record and a file beyond the disc', () => {
    const disk = disc(['-J', '--norock']);
    const view = new DataView(disk.bytes.buffer, disk.bytes.byteOffset);
    const root = view.getUint32(17 * 2048 + 156 + 2, true) * 2048;
    const name = IsoVolume.open(disk).list()[0]!.name;
    const record = root + 34 + 34;
    view.setUint32(record + 10, 0xf000_0000, true);
    expect(() => IsoVolume.open(disk).readFile(name, 2 ** 33)).toThrow('beyond the disc of');
    expect(() => IsoVolume.open(disk).readFile(name)).toThrow('4026531840 bytes, more than');
    disk.bytes[record] = 34;
    expect(() => IsoVolume.open(disk).list()).toThrow(
      `the directory \\ has a damaged record at offset ${record}: 34 bytes with a name of`,
    );
  });

  it('never fails otherwise, whatever bytes are changed', () => {
    const good = disc(['-R', '-J', ...BIOS_AND_EFI]);
    const original = good.bytes.slice();
    const view = new DataView(good.bytes.buffer, good.bytes.byteOffset);
    const roots = [16, 18].map((sector) => view.getUint32(sector * 2048 + 158, true) * 2048);
    const near = (start: number, length: number) => fc.integer({ min: start, max: start + length });
    const place = fc.oneof(
      near(16 * 2048, 200),
      near(17 * 2048, 80),
      near(18 * 2048, 200),
      near(roots[0]!, 400),
      near(roots[1] ?? roots[0]!, 400),
    );
    const edits = fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(edits, (changes) => {
        good.bytes.set(original);
        for (const [at, value] of changes) good.bytes[at] = value;
        for (const act of [
          () => readBootCatalog(good),
          () => {
            const volume = IsoVolume.open(good);
            for (const entry of volume.list()) {
              if (entry.isDirectory) volume.list(entry.name);
              else volume.readFile(entry.name, 1 << 20);
            }
          },
        ]) {
          try {
            act();
          } catch (error) {
            if (!(error instanceof InputError) && !(error instanceof DiskFault)) throw error;
          }
        }
      }),
      { numRuns: cases(200, 50) },
    );
  });
});
