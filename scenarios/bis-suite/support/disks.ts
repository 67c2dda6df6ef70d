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

/** DISK-RW on da1 to da`count`: every step has to succeed, and what was copied is compared. */
export async function diskReadWrite(vm: Vm, count: number, driver = 'da'): Promise<void> {
  await prepareHome(vm);
  const digests = await sh(vm, `md5 -q ${HOME}/suite/utils.sh ${HOME}/suite/constants.sh`);
  for (let index = 1; index <= count; index += 1) {
    const disk = `${driver}${index}`;
    await oneDisk(vm, disk, digests);
  }
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
export async function gone(vm: Vm, count: number): Promise<void> {
  for (let index = 1; index <= count; index += 1) {
    const { output, status } = await run(vm, `ls /dev/da${index}*`);
    if (status === 0) throw new Error(`da${index} is still there:\n${output}`);
  }
}

/** VHDX-RW on da1. */
export async function vhdxReadWrite(vm: Vm): Promise<void> {
  await sh(vm, `mkdir -p ${MOUNT}`);
  await run(vm, 'gpart destroy -F da1');
  await sh(
    vm,
    'gpart create -s gpt da1',
    'gpart add -t freebsd-ufs -a 1m da1',
    'sleep 5',
    'newfs -U /dev/da1p1',
    `mount /dev/da1p1 ${MOUNT}`,
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
    'gpart delete -i 1 da1',
  );
}

/** What the guest takes da1 for, in bytes. */
export async function sizeOf(vm: Vm, disk = 'da1'): Promise<number> {
  const [, , bytes] = (await sh(vm, `diskinfo ${disk}`)).split('\t');
  return Number(bytes);
}

/** On Generation 2 everything hangs on the one SCSI controller, behind the boot disk. */
export function placeOn(generation: Generation, place: string): string {
  const lun = /^scsi 0:(\d+)$/.exec(place)?.[1];
  if (generation === 1 || lun === undefined) return place;
  return `scsi 0:${Number(lun) + 1}`;
}
