/**
 * PR 203630: a FreeBSD 10.2 router with NAT lets ICMP through and breaks TCP. hn hands every packet
 * with any checksum flag to the host for a transmit checksum, the findings of the receiving adapter
 * included, and the host sums over a field that is finished already (freebsd-bis.md 1.6).
 */
import { TcpHeader } from '../src/net/spec/ip.ts';
import { CLIENT_IP, NatTopology, type NatSetup, ROUTER_IP, SERVER_IP } from './support/nat.ts';
import { show } from './support/report.ts';

const ETHERNET_BYTES = 14;
const IP_BYTES = 20;
const TCP_PROTOCOL = 6;
const ECHO_PORT = 7;

export interface Facts {
  /** Echo through the router works. */
  readonly canPing: boolean;
  /** A TCP connection through the router is made. */
  readonly canConnect: boolean;
  /** A TCP connection from the router itself is made. */
  readonly canConnectFromRouter: boolean;
  /** Frames with a wrong TCP checksum that the router sent to the outside. */
  readonly badFrames: number;
  /** Of those, the ones whose checksum field is the folded sum of the pseudo header. */
  readonly pseudoHeaderSums: number;
  /** Segments that the server dropped for their checksum. */
  readonly droppedByServer: number;
  readonly lines: readonly string[];
}

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

export function route(setup: NatSetup): Facts {
  const network = new NatTopology(setup);
  let badFrames = 0;
  let pseudoHeaderSums = 0;
  // The router's port on the outer switch.
  const port = network.router.network.ports[1]!;
  port.tap = (isFromStation, bytes, start, length) => {
    const ip = start + ETHERNET_BYTES;
    if (!isFromStation || length < 54 || bytes[ip + 9] !== TCP_PROTOCOL) return;
    const total = (bytes[ip + 2]! << 8) | bytes[ip + 3]!;
    const tcp = ip + IP_BYTES;
    const pseudo = fold(sum(bytes, ip + 12, 8) + TCP_PROTOCOL + total - IP_BYTES);
    if (fold(sum(bytes, tcp, total - IP_BYTES) + pseudo) === 0xffff) return;
    badFrames += 1;
    const at = tcp + TcpHeader.offset.checksum;
    if (((bytes[at]! << 8) | bytes[at + 1]!) === pseudo) pseudoHeaderSums += 1;
  };
  network.boot();
  const { client, router, server } = network;
  network.login(client);
  network.login(router);
  const ping = network.type(client, `ping -c 2 ${SERVER_IP}`);
  const local = network.type(router, `nc -z ${SERVER_IP} ${ECHO_PORT}`);
  const forwarded = network.type(client, `nc -z ${SERVER_IP} ${ECHO_PORT}`);
  return {
    canPing: ping.includes('2 packets received, 0.0% packet loss'),
    canConnect: forwarded.includes('succeeded!'),
    canConnectFromRouter: local.includes('succeeded!'),
    badFrames,
    pseudoHeaderSums,
    droppedByServer: network.stackOf(server).tcp.badChecksum,
    lines: forwarded.split('\n').filter((line) => line.includes('onnect')),
  };
}

export const broken = (): Facts => route({ preset: 'bis:10.2' });
export const fixed = (): Facts =>
  route({ preset: 'bis:10.2', switches: { txCsumDecision: 'txFlags' } });

if (import.meta.main) {
  show({
    title: `1.6 NAT router ${ROUTER_IP} between ${CLIENT_IP} and ${SERVER_IP}`,
    broken,
    fixed,
    rows: {
      'echo through the router': (facts) => facts.canPing,
      'TCP through the router': (facts) => facts.canConnect,
      'TCP from the router itself': (facts) => facts.canConnectFromRouter,
      'frames with a wrong TCP checksum': (facts) => facts.badFrames,
      'of these, the pseudo header sum': (facts) => facts.pseudoHeaderSums,
      'segments that the server dropped': (facts) => facts.droppedByServer,
    },
    excerpt: (facts) => facts.lines,
    lookFor: 'the wrong checksum is the folded sum of the pseudo header, every time.',
  });
}
