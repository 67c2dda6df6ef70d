import type { StateStream } from '../core/state.ts';
import type { VirtualClock } from '../core/clock.ts';
import { traceType, type Trace } from '../core/trace.ts';
import { openEnum, u16, u32 } from '../core/wire.ts';
import { complementOf, sumBytes } from './checksum.ts';
import { parseRequest, writeReply, type DhcpRequest } from './dhcp/message.ts';
import { DhcpServer, type DhcpOptions } from './dhcp/server.ts';
import { FrameWriter } from './frame-writer.ts';
import { FrameFact, inspectFrame, networkOffset, transportOffset } from './inspect.ts';
import type { FrameReceiver, PacketLink } from './link.ts';
import { WordViews } from '../core/words.ts';
import { ARP_ETHERNET, ArpOperation, ArpPacket } from './spec/arp.ts';
import { DHCP_BROADCAST, DhcpPort, DhcpType } from './spec/dhcp.ts';
import { ETHERNET_BYTES, EtherType, MAX_FRAME_BYTES, TYPE_AT } from './spec/ethernet.ts';
import { IcmpEcho, IcmpType, IpProtocol, Ipv4Header, UdpHeader } from './spec/ip.ts';
import { NTP_PORT, NtpPacket } from './spec/ntp.ts';
import { type NtpOptions, NtpServer } from './ntp.ts';

const BROADCAST_MAC = new Uint8Array(6).fill(0xff);
const BROADCAST_IP = 0xffff_ffff;
const FRAGMENT_OFFSET = 0x1fff;
/** Type and code of an echo request, as the checksum has them. */
const ECHO_REQUEST_WORD = IcmpType.echoRequest << 8;

const answerEvent = traceType('net', 'gateway', {
  service: openEnum(u16, { arp: 1, echo: 2, dhcp: 3, time: 4 }),
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
  /** Without it there is no time server. */
  readonly ntp?: NtpOptions;
}

/**
 * The host's own station on a switch, as Hyper-V's default switch has one: it answers ARP and ICMP
 * echo for its address and gives leases. It forwards nothing.
 */
export class Gateway implements FrameReceiver {
  readonly dhcp: DhcpServer | undefined;
  readonly ntp: NtpServer | undefined;
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
    if (options.ntp !== undefined) this.ntp = new NtpServer(clock, options.ntp);
    link.receiver = this;
  }

  exchange(state: StateStream): void {
    state.part('writer', () => this.#writer.exchange(state));
    state.part('dhcp', () => this.dhcp?.exchange(state));
    state.part('ntp', () => this.ntp?.exchange(state));
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
    if ((facts & FrameFact.fragment) !== 0) {
      this.#echoFragment(networkOffset(facts));
      return;
    }
    const transport = transportOffset(facts);
    if (transport === 0) return;
    const ip = Ipv4Header.cursor(this.#view).at(networkOffset(facts));
    const end = networkOffset(facts) + ip.totalLength;
    if ((facts & FrameFact.icmp) !== 0 && ip.destination === this.#ip) {
      this.#echo(transport, end, ip.source);
    } else if ((facts & FrameFact.udp) !== 0 && this.#isMine(ip.destination)) {
      this.#datagram(transport, end, length, ip.source);
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

  /**
   * An echo reply has the pieces of its request: only the type in the first one differs, and the
   * checksum by that. Whether all pieces are there and right is for the guest to find out.
   */
  #echoFragment(network: number): void {
    const ip = Ipv4Header.cursor(this.#view).at(network);
    const { source, destination, fragment, id, totalLength, versionAndLength } = ip;
    const headerBytes = (versionAndLength & 15) * 4;
    if (ip.protocol !== IpProtocol.icmp || destination !== this.#ip) return;
    const isFirst = (fragment & FRAGMENT_OFFSET) === 0;
    const { bytes, view, words } = this.#writer;
    const at = FrameWriter.ipPayloadAt;
    const length = totalLength - headerBytes;
    for (let index = 0; index < length; index += 1) {
      bytes[at + index] = this.#frame[network + headerBytes + index]!;
    }
    if (isFirst) {
      const echo = IcmpEcho.cursor(view).at(at);
      if (length < IcmpEcho.size || echo.type !== IcmpType.echoRequest || echo.code !== 0) return;
      echo.type = IcmpType.echoReply;
      echo.checksum = complementOf((~echo.checksum & 0xffff) + (~ECHO_REQUEST_WORD & 0xffff));
      this.#trace.emit(answerEvent, 2, source);
    }
    this.#writer.ethernet(this.#frame.slice(6, 12), this.#mac, EtherType.ipv4);
    const size = this.#writer.ipv4(this.#ip, source, IpProtocol.icmp, length);
    const reply = Ipv4Header.cursor(view).at(ETHERNET_BYTES);
    reply.id = id;
    reply.fragment = fragment;
    reply.checksum = 0;
    reply.checksum = complementOf(sumBytes(bytes, words, ETHERNET_BYTES, Ipv4Header.size));
    this.#link.send(bytes, 0, size);
  }

  #time(transport: number, length: number, source: number, port: number): void {
    const { bytes, view } = this.#writer;
    const at = FrameWriter.udpPayloadAt;
    const payload = transport + UdpHeader.size;
    if (this.ntp?.handle(this.#view, payload, length - UdpHeader.size, view, at) !== true) return;
    this.#writer.ethernet(this.#frame.slice(6, 12), this.#mac, EtherType.ipv4);
    this.#trace.emit(answerEvent, 4, source);
    const size = this.#writer.udp(this.#ip, NTP_PORT, source, port, NtpPacket.size);
    this.#link.send(bytes, 0, size);
  }

  #datagram(transport: number, end: number, length: number, source: number): void {
    const udp = UdpHeader.cursor(this.#view).at(transport);
    if (udp.destinationPort === NTP_PORT && transport + udp.length <= Math.min(end, length)) {
      this.#time(transport, udp.length, source, udp.sourcePort);
      return;
    }
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
