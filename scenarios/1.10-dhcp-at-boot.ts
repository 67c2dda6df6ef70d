/**
 * PR 187006: `ifconfig_hn0="DHCP"` gets no lease at boot. hn answers no media ioctl and tells nobody
 * of its link, so that devd never starts dhclient; SYNCDHCP works (freebsd-bis.md 1.10).
 */
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

export interface Facts {
  /** ifconfig shows what the medium is and whether it is active. */
  readonly hasMedia: boolean;
  /** The kernel said that the link is up. */
  readonly saysLinkUp: boolean;
  /** What `ifconfig hn0` shows as its address; '' without a lease. */
  readonly address: string;
  /** Likewise with ifconfig_hn0="SYNCDHCP". */
  readonly addressWithSync: string;
  readonly lines: readonly string[];
}

function bootWith(ifmedia: boolean, config: string): Run {
  return new Run({
    preset: 'bis:10.2',
    generation: 1,
    switches: { ifmedia },
    networkAdapters: 1,
    memoryBytes: 128 * 1024 * 1024,
    rcConf: { ifconfig_hn0: config },
  });
}

/** rc waits half a minute for a default route that does not come. */
const BOOT_SECONDS = 60;

function addressOf(run: Run): { readonly address: string; readonly shown: string } {
  run.powerOn();
  run.untilText('login: ', BOOT_SECONDS);
  run.login();
  const shown = run.type('ifconfig hn0');
  return { address: /inet (\S+)/.exec(shown)?.[1] ?? '', shown };
}

function facts(ifmedia: boolean): Facts {
  const run = bootWith(ifmedia, 'DHCP');
  const { address, shown } = addressOf(run);
  return {
    hasMedia:
      shown.includes('\tmedia: Ethernet autoselect (10Gbase-T <full-duplex>)\n') &&
      shown.includes('\tstatus: active\n'),
    saysLinkUp: run.lines.includes('hn0: link state changed to UP'),
    address,
    addressWithSync: addressOf(bootWith(ifmedia, 'SYNCDHCP')).address,
    lines: shown.split('\n').filter((line) => line.startsWith('\t')),
  };
}

export const broken = (): Facts => facts(false);
export const fixed = (): Facts => facts(true);

if (import.meta.main) {
  show({
    title: '1.10 A lease at boot',
    broken,
    fixed,
    rows: {
      'media and status in ifconfig': (found) => found.hasMedia,
      'link state changed to UP': (found) => found.saysLinkUp,
      'address with DHCP': (found) => found.address,
      'address with SYNCDHCP': (found) => found.addressWithSync,
    },
    excerpt: (found) => found.lines,
    lookFor: 'no media, no address; with SYNCDHCP there is one either way.',
  });
}
