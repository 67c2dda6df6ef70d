/** A VHDX gets another size (9), while the guest runs or between two boots. */
import { expect } from 'synthvm';
import type { Size, Vm } from 'synthvm';
import { placeOn, sizeOf, testDisk, vhdxReadWrite } from './support/disks.ts';
import {
  bis,
  BOTH,
  GENERATION_1,
  login,
  numberIn,
  sh,
  shutDown,
  startAgain,
} from './support/suite.ts';

/** How long the suite gives a guest to notice. */
const NOTICE = '180s';

interface Row {
  readonly name: string;
  readonly bus: 'scsi' | 'ide';
  /** Live: while the guest runs. */
  readonly isLive: boolean;
  readonly sectors?: 4096;
  readonly from: Size;
  /** One size after the other. */
  readonly to: readonly Size[];
}

const live = (name: string, from: Size, to: readonly Size[], sectors?: 4096): Row => ({
  name,
  bus: 'scsi',
  isLive: true,
  from,
  to,
  ...(sectors === undefined ? {} : { sectors }),
});
const off = (name: string, bus: Row['bus'], from: Size, to: readonly Size[]): Row => ({
  name,
  bus,
  isLive: false,
  from,
  to,
});

const ROWS: readonly Row[] = [
  live('VHDxResizeToBigger512', '3G', ['4G']),
  live('VHDxResizeToBigger4096', '3G', ['4G'], 4096),
  live('VHDxResizeToSmaller512', '3G', ['2G']),
  live('VHDxResizeToSmaller4096', '3G', ['2G'], 4096),
  off('VHDxResizeToBigger512_Fixed_IDE', 'ide', '1G', ['2G']),
  off('VHDxResizeToBigger512_Dynamic_IDE', 'ide', '1G', ['4G']),
  live('VHDxResizeOver2TB_SCSI', '127G', ['2304G']),
  off('VHDxResizeOver2TB_IDE', 'ide', '127G', ['2304G']),
  live('VHDxResizeGrowShrink_SCSI', '3G', ['4G', '3G']),
  off('VHDxResizeGrowShrink_IDE', 'ide', '3G', ['4G', '3G']),
  off('VHDxResizeGrowShrink_SCSI_Offline', 'scsi', '3G', ['4G', '3G']),
  live('VHDxResizeGrowOver2TB_Shrink_SCSI_Online', '3G', ['2304G', '3G']),
  off('VHDxResizeGrowOver2TB_Shrink_IDE', 'ide', '3G', ['2304G', '3G']),
  off('VHDxResizeGrowOver2TB_Shrink_SCSI_Offline', 'scsi', '3G', ['2304G', '3G']),
];

function bytesOf(size: Size): number {
  return Number.parseInt(size, 10) * 2 ** 30;
}

async function resize(vm: Vm, { isLive }: Row, size: Size): Promise<void> {
  if (!isLive) await shutDown(vm);
  await vm.disks[1]!.resize(size);
  if (isLive) await vm.run(NOTICE);
  else await startAgain(vm);
}

for (const row of ROWS) {
  const { name, bus, from, sectors } = row;
  const format = name.includes('Fixed') ? 'vhdx-fixed' : 'vhdx-dynamic';
  const place = bus === 'ide' ? 'ide 0:1' : 'scsi 0:0';
  bis(
    name,
    { generations: bus === 'ide' ? GENERATION_1 : BOTH, vm: { autoStart: false, dvdDrive: false } },
    async ({ vm, step, generation, note }) => {
      const disk = {
        format,
        size: from,
        blockSize: '1M',
        at: placeOn(generation, place),
        ...(sectors === undefined ? {} : { sectors }),
      } as const;
      await vm.configure({ disks: [{ builtIn: true }, disk] });
      await vm.powerOn();
      await login(vm);
      expect(await sizeOf(vm)).toBe(bytesOf(from));
      await step('VHDX-RW before', () => vhdxReadWrite(vm));
      if (row.bus === 'ide') {
        await step('on IDE, not while the machine runs', async () => {
          await expect((async () => await vm.disks[1]!.resize(row.to[0]!))()).rejects.toThrow(
            'is on IDE',
          );
        });
      }
      for (const size of row.to) {
        await step(`to ${size}`, async () => {
          await resize(vm, row, size);
          expect(await sizeOf(vm)).toBe(bytesOf(size));
        });
        await step(`VHDX-RW on ${size}`, () => vhdxReadWrite(vm));
      }
      const { sectorBytes, allocatedBytes } = vm.disks[1]!.info();
      expect(sectorBytes).toBe(sectors ?? 512);
      note('allocated MiB', Math.ceil(allocatedBytes / 2 ** 20));
    },
  );
}

for (const sectors of [512, 4096] as const) {
  bis(
    `VHDxResizeGrowFilesystem${sectors}`,
    { vm: { autoStart: false, dvdDrive: false } },
    async ({ vm, step, generation }) => {
      const at = placeOn(generation, 'scsi 0:0');
      await vm.configure({
        disks: [
          { builtIn: true },
          { format: 'vhdx-dynamic', size: '3G', blockSize: '1M', sectors, at },
        ],
      });
      await vm.powerOn();
      await login(vm);
      await step('VHDX-RW before', () => vhdxReadWrite(vm));
      const disk = await testDisk(vm);
      let place = '';
      let digest = '';
      await step('a file is written, and the partition is deleted', async () => {
        await sh(vm, `gpart add -t freebsd-ufs -a 1m ${disk}`, `mount /dev/${disk}p1 /mnt/bis`);
        await sh(vm, 'dd if=/dev/zero of=/mnt/bis/large bs=64k count=32');
        await sh(vm, 'echo "still here" > /mnt/bis/kept');
        digest = await sh(vm, 'md5 -q /mnt/bis/large');
        await sh(vm, 'umount /mnt/bis');
        const shown = await sh(vm, 'gpart show');
        const [, first, sectorCount] = new RegExp(`(\\d+) +(\\d+) {2}${disk}p1`).exec(shown)!;
        place = `-b ${first} -s ${sectorCount}`;
        await sh(vm, `gpart delete -i 1 ${disk}`);
      });
      await step('to 4G', async () => {
        await vm.disks[1]!.resize('4G');
        await vm.run(NOTICE);
        expect(await sizeOf(vm)).toBe(4 * 2 ** 30);
      });
      await step('the partition comes back, and its file system grows', async () => {
        await sh(
          vm,
          `gpart add -t freebsd-ufs ${place} ${disk}`,
          'sleep 5',
          `fsck_ffs -y /dev/${disk}p1`,
        );
        await sh(vm, `dd if=/dev/${disk} of=/dev/null bs=4096 count=0`, `gpart recover ${disk}`);
        await sh(
          vm,
          `gpart resize -i 1 ${disk}`,
          `growfs -y /dev/${disk}p1`,
          `fsck_ffs -y /dev/${disk}p1`,
        );
      });
      await step('old data is there, and the new space is used', async () => {
        await sh(vm, `mount /dev/${disk}p1 /mnt/bis`);
        expect(await sh(vm, 'cat /mnt/bis/kept')).toBe('still here');
        expect(await sh(vm, 'md5 -q /mnt/bis/large')).toBe(digest);
        const kib = numberIn(await sh(vm, 'df'), new RegExp(`${disk}p1 +(\\d+)`));
        expect(kib).toBeGreaterThan(3.9 * 2 ** 20);
        await sh(vm, 'echo "test" > /mnt/bis/file', 'rm /mnt/bis/file', 'umount /mnt/bis');
        await sh(vm, `gpart delete -i 1 ${disk}`);
      });
    },
  );
}

/** Written for Linux and two cluster nodes; what is meant: the disk grows, and the machine moves. */
bis('VHDxResize_Live_Migration', { vm: { autoStart: false } }, async (test) => {
  const { vm, step, generation } = test;
  const at = placeOn(generation, 'scsi 0:0');
  await vm.configure({
    disks: [{ builtIn: true }, { format: 'vhdx-dynamic', size: '3G', blockSize: '1M', at }],
  });
  await vm.powerOn();
  await login(vm);
  await step('VHDX-RW before', () => vhdxReadWrite(vm));
  await vm.disks[1]!.resize('4G');
  await vm.run(NOTICE);
  expect(await sizeOf(vm)).toBe(4 * 2 ** 30);
  await step('VHDX-RW after the growth', () => vhdxReadWrite(vm));
  const boots = vm.console.lines(/^FreeBSD \d/).length;
  for (const host of ['ws2012r2', 'ws2012r2'] as const) {
    await step('to the other host', async () => {
      await vm.save();
      await vm.wake({ after: '1s', host });
      expect(await sizeOf(vm)).toBe(4 * 2 ** 30);
    });
    await step('VHDX-RW there', () => vhdxReadWrite(vm));
  }
  // The same system goes on: nothing has booted in between.
  expect(vm.console.lines(/^FreeBSD \d/).length).toBe(boots);
});
