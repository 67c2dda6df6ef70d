/** dev.hn.N: what an interface has agreed on with its host, and what its rings counted. */
import { ChecksumFlag } from '../inet/packet.ts';
import type { HnController } from './controller.ts';

/** HN_CAP bits (if_hnvar.h), which `caps` shows. */
const CAPS = { vlan: 0x0001, mtu: 0x0002, ipcs: 0x0004, tcp4cs: 0x0008, udp4cs: 0x0020 } as const;
const TSO4_CAP = 0x0080;
/** CSUM_ bits of `hwassist`, as mbuf(9) numbers them. */
const ASSIST_NAMES: readonly (readonly [number, string])[] = [
  [ChecksumFlag.ip, 'CSUM_IP'],
  [ChecksumFlag.udp, 'CSUM_IP_UDP'],
  [ChecksumFlag.tcp, 'CSUM_IP_TCP'],
  [ChecksumFlag.tso, 'CSUM_IP_TSO'],
];

export function addHnSysctls(controller: HnController): void {
  const { kernel, device } = controller;
  const tree = `dev.hn.${device.unit}`;
  const description = kernel.switches.release === 'legacy' ? 'Synthetic' : 'Hyper-V';
  kernel.addSysctl(`${tree}.%desc`, () => `${description} Network Interface`);
  kernel.addSysctl(`${tree}.nvs_version`, () => String(controller.nvs.version));
  kernel.addSysctl(
    `${tree}.ndis_version`,
    () => `${controller.nvs.ndisMajor}.${controller.nvs.ndisMinor}`,
  );
  kernel.addSysctl(`${tree}.caps`, () => capsText(controller.ifp?.hwassist ?? 0));
  kernel.addSysctl(`${tree}.hwassist`, () => assistText(controller.ifp?.hwassist ?? 0));
  kernel.addSysctl(`${tree}.rxfilter`, () => `0x${controller.filter.toString(16)}`);
  kernel.addSysctl(`${tree}.rss_hash`, () => `0x${controller.rssHash.toString(16)}`);
  kernel.addSysctl(`${tree}.rss_ind_size`, () => String(controller.rssEntries));
  // -1 leaves it to the host's limits.
  kernel.addSysctl(`${tree}.agg_size`, () => '-1');
  kernel.addSysctl(`${tree}.agg_pkts`, () => '-1');
  kernel.addSysctl(`${tree}.rndis_agg_size`, () => String(controller.rndis.maxTransferBytes));
  kernel.addSysctl(`${tree}.rndis_agg_pkts`, () => String(controller.rndis.maxPackets));
  kernel.addSysctl(`${tree}.rndis_agg_align`, () => String(controller.rndis.alignment));
  kernel.addSysctl(`${tree}.vf`, () => '');
  kernel.addSysctl(`${tree}.chan_cnt`, () => String(controller.rings.length));
  kernel.addSysctl(`${tree}.rx_ring_cnt`, () => String(controller.rings.length));
  kernel.addSysctl(`${tree}.rx_ring_inuse`, () => String(controller.rings.length));
  kernel.addSysctl(`${tree}.tx_ring_inuse`, () => String(controller.rings.length));
  const sum = (read: (ring: HnController['rings'][number]) => number) => (): string =>
    String(controller.rings.reduce((total, ring) => total + read(ring), 0));
  kernel.addSysctl(
    `${tree}.lro_queued`,
    sum(({ lro }) => lro.queued),
  );
  kernel.addSysctl(
    `${tree}.lro_flushed`,
    sum(({ lro }) => lro.flushed),
  );
  if (controller.hasCoalescing) {
    kernel.addSysctl(
      `${tree}.rsc_switch`,
      () => (controller.coalesces ? '1' : '0'),
      (value) => (value === '0' || value === '1') && controller.switchCoalescing(value === '1'),
    );
    kernel.addSysctl(`${tree}.rsc_pkts`, () => String(controller.receiver.coalesced));
  }
  for (let index = 0; index < controller.rings.length; index += 1) {
    addRingSysctls(controller, tree, index);
  }
}

export function addRingSysctls(controller: HnController, tree: string, index: number): void {
  const { kernel, rings } = controller;
  const of = (read: (ring: HnController['rings'][number]) => number) => (): string =>
    String(rings[index] === undefined ? 0 : read(rings[index]));
  kernel.addSysctl(
    `${tree}.rx.${index}.packets`,
    of((ring) => ring.packetsIn),
  );
  kernel.addSysctl(
    `${tree}.tx.${index}.packets`,
    of((ring) => ring.transmit.packets),
  );
  kernel.addSysctl(
    `${tree}.tx.${index}.sends`,
    of((ring) => ring.transmit.sends),
  );
  kernel.addSysctl(
    `${tree}.tx.${index}.no_txdescs`,
    of((ring) => ring.transmit.noRoom),
  );
  kernel.addSysctl(
    `${tree}.tx.${index}.chimney`,
    of((ring) => ring.transmit.chimneyPackets),
  );
}

function capsText(assist: number): string {
  let bits: number = CAPS.vlan | CAPS.mtu;
  if ((assist & ChecksumFlag.ip) !== 0) bits |= CAPS.ipcs;
  if ((assist & ChecksumFlag.tcp) !== 0) bits |= CAPS.tcp4cs;
  if ((assist & ChecksumFlag.udp) !== 0) bits |= CAPS.udp4cs;
  if ((assist & ChecksumFlag.tso) !== 0) bits |= TSO4_CAP;
  const names = ['VLAN', 'MTU', 'IPCS', 'TCP4CS', 'TCP6CS', 'UDP4CS', 'UDP6CS', 'TSO4'];
  const set = names.filter((_, bit) => (bits & (1 << bit)) !== 0);
  return `${bits.toString(16)}<${set.join(',')}>`;
}

function assistText(assist: number): string {
  const names = ASSIST_NAMES.filter(([bit]) => (assist & bit) !== 0).map(([, name]) => name);
  return `${assist.toString(16)}<${names.join(',')}>`;
}
