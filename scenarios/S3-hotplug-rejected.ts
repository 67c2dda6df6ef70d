/**
 * PR 209443: the work-around for the sixteen disks calls an absent LUN 0 "not there" on every host;
 * CAM then drops the target, and disks that are added later never appear (freebsd-bis.md 4, S3).
 */
import { scenario } from 'synthvm';
import { before2016, diskNames, legacy } from './support/machines.ts';

for (const [mode, storvscMode, after] of [
  ['broken', 'workaround', ['da0']],
  ['fixed', 'en1612', ['da0', 'da1']],
] as const) {
  scenario(
    `S3 ${mode}: a disk is added on 2012 R2`,
    {
      ...legacy,
      ...before2016,
      hostsReason: 'EN-16:12 took the work-around away on hosts before VSTOR 6.2 alone',
      set: { storvscMode },
    },
    async ({ vm, expect }) => {
      // Generation 1 boots from IDE; its SCSI controller is empty until a disk comes to LUN 1.
      await vm.boot();
      expect(diskNames(vm)).toEqual(['da0']);
      await vm.addDisk({ size: '1M' }, { lun: 1 });
      await vm.run('1s');
      expect(diskNames(vm)).toEqual(after);
    },
  );
}
