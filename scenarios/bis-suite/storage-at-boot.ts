/** Disks that are there at boot (3.1): the guest partitions, formats, writes, reads and deletes. */
import { expect } from 'synthvm';
import type { DiskSpec, HostDisk, ImageFormat, VmConfig } from 'synthvm';
import { diskReadWrite, placeOn, testDisks } from './support/disks.ts';
import { bis, BOTH, type Generation, GENERATION_1, login, NO_LUN_0, sh } from './support/suite.ts';

interface Row {
  readonly name: string;
  /** "ide 0:1", "scsi 0:0". */
  readonly places: readonly string[];
  readonly disk: { readonly format: ImageFormat; readonly size: '300G' | '1G' | '8M' };
  readonly sectors?: 4096;
  /** The suite takes the DVD drive out for every VHDX. */
  readonly hasNoDrive?: true;
}

const DYNAMIC_VHD = { format: 'vhd-dynamic', size: '300G' } as const;
const FIXED_VHD = { format: 'vhd-fixed', size: '1G' } as const;
const DYNAMIC_VHDX = { format: 'vhdx-dynamic', size: '300G' } as const;
/** "Fixed" in the case's name; New-VHD was never told so, and makes it dynamic. */
const SMALL_VHDX = { format: 'vhdx-dynamic', size: '1G' } as const;

const vhdx = (name: string, places: readonly string[], disk: Row['disk'], sectors?: 4096): Row => ({
  name,
  places,
  disk,
  hasNoDrive: true,
  ...(sectors === undefined ? {} : { sectors }),
});

const ROWS: readonly Row[] = [
  { name: 'AddDynamicIDEDrive0', places: ['ide 0:1'], disk: DYNAMIC_VHD },
  { name: 'AddDynamicIDEDrive1', places: ['ide 1:1'], disk: DYNAMIC_VHD },
  { name: 'AddFixedIDEDrive', places: ['ide 1:1'], disk: FIXED_VHD },
  { name: 'AddDynamicIDEDrive_Multi', places: ['ide 0:1', 'ide 1:1'], disk: DYNAMIC_VHD },
  { name: 'AddDynamicSCSIDrive', places: ['scsi 0:0'], disk: DYNAMIC_VHD },
  { name: 'AddFixedSCSIDrive', places: ['scsi 0:0'], disk: FIXED_VHD },
  { name: 'AddDynamicSCSIDrive_Multi', places: ['scsi 0:0', 'scsi 0:1'], disk: DYNAMIC_VHD },
  vhdx('AddDynamicIDEDriveVHDX0', ['ide 0:1'], DYNAMIC_VHDX),
  vhdx('AddDynamicIDEDriveVHDX1', ['ide 1:1'], DYNAMIC_VHDX),
  vhdx('AddFixedIDEDriveVHDX', ['ide 0:1'], SMALL_VHDX),
  vhdx('4K_AddDynamicIDEDriveVHDX0', ['ide 0:1'], DYNAMIC_VHDX, 4096),
  vhdx('4K_AddDynamicIDEDriveVHDX1', ['ide 1:1'], DYNAMIC_VHDX, 4096),
  vhdx('4K_AddMultipleVHDX_IDE0', ['ide 0:1'], DYNAMIC_VHDX, 4096),
  vhdx('4K_AddFixedIDEDriveVHDX', ['ide 0:1'], SMALL_VHDX, 4096),
  vhdx('4K_AddMultipleVHDX_IDE1', ['ide 1:0', 'ide 1:1'], DYNAMIC_VHDX, 4096),
  vhdx('AddDynamicSCSIDriveVHDX', ['scsi 0:0'], DYNAMIC_VHDX),
  vhdx('AddFixedSCSIDriveVHDX', ['scsi 0:0'], SMALL_VHDX),
  vhdx('4K_AddDynamicSCSIDriveVHDX', ['scsi 0:0'], DYNAMIC_VHDX, 4096),
  vhdx('4K_AddFixedSCSIDriveVHDX', ['scsi 0:0'], SMALL_VHDX, 4096),
  vhdx('4K_AddDynamicVHDX_SCSIDrive_Multi', ['scsi 0:0', 'scsi 0:1'], DYNAMIC_VHDX, 4096),
];

function generationsOf(places: readonly string[]): readonly Generation[] {
  return places.some((place) => place.startsWith('ide')) ? GENERATION_1 : BOTH;
}

function drives(hasNoDrive: boolean | undefined): VmConfig {
  return hasNoDrive === true ? { dvdDrive: false } : {};
}

for (const { name, places, disk, sectors, hasNoDrive } of ROWS) {
  const body = { autoStart: false, ...drives(hasNoDrive) };
  bis(
    name,
    { generations: generationsOf(places), vm: body },
    async ({ vm, step, generation, note }) => {
      const specs = places.map((at): DiskSpec => ({
        ...disk,
        at: placeOn(generation, at),
        ...(sectors === undefined ? {} : { sectors }),
      }));
      await vm.configure({ disks: [{ builtIn: true }, ...specs] });
      await vm.powerOn();
      await login(vm);
      await step('every disk has the size and the sectors that it was made with', async () => {
        for (const [index, disk] of (await testDisks(vm)).entries()) {
          const info = vm.disks[index + 1]!.info();
          const seen = await sh(vm, `diskinfo ${disk}`);
          expect(seen.split('\t').slice(1, 3).map(Number)).toEqual([
            info.sectorBytes,
            info.sizeBytes,
          ]);
          expect(info.sectorBytes).toBe(sectors ?? 512);
        }
      });
      await step('DISK-RW', () => diskReadWrite(vm, specs.length));
      note('allocated MiB', Math.ceil(vm.disks[1]!.info().allocatedBytes / 2 ** 20));
    },
  );
}

/** A guest without its drivers: the disks stay with the emulated controller. */
const WITHOUT_DRIVERS = [
  { name: 'AddDynamicIDEDrive_NBIS', at: 'ide 0:1', disk: DYNAMIC_VHD, hasNoDrive: false },
  { name: 'AddFixedIDEDrive_NBIS', at: 'ide 1:1', disk: FIXED_VHD, hasNoDrive: false },
  { name: 'AddDynamicIDEDriveVHDX_NBIS', at: 'ide 1:1', disk: DYNAMIC_VHDX, hasNoDrive: true },
  { name: 'AddFixedIDEDriveVHDX_NBIS', at: 'ide 0:1', disk: SMALL_VHDX, hasNoDrive: true },
] as const;

for (const { name, at, disk, hasNoDrive } of WITHOUT_DRIVERS) {
  const vm: VmConfig = {
    set: { ataDisks: true },
    disks: [{ builtIn: true }, { ...disk, at }],
    ...drives(hasNoDrive),
  };
  bis(name, { generations: GENERATION_1, vm }, async ({ vm: machine, step }) => {
    await login(machine);
    await step('the disks are those of the emulated controller', async () => {
      const shown = await sh(machine, 'ls /dev');
      expect(shown).toContain('ada1');
      expect(shown).not.toMatch(/^da\d/m);
    });
    await step('DISK-RW', () => diskReadWrite(machine, 1, 'ada'));
  });
}

const DIFFERENCING = [
  ['AddDifferencingIDEDrive', 'ide 1:1', 'vhd', '1G', 512],
  ['AddDifferencingSCSIDrive', 'scsi 0:0', 'vhd', '1G', 512],
  ['AddDifferencingIDEDriveVHDx4k', 'ide 0:1', 'vhdx', '8M', 4096],
  ['AddDifferencingIDEDriveVHDx512', 'ide 0:1', 'vhdx', '8M', 512],
  ['AddDifferencingSCSIDriveVHDx4k', 'scsi 0:0', 'vhdx', '8M', 4096],
] as const;

for (const [name, place, kind, size, sectors] of DIFFERENCING) {
  bis(
    name,
    { generations: generationsOf([place]), vm: { autoStart: false } },
    async ({ vm, step, generation }) => {
      const parentFormat = kind === 'vhd' ? 'vhd-fixed' : 'vhdx-dynamic';
      const parent = {
        format: parentFormat,
        size,
        ...(sectors === 512 ? {} : { sectors }),
      } as const;
      const at = placeOn(generation, place);
      const format = `${kind}-differencing` as const;
      await vm.configure({ disks: [{ builtIn: true }, { format, parent, at }] });
      const before = vm.disks[1]!.info();
      expect(before.parent?.format).toBe(parentFormat);
      await vm.powerOn();
      await login(vm);
      await step('DISK-RW', () => diskReadWrite(vm, 1));
      await step('the parent is as it was, the child has what was written', () => {
        const after = vm.disks[1]!.info();
        expect(after.sectorBytes).toBe(sectors);
        expect(after.parent).toEqual(before.parent);
        expect(after.allocatedBytes).toBeGreaterThan(before.allocatedBytes);
      });
    },
  );
}

const PASS_THROUGH = [
  ['AddPassThroughIDEDrive0', ['ide 0:1']],
  ['AddPassThroughIDEDrive1', ['ide 1:1']],
  ['AddPassThroughIDEDrive1_Multi', ['ide 0:1', 'ide 1:1']],
  ['AddPassThroughSCSIDrive', ['scsi 0:1']],
  ['AddPassThroughSCSIDrive_Multi', ['scsi 0:0', 'scsi 0:1']],
] as const;

for (const [name, places] of PASS_THROUGH) {
  for (const only of generationsOf(places)) {
    const isAlone = only === 1 && places[0] === 'scsi 0:1';
    const vmOptions = { generations: [only], vm: { autoStart: false } };
    const options = { ...vmOptions, ...(isAlone ? NO_LUN_0 : {}) };
    bis(name, options, async ({ vm, step, generation, hostDisks }) => {
      const disks = places.map(() => hostDisks.attach({ size: '1G' }));
      const plug = (disk: HostDisk, index: number): DiskSpec => ({
        passThrough: disk,
        at: placeOn(generation, places[index]!),
      });
      await step('a disk that the host itself uses is refused', async () => {
        disks[0]!.isOnline = true;
        await expect(
          (async () => await vm.configure({ disks: [{ builtIn: true }, plug(disks[0]!, 0)] }))(),
        ).rejects.toThrow('is online on the host');
        disks[0]!.isOnline = false;
      });
      await vm.configure({ disks: [{ builtIn: true }, ...disks.map(plug)] });
      expect(disks[0]!.owner).toBe('vm');
      await vm.powerOn();
      await login(vm);
      await step('DISK-RW, over the table that the host made', () =>
        diskReadWrite(vm, disks.length),
      );
    });
  }
}
