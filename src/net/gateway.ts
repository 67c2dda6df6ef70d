import type { VirtualClock } from '../core/clock.ts';
import { traceType, type Trace } from '../core/trace.ts';
import { openEnum, u16, u32 } from '../core/wire.ts';
import { complementOf, sumBytes } from './checksum.ts';
import { parseRequest, writeReply, type DhcpRequest } from './dhcp/message.ts';
import { DhcpServer, type DhcpOptions } from './dhcp/server.ts';
import { FrameWriter } from './frame-writer.ts';
import { FrameFact, inspectFrame, networkOffset, transportOffset } from './inspect.ts';
import type { FrameReceiver, PacketLink } from './link.ts';
import { WordViews } from './copy.ts';
import { ARP_ETHERNET, ArpOperation, ArpPacket } from './spec/arp.ts';
import { DHCP_BROADCAST, DhcpPort, DhcpType } from './spec/dhcp.ts';
import { ETHERNET_BYTES, EtherType, MAX_FRAME_BYTES, TYPE_AT } from './spec/ethernet.ts';
import { IcmpEcho, IcmpType, IpProtocol, Ipv4Header, UdpHeader } from './spec/ip.ts';

const BROADCAST_MAC = new Uint8Array(6).fill(0xff);
const BROADCAST_IP = 0xffff_ffff;

const answerEvent = traceType('net', 'gateway', {
  service: openEnum(u16, { arp: 1, echo: 2, dhcp: 3 }),
  peer: u32,
});

export interface GatewayOptions {
  readonly mac: Uint8Array;
  /** Unsigned 32-bit. */
  readonly ip: number;
  readonly netmask: number;
  /** Without it there is no DHCP server. */
  readonly dhcp?: Pick<DhcpOptions, 'first' | 'last' | 'leaseSeconds' | 'domainName'> & {
    /** Default the gateway itself. */
    readonly router?: number;
    readonly nameServers?: readonly number[];
  };
}

/**
 * The host's own station on a switch, as Hyper-V's default switch has one: it answers ARP and ICMP
 * echo for its address and gives leases. It forwards nothing.
 */
export class Gateway implements FrameReceiver {
  readonly dhcp: DhcpServer | undefined;
  readonly #link: PacketLink;
  readonly #trace: Trace;
  readonly #mac: Uint8Array;
  readonly #ip: number;
  readonly #netmask: number;
  readonly #writer = new FrameWriter();
  readonly #views = new WordViews();
  /** A copy of the frame at hand. */
  readonly #frame = new Uint8Array(MAX_FRAME_BYTES);
  readonly #view = new DataView(this.#frame.buffer);
  readonly #arp = ArpPacket.cursor(this.#view).at(ETHERNET_BYTES);

  constructor(link: PacketLink, clock: VirtualClock, trace: Trace, options: GatewayOptions) {
    this.#link = link;
    this.#trace = trace;
    this.#mac = options.mac;
    this.#ip = options.ip;
    this.#netmask = options.netmask;
    const { dhcp } = options;
    if (dhcp !== undefined) {
      this.dhcp = new DhcpServer(clock, trace, {
        ...dhcp,
        netmask: options.netmask,
        serverIp: options.ip,
        router: dhcp.router ?? options.ip,
        nameServers: dhcp.nameServers ?? [options.ip],
      });
    }
    link.receiver = this;
  }

  framesEnd(): void {}

  linkChanged(): void {}

  frame(bytes: Uint8Array, start: number, length: number, known: number): void {
    if (!this.#isForMe(bytes, start)) return;
    const type = (bytes[start + TYPE_AT]! << 8) | bytes[start + TYPE_AT + 1]!;
    if (type !== EtherType.arp && type !== EtherType.ipv4) return;
    const facts = known === 0 ? inspectFrame(bytes, this.#views.of(bytes), start, length) : known;
    for (let index = 0; index < length; index += 1) this.#frame[index] = bytes[start + index]!;
    if (type === EtherType.arp) this.#resolve(length);
    else this.#internet(length, facts);
  }

  #isForMe(bytes: Uint8Array, start: number): boolean {
    if ((bytes[start]! & 1) !== 0) return true;
    for (let index = 0; index < 6; index += 1) {
      if (bytes[start + index] !== this.#mac[index]) return false;
    }
    return true;
  }

  #resolve(length: number): void {
    const arp = this.#arp;
    if (length < ETHERNET_BYTES + ArpPacket.size) return;
    if (arp.hardware !== ARP_ETHERNET || arp.protocol !== EtherType.ipv4) return;
    if (arp.operation !== ArpOperation.request || arp.targetIp !== this.#ip) return;
    const { bytes, view } = this.#writer;
    this.#writer.ethernet(arp.senderMac, this.#mac, EtherType.arp);
    const reply = ArpPacket.cursor(view).at(ETHERNET_BYTES);
    reply.hardware = ARP_ETHERNET;
    reply.protocol = EtherType.ipv4;
    reply.hardwareBytes = 6;
    reply.protocolBytes = 4;
    reply.operation = ArpOperation.reply;
    reply.senderMac = this.#mac;
    reply.senderIp = this.#ip;
    reply.targetMac = arp.senderMac;
    reply.targetIp = arp.senderIp;
    this.#trace.emit(answerEvent, 1, arp.senderIp);
    this.#link.send(bytes, 0, ETHERNET_BYTES + ArpPacket.size);
  }

  /** Whatever has a bad checksum is dropped, as any host does. */
  #internet(length: number, facts: number): void {
    const unsound = FrameFact.ipBad | FrameFact.transportBad | FrameFact.malformed;
    if ((facts & unsound) !== 0 || (facts & FrameFact.ipv4) === 0) return;
    const transport = transportOffset(facts);
    if (transport === 0) return;
    const ip = Ipv4Header.cursor(this.#view).at(networkOffset(facts));
    const end = networkOffset(facts) + ip.totalLength;
    if ((facts & FrameFact.icmp) !== 0 && ip.destination === this.#ip) {
      this.#echo(transport, end, ip.source);
    } else if ((facts & FrameFact.udp) !== 0 && this.#isMine(ip.destination)) {
      this.#datagram(transport, end, length);
    }
  }

  #isMine(address: number): boolean {
    const subnetBroadcast = (this.#ip | ~this.#netmask) >>> 0;
    return address === this.#ip || address === BROADCAST_IP || address === subnetBroadcast;
  }

  #echo(transport: number, end: number, peer: number): void {
    const request = IcmpEcho.cursor(this.#view).at(transport);
    if (request.type !== IcmpType.echoRequest || request.code !== 0) return;
    const { bytes, view, words } = this.#writer;
    const at = FrameWriter.ipPayloadAt;
    const length = end - transport;
    for (let index = 0; index < length; index += 1) {
      bytes[at + index] = this.#frame[transport + index]!;
    }
    const reply = IcmpEcho.cursor(view).at(at);
    reply.type = IcmpType.echoReply;
    reply.checksum = 0;
    reply.checksum = complementOf(sumBytes(bytes, words, at, length));
    this.#writer.ethernet(this.#frame.slice(6, 12), this.#mac, EtherType.ipv4);
    this.#trace.emit(answerEvent, 2, peer);
    this.#link.send(bytes, 0, this.#writer.ipv4(this.#ip, peer, IpProtocol.icmp, length));
  }

  #datagram(transport: number, end: number, length: number): void {
    const udp = UdpHeader.cursor(this.#view).at(transport);
    if (this.dhcp === undefined || udp.destinationPort !== DhcpPort.server) return;
    if (transport + udp.length > Math.min(end, length) || udp.length < UdpHeader.size) return;
    const payload = udp.length - UdpHeader.size;
    const request = parseRequest(this.#frame, transport + UdpHeader.size, payload);
    const reply = request && this.dhcp.handle(request);
    if (request === undefined || reply === undefined) return;
    const at = FrameWriter.udpPayloadAt;
    const size = writeReply(this.#writer.bytes, at, request, reply);
    this.#sendReply(request, reply.type, reply.yourIp, size);
  }

  /** RFC 2131 4.1: where an answer goes depends on what the client can hear. */
  #sendReply(request: DhcpRequest, type: number, yourIp: number, size: number): void {
    const isRefusal = type === DhcpType.is.refuse;
    const isBroadcast =
      request.clientIp === 0 && (isRefusal || (request.flags & DHCP_BROADCAST) !== 0);
    let peer = request.clientIp === 0 ? yourIp : request.clientIp;
    if (isBroadcast || peer === 0) peer = BROADCAST_IP;
    const isToAll = peer === BROADCAST_IP;
    this.#writer.ethernet(isToAll ? BROADCAST_MAC : request.clientMac, this.#mac, EtherType.ipv4);
    const { server, client } = DhcpPort;
    this.#trace.emit(answerEvent, 3, peer);
    this.#link.send(this.#writer.bytes, 0, this.#writer.udp(this.#ip, server, peer, client, size));
  }
}
