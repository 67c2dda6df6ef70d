import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { DiskFault } from '../../../src/storage/block.ts';
import { formatFat } from '../../../src/storage/fat/format.ts';
import type { FatType } from '../../../src/storage/fat/spec.ts';
import { readFatTree } from '../../../src/storage/fat/tree.ts';
import { FatVolume } from '../../../src/storage/fat/volume.ts';
import { makeFatDirectory, writeFatFile } from '../../../src/storage/fat/write.ts';
import { ArrayDisk } from '../../support/array-disk.ts';

const MIB = 1 << 20;
const LOADER = '\\EFI\\BOOT\\BOOTX64.EFI';
const FIRST = 2;

interface Made {
  readonly disk: ArrayDisk;
  readonly volume: FatVolume;
  /** Points a cluster's FAT entry somewhere else. */
  readonly link: (cluster: number, next: number) => void;
}

function made(type: FatType, megabytes: number, fileBytes = 40_000): Made {
  const disk = new ArrayDisk(megabytes * MIB, { name: 'esp.img' });
  const volume = formatFat(disk, 0, disk.sizeBytes, { type, serial: 1, blank: true });
  makeFatDirectory(volume, '\\EFI\\BOOT');
  writeFatFile(volume, LOADER, new Uint8Array(fileBytes).fill(0xab));
  const link = (cluster: number, next: number): void => {
    volume.table.set(cluster, next);
    volume.table.flush();
  };
  return { disk, volume, link };
}

const CASES: [FatType, number][] = [
  [12, 2],
  [16, 8],
  [32, 34],
];

describe('a damaged cluster chain', () => {
  for (const [type, megabytes] of CASES) {
    it(`is told with cluster and offset: FAT${type}`, () => {
      const { disk, volume, link } = made(type, megabytes);
      const first = volume.stat(LOADER)!.firstCluster;
      const { fatStart, clusterCount } = volume.geometry;
      const entry = (cluster: number): number => fatStart + Math.floor((cluster * type) / 8);
      const read = (): unknown => FatVolume.open(disk).readFile(LOADER);
      const chain = `cluster chain of ${LOADER}`;

      link(first + 20, first + 7);
      expect(read).toThrow(
        `${chain} loops at cluster ${first + 7}, which cluster ${first + 20} leads back to (FAT entry at offset ${entry(first + 20)})`,
      );
      link(first + 20, first + 20);
      expect(read).toThrow(`${chain} loops at cluster ${first + 20}, which cluster ${first + 20}`);
      link(first + 20, 0);
      expect(read).toThrow(`${chain} breaks off after cluster ${first + 20}, in a free one`);
      link(first + 20, clusterCount + FIRST);
      expect(read).toThrow(
        `${chain} goes from cluster ${first + 20} to ${clusterCount + FIRST}, outside 2 to ${clusterCount + 1}`,
      );
      link(first + 20, 0x0fff_fff7);
      expect(read).toThrow(`${chain} goes from cluster ${first + 20} to a bad one`);
      link(first + 20, 0x0fff_ffff);
      const { clusterBytes } = volume;
      expect(read).toThrow(
        `${chain} has 21 clusters, its 40000 bytes need ${Math.ceil(40_000 / clusterBytes)}`,
      );
      expect(read).toThrow(InputError);
    });
  }

  it('that loops after the end of the file is an error too', () => {
    const { disk, volume, link } = made(16, 8, 100);
    const first = volume.stat(LOADER)!.firstCluster;
    link(first, first);
    expect(() => FatVolume.open(disk).readFile(LOADER)).toThrow(`loops at cluster ${first}`);
  });

  it('of a directory is an error that names the directory', () => {
    const { disk, volume, link } = made(16, 8);
    const { firstCluster } = volume.stat('\\EFI\\BOOT')!;
    link(firstCluster, firstCluster);
    expect(() => FatVolume.open(disk).list('\\EFI\\BOOT')).toThrow(
      `cluster chain of \\EFI\\BOOT loops at cluster ${firstCluster}`,
    );
  });

  it('is never allocated by its length: a directory that is too long', () => {
    const { disk, volume } = made(32, 34, 3 * MIB);
    const file = volume.stat(LOADER)!;
    const directory = volume.clusterStart(volume.stat('\\EFI\\BOOT')!.firstCluster);
    disk.bytes[directory + file.position + 11] = 0x10;
    expect(() => FatVolume.open(disk).list(LOADER)).toThrow('FAT allows 65536 entries');
  });
});

describe('the whole tree', () => {
  it('lists every file once, with its path', () => {
    const { volume } = made(16, 8);
    writeFatFile(volume, '\\EFI\\a longer name.txt', new Uint8Array(3));
    expect(readFatTree(volume).map(({ path, entry }) => [path, entry.sizeBytes])).toEqual([
      ['\\EFI', 0],
      ['\\EFI\\BOOT', 0],
      [LOADER, 40_000],
      ['\\EFI\\a longer name.txt', 3],
    ]);
  });

  it('is an error where two chains meet, with both names', () => {
    const { disk, volume, link } = made(16, 8);
    writeFatFile(volume, '\\other', new Uint8Array(40_000));
    const loader = volume.stat(LOADER)!.firstCluster;
    const other = volume.stat('\\other')!.firstCluster;
    link(other + 5, loader + 3);
    expect(() => readFatTree(FatVolume.open(disk))).toThrow(
      `\\other and ${LOADER} are cross-linked: both have cluster ${loader + 3}`,
    );
  });

  it('is an error where a directory holds itself', () => {
    const { disk, volume } = made(16, 8);
    const efi = volume.stat('\\EFI')!;
    const boot = volume.stat('\\EFI\\BOOT')!;
    const directory = volume.clusterStart(efi.firstCluster);
    disk.bytes[directory + boot.position + 26] = efi.firstCluster;
    expect(() => readFatTree(FatVolume.open(disk))).toThrow(
      `\\EFI\\BOOT and \\EFI are cross-linked: both have cluster ${efi.firstCluster}`,
    );
  });
});

describe('a path', () => {
  it('that leads nowhere is told', () => {
    const { volume } = made(16, 8);
    expect(() => volume.readFile('\\EFI\\freebsd\\loader.efi')).toThrow(
      'there is no \\EFI\\freebsd\\loader.efi on the FAT volume',
    );
    expect(() => volume.list('\\EFI\\freebsd')).toThrow('\\EFI has no freebsd');
    expect(() => volume.list(LOADER)).toThrow(`${LOADER} is a file`);
    expect(() => volume.readFile('\\EFI')).toThrow('\\EFI is a directory');
    expect(volume.stat('\\EFI\\BOOT\\BOOTX64.EFI\\x')).toBeUndefined();
  });
});

describe('a boot sector', () => {
  const damages: [string, (bytes: Uint8Array, view: DataView) => void, string][] = [
    ['no signature', (bytes) => (bytes[510] = 0), 'does not end in 55 AA'],
    ['NTFS', (bytes) => bytes.set(new TextEncoder().encode('NTFS    '), 3), 'it is NTFS'],
    ['no jump', (bytes) => (bytes[0] = 0x7f), 'starts with 0x7f, expected a jump'],
    ['sector size', (_, view) => view.setUint16(11, 513, true), '513 bytes a sector (offset 11)'],
    ['cluster size', (bytes) => (bytes[13] = 3), '3 sectors a cluster (offset 13)'],
    ['reserved', (_, view) => view.setUint16(14, 0, true), 'no reserved sectors (offset 14)'],
    ['FATs', (bytes) => (bytes[16] = 0), '0 FATs (offset 16)'],
    ['media', (bytes) => (bytes[21] = 1), 'media byte 0x1 (offset 21)'],
    ['root', (_, view) => view.setUint16(17, 0, true), 'a root directory of 0 entries (offset 17)'],
    [
      'total',
      (_, view) => view.setUint16(19, 30, true),
      '30 sectors in total, but the data starts at',
    ],
    ['FAT size', (_, view) => view.setUint16(22, 0, true), 'FATs of 0 sectors (offsets 22 and 36)'],
  ];
  for (const [what, damage, message] of damages) {
    it(`with a wrong field is refused: ${what}`, () => {
      const { disk } = made(16, 8);
      damage(disk.bytes, new DataView(disk.bytes.buffer));
      if (what === 'FAT size') new DataView(disk.bytes.buffer).setUint32(36, 0, true);
      expect(() => FatVolume.open(disk)).toThrow(InputError);
      expect(() => FatVolume.open(disk)).toThrow(message);
    });
  }

  it('that claims more than its partition warns, and reading beyond is told', () => {
    const { disk } = made(16, 8, 3 * MIB);
    const volume = FatVolume.open(disk, 0, 2 * MIB);
    expect(volume.warnings).toEqual([
      'the FAT volume at offset 0 says 8388608 bytes, its partition has 2097152',
    ]);
    expect(() => volume.readFile(LOADER)).toThrow('past the end of the FAT volume at 2097152');
  });

  it('of FAT32 with few clusters is still FAT32, as Windows, EDK2 and Linux have it', () => {
    const { disk } = made(32, 34);
    const view = new DataView(disk.bytes.buffer);
    view.setUint32(32, 40_000, true);
    const volume = FatVolume.open(disk);
    expect(volume.geometry.clusterCount).toBeLessThan(65_525);
    expect(volume.type).toBe(32);
    expect(volume.readFile(LOADER)).toHaveLength(40_000);
  });
});

describe('writing', () => {
  it('leaves a full volume as it was', () => {
    const { disk, volume } = made(12, 2);
    const before = disk.bytes.slice();
    expect(() => writeFatFile(volume, '\\big', new Uint8Array(2 * MIB))).toThrow(
      'no room for \\big',
    );
    expect(() => writeFatFile(volume, '\\EFI\\a:b', new Uint8Array(1))).toThrow(
      'which FAT forbids',
    );
    expect(() => writeFatFile(volume, LOADER, new Uint8Array(2 * MIB))).toThrow('no room for');
    expect(Buffer.compare(disk.bytes, before)).toBe(0);
  });

  it('writes to both FATs, and only what is needed of a blank volume', () => {
    const { disk, volume } = made(32, 64, 4096);
    const { fatStart, fatBytes } = volume.geometry;
    const first = disk.bytes.subarray(fatStart, fatStart + fatBytes);
    const second = disk.bytes.subarray(fatStart + fatBytes, fatStart + 2 * fatBytes);
    expect(Buffer.compare(first, second)).toBe(0);
    expect(disk.writtenBytes).toBeLessThan(32_768);
  });

  it('gives numeric tails to names that would clash', () => {
    const { volume } = made(16, 8);
    for (let index = 0; index < 12; index += 1) {
      writeFatFile(volume, `\\EFI\\Program Files ${index}`, Uint8Array.of(index));
    }
    const shorts = volume.list('\\EFI').map((entry) => entry.shortName);
    expect(new Set(shorts).size).toBe(shorts.length);
    expect(shorts).toContain('PROGRA~9');
    expect(shorts).toContain('PROGR~12');
    expect(volume.readFile('\\EFI\\progr~12')).toEqual(Uint8Array.of(11));
  });

  it('holds whatever files are written, in any order and size', () => {
    const file = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 9000 }));
    fc.assert(
      fc.property(
        fc.constantFrom<FatType>(12, 16),
        fc.array(file, { maxLength: 20 }),
        (type, files) => {
          const disk = new ArrayDisk(type === 12 ? MIB : 4 * MIB);
          const volume = formatFat(disk, 0, disk.sizeBytes, { type, serial: 1, blank: true });
          makeFatDirectory(volume, '\\a');
          const content = new Map<string, Uint8Array>();
          for (const [turn, [which, length]] of files.entries()) {
            const path = `\\a\\a file with a long name ${which}`;
            content.set(path, new Uint8Array(length).fill(turn + 1));
            writeFatFile(volume, path, content.get(path)!);
          }
          const again = FatVolume.open(disk);
          expect(again.list('\\a')).toHaveLength(content.size);
          for (const [path, bytes] of content) {
            expect(Buffer.compare(again.readFile(path), bytes)).toBe(0);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('any corruption', () => {
  for (const [type, megabytes] of CASES) {
    it(`ends in InputError or a reading: FAT${type}`, () => {
      const { disk, volume } = made(type, megabytes);
      const { fatStart, fatBytes, rootStart, rootBytes, dataStart } = volume.geometry;
      const good = disk.bytes.slice(0, dataStart + 65_536);
      const near = (start: number, length: number) =>
        fc.integer({ min: start, max: start + Math.max(1, length) - 1 });
      const places = fc.oneof(
        near(11, 80),
        near(fatStart, Math.min(fatBytes, 512)),
        near(rootStart, Math.min(rootBytes, 128)),
        near(dataStart, 2048),
      );
      fc.assert(
        fc.property(
          fc.array(fc.tuple(places, fc.nat(255)), { minLength: 1, maxLength: 10 }),
          (edits) => {
            disk.bytes.set(good);
            for (const [at, value] of edits) disk.bytes[at] = value;
            try {
              const damaged = FatVolume.open(disk);
              for (const path of ['\\', '\\EFI', '\\EFI\\BOOT']) {
                for (const entry of damaged.list(path)) damaged.stat(`${path}\\${entry.name}`);
              }
              damaged.readFile(LOADER, 64 * MIB);
              readFatTree(damaged);
              writeFatFile(damaged, '\\EFI\\some new file.bin', new Uint8Array(5000));
            } catch (error) {
              if (!(error instanceof InputError) && !(error instanceof DiskFault)) throw error;
            }
          },
        ),
        { numRuns: 150 },
      );
    });
  }
});
