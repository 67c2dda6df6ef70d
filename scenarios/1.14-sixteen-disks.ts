/**
 * Sixteen disks where there is one. A Technical Preview of Windows Server 2016 answers INQUIRY to
 * an absent LUN with an error and an untouched buffer; 10.2's storvsc looks at neither status nor
 * length, and CAM takes 36 zeros for a disk (freebsd-bis.md 1.14).
 */
import { scenario } from 'synthvm';
import { gen2Switches, inside, legacy, small } from './support/machines.ts';

const BOOTS = 20;
const hostsReason = 'it is about how the host that it names answers for absent LUNs';

for (const [mode, storvscMode, host] of [
  ['broken', 'legacy', 'ws2016tp'],
  ['fixed', 'd7521', 'ws2016tp'],
  // Which answers with a qualifier that CAM knows.
  ['broken on the release before', 'legacy', 'ws2012r2'],
] as const) {
  scenario(
    `1.14 ${mode}: the disks of a machine with one`,
    { ...small, guest: 'bis:10.2', host, hostsReason, set: { ...gen2Switches, storvscMode } },
    async ({ vm, expect, note }) => {
      await vm.boot();
      const { disks } = inside(vm).machine.storage.cam!;
      const names = disks.map(({ name }) => name);
      const empty = disks.filter(({ sectors }) => sectors === 0);
      note('disks', names.join(' '));
      if (mode !== 'broken') {
        expect({ names, empty }).toEqual({ names: ['da0'], empty: [] });
        return;
      }
      expect(names).toEqual(Array.from({ length: 16 }, (_, unit) => `da${unit}`));
      expect(empty).toHaveLength(15);
      expect(vm.console.lines(/^da15[: ]/).slice(1)).toEqual([
        'da15: <  > Fixed Direct Access SCSI-0 device',
        'da15: 300.000MB/s transfers',
        'da15: 0MB (0 512 byte sectors: 64H 32S/T 0C)',
      ]);
    },
  );
}

/** The report's table "Expected counts": disks with sectors and without, of one controller. */
for (const [layout, luns, expected, how] of [
  ['one disk at LUN 0, SPC-2', [0], '1+15', {}],
  ['no disk at all', [], '0+16', {}],
  [
    'one disk at LUN 0, SPC-3',
    [0],
    '1+8',
    { hostProfile: { storvsc: { inquiryVersionBefore62: 5 } } },
  ],
  ['disks at LUN 0 and 1, SPC-2', [0, 1], '2+14', {}],
  ['one disk at LUN 9, SPC-2', [9], '0+16', {}],
  ['disks at LUN 0 and 1, host ws2016', [0, 1], '2+0', { host: 'ws2016' }],
  ['one disk on an IDE accelerator', [], '1+3', {}],
] as const) {
  scenario(
    `1.14 broken, Generation 1: ${layout}`,
    { ...legacy, host: 'ws2016tp', hostsReason, ...how },
    async ({ vm, expect }) => {
      for (const lun of luns) await vm.addDisk({ size: '512K' }, { lun });
      await vm.console.wait('Trying to mount root', { within: '60s' });
      const controller = layout.endsWith('accelerator') ? 'blkvsc' : 'storvsc';
      const disks = inside(vm).machine.storage.cam!.disks.filter(
        ({ device }) => device.bus.sim.name === controller,
      );
      const real = disks.filter(({ sectors }) => sectors > 0).length;
      expect(`${real}+${disks.length - real}`).toBe(expected);
    },
  );
}

/**
 * The worse half of the bug: on a Generation-1 machine with an empty SCSI controller a bogus disk
 * can take the name that the loader means, and the root is not found.
 */
for (const [mode, storvscMode] of [
  ['broken', 'legacy'],
  ['fixed', 'workaround'],
] as const) {
  scenario(
    `1.14 ${mode}: whether the root is found, in ${BOOTS} boots`,
    { ...legacy, host: 'ws2016tp', hostsReason, set: { storvscMode } },
    async ({ vm, expect, note }) => {
      for (let boot = 0; boot < BOOTS; boot += 1) {
        if (boot > 0) await vm.reset();
        const isFound = await vm.boot({ within: '60s' }).then(
          () => true,
          () => false,
        );
        // The guest stops at its "mountroot>" prompt.
        if (!isFound) expect((await vm.halt()).reason).toBe('stage-stopped');
      }
      const failures = vm.console.lines('Mounting from');
      note('not found', failures.length);
      if (mode === 'fixed') {
        expect(failures).toEqual([]);
        return;
      }
      expect(failures.length).toBeGreaterThanOrEqual(1);
      expect(failures.length).toBeLessThan(BOOTS);
      expect(failures[0]).toMatch(/^Mounting from ufs:\/dev\/da0s1a failed with error (19|22)\.$/);
    },
  );
}
