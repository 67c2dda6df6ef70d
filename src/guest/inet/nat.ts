/**
 * Network address translation of one interface, as ipfw(8)'s "nat" with libalias does it: packets
 * that leave get the interface's address and a port of its own, answers are turned back. Checksums
 * are adjusted in place (RFC 1624), never computed anew, so that they are as sound as they came.
 */
import {
  IcmpEcho,
  IcmpType,
  IpProtocol,
  Ipv4Header,
  TcpHeader,
  UdpHeader,
} from '../../net/spec/ip.ts';
import { readLong, readWord, writeLong, writeWord } from '../../core/network-order.ts';
import { adjust, adjustLong } from './checksum.ts';
import type { NetInterface } from './interface.ts';

const FIRST_PORT = 32_768;
const PORTS = 16_384;
/** Open addressing: a power of two, at least twice the ports of all protocols. */
const SLOTS = 131_072;
const NONE = -1;

/** Where a transport header keeps what NAT looks at; -1 where there is no such field. */
interface Layout {
  readonly index: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly checksum: number;
  readonly bytes: number;
}

const TCP: Layout = { index: 0, bytes: TcpHeader.size, ...TcpHeader.offset };
const UDP: Layout = { index: 1, bytes: UdpHeader.size, ...UdpHeader.offset };
/** An echo's identifier takes the part of both ports. */
const ICMP: Layout = {
  index: 2,
  bytes: IcmpEcho.size,
  sourcePort: IcmpEcho.offset.id,
  destinationPort: IcmpEcho.offset.id,
  checksum: IcmpEcho.offset.checksum,
};

export class Nat {
  readonly external: NetInterface;
  /** Private endpoint of each public port, by protocol. */
  readonly #address = new Uint32Array(3 * PORTS);
  readonly #port = new Uint16Array(3 * PORTS);
  readonly #isUsed = new Uint8Array(3 * PORTS);
  readonly #slots = new Int32Array(SLOTS).fill(NONE);
  readonly #next = [0, 0, 0];
  translatedOut = 0;
  translatedIn = 0;

  constructor(external: NetInterface) {
    this.external = external;
  }

  /** Mappings in use. */
  get size(): number {
    return this.#isUsed.reduce((sum, used) => sum + used, 0);
  }

  /**
   * A packet is about to leave by the external interface.
   * @param ip where its IPv4 header begins
   * @returns false when it cannot be translated and must be dropped
   */
  outbound(bytes: Uint8Array, ip: number, length: number): boolean {
    const source = readLong(bytes, ip + Ipv4Header.offset.source);
    if (source === this.external.ip) return true;
    const layout = layoutOf(bytes, ip, length, true);
    if (layout === undefined) return false;
    const transport = ip + (bytes[ip]! & 15) * 4;
    const port = readWord(bytes, transport + layout.sourcePort);
    const entry = this.#find(layout.index, source, port);
    if (entry < 0) return false;
    const alias = FIRST_PORT + (entry - layout.index * PORTS);
    this.#rewrite(bytes, ip, layout, source, this.external.ip, port, alias, true);
    this.translatedOut += 1;
    return true;
  }

  /** A packet came in for the external address. @returns whether it belongs to a private host */
  inbound(bytes: Uint8Array, ip: number, length: number): boolean {
    const layout = layoutOf(bytes, ip, length, false);
    if (layout === undefined) return false;
    const transport = ip + (bytes[ip]! & 15) * 4;
    const alias = readWord(bytes, transport + layout.destinationPort);
    const index = alias - FIRST_PORT;
    if (index < 0 || index >= PORTS) return false;
    const entry = layout.index * PORTS + index;
    if (this.#isUsed[entry] === 0) return false;
    const destination = readLong(bytes, ip + Ipv4Header.offset.destination);
    const [address, port] = [this.#address[entry]!, this.#port[entry]!];
    this.#rewrite(bytes, ip, layout, destination, address, alias, port, false);
    this.translatedIn += 1;
    return true;
  }

  #rewrite(
    bytes: Uint8Array,
    ip: number,
    layout: Layout,
    fromAddress: number,
    toAddress: number,
    fromPort: number,
    toPort: number,
    isSource: boolean,
  ): void {
    const { offset } = Ipv4Header;
    const transport = ip + (bytes[ip]! & 15) * 4;
    const ipSum = readWord(bytes, ip + offset.checksum);
    writeWord(bytes, ip + offset.checksum, adjustLong(ipSum, fromAddress, toAddress));
    writeLong(bytes, ip + (isSource ? offset.source : offset.destination), toAddress);
    const portAt = transport + (isSource ? layout.sourcePort : layout.destinationPort);
    writeWord(bytes, portAt, toPort);
    const sumAt = transport + layout.checksum;
    let sum = readWord(bytes, sumAt);
    if (layout === UDP && sum === 0) return;
    sum = adjust(sum, fromPort, toPort);
    // ICMP has no pseudo header.
    if (layout !== ICMP) sum = adjustLong(sum, fromAddress, toAddress);
    if (layout === UDP && sum === 0) sum = 0xffff;
    writeWord(bytes, sumAt, sum);
  }

  /** The mapping of a private endpoint, made when it is new; -1 when all ports are taken. */
  #find(protocol: number, address: number, port: number): number {
    let slot = hash(protocol, address, port);
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry === NONE) return this.#add(slot, protocol, address, port);
      const isSame =
        this.#address[entry] === address &&
        this.#port[entry] === port &&
        Math.floor(entry / PORTS) === protocol;
      if (isSame) return entry;
      slot = (slot + 1) & (SLOTS - 1);
    }
  }

  #add(slot: number, protocol: number, address: number, port: number): number {
    const next = this.#next[protocol]!;
    if (next >= PORTS) return -1;
    this.#next[protocol] = next + 1;
    const entry = protocol * PORTS + next;
    this.#address[entry] = address;
    this.#port[entry] = port;
    this.#isUsed[entry] = 1;
    this.#slots[slot] = entry;
    return entry;
  }
}

function hash(protocol: number, address: number, port: number): number {
  const mixed = Math.imul(address ^ (port << 8) ^ (protocol << 28), 0x9e37_79b1);
  return (mixed >>> 15) & (SLOTS - 1);
}

/** @returns undefined for what NAT does not carry */
function layoutOf(
  bytes: Uint8Array,
  ip: number,
  length: number,
  isOutbound: boolean,
): Layout | undefined {
  const protocol = bytes[ip + Ipv4Header.offset.protocol]!;
  const headerBytes = (bytes[ip]! & 15) * 4;
  let layout: Layout | undefined;
  if (protocol === IpProtocol.tcp) layout = TCP;
  else if (protocol === IpProtocol.udp) layout = UDP;
  else if (protocol === IpProtocol.icmp) {
    const type = bytes[ip + headerBytes];
    const wanted = isOutbound ? IcmpType.echoRequest : IcmpType.echoReply;
    if (type === wanted) layout = ICMP;
  }
  if (layout === undefined || headerBytes + layout.bytes > length) return undefined;
  return layout;
}
