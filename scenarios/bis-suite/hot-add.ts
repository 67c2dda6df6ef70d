/** Disks that appear while the guest runs (3.2), which finds them without being told to look. */
import { expect } from 'synthvm';
import type { DiskSpec, SingleTest, VmConfig } from 'synthvm';
import { diskReadWrite, gone, oneDisk, placeOn, prepareHome, testDisks } from './support/disks.ts';
import {
  bis,
  type CaseBody,
  type CaseOptions,
  type Generation,
  GENERATION_1,
  login,
  NO_LUN_0,
  sh,
} from './support/suite.ts';

type Disk = Exclude<DiskSpec, string>;

interface Row {
  readonly name: string;
  readonly disk: Disk | 'pass-through';
  readonly count: number;
  readonly cpus?: number;
  /** VHDX scripts of the suite take the DVD drive out first, which a running host refuses. */
  readonly removesDrive?: true;
}

const FIXED: Disk = { format: 'vhd-fixed', size: '1G' };
const DYNAMIC_VHD: Disk = { format: 'vhd-dynamic', size: '300G' };
const DYNAMIC: Disk = { format: 'vhdx-dynamic', size: '300G' };
const DYNAMIC_4K: Disk = { ...DYNAMIC, sectors: 4096 };

const ADDED: readonly Row[] = [
  { name: 'HotAddFixedSCSIDrive', disk: FIXED, count: 1 },
  { name: 'HotAddFixedSCSIDrive_Multi', disk: FIXED, count: 2 },
  { name: 'HotAddPassThroughSCSIDrive', disk: 'pass-through', count: 1 },
  { name: 'HotAddPassThroughSCSIDrive_Multi', disk: 'pass-through', count: 2 },
  { name: 'HotAddDynamicSCSIDriveVHDX', disk: DYNAMIC, count: 1, removesDrive: true },
  { name: '4K_HotAddDynamicVHDX_SCSIDrive', disk: DYNAMIC_4K, count: 1, removesDrive: true },
  { name: '4K_HotAddDynamicVHDX_SCSIDrive_Multi', disk: DYNAMIC_4K, count: 2, removesDrive: true },
  { name: 'VHD_HotADD_Multi_Dynamic_SCSI_SMP', disk: DYNAMIC_VHD, count: 2, cpus: 4 },
  {
    name: 'VHDX_HotADD_Multi_Dynamic_SCSI_SMP',
    disk: DYNAMIC_4K,
    count: 2,
    cpus: 4,
    removesDrive: true,
  },
];

const REMOVED: readonly Row[] = [
  { name: 'HotRemoveFixedSCSIDrive', disk: FIXED, count: 1 },
  { name: 'HotRemoveFixedSCSIDrive_Multi', disk: FIXED, count: 2 },
  { name: 'HotRemovePassThroughSCSIDrive', disk: 'pass-through', count: 1 },
  { name: 'HotRemovePassThroughSCSIDrive_Multi', disk: 'pass-through', count: 2 },
  { name: 'HotRemoveDynamicSCSIDriveVHDX', disk: DYNAMIC, count: 1, removesDrive: true },
  { name: '4K_HotRemoveDynamicVHDX_SCSIDrive', disk: DYNAMIC_4K, count: 1, removesDrive: true },
  { name: 'VHD_HotRemove_Multi_Dynamic_SCSI_SMP', disk: DYNAMIC_VHD, count: 2, cpus: 4 },
  {
    name: 'VHDX_HotRemove_Multi_Dynamic_SCSI_SMP',
    disk: DYNAMIC_4K,
    count: 2,
    cpus: 4,
    removesDrive: true,
  },
];

function optionsOf({ cpus, removesDrive }: Row, more: VmConfig = {}): CaseOptions {
  return {
    vm: {
      ...more,
      ...(cpus === undefined ? {} : { cpus }),
      ...(removesDrive === true && more.autoStart === false ? { dvdDrive: false } : {}),
    },
  };
}

function specsOf({ disk, count }: Row, { hostDisks }: SingleTest): readonly Disk[] {
  return Array.from({ length: count }, () =>
    disk === 'pass-through' ? { passThrough: hostDisks.attach({ size: '1G' }) } : disk,
  );
}

/** LUN of the suite's slot 0:`index`, behind the boot disk of Generation 2. */
function lunOf(generation: Generation, index: number): number {
  return Number(placeOn(generation, `scsi 0:${index}`).split(':')[1]);
}

for (const row of ADDED) {
  bis(row.name, optionsOf(row), async (test) => {
    const { vm, step, generation } = test;
    await login(vm);
    expect(await sh(vm, 'ls /dev')).not.toContain('da1');
    if (row.removesDrive === true) {
      await step('the DVD drive stays where it is while the machine runs', async () => {
        await expect((async () => await vm.configure({ dvdDrive: false }))()).rejects.toThrow(
          'while it is off',
        );
      });
    }
    await step('disks are added', async () => {
      for (const [index, spec] of specsOf(row, test).entries()) {
        await vm.addDisk(spec, { lun: lunOf(generation, index) });
      }
      for (let index = 1; index <= row.count; index += 1) {
        await vm.disk(`da${index}`, { within: '30s' });
      }
    });
    // As long as the suite's way to the guest takes.
    await vm.run('2s');
    await step('DISK-RW', () => diskReadWrite(vm, row.count));
  });
}

for (const row of REMOVED) {
  bis(row.name, optionsOf(row, { autoStart: false }), async (test) => {
    const { vm, step, generation } = test;
    const specs = specsOf(row, test).map((spec, index): DiskSpec => ({
      ...spec,
      at: placeOn(generation, `scsi 0:${index}`),
    }));
    await vm.configure({ disks: [{ builtIn: true }, ...specs] });
    await vm.powerOn();
    await login(vm);
    const disks = await testDisks(vm);
    expect(disks).toHaveLength(row.count);
    await step('disks are removed', async () => {
      for (const disk of vm.disks.slice(1)) await disk.remove();
      await vm.run('2s');
    });
    await step('GONE', () => gone(vm, disks));
  });
}

/** Random LUNs of one controller; what lies below the lowest one stays empty. */
const RANDOM = [
  { name: 'HotAddRandomMultiSCSIDisks_MiniLun0', count: 5, lowest: 0 },
  { name: 'HotAddRandomMultiSCSIDisks_MiniLun8', count: 5, lowest: 8 },
  { name: 'HotAddRandomMultiSCSIDisks_Press', count: 64, lowest: 0 },
] as const;
const LUNS = 64;

for (const { name, count, lowest } of RANDOM) {
  const body: CaseBody = async ({ vm, step, random, generation, note }) => {
    await login(vm);
    await prepareHome(vm);
    // The boot disk of Generation 2 has a LUN of its own.
    const taken = generation === 2 ? [0] : [];
    const free = Array.from({ length: LUNS - lowest }, (_, index) => lowest + index).filter(
      (lun) => !taken.includes(lun),
    );
    const wanted = Math.min(count, free.length);
    const luns: number[] = [];
    await step(`${wanted} disks are added`, async () => {
      while (luns.length < wanted) {
        const [lun] = free.splice(random.below(free.length), 1);
        luns.push(lun!);
        await vm.addDisk({ format: 'vhdx-dynamic', size: '1G' }, { lun: lun! });
      }
      note('LUNs', luns.slice(0, 8).join(' '));
      for (let index = 1; index <= wanted; index += 1) await vm.disk(`da${index}`);
    });
    const found = await sh(vm, 'camcontrol devlist');
    for (const lun of luns) expect(found).toContain(` lun ${lun} `);
    await step('DISK-RW of each', async () => {
      for (const disk of await testDisks(vm)) await oneDisk(vm, disk);
    });
  };
  bis(name, { generations: GENERATION_1, ...(count < LUNS ? NO_LUN_0 : {}) }, body);
  bis(name, { generations: [2] }, body);
}
