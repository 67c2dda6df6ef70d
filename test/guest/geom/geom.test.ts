import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { Sense } from '../../../src/devices/scsi/spec.ts';
import { Geom } from '../../../src/guest/geom/geom.ts';
import { mountRoot, type BootDisk, type RootMount } from '../../../src/guest/geom/mountroot.ts';
import {
  DISKLABEL_MAGIC,
  DiskLabel,
  DiskLabelPartition,
  UFS2_MAGIC,
  UFS2_SUPERBLOCK,
  UFS_MAGIC_OFFSET,
} from '../../../src/guest/geom/spec.ts';
import type { Switches } from '../../../src/guest/switches.ts';
import {
  GptType,
  MasterBootRecord,
  MBR_SIGNATURE,
  MbrEntry,
} from '../../../src/storage/partitions/spec.ts';
import { writeGpt } from '../../../src/storage/partitions/write.ts';
import { ArrayDisk } from '../../support/array-disk.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';
import { Bench } from '../storvsc/bench.ts';
import { flavours, scsiDisk } from '../storvsc/hosts.ts';

const MIB = 1024 * 1024;
const DISK_SECTORS = (4 * MIB) / 512;

let cached: Uint8Array | undefined;
/** A disk that sgdisk partitioned: ESP, UFS, and a Linux partition as number 7. */
function sgdisk(): Uint8Array {
  cached ??= inFolder((folder) => {
    const path = join(folder, 'disk.img');
    run('truncate', ['-s', String(8 * MIB), path]);
    const esp = ['-n', '1:2048:+512', '-t', '1:ef00'];
    const ufs = ['-n', '2:4096:+4096', '-t', '2:a503'];
    run('sgdisk', ['-o', ...esp, ...ufs, '-n', '7:10240:+100', '-t', '7:8300', path]);
    return new Uint8Array(readFileSync(path));
  });
  return cached.slice();
}

/** A GPT disk with partitions of half a MiB, one a MiB, of the given types. */
function gptDisk(...types: (keyof typeof GptType)[]): Uint8Array {
  const disk = new ArrayDisk(8 * MIB);
  writeGpt(disk, {
    random: new Random(1),
    partitions: types.map((type, index) => ({
      typeGuid: GptType[type],
      startByte: (index + 1) * MIB,
      sizeBytes: MIB / 2,
    })),
  });
  return disk.bytes;
}

interface MbrPartition {
  readonly type: number;
  readonly first: number;
  readonly sectors: number;
  readonly isActive?: boolean;
}

function writeMbr(disk: Uint8Array, at: number, partitions: readonly MbrPartition[]): void {
  const view = new DataView(disk.buffer);
  MasterBootRecord.cursor(view).at(at * 512).signature = MBR_SIGNATURE;
  for (const [index, partition] of partitions.entries()) {
    const entry = MbrEntry.cursor(view).at(
      at * 512 + MasterBootRecord.offset.entries + index * MbrEntry.size,
    );
    entry.status = partition.isActive === true ? 0x80 : 0;
    entry.type = partition.type;
    entry.firstLba = partition.first;
    entry.sectorCount = partition.sectors;
  }
}

function mbrDisk(...partitions: MbrPartition[]): Uint8Array {
  const disk = new Uint8Array(4 * MIB);
  writeMbr(disk, 0, partitions);
  return disk;
}

function setUp(
  contents: readonly Uint8Array[],
  switches: Partial<Switches> = {},
): { bench: Bench; geom: Geom; units: ReturnType<typeof scsiDisk>[] } {
  const bench = new Bench(switches);
  const geom = new Geom(bench.kernel);
  bench.cam.diskListener = geom;
  const units = contents.map((content) => scsiDisk(content));
  for (const unit of units) {
    bench.plug({ profile: flavours.ws2016, luns: [{ address: { target: 0, lun: 0 }, unit }] });
    bench.kernel.settle();
  }
  bench.kernel.text = '';
  return { bench, geom, units };
}

function taste(content: Uint8Array): { names: string[]; lines: string[] } {
  const bench = new Bench();
  const geom = new Geom(bench.kernel);
  bench.cam.diskListener = geom;
  const unit = scsiDisk(content);
  bench.plug({ profile: flavours.ws2016, luns: [{ address: { target: 0, lun: 0 }, unit }] });
  bench.kernel.settle();
  const table = geom.tableOf(bench.cam.disks[0]!);
  return {
    names: (table?.providers ?? []).map(
      ({ name, type, firstLba, sectors }) => `${name} ${type} ${firstLba}+${sectors}`,
    ),
    lines: bench.kernel.lines.filter((line) => line.startsWith('GEOM')),
  };
}

describe.skipIf(!hasTool('sgdisk'))('a GPT that sgdisk wrote', () => {
  it('is read', () => {
    const { names, lines } = taste(sgdisk());
    expect(names).toEqual([
      'da0p1 efi 2048+512',
      'da0p2 freebsd-ufs 4096+4096',
      'da0p7 linux-data 10240+100',
    ]);
    expect(lines).toEqual([]);
  });

  it('is read from its end when its start is damaged', () => {
    for (const damage of [512 + 20, 1024 + 130]) {
      const disk = sgdisk();
      disk[damage]! ^= 0xff;
      const { names, lines } = taste(disk);
      expect(names.length).toBe(3);
      expect(lines).toEqual([
        'GEOM: da0: the primary GPT table is corrupt or invalid.',
        'GEOM: da0: using the secondary instead -- recovery strongly advised.',
      ]);
    }
  });

  it('is used without its end', () => {
    const disk = sgdisk();
    disk.fill(0, disk.length - 512);
    const { names, lines } = taste(disk);
    expect(names.length).toBe(3);
    expect(lines).toEqual([
      'GEOM: da0: the secondary GPT table is corrupt or invalid.',
      'GEOM: da0: using the primary only -- recovery suggested.',
    ]);
  });

  it('on a disk that has grown is used, and the wrong place told', () => {
    const disk = new Uint8Array(9 * MIB);
    disk.set(sgdisk());
    expect(taste(disk).lines).toEqual([
      'GEOM: da0: the secondary GPT header is not in the last LBA.',
    ]);
  });

  it('is refused when both copies are bad', () => {
    const disk = sgdisk();
    disk[512 + 20]! ^= 0xff;
    disk[disk.length - 512 + 20]! ^= 0xff;
    const { names, lines } = taste(disk);
    expect(names).toEqual([]);
    expect(lines).toEqual([
      'GEOM: da0: corrupt or invalid GPT detected.',
      'GEOM: da0: GPT rejected -- may not be recoverable.',
    ]);
  });
});

/** A disk label at a slice, with offsets from the start of the disk as bsdlabel(8) writes them. */
function writeLabel(disk: Uint8Array, slice: number, sectors: number): void {
  const view = new DataView(disk.buffer);
  const label = DiskLabel.cursor(view).at((slice + 1) * 512);
  label.magic = DISKLABEL_MAGIC;
  label.magic2 = DISKLABEL_MAGIC;
  label.partitionCount = 8;
  const partition = DiskLabelPartition.cursor(view);
  const put = (index: number, offset: number, size: number, fileSystem: number): void => {
    partition.at((slice + 1) * 512 + DiskLabel.size + index * DiskLabelPartition.size);
    partition.offset = offset;
    partition.sectors = size;
    partition.fileSystem = fileSystem;
  };
  put(0, slice + 16, sectors - 512, 7);
  put(1, slice + sectors - 400, 400, 1);
  put(2, slice, sectors, 0);
}

describe('an MBR', () => {
  it('names slices and what is in them', () => {
    const disk = mbrDisk(
      { type: 0xa5, first: 63, sectors: 4000, isActive: true },
      { type: 0x0c, first: 4100, sectors: 100 },
      { type: 0x0f, first: 4300, sectors: 2000 },
    );
    writeLabel(disk, 63, 4000);
    writeMbr(disk, 4300, [
      { type: 0x83, first: 10, sectors: 90 },
      { type: 0x05, first: 500, sectors: 600 },
    ]);
    writeMbr(disk, 4800, [{ type: 0x83, first: 10, sectors: 50 }]);
    expect(taste(disk).names).toEqual([
      'da0s1 freebsd 63+4000',
      'da0s1a freebsd-ufs 79+3488',
      'da0s1b freebsd-swap 3663+400',
      'da0s2 fat32lba 4100+100',
      'da0s3 ebr 4300+2000',
      'da0s5 linux-data 4310+90',
      'da0s6 linux-data 4810+50',
    ]);
  });

  it('with a chain that turns back on itself ends', () => {
    const disk = mbrDisk({ type: 0x05, first: 100, sectors: 2000 });
    writeMbr(disk, 100, [
      { type: 0x83, first: 10, sectors: 10 },
      { type: 0x05, first: 0, sectors: 2000 },
    ]);
    expect(taste(disk).names).toEqual(['da0s1 ebr 100+2000', 'da0s5 linux-data 110+10']);
  });

  it('leaves out slices beyond the end of the disk', () => {
    expect(taste(mbrDisk({ type: 0x83, first: 63, sectors: DISK_SECTORS })).names).toEqual([]);
  });
});

interface Mounted {
  readonly root: RootMount | undefined;
  readonly lines: string[];
}

function mount(set: ReturnType<typeof setUp>, boot?: BootDisk): Mounted {
  const { kernel, cam } = set.bench;
  const root = kernel.run(mountRoot(kernel, cam, set.geom, boot));
  return { root, lines: kernel.lines };
}

const legacy = { release: 'legacy', storvscMode: 'legacy' } as const;

describe('the root', () => {
  it('is the first freebsd-ufs partition, and its superblock is seen', () => {
    const disk = gptDisk('efiSystem', 'freebsdUfs', 'freebsdUfs');
    const magicAt = 2 * MIB + UFS2_SUPERBLOCK + UFS_MAGIC_OFFSET;
    new DataView(disk.buffer).setUint32(magicAt, UFS2_MAGIC, true);
    const { root, lines } = mount(setUp([disk]));
    expect(lines).toEqual(['Trying to mount root from ufs:/dev/da0p2 [rw]...']);
    expect(root).toMatchObject({ fileSystem: 'ufs', device: 'da0p2', superblock: 'UFS2' });
    expect(root!.disk.openCount).toBe(1);
  });

  it.each([
    ['a Linux partition', ['efiSystem', 'linuxFileSystem'], 'ext2fs:/dev/da0p2 [rw]'],
    ['basic data', ['efiSystem', 'microsoftReserved', 'basicData'], 'msdosfs:/dev/da0p3 [rw]'],
    ['the ESP when nothing else is there', ['efiSystem'], 'msdosfs:/dev/da0p1 [ro]'],
    [
      'past boot code and swap',
      ['freebsdBoot', 'freebsdSwap', 'freebsdUfs'],
      'ufs:/dev/da0p3 [rw]',
    ],
    ['UFS before Linux', ['linuxFileSystem', 'freebsdUfs'], 'ufs:/dev/da0p2 [rw]'],
  ] as const)('is %s', (_, options, expected) => {
    const { root, lines } = mount(setUp([gptDisk(...options)]));
    expect(lines).toEqual([`Trying to mount root from ${expected}...`]);
    expect(root).toBeDefined();
  });

  it('is the active slice of an MBR disk', () => {
    const disk = mbrDisk(
      { type: 0x83, first: 63, sectors: 100 },
      { type: 0xa5, first: 200, sectors: 4000, isActive: true },
    );
    writeLabel(disk, 200, 4000);
    expect(mount(setUp([disk])).root).toMatchObject({ device: 'da0s2a', fileSystem: 'ufs' });
    const plain = mbrDisk(
      { type: 0x83, first: 63, sectors: 100 },
      { type: 0x0c, first: 200, sectors: 100, isActive: true },
    );
    expect(mount(setUp([plain])).root).toMatchObject({ device: 'da0s2', fileSystem: 'msdosfs' });
  });

  it('is on the disk that firmware booted from, whatever its number', () => {
    const set = setUp([gptDisk('efiSystem', 'freebsdUfs'), gptDisk('freebsdUfs')]);
    const instanceId = set.bench.cam.buses[1]!.sim.instanceOf(0);
    const { root } = mount(set, { instanceId, target: 0, lun: 0 });
    expect(root?.device).toBe('da1p1');
  });

  it('is on the first disk that can hold one, when the loader does not say', () => {
    const set = setUp([new Uint8Array(MIB), gptDisk('efiSystem', 'freebsdUfs')]);
    expect(mount(set).root?.device).toBe('da1p2');
  });

  it('is lost to 10.2 when another disk has become da0', () => {
    const set = setUp([new Uint8Array(MIB), gptDisk('efiSystem', 'freebsdUfs')], legacy);
    const instanceId = set.bench.cam.buses[1]!.sim.instanceOf(0);
    const startNs = set.bench.kernel.clock.nowNs;
    const { root, lines } = mount(set, { instanceId, target: 0, lun: 0 });
    expect(root).toBeUndefined();
    expect(lines.slice(0, 3)).toEqual([
      'Trying to mount root from ufs:/dev/da0p2 [rw]...',
      'mountroot: waiting for device /dev/da0p2...',
      'Mounting from ufs:/dev/da0p2 failed with error 19.',
    ]);
    expect(lines.at(-1)).toBe('mountroot> ');
    expect(set.bench.kernel.clock.nowNs - startNs).toBeGreaterThanOrEqual(3e9);
  });

  it('that cannot be read is error 5', () => {
    const set = setUp([gptDisk('efiSystem', 'freebsdUfs')]);
    set.units[0]!.faults.inject({
      access: 'read',
      firstLba: (2 * MIB) / 512 + 30,
      blocks: 1,
      sense: Sense.unrecoveredReadError,
    });
    expect(mount(set).lines).toContain('Mounting from ufs:/dev/da0p2 failed with error 5.');
  });

  it('may come while the mount waits for it', () => {
    const set = setUp([]);
    const { kernel } = set.bench;
    kernel.events.after(1e9, () => {
      const unit = scsiDisk(gptDisk('efiSystem', 'freebsdUfs'));
      set.bench.plug({
        profile: flavours.ws2016,
        luns: [{ address: { target: 0, lun: 0 }, unit }],
      });
    });
    expect(mount(set).root?.device).toBe('da0p2');
  });

  it('without any disk is error 19', () => {
    expect(mount(setUp([])).lines).toContain('Mounting from ufs:/dev/da0p2 failed with error 19.');
  });
});
