/** The procedures of the published suite for disks. */
import { expect } from 'synthvm';
import type { Vm } from 'synthvm';
import { type Generation, run, sh } from './suite.ts';

/** Where test disks are mounted. */
const MOUNT = '/mnt/bis';
const HOME = '/root';

/** Files that stand for the shell scripts and the parameters of the suite in root's home. */
export async function prepareHome(vm: Vm): Promise<void> {
  await sh(
    vm,
    `mkdir -p ${MOUNT} ${HOME}/suite`,
    `echo "TARGET=da1" > ${HOME}/suite/constants.sh`,
    `dd if=/dev/zero of=${HOME}/suite/utils.sh bs=4k count=9`,
    `echo "# the end" >> ${HOME}/suite/utils.sh`,
  );
}

/**
 * Disks beside the boot disk, which the suite takes for da1 and so on: FreeBSD gives units out in the
 * order in which its probes end.
 */
export async function testDisks(vm: Vm, driver = 'da'): Promise<readonly string[]> {
  const [, root = ''] = /\/dev\/(\S+) on \/ /.exec(await sh(vm, 'mount'))!;
  const names = (await sh(vm, 'ls /dev')).split('\n');
  const unit = (name: string): number => Number(name.slice(driver.length));
  return names
    .filter(
      (name) =>
        new RegExp(`^${driver}\\d+$`).test(name) && !new RegExp(`^${name}(\\D|$)`).test(root),
    )
    .toSorted((left, right) => unit(left) - unit(right));
}

/** The one disk beside the boot disk. */
export async function testDisk(vm: Vm): Promise<string> {
  const [disk, ...more] = await testDisks(vm);
  if (disk === undefined || more.length > 0) throw new Error('there is not one test disk');
  return disk;
}

/** DISK-RW on every disk but the boot disk: all steps have to succeed; what was copied is compared. */
export async function diskReadWrite(vm: Vm, count: number, driver = 'da'): Promise<void> {
  await prepareHome(vm);
  const disks = await testDisks(vm, driver);
  expect(disks).toHaveLength(count);
  const digests = await sh(vm, `md5 -q ${HOME}/suite/utils.sh ${HOME}/suite/constants.sh`);
  for (const disk of disks) await oneDisk(vm, disk, digests);
}

/** DISK-RW of one disk by its name. */
export async function oneDisk(vm: Vm, disk: string, digests?: string): Promise<void> {
  const old = await run(vm, `ls /dev/${disk}p1`);
  if (old.status === 0) await sh(vm, `gpart delete -i 1 ${disk}`, `gpart destroy ${disk}`);
  await sh(
    vm,
    'sleep 2',
    `gpart create -s gpt ${disk}`,
    `gpart add -t freebsd-ufs ${disk}`,
    `newfs /dev/${disk}p1`,
    `mount /dev/${disk}p1 ${MOUNT}`,
    `mkdir ${MOUNT}/ICA`,
    `cp -R ${HOME}/suite ${MOUNT}/ICA`,
  );
  const copies = `${MOUNT}/ICA/suite/utils.sh ${MOUNT}/ICA/suite/constants.sh`;
  const copied = await sh(vm, `md5 -q ${copies}`);
  if (digests !== undefined) expect(copied).toBe(digests);
  await sh(vm, `rm ${MOUNT}/ICA/suite/constants.sh`);
  expect((await run(vm, `cat ${MOUNT}/ICA/suite/constants.sh`)).status).not.toBe(0);
  await sh(vm, `umount ${MOUNT}`);
}

/** GONE: no device node of these disks. */
export async function gone(vm: Vm, disks: readonly string[]): Promise<void> {
  for (const disk of disks) {
    const { output, status } = await run(vm, `ls /dev/${disk}*`);
    if (status === 0) throw new Error(`${disk} is still there:\n${output}`);
  }
}

/** VHDX-RW on the test disk. */
export async function vhdxReadWrite(vm: Vm): Promise<void> {
  const disk = await testDisk(vm);
  await sh(vm, `mkdir -p ${MOUNT}`);
  await run(vm, `gpart destroy -F ${disk}`);
  await sh(
    vm,
    `gpart create -s gpt ${disk}`,
    `gpart add -t freebsd-ufs -a 1m ${disk}`,
    'sleep 5',
    `newfs -U /dev/${disk}p1`,
    `mount /dev/${disk}p1 ${MOUNT}`,
    `mkdir ${MOUNT}/dir`,
    `echo "testing" > ${MOUNT}/dir/file`,
  );
  expect(await sh(vm, `ls ${MOUNT}/dir`)).toBe('file');
  expect(await sh(vm, `cat ${MOUNT}/dir/file`)).toBe('testing');
  await sh(
    vm,
    `rm ${MOUNT}/dir/file`,
    `rmdir ${MOUNT}/dir`,
    `umount ${MOUNT}`,
    `gpart delete -i 1 ${disk}`,
  );
}

/** What the guest takes the test disk for, in bytes. */
export async function sizeOf(vm: Vm): Promise<number> {
  const [, , bytes] = (await sh(vm, `diskinfo ${await testDisk(vm)}`)).split('\t');
  return Number(bytes);
}

/** On Generation 2 everything hangs on the one SCSI controller, behind the boot disk. */
export function placeOn(generation: Generation, place: string): string {
  const lun = /^scsi 0:(\d+)$/.exec(place)?.[1];
  if (generation === 1 || lun === undefined) return place;
  return `scsi 0:${Number(lun) + 1}`;
}
