/** Other storage (5): full disks, discs, diskettes, disks of the host. */
import { expect } from 'synthvm';
import { fatDiskette } from './support/fat.ts';
import { isoImage } from './support/iso.ts';
import { oneDisk, placeOn, prepareHome, testDisk } from './support/disks.ts';
import { bis, GENERATION_1, login, run, sh } from './support/suite.ts';

for (const { name, at } of [
  { name: 'CopyFileExceedDiskSizeIDE', at: 'ide 1:1' },
  { name: 'CopyFileExceedDiskSizeSCSI', at: 'scsi 0:0' },
]) {
  const generations = at.startsWith('ide') ? { generations: GENERATION_1 } : {};
  bis(name, { ...generations, vm: { autoStart: false } }, async ({ vm, generation }) => {
    await vm.configure({
      disks: [{ builtIn: true }, { size: '32M', format: 'vhd-fixed', at: placeOn(generation, at) }],
    });
    await vm.powerOn();
    await login(vm);
    await prepareHome(vm);
    const disk = await testDisk(vm);
    await sh(
      vm,
      `dd if=/dev/zero of=/dev/${disk} bs=1k count=1`,
      `gpart create -s gpt ${disk}`,
      `gpart add -t freebsd-ufs ${disk}`,
      `newfs /dev/${disk}p1`,
      `mount /dev/${disk}p1 /mnt/bis`,
      'dd if=/dev/random of=/largefile bs=1m count=40',
    );
    const copy = await run(vm, 'cp /largefile /mnt/bis');
    expect(copy.status).not.toBe(0);
    expect(copy.output).toContain('No space left on device');
    await sh(vm, 'umount /mnt/bis', `fsck_ffs -fy /dev/${disk}p1`, 'rm /largefile');
    await oneDisk(vm, disk);
  });
}

const DISC = isoImage('FREEBSD_INSTALL', { 'README.TXT': 'a disc of the suite\n' });

bis('CDmount', { vm: { disks: [{ builtIn: true }], dvds: [DISC] } }, async ({ vm }) => {
  await login(vm);
  await sh(vm, 'mkdir -p /mnt/cd', 'mount -t cd9660 /dev/cd0 /mnt/cd');
  expect(await sh(vm, 'cat /mnt/cd/README.TXT')).toBe('a disc of the suite');
  expect((await run(vm, 'touch /mnt/cd/file')).status).not.toBe(0);
  await sh(vm, 'umount /mnt/cd');
});

const DISKETTE = fatDiskette('BIS');

/** The image has to be in the drive already; that the host can change it is looked at too. */
bis('Floppymount', { generations: GENERATION_1, vm: { floppy: DISKETTE } }, async ({ vm }) => {
  await login(vm);
  expect(await sh(vm, 'ls /dev/fd0')).toBe('/dev/fd0');
  await sh(vm, 'mkdir -p /mnt/floppy', 'mount -t msdosfs /dev/fd0 /mnt/floppy', 'ls /mnt/floppy');
  const file = '/mnt/floppy/bis.txt';
  await sh(vm, `echo "the first line" > ${file}`, `echo "the second line" >> ${file}`);
  expect(await sh(vm, `cat ${file}`)).toBe('the first line\nthe second line');
  await sh(vm, 'umount /mnt/floppy', 'mount -t msdosfs /dev/fd0 /mnt/floppy');
  expect(await sh(vm, 'ls /mnt/floppy')).toBe('bis.txt');
  await sh(vm, `rm ${file}`);
  expect(await sh(vm, 'ls /mnt/floppy')).toBe('');
  await sh(vm, 'umount /mnt/floppy');
  await vm.floppy.eject();
  const empty = await run(vm, 'mount -t msdosfs /dev/fd0 /mnt/floppy');
  expect(empty.output).toContain('Device not configured');
  await vm.floppy.insert(fatDiskette('OTHER'));
  await sh(vm, 'mount -t msdosfs /dev/fd0 /mnt/floppy', 'umount /mnt/floppy');
});

/** The suite logs its host in to a store elsewhere; here the store's disk comes to the host. */
bis('SCSI_Start', {}, async ({ vm, hostDisks, generation }) => {
  const before = hostDisks.disks.length;
  const attached = hostDisks.attach({ size: '64M', name: 'remote store' });
  expect(hostDisks.disks).toHaveLength(before + 1);
  expect(attached.isOnline).toBe(false);
  await login(vm);
  await prepareHome(vm);
  await vm.addDisk({ passThrough: attached }, { lun: generation === 1 ? 0 : 1 });
  await vm.run('10s');
  expect(attached.owner).toBe(vm.name);
  const disk = await testDisk(vm);
  await sh(vm, `gpart destroy -F ${disk}`);
  await oneDisk(vm, disk);
});
