/**
 * Until EN-16:16 storvsc completed every command by its own request instead of by the host's answer:
 * a READ that failed is a success to it, and the program gets what was in the buffer before
 * (freebsd-bis.md 4, S37).
 */
import { scenario } from 'synthvm';
import { plugIn } from './support/host-disk.ts';
import { legacy } from './support/machines.ts';

const SECTOR_BYTES = 512;
const DISK_BYTES = 1024 * 1024;
const BAD_LBA = 100;
const UNRECOVERED_READ_ERROR = 0x03_11_00;

for (const [mode, storvscMode, staleReads, expected] of [
  ['broken', 'legacy', 2, 'none'],
  ['fixed', 'en1616', 1, 'Input/output error'],
] as const) {
  scenario(
    `S37 ${mode}: two sectors through one buffer, the second of which is lost`,
    {
      ...legacy,
      host: 'ws2012r2',
      hosts: ['ws2012', 'ws2012r2', 'ws2016', 'ws2019', 'ws2022', 'ws2025'],
      hostsReason: '10.2 may not find its root among the disks that are none there (1.14)',
      set: { storvscMode },
    },
    async ({ vm, expect, note }) => {
      await vm.console.login();
      const bytes = new Uint8Array(DISK_BYTES);
      const start = (BAD_LBA - 1) * SECTOR_BYTES;
      bytes.set(new TextEncoder().encode('sector 99'), start);
      bytes.set(new TextEncoder().encode('sector 100'), start + SECTOR_BYTES);
      const unit = plugIn(vm, 0, bytes);
      unit.faults.inject({ access: 'read', firstLba: BAD_LBA, sense: UNRECOVERED_READ_ERROR });
      await vm.run('1s');
      const output = await vm.console.run(`hd -s ${start} -n ${2 * SECTOR_BYTES} /dev/da1`);
      const error = /^hd: .*: (.+)$/m.exec(output)?.[1] ?? 'none';
      // Twice means that the bad sector showed the good one's bytes.
      const reads = output.split('|sector 99.').length - 1;
      note('the program is told', error);
      expect({ error, reads }).toEqual({ error: expected, reads: staleReads });
      if (mode === 'fixed') expect(vm.console.text).toContain('MEDIUM ERROR asc:11,0');
    },
  );
}
