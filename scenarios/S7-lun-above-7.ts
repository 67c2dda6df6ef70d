/**
 * r309726: CAM goes beyond LUN 7 only for a target of SCSI-3 or later. Hosts before 2016 answer for
 * an absent LUN 0 with version 0, so a disk at LUN 9 alone is never found, until the driver mends
 * that answer and CAM asks for REPORT LUNS (freebsd-bis.md 4, S7).
 */
import { scenario } from 'synthvm';
import { before2016, legacy } from './support/machines.ts';

for (const [mode, storvscMode] of [
  ['broken', 'd7521'],
  ['fixed', 'r309726'],
] as const) {
  scenario(
    `S7 ${mode}: the only SCSI disk is at LUN 9`,
    {
      ...legacy,
      ...before2016,
      hostsReason: "the host's answer for an absent LUN 0 has a version, or is zeros",
      set: { storvscMode },
    },
    async ({ vm, expect }) => {
      await vm.addDisk({ size: '1M' }, { lun: 9 });
      await vm.console.wait('Trying to mount root', { within: '60s' });
      const found = vm.console.lines(/ at storvsc\d+ bus 0 /);
      expect(found).toEqual(
        mode === 'broken' ? [] : [expect.stringMatching(/ target 0 lun 9$/) as string],
      );
    },
  );
}
