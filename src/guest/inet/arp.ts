/** Address resolution (RFC 826): who has which IPv4 address on an interface. */
import { NS_PER_SECOND } from '../../core/clock.ts';
import { ARP_ETHERNET, ArpOperation, ArpPacket } from '../../net/spec/arp.ts';
import { ETHERNET_BYTES, EtherType, MAC_BYTES, TYPE_AT } from '../../net/spec/ethernet.ts';
import type { KernelApi } from '../kernel/api.ts';
import { readLong, readWord, writeLong, writeWord } from '../../core/network-order.ts';
import type { NetInterface } from './interface.ts';
import { HEADROOM, Packet } from './packet.ts';

/** Frames that wait for one address (net.link.ether.inet.maxhold). */
const MAX_HELD = 16;
const MAX_ENTRIES = 4096;
/** net.link.ether.inet.max_age. */
const MAX_AGE_NS = 1200 * NS_PER_SECOND;
/** Between two requests for the same address. */
const RETRY_NS = NS_PER_SECOND;
const MAX_REQUESTS = 5;

export const BROADCAST_MAC = new Uint8Array(MAC_BYTES).fill(0xff);

export interface ArpEntry {
  readonly ifp: NetInterface;
  /** Undefined while nobody has answered. */
  mac: Uint8Array | undefined;
  learnedNs: number;
  askedNs: number;
  requests: number;
  readonly held: Packet[];
}

export class ArpTable {
  readonly entries = new Map<number, ArpEntry>();
  readonly #kernel: KernelApi;
  readonly #request = new Packet(HEADROOM + ETHERNET_BYTES + ArpPacket.size);
  requestsOut = 0;
  repliesOut = 0;

  constructor(kernel: KernelApi) {
    this.#kernel = kernel;
  }

  /** Fills in the addresses and sends a frame to a station on the interface's network. */
  send(ifp: NetInterface, packet: Packet, nextHop: number): void {
    const entry = this.entries.get(nextHop) ?? this.#add(ifp, nextHop);
    const ageNs = this.#kernel.coarseUptimeNs - entry.learnedNs;
    if (entry.mac !== undefined && ageNs < MAX_AGE_NS && entry.ifp === ifp) {
      writeAddresses(packet, entry.mac, ifp.mac);
      ifp.transmit(packet);
      return;
    }
    const nowNs = this.#kernel.uptimeNs();
    if (entry.held.length < MAX_HELD) entry.held.push(packet.clone());
    if (nowNs - entry.askedNs < RETRY_NS) return;
    if (entry.requests >= MAX_REQUESTS) entry.held.length = 0;
    entry.askedNs = nowNs;
    entry.requests += 1;
    this.request(ifp, nextHop);
  }

  #add(ifp: NetInterface, ip: number): ArpEntry {
    if (this.entries.size >= MAX_ENTRIES) this.entries.clear();
    const entry: ArpEntry = {
      ifp,
      mac: undefined,
      learnedNs: 0,
      askedNs: -RETRY_NS,
      requests: 0,
      held: [],
    };
    this.entries.set(ip, entry);
    return entry;
  }

  /** Asks who has an address; for the interface's own one that tells the neighbours of it. */
  request(ifp: NetInterface, target: number): void {
    this.requestsOut += 1;
    this.#emit(ifp, ArpOperation.request, BROADCAST_MAC, target);
  }

  #emit(ifp: NetInterface, operation: number, to: Uint8Array, targetIp: number): void {
    const packet = this.#request;
    packet.reset();
    packet.length = ETHERNET_BYTES + ArpPacket.size;
    const { bytes, start } = packet;
    writeAddresses(packet, to, ifp.mac);
    writeWord(bytes, start + TYPE_AT, EtherType.arp);
    const at = start + ETHERNET_BYTES;
    const { offset } = ArpPacket;
    writeWord(bytes, at + offset.hardware, ARP_ETHERNET);
    writeWord(bytes, at + offset.protocol, EtherType.ipv4);
    bytes[at + offset.hardwareBytes] = MAC_BYTES;
    bytes[at + offset.protocolBytes] = 4;
    writeWord(bytes, at + offset.operation, operation);
    bytes.set(ifp.mac, at + offset.senderMac);
    writeLong(bytes, at + offset.senderIp, ifp.ip);
    if (operation === ArpOperation.request) {
      bytes.fill(0, at + offset.targetMac, at + offset.targetMac + MAC_BYTES);
    } else {
      bytes.set(to, at + offset.targetMac);
    }
    writeLong(bytes, at + offset.targetIp, targetIp);
    ifp.transmit(packet);
  }

  /** An ARP frame came in. */
  input(ifp: NetInterface, packet: Packet): void {
    const { bytes, start, length } = packet;
    if (length < ETHERNET_BYTES + ArpPacket.size) return;
    const at = start + ETHERNET_BYTES;
    const { offset } = ArpPacket;
    if (readWord(bytes, at + offset.hardware) !== ARP_ETHERNET) return;
    if (readWord(bytes, at + offset.protocol) !== EtherType.ipv4) return;
    const senderIp = readLong(bytes, at + offset.senderIp);
    const senderMac = bytes.slice(at + offset.senderMac, at + offset.senderMac + MAC_BYTES);
    const targetIp = readLong(bytes, at + offset.targetIp);
    const isMine = ifp.ip !== 0 && targetIp === ifp.ip;
    if (senderIp !== 0 && senderIp !== ifp.ip) this.#learn(ifp, senderIp, senderMac, isMine);
    if (!isMine || readWord(bytes, at + offset.operation) !== ArpOperation.request) return;
    this.repliesOut += 1;
    this.#emit(ifp, ArpOperation.reply, senderMac, senderIp);
  }

  /** Known addresses are refreshed; others are kept only from who talks to this host. */
  #learn(ifp: NetInterface, ip: number, mac: Uint8Array, isForMe: boolean): void {
    const known = this.entries.get(ip);
    if (known === undefined && !isForMe) return;
    const entry = known ?? this.#add(ifp, ip);
    if (entry.ifp !== ifp) {
      this.entries.delete(ip);
      return;
    }
    entry.mac = mac;
    entry.learnedNs = this.#kernel.uptimeNs();
    entry.requests = 0;
    for (const packet of entry.held.splice(0)) {
      writeAddresses(packet, mac, ifp.mac);
      ifp.transmit(packet);
    }
  }

  /** Forgets what was learnt on an interface. */
  flush(ifp: NetInterface): void {
    for (const [ip, entry] of this.entries) if (entry.ifp === ifp) this.entries.delete(ip);
  }
}

export function writeAddresses(packet: Packet, to: Uint8Array, from: Uint8Array): void {
  const { bytes, start } = packet;
  for (let index = 0; index < MAC_BYTES; index += 1) {
    bytes[start + index] = to[index]!;
    bytes[start + MAC_BYTES + index] = from[index]!;
  }
}
