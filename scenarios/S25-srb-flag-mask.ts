/**
 * The two upper bits of an SRB status are flags: 0x80 "sense data is valid", 0x40 "queue frozen".
 * A driver that compares the whole byte takes a success with a flag for an unknown failure, and
 * gives the disk up (freebsd-bis.md 4, S25).
 */
import { scenario } from 'synthvm';
import { diskNames, inside, legacy } from './support/machines.ts';

const READ_OPERATIONS: ReadonlySet<number> = new Set([0x08, 0x28, 0x88]);

for (const [mode, storvscMode] of [
  ['broken', 'd7521'],
  ['fixed', 'r309726'],
] as const) {
  for (const flags of [0, 0x80, 0x40, 0xc0]) {
    const status = `0x${(1 | flags).toString(16).padStart(2, '0')}`;
    scenario(
      `S25 ${mode}: reads that end with SRB status ${status}`,
      { ...legacy, set: { storvscMode } },
      async ({ vm, expect }) => {
        await vm.console.login();
        const { lun } = await vm.addDisk({ size: '1M' }, { lun: 0 });
        await vm.run('1s');
        // A host that sets flags in the SRB status of every read from now on.
        const unit = inside(vm).board.scsi.unitAt({ target: 0, lun: lun! })!;
        const execute = unit.execute.bind(unit);
        unit.execute = (task) => {
          execute(task);
          if (READ_OPERATIONS.has(task.operation)) task.srbStatus |= flags;
        };
        const output = await vm.console.run('hd -n 512 /dev/da1');
        const isFine = mode === 'fixed' || flags === 0;
        expect(output.includes('00000200')).toBe(isFine);
        expect(diskNames(vm).includes('da1')).toBe(isFine);
      },
    );
  }
}
