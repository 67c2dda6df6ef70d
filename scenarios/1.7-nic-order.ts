/**
 * PR 205156: with two adapters, hn0 and hn1 change places between boots, since each offer is
 * attached by a thread of its own (freebsd-bis.md 1.7). drivers/adapters-keep-their-names.ts is the
 * test of it, for `synthvm explore`.
 */
import { scenario } from 'synthvm';
import { report } from './support/machines.ts';

const BOOTS = 200;
const FIRST = '00:15:5d:01:01:00';
const SECOND = '00:15:5d:01:01:01';
const RIGHT = [`hn0: Ethernet address: ${FIRST}`, `hn1: Ethernet address: ${SECOND}`];
const SWAPPED = [`hn0: Ethernet address: ${SECOND}`, `hn1: Ethernet address: ${FIRST}`];

for (const [mode, offerQueue, boots] of [
  ['broken', 'perChannel', BOOTS],
  ['fixed', 'global', 20],
] as const) {
  scenario(
    `1.7 ${mode}: which adapter is hn0`,
    {
      ...report,
      // Two adapters' receive and send buffers take 62 MB.
      memory: '128M',
      cpus: 2,
      nics: [{ mac: FIRST }, { mac: SECOND }],
      set: { offerQueue },
    },
    async ({ vm, expect, note }) => {
      for (let boot = 1; boot <= boots; boot += 1) {
        const before = vm.console.lines('Ethernet address: ').length;
        if (boot > 1) await vm.reset();
        await vm.console.wait(/hn1: Ethernet address: .*\n/, { within: '60s' });
        await vm.run('1ms');
        const said = vm.console.lines('Ethernet address: ').slice(before);
        if (said[0] === RIGHT[0]) {
          expect(said).toEqual(RIGHT);
          continue;
        }
        note('boots until they were swapped', boot);
        expect(said).toEqual(SWAPPED);
        expect(mode).toBe('broken');
        return;
      }
      expect(mode).toBe('fixed');
    },
  );
}
