/** DHCP as dhclient(8) speaks it: whole frames through bpf(4), since it has no address yet. */
import { ETHERNET_BYTES, EtherType, TYPE_AT } from '../../net/spec/ethernet.ts';
import {
  BootpOperation,
  DHCP_MAGIC,
  DhcpMessage,
  DhcpOption,
  DhcpPort,
  DhcpType,
  MIN_MESSAGE_BYTES,
} from '../../net/spec/dhcp.ts';
import { IpProtocol, Ipv4Header, UdpHeader } from '../../net/spec/ip.ts';
import { BROADCAST_MAC, writeAddresses } from './arp.ts';
import { readLong, readWord, writeLong, writeWord } from '../../core/network-order.ts';
import { fold, pseudoSum, sumOf } from './checksum.ts';
import { HEADROOM, Packet } from './packet.ts';

const MESSAGE_AT = ETHERNET_BYTES + Ipv4Header.size + UdpHeader.size;
const MAX_OPTION_BYTES = 255;
const ETHERNET_HARDWARE = 1;
const PARAMETERS = [
  DhcpOption.subnetMask,
  DhcpOption.router,
  DhcpOption.domainNameServer,
  DhcpOption.domainName,
  DhcpOption.leaseTime,
];

export interface DhcpQuestion {
  readonly type: number;
  readonly transactionId: number;
  readonly mac: Uint8Array;
  /** 0 for none. */
  readonly requestedIp: number;
  readonly serverIp: number;
  readonly hostName: string;
}

export interface DhcpAnswer {
  readonly type: number;
  readonly yourIp: number;
  readonly serverIp: number;
  readonly netmask: number;
  readonly router: number;
  readonly leaseSeconds: number;
  readonly renewalSeconds: number;
}

/** A broadcast frame with every checksum in it: nothing is left to an adapter. */
export function buildQuestion(question: DhcpQuestion): Packet {
  const packet = new Packet(HEADROOM + MESSAGE_AT + MIN_MESSAGE_BYTES + MAX_OPTION_BYTES);
  const { bytes, start } = packet;
  const message = start + MESSAGE_AT;
  const fields = DhcpMessage.cursor(new DataView(bytes.buffer)).at(message);
  fields.operation = BootpOperation.request;
  fields.hardware = ETHERNET_HARDWARE;
  fields.hardwareBytes = question.mac.length;
  fields.transactionId = question.transactionId;
  fields.clientMac = question.mac;
  fields.magic = DHCP_MAGIC;
  const end = writeOptions(bytes, message + DhcpMessage.size, question);
  const length = Math.max(MIN_MESSAGE_BYTES, end - message);
  packet.length = MESSAGE_AT + length;
  writeAddresses(packet, BROADCAST_MAC, question.mac);
  writeWord(bytes, start + TYPE_AT, EtherType.ipv4);
  writeHeaders(bytes, start + ETHERNET_BYTES, length);
  return packet;
}

function writeOptions(bytes: Uint8Array, from: number, question: DhcpQuestion): number {
  let at = from;
  const add = (code: number, ...value: readonly number[]): void => {
    bytes.set([code, value.length, ...value], at);
    at += 2 + value.length;
  };
  const octets = (address: number): number[] =>
    [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff);
  add(DhcpOption.messageType, question.type);
  add(DhcpOption.clientId, ETHERNET_HARDWARE, ...question.mac);
  if (question.requestedIp !== 0) add(DhcpOption.requestedIp, ...octets(question.requestedIp));
  if (question.serverIp !== 0) add(DhcpOption.serverId, ...octets(question.serverIp));
  add(DhcpOption.hostName, ...new TextEncoder().encode(question.hostName));
  add(DhcpOption.parameterList, ...PARAMETERS);
  bytes[at] = DhcpOption.end;
  return at + 1;
}

function writeHeaders(bytes: Uint8Array, ip: number, payload: number): void {
  const { offset } = Ipv4Header;
  const length = UdpHeader.size + payload;
  bytes[ip] = 0x45;
  bytes[ip + offset.service] = 0x10;
  writeWord(bytes, ip + offset.totalLength, Ipv4Header.size + length);
  bytes[ip + offset.timeToLive] = 128;
  bytes[ip + offset.protocol] = IpProtocol.udp;
  writeLong(bytes, ip + offset.destination, 0xffff_ffff);
  writeWord(bytes, ip + offset.checksum, ~sumOf(bytes, ip, Ipv4Header.size) & 0xffff);
  const udp = ip + Ipv4Header.size;
  writeWord(bytes, udp + UdpHeader.offset.sourcePort, DhcpPort.client);
  writeWord(bytes, udp + UdpHeader.offset.destinationPort, DhcpPort.server);
  writeWord(bytes, udp + UdpHeader.offset.length, length);
  const sum = pseudoSum(bytes, ip, IpProtocol.udp, length) + sumOf(bytes, udp, length);
  const checksum = ~fold(sum) & 0xffff;
  writeWord(bytes, udp + UdpHeader.offset.checksum, checksum === 0 ? 0xffff : checksum);
}

/** @returns undefined for any frame that is no answer to this transaction */
export function parseAnswer(packet: Packet, transactionId: number): DhcpAnswer | undefined {
  const { bytes, start, length } = packet;
  if (length < MESSAGE_AT + DhcpMessage.size) return undefined;
  const ip = start + ETHERNET_BYTES;
  const isUdp =
    readWord(bytes, start + TYPE_AT) === EtherType.ipv4 &&
    bytes[ip] === 0x45 &&
    bytes[ip + Ipv4Header.offset.protocol] === IpProtocol.udp;
  if (!isUdp) return undefined;
  const udp = ip + Ipv4Header.size;
  const size = readWord(bytes, udp + UdpHeader.offset.length);
  if (readWord(bytes, udp + UdpHeader.offset.destinationPort) !== DhcpPort.client) return undefined;
  if (size < UdpHeader.size + DhcpMessage.size || udp + size > start + length) return undefined;
  // dhclient trusts no adapter: bpf shows the frame, and it sums that up itself.
  const sum = pseudoSum(bytes, ip, IpProtocol.udp, size) + sumOf(bytes, udp, size);
  const hasSum = readWord(bytes, udp + UdpHeader.offset.checksum) !== 0;
  if (hasSum && fold(sum) !== 0xffff) return undefined;
  const message = udp + UdpHeader.size;
  const fields = DhcpMessage.cursor(new DataView(bytes.buffer)).at(message);
  if (fields.operation !== BootpOperation.reply || fields.transactionId !== transactionId) {
    return undefined;
  }
  if (fields.magic !== DHCP_MAGIC) return undefined;
  return readOptions(bytes, message + DhcpMessage.size, udp + size, fields.yourIp);
}

function readOptions(
  bytes: Uint8Array,
  start: number,
  end: number,
  yourIp: number,
): DhcpAnswer | undefined {
  const found = new Map<number, number>();
  let at = start;
  while (at < end && bytes[at] !== DhcpOption.end) {
    if (bytes[at] === DhcpOption.pad) {
      at += 1;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1]! : 0;
    if (at + 2 + length > end) break;
    if (length >= 4) found.set(bytes[at]!, readLong(bytes, at + 2));
    else if (length >= 1) found.set(bytes[at]!, bytes[at + 2]!);
    at += 2 + length;
  }
  const type = found.get(DhcpOption.messageType);
  if (type === undefined || !Object.values(DhcpType.is).some((known) => known === type)) {
    return undefined;
  }
  const leaseSeconds = found.get(DhcpOption.leaseTime) ?? 0;
  return {
    type,
    yourIp,
    serverIp: found.get(DhcpOption.serverId) ?? 0,
    netmask: found.get(DhcpOption.subnetMask) ?? 0xffff_ff00,
    router: found.get(DhcpOption.router) ?? 0,
    leaseSeconds,
    renewalSeconds: found.get(DhcpOption.renewalTime) ?? Math.floor(leaseSeconds / 2),
  };
}
