/**
 * PR 187006: `ifconfig_hn0="DHCP"` gets no lease at boot. hn answers no media ioctl and tells nobody
 * of its link, so that devd never starts dhclient; SYNCDHCP works (freebsd-bis.md 1.10).
 */
import { scenario } from 'synthvm';
import { findsRoot, legacy } from './support/machines.ts';

const ADDRESS = '192.168.100.10';

for (const [mode, ifmedia] of [
  ['broken', false],
  ['fixed', true],
] as const) {
  for (const how of ['DHCP', 'SYNCDHCP'] as const) {
    scenario(
      `1.10 ${mode}: ifconfig_hn0="${how}"`,
      {
        ...legacy,
        memory: '128M',
        nics: 1,
        set: { ...findsRoot, ifmedia },
        rcConf: { ifconfig_hn0: how },
      },
      async ({ vm, expect, note }) => {
        // rc waits half a minute for a default route that does not come.
        await vm.console.login({ within: '60s' });
        const shown = await vm.console.run('ifconfig hn0');
        const address = /inet (\S+)/.exec(shown)?.[1] ?? '';
        note('address', address === '' ? 'none' : address);
        expect(address).toBe(ifmedia || how === 'SYNCDHCP' ? ADDRESS : '');
        const hasMedia =
          shown.includes('\tmedia: Ethernet autoselect (10Gbase-T <full-duplex>)\n') &&
          shown.includes('\tstatus: active\n');
        expect(hasMedia).toBe(ifmedia);
        expect(vm.console.lines('hn0: link state changed to UP').length > 0).toBe(ifmedia);
      },
    );
  }
}
