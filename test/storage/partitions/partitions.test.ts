import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/core/crc32.ts';
import { InputError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { DiskFault } from '../../../src/storage/block.ts';
import { readPartitions } from '../../../src/storage/partitions/read.ts';
import { GptHeader, GptType, MbrType } from '../../../src/storage/partitions/spec.ts';
import { writeGpt, writeMbr } from '../../../src/storage/partitions/write.ts';
import { ArrayDisk } from '../../support/array-disk.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';
import { cases } from '../../support/cases.ts';

const MIB = 1 << 20;
const DISK_GUID = '6d3c8a52-0b7e-4c1f-9a55-1f2e3d4c5b6a';

function gptDisk(sectorBytes = 512): ArrayDisk {
  const disk = new ArrayDisk(16 * MIB, { sectorBytes });
  writeGpt(disk, {
    diskGuid: DISK_GUID,
    random: new Random(7),
    partitions: [
      { typeGuid: GptType.efiSystem, sizeBytes: 2 * MIB, name: 'EFI system partition' },
      { typeGuid: GptType.freebsdUfs, name: 'rootfs', attributes: 1n << 60n },
    ],
  });
  return disk;
}

function readWarned(disk: ArrayDisk): [ReturnType<typeof readPartitions>, string[]] {
  const warnings: string[] = [];
  return [readPartitions(disk, (message) => warnings.push(message)), warnings];
}

/** Changes a header field or entry and makes the checksums right again, as an attacker would. */
function reseal(disk: ArrayDisk, change: (bytes: Uint8Array, view: DataView) => void): void {
  const view = new DataView(disk.bytes.buffer);
  change(disk.bytes, view);
  const header = GptHeader.cursor(view).at(disk.sectorBytes);
  header.entriesCrc32 = crc32(disk.bytes, 2 * disk.sectorBytes, 128 * 128);
  header.headerCrc32 = 0;
  header.headerCrc32 = crc32(disk.bytes, disk.sectorBytes, GptHeader.size);
}

describe('crc32', () => {
  it('gives the check value of the CRC catalogue', () => {
    const bytes = new TextEncoder().encode('123456789');
    expect(crc32(bytes)).toBe(0xcbf4_3926);
    expect(crc32(bytes, 4, 5, crc32(bytes, 0, 4))).toBe(0xcbf4_3926);
  });
});

describe('a GPT that we wrote', () => {
  for (const sectorBytes of [512, 4096]) {
    it(`reads back with sectors of ${sectorBytes} bytes`, () => {
      const [table, warnings] = readWarned(gptDisk(sectorBytes));
      expect(warnings).toEqual([]);
      expect(table).toMatchObject({ kind: 'gpt', diskId: DISK_GUID });
      expect(table.partitions).toMatchObject([
        {
          index: 1,
          startByte: MIB,
          sizeBytes: 2 * MIB,
          typeGuid: GptType.efiSystem,
          typeByte: 0,
          typeName: 'EFI system',
          name: 'EFI system partition',
          active: false,
          problem: '',
        },
        { index: 2, startByte: 3 * MIB, typeName: 'FreeBSD UFS', attributes: 1n << 60n },
      ]);
      expect(table.partitions[0]!.uniqueId).toMatch(/^[0-9a-f]{8}-.{4}-4.{3}-[89ab].{3}-.{12}$/);
    });
  }

  it.skipIf(!hasTool('sgdisk'))('is accepted by sgdisk', () => {
    inFolder((folder) => {
      const image = join(folder, 'gpt.img');
      writeFileSync(image, gptDisk().bytes);
      expect(run('sgdisk', ['-v', image])).toContain('No problems found');
      const info = run('sgdisk', ['-i', '1', image]);
      expect(info).toContain('(EFI system partition)');
      expect(info).toContain("Partition name: 'EFI system partition'");
      expect(run('sgdisk', ['-p', image]).toLowerCase()).toContain(DISK_GUID);
    });
  });

  it.skipIf(!hasTool('partx'))('is read alike by partx with sectors of 4096 bytes', () => {
    inFolder((folder) => {
      const image = join(folder, 'gpt.img');
      writeFileSync(image, gptDisk(4096).bytes);
      const options = ['--sector-size', '4096', '-g', '-r', '-o', 'NR,NAME,TYPE'];
      expect(run('partx', [...options, image])).toBe(
        `1 EFI\\x20system\\x20partition ${GptType.efiSystem}\n2 rootfs ${GptType.freebsdUfs}\n`,
      );
    });
  });

  it('refuses partitions that do not fit', () => {
    const disk = new ArrayDisk(16 * MIB);
    const random = new Random(1);
    const typeGuid = GptType.basicData;
    const attempt = (partition: { startByte?: number; sizeBytes?: number }) => () =>
      writeGpt(disk, {
        random,
        partitions: [
          { typeGuid, sizeBytes: MIB },
          { typeGuid, ...partition },
        ],
      });
    expect(attempt({ startByte: MIB, sizeBytes: MIB })).toThrow('overlaps partition 1');
    expect(attempt({ sizeBytes: 14 * MIB })).toThrow('does not fit between 17408 and 16760320');
    expect(attempt({ startByte: 2 * MIB + 1, sizeBytes: MIB })).toThrow('not whole sectors of 512');
  });
});

describe.skipIf(!hasTool('sgdisk'))('a GPT of sgdisk', () => {
  it('is read: types, names beyond ASCII, attributes', () => {
    inFolder((folder) => {
      const image = join(folder, 'gpt.img');
      writeFileSync(image, new Uint8Array(32 * MIB));
      const first = ['-n', '1:2048:+4M', '-t', '1:ef00', '-c', '1:Système №1'];
      const second = ['-n', '2:0:+1M', '-t', '2:a501', '-A', '2:set:2'];
      const fifth = ['-n', '5:0:0', '-t', '5:8300'];
      run('sgdisk', [...first, ...second, ...fifth, '-U', DISK_GUID, image]);
      const [table, warnings] = readWarned(new ArrayDisk(readFileSync(image)));
      expect(warnings).toEqual([]);
      expect(table.diskId).toBe(DISK_GUID);
      expect(table.partitions).toMatchObject([
        {
          index: 1,
          startByte: MIB,
          sizeBytes: 4 * MIB,
          typeName: 'EFI system',
          name: 'Système №1',
        },
        { index: 2, typeName: 'FreeBSD boot', active: true, attributes: 4n },
        { index: 5, typeName: 'Linux file system', name: '' },
      ]);
    });
  });
});

describe('a damaged GPT', () => {
  it('is read from its backup when the primary header is bad', () => {
    const disk = gptDisk();
    disk.bytes[512 + 40] = 9;
    const [table, warnings] = readWarned(disk);
    expect(table.partitions).toHaveLength(2);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^the primary GPT is bad \(primary at offset 512: header CRC32 is 0x\w{8}, computed 0x\w{8}\); the backup at offset 16776704 is used$/,
      ),
    ]);
  });

  it('is read from its backup when the primary entries are bad', () => {
    const disk = gptDisk();
    disk.bytes[1024 + 60] = 9;
    const [table, warnings] = readWarned(disk);
    expect(table.partitions[0]!.name).toBe('EFI system partition');
    expect(warnings[0]).toContain('CRC32 of the entries is 0x');
  });

  it('is an error with both reasons when both headers are bad', () => {
    const disk = gptDisk();
    disk.bytes[512] = 0;
    disk.bytes[disk.bytes.length - 512 + 20] = 7;
    expect(() => readPartitions(disk)).toThrow(InputError);
    expect(() => readPartitions(disk)).toThrow(
      /^both GPT headers are bad: primary at offset 512: no "EFI PART" signature; backup at offset 16776704: header CRC32 is/,
    );
  });

  it('names the sector size that it was made for', () => {
    const made = gptDisk(4096);
    expect(() => readPartitions(new ArrayDisk(made.bytes))).toThrow(
      'offset 4096 has a GPT for sectors of 4096 bytes, but this disk has 512',
    );
    expect(() => readPartitions(new ArrayDisk(gptDisk().bytes, { sectorBytes: 4096 }))).toThrow(
      'offset 512 has a GPT for sectors of 512 bytes, but this disk has 4096',
    );
  });

  it('warns of a bad or misplaced backup', () => {
    const disk = gptDisk();
    disk.bytes[disk.bytes.length - 512] = 0;
    expect(readWarned(disk)[1]).toEqual([
      'the backup GPT at offset 16776704 is bad: no "EFI PART" signature',
    ]);
    const grown = new ArrayDisk(20 * MIB);
    grown.bytes.set(gptDisk().bytes);
    expect(readWarned(grown)[1]).toEqual([
      'the backup GPT is at LBA 32767, not at the last one, 40959: the disk has grown',
    ]);
  });

  it('flags partitions that overlap, are reversed or leave the disk', () => {
    const disk = gptDisk();
    reseal(disk, (bytes, view) => {
      const third = 1024 + 2 * 128;
      const fourth = third + 128;
      bytes.copyWithin(third, 1024, 1024 + 128);
      bytes.copyWithin(fourth, 1024, 1024 + 128);
      view.setBigUint64(1024 + 40, 0xffff_ffff_ffffn, true);
      view.setBigUint64(third + 32, 3000n, true);
      view.setBigUint64(third + 40, 2048n, true);
      view.setBigUint64(fourth + 32, 8000n, true);
      view.setBigUint64(fourth + 40, 9000n, true);
    });
    const [table, warnings] = readWarned(disk);
    expect(table.partitions.map((partition) => partition.problem)).toEqual([
      'LBA 2048 to 281474976710655 is outside the usable 34 to 32734',
      '',
      'its last LBA 2048 is before its first, 3000',
      'it overlaps partition 2',
    ]);
    expect(warnings).toHaveLength(4);
  });

  it('refuses absurd entry sizes and counts without reading them', () => {
    for (const [offset, value, reason] of [
      [84, 0xffff_ff80, 'entries of 4294967168 bytes'],
      [84, 384, 'entries of 384 bytes'],
      [80, 0xffff_ffff, '4294967295 entries of 128 bytes, expected 1 to 8192'],
      [80, 0, '0 entries'],
      [76, 1, 'are not inside the disk'],
    ] as const) {
      const disk = gptDisk();
      reseal(disk, (_, view) => view.setUint32(512 + offset, value, true));
      expect(readWarned(disk)[1][0]).toContain(reason);
    }
  });

  it('counts only behind a protective MBR', () => {
    const disk = gptDisk();
    disk.bytes.fill(0, 0, 512);
    const [table, warnings] = readWarned(disk);
    expect(table.kind).toBe('none');
    expect(warnings).toEqual([
      'the GPT at LBA 1 is left out, since no protective MBR stands before it',
    ]);
  });

  it('never fails otherwise, whatever bytes are changed', () => {
    const good = [gptDisk(512).bytes, gptDisk(4096).bytes];
    const change = fc.tuple(fc.nat(40_000), fc.nat(255));
    fc.assert(
      fc.property(
        fc.nat(1),
        fc.array(change, { maxLength: 8 }),
        fc.boolean(),
        (which, edits, seal) => {
          const disk = new ArrayDisk(good[which]!.slice(0, MIB), {
            sectorBytes: which * 3584 + 512,
          });
          const apply = (): void => edits.forEach(([at, value]) => (disk.bytes[at % 4096] = value));
          if (seal) reseal(disk, apply);
          else apply();
          expectOnlyInputErrors(() => readPartitions(disk));
        },
      ),
      { numRuns: cases(300, 80) },
    );
  });
});

function expectOnlyInputErrors(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof InputError) && !(error instanceof DiskFault)) throw error;
  }
}

describe('an MBR', () => {
  it('that we wrote reads back', () => {
    const disk = new ArrayDisk(16 * MIB);
    writeMbr(disk, {
      diskSignature: 0xdead_beef,
      bootCode: Uint8Array.of(0xcd, 0x18),
      partitions: [
        { typeByte: MbrType.is.freebsd, sizeBytes: 8 * MIB, active: true },
        { typeByte: MbrType.is.fat32Lba },
      ],
    });
    const [table, warnings] = readWarned(disk);
    expect(warnings).toEqual([]);
    expect(table).toMatchObject({ kind: 'mbr', diskId: 'deadbeef' });
    expect(table.partitions).toMatchObject([
      {
        index: 1,
        startByte: MIB,
        sizeBytes: 8 * MIB,
        typeByte: 0xa5,
        typeName: 'FreeBSD',
        uniqueId: 'deadbeef-01',
        active: true,
      },
      { index: 2, startByte: 9 * MIB, sizeBytes: 7 * MIB, typeName: 'FAT32 (LBA)', active: false },
    ]);
    expect(disk.bytes[0]).toBe(0xcd);
  });

  it.skipIf(!hasTool('partx'))('that we wrote is read alike by partx', () => {
    inFolder((folder) => {
      const image = join(folder, 'mbr.img');
      const disk = new ArrayDisk(16 * MIB);
      const partitions = [{ typeByte: 0x83, sizeBytes: 4 * MIB, active: true }, { typeByte: 0x0c }];
      writeMbr(disk, { diskSignature: 0x1234_5678, partitions });
      writeFileSync(image, disk.bytes);
      const columns = ['-g', '-r', '-o', 'NR,START,SECTORS,TYPE,FLAGS,UUID'];
      expect(run('partx', [...columns, image])).toBe(
        '1 2048 8192 0x83 0x80 12345678-01\n2 10240 22528 0xc 0x0 12345678-02\n',
      );
    });
  });

  it('with an extended partition gives its logical ones', () => {
    const { disk } = extendedDisk();
    const [table, warnings] = readWarned(disk);
    expect(warnings).toEqual([]);
    expect(
      table.partitions.map(({ index, startByte, typeName }) => [index, startByte, typeName]),
    ).toEqual([
      [1, MIB, 'extended (LBA)'],
      [5, MIB + 63 * 512, 'Linux'],
      [6, 3 * MIB + 63 * 512, 'NTFS or exFAT'],
    ]);
  });

  it('whose logical chain loops or breaks off warns and goes on', () => {
    const { disk, records } = extendedDisk();
    new DataView(disk.bytes.buffer).setUint32(records[1]! + 446 + 16 + 8, 0, true);
    disk.bytes[records[1]! + 446 + 16 + 4] = 0x05;
    disk.bytes[records[1]! + 446 + 16 + 12] = 1;
    expect(readWarned(disk)[1]).toEqual([
      'the chain of logical partitions loops at offset 1048576',
    ]);
    disk.bytes[records[1]! + 510] = 0;
    const [table, warnings] = readWarned(disk);
    expect(table.partitions).toHaveLength(2);
    expect(warnings).toEqual(['the extended boot record at offset 3145728 has no 55 AA signature']);
  });

  it('is not seen in a FAT boot sector, nor without 55 AA', () => {
    const disk = new ArrayDisk(MIB);
    expect(readPartitions(disk).kind).toBe('none');
    disk.bytes.set(Uint8Array.of(0x55, 0xaa), 510);
    expect(readPartitions(disk)).toMatchObject({ kind: 'mbr', partitions: [] });
    disk.bytes.set(new TextEncoder().encode('FAT16   '), 0x36);
    expect(readPartitions(disk).kind).toBe('none');
  });
});

/** 16 MiB with an extended partition of two logical ones, as every DOS-like tool lays them out. */
function extendedDisk(): { disk: ArrayDisk; records: number[] } {
  const disk = new ArrayDisk(16 * MIB);
  const records = [MIB, 3 * MIB];
  const entry = (at: number, type: number, firstLba: number, sectors: number): void => {
    const view = new DataView(disk.bytes.buffer, at, 16);
    view.setUint8(4, type);
    view.setUint32(8, firstLba, true);
    view.setUint32(12, sectors, true);
  };
  writeMbr(disk, { partitions: [{ typeByte: 0x0f, sizeBytes: 8 * MIB }] });
  entry(records[0]! + 446, 0x83, 63, 2048);
  entry(records[0]! + 446 + 16, 0x05, (2 * MIB) / 512, 4096);
  entry(records[1]! + 446, 0x07, 63, 2048);
  for (const record of records) disk.bytes.set(Uint8Array.of(0x55, 0xaa), record + 510);
  return { disk, records };
}
