/** The guest's IPv4: what comes in is delivered or forwarded, what goes out finds its way. */
import { ETHERNET_BYTES, EtherType, MAC_BYTES, TYPE_AT } from '../../net/spec/ethernet.ts';
import { FRAGMENT_MASK, IpProtocol, Ipv4Header, TcpHeader, UdpHeader } from '../../net/spec/ip.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { ArpTable } from './arp.ts';
import { readLong, readWord, writeLong, writeWord } from '../../core/network-order.ts';
import type { Bridge } from './bridge.ts';
import { adjust, fold, pseudoSum, sumOf } from './checksum.ts';
import { cutUp, MAX_FRAGMENTS_KEPT, Reassembly } from './fragments.ts';
import { Icmp } from './icmp.ts';
import type { NetInterface } from './interface.ts';
import { BROADCAST_IP, macText, TRANSPORT_AT } from './ip.ts';
import type { Nat } from './nat.ts';
import { ChecksumFlag, MAX_PACKET_BYTES, Packet } from './packet.ts';
import { Tcp } from './tcp.ts';
import { Udp } from './udp.ts';

const DEFAULT_TTL = 64;
/** Processor time of one packet through ip_input or ip_output. */
const PACKET_NS = 400;
const IP = Ipv4Header.offset;
const MAX_DATAGRAM_BYTES = 65_535;

/** `IFF_DOWN` is no event of devd's: programs with a routing socket hear of it. */
export type NetEvent = 'ATTACH' | 'LINK_UP' | 'LINK_DOWN' | 'IFF_DOWN';

/** What `netstat -s` counts. */
export class IpCounters {
  received = 0;
  badHeaderChecksum = 0;
  tooShort = 0;
  fragments = 0;
  delivered = 0;
  forwarded = 0;
  notForwardable = 0;
  noRoute = 0;
  sent = 0;
  tooLong = 0;
  noProtocol = 0;
}

export class NetStack {
  readonly kernel: KernelApi;
  readonly interfaces: NetInterface[] = [];
  readonly arp: ArpTable;
  readonly icmp: Icmp;
  readonly udp: Udp;
  readonly tcp: Tcp;
  readonly counters = new IpCounters();
  readonly reassembly = new Reassembly();
  /** net.inet.ip.forwarding. */
  isForwarding = false;
  /** Next hop for addresses on no network of an interface's; 0 for none. */
  defaultRouter = 0;
  nat: Nat | undefined;
  /** Of if_bridge(4) there is one at the most. */
  bridge: Bridge | undefined;
  /** Hears that an interface is there: rc's configuration waits for that. */
  onAttach: ((ifp: NetInterface) => void) | undefined;
  /** Hears of links and of interfaces, as devd(8) does through /dev/devctl. */
  onEvent: ((ifp: NetInterface, event: NetEvent) => void) | undefined;
  /** The packet under construction; filled in from `TRANSPORT_AT` by whoever calls `send`. */
  readonly out = new Packet(MAX_PACKET_BYTES);
  readonly #looped: Packet[] = [];
  #isLooping = false;
  #nextId = 1;

  constructor(kernel: KernelApi) {
    this.kernel = kernel;
    this.arp = new ArpTable(kernel);
    this.icmp = new Icmp(this);
    this.udp = new Udp(this);
    this.tcp = new Tcp(this);
    kernel.addSysctl('net.inet.ip.maxfragsperpacket', () => String(MAX_FRAGMENTS_KEPT));
  }

  /** ether_ifattach: announces the interface's address. */
  attach(ifp: NetInterface): void {
    this.interfaces.push(ifp);
    this.interfaces.sort((left, right) => (left.name < right.name ? -1 : 1));
    this.kernel.printf(`${ifp.name}: Ethernet address: ${macText(ifp.mac)}\n`);
    this.onEvent?.(ifp, 'ATTACH');
  }

  detach(ifp: NetInterface): void {
    ifp.isRunning = false;
    this.arp.flush(ifp);
    this.bridge?.remove(ifp);
    const index = this.interfaces.indexOf(ifp);
    if (index >= 0) this.interfaces.splice(index, 1);
    if (this.nat?.external === ifp) this.nat = undefined;
  }

  find(name: string): NetInterface | undefined {
    return this.interfaces.find((ifp) => ifp.name === name);
  }

  /** if_link_state_change: the kernel's line and the notice to devd. */
  setLinkState(ifp: NetInterface, state: 'up' | 'down'): void {
    if (ifp.linkState === state) return;
    ifp.linkState = state;
    this.kernel.printf(`${ifp.name}: link state changed to ${state.toUpperCase()}\n`);
    this.onEvent?.(ifp, state === 'up' ? 'LINK_UP' : 'LINK_DOWN');
  }

  /** Gives an interface its address and tells the neighbours. */
  setAddress(ifp: NetInterface, ip: number, netmask: number): void {
    this.arp.flush(ifp);
    ifp.ip = ip;
    ifp.netmask = netmask;
    if (ip !== 0 && ifp.isRunning) this.arp.request(ifp, ip);
  }

  /** ether_input: a frame from an adapter, whose memory is the caller's again afterwards. */
  input(ifp: NetInterface, packet: Packet): void {
    ifp.packetsIn += 1;
    ifp.bytesIn += packet.length;
    this.kernel.charge(PACKET_NS);
    if (packet.length < ETHERNET_BYTES) {
      ifp.errorsIn += 1;
      return;
    }
    ifp.tap?.(packet);
    ifp.monitor?.(packet, false);
    const { bridge } = this;
    if (bridge?.members.includes(ifp) === true) bridge.input(ifp, packet);
    if (!isFor(ifp, packet)) return;
    const type = readWord(packet.bytes, packet.start + TYPE_AT);
    if (type === EtherType.ipv4) this.#inputIp(ifp, packet);
    else if (type === EtherType.arp) this.arp.input(ifp, packet);
  }

  #inputIp(ifp: NetInterface, packet: Packet): void {
    const { bytes, start } = packet;
    const ip = start + ETHERNET_BYTES;
    const length = this.#validLength(packet, ip);
    if (length < 0) return;
    const { nat } = this;
    let destination = readLong(bytes, ip + IP.destination);
    if (nat !== undefined && ifp === nat.external && destination === ifp.ip) {
      if (nat.inbound(bytes, ip, length)) destination = readLong(bytes, ip + IP.destination);
    }
    if (this.#isMine(ifp, destination)) this.#deliver(ifp, packet, ip, length);
    else if (this.isForwarding && (bytes[start]! & 1) === 0) this.#forward(packet, ip, destination);
    else this.counters.notForwardable += 1;
  }

  /** @returns the datagram's length, or -1 when it is dropped */
  #validLength(packet: Packet, ip: number): number {
    const { bytes, start } = packet;
    const { counters } = this;
    counters.received += 1;
    const room = start + packet.length - ip;
    const headerBytes = (bytes[ip]! & 15) * 4;
    const length = readWord(bytes, ip + IP.totalLength);
    const isWhole =
      room >= Ipv4Header.size &&
      bytes[ip]! >>> 4 === 4 &&
      headerBytes >= Ipv4Header.size &&
      length >= headerBytes &&
      length <= room;
    if (!isWhole) {
      counters.tooShort += 1;
      return -1;
    }
    const isSound =
      (packet.csumFlags & ChecksumFlag.ipChecked) === 0
        ? sumOf(bytes, ip, headerBytes) === 0xffff
        : (packet.csumFlags & ChecksumFlag.ipValid) !== 0;
    if (!isSound) {
      counters.badHeaderChecksum += 1;
      return -1;
    }
    // Padding of short frames is not the datagram's.
    packet.length = ETHERNET_BYTES + length;
    return length;
  }

  #isMine(ifp: NetInterface, destination: number): boolean {
    if (destination === BROADCAST_IP) return true;
    if (ifp.ip !== 0 && destination === ifp.broadcast) return true;
    return this.isLocal(destination);
  }

  isLocal(address: number): boolean {
    if (address === 0) return false;
    for (const ifp of this.interfaces) if (ifp.ip === address) return true;
    return address >>> 24 === 127;
  }

  #deliver(ifp: NetInterface, packet: Packet, ip: number, length: number): void {
    const { bytes } = packet;
    const { counters } = this;
    if ((readWord(bytes, ip + IP.fragment) & FRAGMENT_MASK) !== 0) {
      counters.fragments += 1;
      const whole = this.reassembly.add(packet, ip, length, this.kernel.uptimeNs());
      if (whole === undefined) return;
      const at = whole.start + ETHERNET_BYTES;
      this.#deliver(ifp, whole, at, whole.length - ETHERNET_BYTES);
      return;
    }
    counters.delivered += 1;
    const headerBytes = (bytes[ip]! & 15) * 4;
    const payload = length - headerBytes;
    const protocol = bytes[ip + IP.protocol]!;
    if (protocol === IpProtocol.tcp) this.tcp.input(packet, ip, payload);
    else if (protocol === IpProtocol.udp) this.udp.input(ifp, packet, ip, payload);
    else if (protocol === IpProtocol.icmp) this.icmp.input(packet, ip, payload);
    else counters.noProtocol += 1;
  }

  /** ip_forward: the packet keeps what its adapter found, for better or worse. */
  #forward(packet: Packet, ip: number, destination: number): void {
    const { bytes } = packet;
    const { counters } = this;
    const out = this.route(destination);
    const ttl = bytes[ip + IP.timeToLive]!;
    if (out === undefined || ttl <= 1) {
      counters.notForwardable += 1;
      return;
    }
    if (packet.length - ETHERNET_BYTES > out.mtu) {
      counters.tooLong += 1;
      return;
    }
    const before = readWord(bytes, ip + IP.timeToLive);
    bytes[ip + IP.timeToLive] = ttl - 1;
    const sum = readWord(bytes, ip + IP.checksum);
    writeWord(bytes, ip + IP.checksum, adjust(sum, before, before - 0x100));
    if (this.nat?.external === out && !this.nat.outbound(bytes, ip, packet.length)) {
      counters.notForwardable += 1;
      return;
    }
    counters.forwarded += 1;
    // ip_output asks for the header's sum whatever the packet went through before.
    packet.csumFlags |= ChecksumFlag.ip;
    if ((out.hwassist & ChecksumFlag.ip) === 0) packet.csumFlags &= ~ChecksumFlag.ip;
    this.#transmit(out, packet, destination);
  }

  /** @returns the interface that leads to an address */
  route(destination: number): NetInterface | undefined {
    const { interfaces } = this;
    for (let index = 0; index < interfaces.length; index += 1) {
      const ifp = interfaces[index]!;
      if (ifp.isUp && ifp.reaches(destination)) return ifp;
    }
    if (this.defaultRouter === 0) return undefined;
    for (const ifp of interfaces) if (ifp.isUp && ifp.reaches(this.defaultRouter)) return ifp;
    return undefined;
  }

  #transmit(ifp: NetInterface, packet: Packet, destination: number): void {
    this.kernel.charge(PACKET_NS);
    const nextHop = ifp.reaches(destination) ? destination : this.defaultRouter;
    if (destination === BROADCAST_IP || destination === ifp.broadcast) {
      packet.bytes.fill(0xff, packet.start, packet.start + MAC_BYTES);
      packet.bytes.set(ifp.mac, packet.start + MAC_BYTES);
      ifp.transmit(packet);
    } else {
      this.arp.send(ifp, packet, nextHop);
    }
  }

  /** The address that packets to a destination come from; 0 without a route. */
  sourceFor(destination: number): number {
    if (this.isLocal(destination)) return destination;
    return this.route(destination)?.ip ?? 0;
  }

  /**
   * ip_output for what stands in `out` from `TRANSPORT_AT` on, its checksum field being 0.
   * @param length bytes of the transport header and its payload
   * @param segmentBytes payload of each frame where the adapter cuts the packet up, else 0
   * @returns false without a way to there
   */
  send(
    protocol: number,
    source: number,
    destination: number,
    length: number,
    segmentBytes = 0,
  ): boolean {
    const packet = this.out;
    const isLoop = this.isLocal(destination);
    const ifp = isLoop ? this.interfaces[0] : this.route(destination);
    if (ifp === undefined) {
      this.counters.noRoute += 1;
      return false;
    }
    const total = Ipv4Header.size + length;
    const isCut = total > ifp.mtu && segmentBytes === 0 && !isLoop;
    if (total > MAX_DATAGRAM_BYTES) {
      this.counters.tooLong += 1;
      return false;
    }
    packet.reset();
    packet.length = ETHERNET_BYTES + total;
    packet.segmentBytes = segmentBytes;
    // The adapter sums up what it sends as one frame.
    const assist = isLoop || isCut ? 0 : ifp.hwassist;
    this.#writeHeader(packet, protocol, source, destination, total);
    this.#finishTransport(packet, protocol, length, assist);
    this.#finishHeader(packet, assist);
    this.counters.sent += 1;
    if (isLoop) this.#loop(packet.clone());
    else if (isCut) this.#transmitCut(ifp, packet, destination);
    else this.#transmit(ifp, packet, destination);
    return true;
  }

  #transmitCut(ifp: NetInterface, packet: Packet, destination: number): void {
    cutUp(packet, ifp.mtu, (fragment) => {
      this.#finishHeader(fragment, 0);
      this.#transmit(ifp, fragment, destination);
    });
  }

  #writeHeader(
    { bytes, start }: Packet,
    protocol: number,
    source: number,
    destination: number,
    total: number,
  ): void {
    writeWord(bytes, start + TYPE_AT, EtherType.ipv4);
    const ip = start + ETHERNET_BYTES;
    bytes[ip] = 0x45;
    bytes[ip + IP.service] = 0;
    writeWord(bytes, ip + IP.totalLength, total);
    writeWord(bytes, ip + IP.id, this.#nextId);
    this.#nextId = (this.#nextId + 1) & 0xffff;
    writeWord(bytes, ip + IP.fragment, protocol === IpProtocol.tcp ? 0x4000 : 0);
    bytes[ip + IP.timeToLive] = DEFAULT_TTL;
    bytes[ip + IP.protocol] = protocol;
    writeWord(bytes, ip + IP.checksum, 0);
    writeLong(bytes, ip + IP.source, source);
    writeLong(bytes, ip + IP.destination, destination);
  }

  /** The pseudo header's sum for an adapter that goes on from there, else the whole checksum. */
  #finishTransport(packet: Packet, protocol: number, length: number, assist: number): void {
    const isTcp = protocol === IpProtocol.tcp;
    if (!isTcp && protocol !== IpProtocol.udp) return;
    const { bytes, start } = packet;
    const ip = start + ETHERNET_BYTES;
    const at = isTcp ? TcpHeader.offset.checksum : UdpHeader.offset.checksum;
    const field = TRANSPORT_AT + at;
    const flag = isTcp ? ChecksumFlag.tcp : ChecksumFlag.udp;
    const seed = pseudoSum(bytes, ip, protocol, length);
    if ((assist & flag) !== 0) {
      packet.csumFlags |= flag | (packet.segmentBytes > 0 ? ChecksumFlag.tso : 0);
      packet.csumData = at;
      writeWord(bytes, field, seed);
      return;
    }
    const sum = ~fold(seed + sumOf(bytes, TRANSPORT_AT, length)) & 0xffff;
    writeWord(bytes, field, !isTcp && sum === 0 ? 0xffff : sum);
  }

  #finishHeader(packet: Packet, assist: number): void {
    if ((assist & ChecksumFlag.ip) !== 0) {
      packet.csumFlags |= ChecksumFlag.ip;
      return;
    }
    const ip = packet.start + ETHERNET_BYTES;
    const sum = ~sumOf(packet.bytes, ip, Ipv4Header.size) & 0xffff;
    writeWord(packet.bytes, ip + IP.checksum, sum);
  }

  /** Packets to this host itself go through the netisr's queue, not through an adapter. */
  #loop(packet: Packet): void {
    packet.csumFlags |= ChecksumFlag.ipChecked | ChecksumFlag.ipValid;
    packet.csumFlags |= ChecksumFlag.dataValid | ChecksumFlag.pseudoHeader;
    this.#looped.push(packet);
    if (this.#isLooping) return;
    this.#isLooping = true;
    this.kernel.spawn('swi1: netisr 0', () => this.#deliverLooped());
  }

  *#deliverLooped(): Task {
    for (;;) {
      yield PACKET_NS;
      const next = this.#looped.shift();
      const [ifp] = this.interfaces;
      if (next === undefined || ifp === undefined) break;
      const ip = next.start + ETHERNET_BYTES;
      this.#deliver(ifp, next, ip, next.length - ETHERNET_BYTES);
    }
    this.#isLooping = false;
  }
}

function isFor(ifp: NetInterface, { bytes, start }: Packet): boolean {
  if ((bytes[start]! & 1) !== 0 || ifp.isPromiscuous) return true;
  for (let index = 0; index < MAC_BYTES; index += 1) {
    if (bytes[start + index] !== ifp.mac[index]) return false;
  }
  return true;
}
