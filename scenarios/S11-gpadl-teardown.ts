/**
 * The buffers of a network adapter: from Windows Server 2016 on, a host lets go of their GPADLs only
 * after the channel is closed. A driver that tears them down before waits for answers that do not
 * come, here at a change of the MTU, which takes the adapter down and up (freebsd-bis.md S11).
 */
import { scenario } from 'synthvm';
import { small } from './support/machines.ts';

for (const [mode, gpadlTeardown, host, least, most] of [
  // Five seconds for each of two answers.
  ['broken', 'beforeClose', 'ws2022', 10, 11],
  ['fixed', 'byVersion', 'ws2022', 0, 1],
  ['fixed before 2016', 'byVersion', 'ws2012r2', 0, 1],
  ['right before 2016', 'beforeClose', 'ws2012r2', 0, 1],
] as const) {
  scenario(
    `S11 ${mode}: how long a new MTU takes`,
    { ...small, host, memory: '128M', nics: 1, set: { gpadlTeardown } },
    async ({ vm, expect, note }) => {
      await vm.console.login();
      const startNs = vm.time.ns;
      await vm.console.run('ifconfig hn0 mtu 9000');
      const seconds = (vm.time.ns - startNs) / 1e9;
      note('seconds', seconds);
      expect(seconds).toBeGreaterThan(least);
      expect(seconds).toBeLessThan(most);
      expect(await vm.console.run('ifconfig hn0')).toContain('mtu 9000');
      expect(await vm.console.run('ping -c 1 192.168.100.1')).toContain('1 packets received');
    },
  );
}
