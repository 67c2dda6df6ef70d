/**
 * EN-16:16: until then storvsc judged INQUIRY data by its names, and a unit whose host answers with
 * the first bytes only was no device to it (freebsd-bis.md 4, S5).
 */
import { scenario } from 'synthvm';
import { plugIn } from './support/host-disk.ts';
import { diskNames, gen2Switches, small } from './support/machines.ts';

const DISK_BYTES = 1024 * 1024;
/** Qualifier to additional length, and no byte more. */
const SHORT_BYTES = 5;

for (const [mode, storvscMode, expected] of [
  ['broken', 'en1612', ['da0']],
  ['fixed', 'en1616', ['da0', 'da1']],
] as const) {
  scenario(
    `S5 ${mode}: a data disk whose INQUIRY is short`,
    {
      ...small,
      guest: 'bis:10.2',
      host: 'ws2016',
      hosts: ['ws2016', 'ws2019', 'ws2022', 'ws2025'],
      hostsReason: "the host's own answers for absent LUNs are short, or zeros",
      set: { ...gen2Switches, storvscMode },
    },
    async ({ vm, expect }) => {
      plugIn(vm, 1, new Uint8Array(DISK_BYTES), { inquiryBytes: SHORT_BYTES });
      await vm.boot();
      expect(diskNames(vm)).toEqual(expected);
    },
  );
}
