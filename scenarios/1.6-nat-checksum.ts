/**
 * PR 203630: a FreeBSD 10.2 router with NAT lets ICMP through and breaks TCP. hn hands every packet
 * with any checksum flag to the host for a transmit checksum, the findings of the receiving adapter
 * included, and the host sums over a field that is finished already (freebsd-bis.md 1.6).
 */
import { scenario, type VmConfig } from 'synthvm';
import { findsRoot, inside } from './support/machines.ts';

const SERVER_IP = '203.0.113.2';
const ROUTER_IP = '203.0.113.1';
const MASK = 'netmask 255.255.255.0';
const ECHO_PORT = 7;

const ETHERNET_BYTES = 14;
const IP_BYTES = 20;
const TCP_PROTOCOL = 6;
const TCP_CHECKSUM_AT = 16;
/** From an Ethernet header to the end of a TCP one. */
const LEAST_BYTES = 54;

function sum(bytes: Uint8Array, start: number, length: number): number {
  let total = 0;
  for (let at = start; at < start + length; at += 2) {
    total += (bytes[at]! << 8) + (at + 1 < start + length ? bytes[at + 1]! : 0);
  }
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

function fold(total: number): number {
  return (total & 0xffff) + (total >>> 16);
}

/** A client and a server on networks of their own, and a router between them. */
function machines(config: VmConfig): Record<'client' | 'router' | 'server', VmConfig> {
  const common = { generation: 1, memory: '128M', ...config } as const;
  return {
    client: {
      ...common,
      nics: [{ on: 'inside' }],
      rcConf: { ifconfig_hn0: `inet 192.168.1.2 ${MASK}`, defaultrouter: '192.168.1.1' },
    },
    router: {
      ...common,
      nics: [{ on: 'inside' }, { on: 'outside' }],
      rcConf: {
        ifconfig_hn0: `inet 192.168.1.1 ${MASK}`,
        ifconfig_hn1: `inet ${ROUTER_IP} ${MASK}`,
        gateway_enable: 'YES',
        firewall_nat_enable: 'YES',
        firewall_nat_interface: 'hn1',
      },
    },
    server: {
      ...common,
      nics: [{ on: 'outside' }],
      rcConf: { ifconfig_hn0: `inet ${SERVER_IP} ${MASK}`, inetd_enable: 'YES' },
    },
  };
}

for (const [mode, isBroken, config] of [
  ['broken', true, { guest: 'bis:10.2', set: findsRoot }],
  ['fixed', false, { guest: 'bis:10.2', set: { ...findsRoot, txCsumDecision: 'txFlags' } }],
  // Then there are no findings to hand on.
  [
    'broken where the host reports no receive checksums',
    false,
    { guest: 'bis:10.2', set: findsRoot, hostProfile: { netvsc: { rxCsumPpi: 'off' } } },
  ],
  ["fixed in today's driver", false, { guest: 'bis:modern' }],
] as const) {
  scenario(
    `1.6 ${mode}: TCP through a router with NAT`,
    { machines: machines(config), switches: ['inside', 'outside'] },
    async ({ vms: { client, router, server }, expect, note }) => {
      let badFrames = 0;
      let pseudoHeaderSums = 0;
      // The router's port on the outer switch.
      const port = inside(router).machine.network.ports[1]!;
      port.tap = (isFromStation, bytes, start, length) => {
        const ip = start + ETHERNET_BYTES;
        if (!isFromStation || length < LEAST_BYTES || bytes[ip + 9] !== TCP_PROTOCOL) return;
        const total = (bytes[ip + 2]! << 8) | bytes[ip + 3]!;
        const tcp = ip + IP_BYTES;
        const pseudo = fold(sum(bytes, ip + 12, 8) + TCP_PROTOCOL + total - IP_BYTES);
        if (fold(sum(bytes, tcp, total - IP_BYTES) + pseudo) === 0xffff) return;
        badFrames += 1;
        const at = tcp + TCP_CHECKSUM_AT;
        if (((bytes[at]! << 8) | bytes[at + 1]!) === pseudo) pseudoHeaderSums += 1;
      };
      const all = [client, router, server];
      await Promise.all(all.map((vm) => vm.boot({ within: '60s' })));
      await client.console.login();
      await router.console.login();
      const ping = await client.console.run(`ping -c 2 ${SERVER_IP}`);
      const local = await router.console.run(`nc -z ${SERVER_IP} ${ECHO_PORT}`);
      const through = await client.console.run(`nc -z ${SERVER_IP} ${ECHO_PORT}`);
      const dropped = inside(server).machine.guestNetwork.stack!.tcp.badChecksum;
      note('frames with a wrong checksum', badFrames);
      expect(ping).toContain('2 packets received, 0.0% packet loss');
      expect(local).toContain('succeeded!');
      expect(through.includes('succeeded!')).toBe(!isBroken);
      expect(badFrames > 0).toBe(isBroken);
      // What the host sums over is the folded sum of the pseudo header.
      expect({ pseudoHeaderSums, dropped }).toEqual({
        pseudoHeaderSums: badFrames,
        dropped: badFrames,
      });
    },
  );
}
