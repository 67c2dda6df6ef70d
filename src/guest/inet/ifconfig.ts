/** What ifconfig(8) shows of an interface (freebsd-bis.md 3.4). */
import type { NetInterface } from './interface.ts';
import { ipText, macText } from './ip.ts';

export function interfaceText(ifp: NetInterface): string {
  const lines = [
    `${ifp.name}: flags=${ifp.flagsText()} metric 0 mtu ${ifp.mtu}`,
    ...(ifp.capabilities === 0 ? [] : [`\toptions=${ifp.optionsText()}`]),
    `\tether ${macText(ifp.mac)}`,
  ];
  if (ifp.ip !== 0) {
    const mask = ifp.netmask.toString(16).padStart(8, '0');
    const broadcast = ipText(ifp.broadcast);
    lines.push(`\tinet ${ipText(ifp.ip)} netmask 0x${mask} broadcast ${broadcast}`);
  }
  if (ifp.hasMedia) {
    const isActive = ifp.linkState === 'up';
    lines.push(`\tmedia: Ethernet autoselect (${ifp.medium})`);
    if (ifp.hasLinkStatus) lines.push(`\tstatus: ${isActive ? 'active' : 'no carrier'}`);
  }
  lines.push('\tnd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>');
  return `${lines.join('\n')}\n`;
}

export const LOOPBACK_TEXT =
  'lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384\n' +
  '\toptions=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>\n' +
  '\tinet 127.0.0.1 netmask 0xff000000\n';
