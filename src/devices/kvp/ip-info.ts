import { readUtf16, utf16 } from '../../core/text.ts';
import { InputError } from '../../core/errors.ts';
import { buildBytes } from '../pipe/build.ts';
import type { GuestMessage } from '../pipe/message-device.ts';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './ip-address.ts';
import {
  ADAPTER_ID_BYTES,
  AddressFamily,
  KVP_IP_MESSAGE_BYTES,
  KvpHeader,
  KvpIpBinary,
  KvpIpText,
  KvpPool,
  MAX_IP_ADDRESSES,
  MAX_IP_GATEWAYS,
} from './spec.ts';

/** Addresses of one adapter, IPv4 and IPv6 in text form, in the guest's order. */
export interface IpInfo {
  readonly isDhcp: boolean;
  /** A subnet is a mask for IPv4 and a prefix length, "/64", for IPv6. */
  readonly addresses: readonly { readonly address: string; readonly subnet: string }[];
  readonly gateways: readonly string[];
  readonly dnsServers: readonly string[];
}

const NO_INFO: IpInfo = { isDhcp: false, addresses: [], gateways: [], dnsServers: [] };
const ORIGIN_OTHER = 1;
const ORIGIN_STATIC = 2;
const LISTS = ['addresses', 'subnets', 'gateways', 'dnsServers'] as const;

/**
 * A request about an adapter's addresses.
 * @param adapterId the adapter's GUID in braces, as Hyper-V writes it
 * @param info what to set; undefined asks for what is there
 * @param isBinary from version 5.0 on
 */
export function encodeIpMessage(
  operation: number,
  adapterId: string,
  info: IpInfo | undefined,
  isBinary: boolean,
): Uint8Array {
  const message = buildBytes(
    KvpHeader,
    (header) => {
      header.operation = operation;
      header.pool = KvpPool.is.guest;
    },
    KVP_IP_MESSAGE_BYTES,
  );
  const view = new DataView(message.buffer);
  const family = info === undefined ? AddressFamily.is.both : familyOf(info);
  if (isBinary) encodeBinary(view, adapterId, family, info ?? NO_INFO);
  else encodeText(view, adapterId, family, info ?? NO_INFO);
  return message;
}

/** @returns undefined when the answer is too short, or says that it has more than it can hold */
export function decodeIpMessage(answer: GuestMessage, isBinary: boolean): IpInfo | undefined {
  return isBinary ? decodeBinary(answer) : decodeText(answer);
}

function encodeText(view: DataView, adapterId: string, family: number, info: IpInfo): void {
  const text = KvpIpText.cursor(view).at(KvpHeader.offset.padding);
  text.adapterId = utf16(adapterId, ADAPTER_ID_BYTES);
  text.family = family;
  text.dhcpEnabled = Number(info.isDhcp);
  const lists = {
    addresses: info.addresses.map(({ address }) => address),
    subnets: info.addresses.map(({ subnet }) => subnet),
    gateways: info.gateways,
    dnsServers: info.dnsServers,
  };
  for (const list of LISTS) {
    const room = list === 'gateways' ? 1024 : 2048;
    const joined = lists[list].join(';');
    if (joined.length >= room / 2) throw tooMany(list);
    text[list] = utf16(joined, room);
  }
}

function decodeText({ view, start, length }: GuestMessage): IpInfo | undefined {
  if (length < KVP_IP_MESSAGE_BYTES) return undefined;
  const base = start + KvpHeader.offset.padding;
  const list = (name: (typeof LISTS)[number]): string[] =>
    readUtf16(view, base + KvpIpText.offset[name], name === 'gateways' ? 1024 : 2048)
      .split(';')
      .filter((item) => item !== '');
  const subnets = list('subnets');
  return {
    isDhcp: KvpIpText.cursor(view).at(base).dhcpEnabled !== 0,
    addresses: list('addresses').map((address, index) => ({
      address,
      subnet: subnets[index] ?? '',
    })),
    gateways: list('gateways'),
    dnsServers: list('dnsServers'),
  };
}

function familyOf(info: IpInfo): number {
  const { ipv4, ipv6 } = AddressFamily.is;
  let family = 0;
  for (const { address } of info.addresses) family |= address.includes(':') ? ipv6 : ipv4;
  return family;
}

interface SplitAddresses {
  readonly ipv4: readonly number[][];
  readonly ipv6: readonly number[][];
}

function split(addresses: readonly string[], room: number, what: string): SplitAddresses {
  const ipv4: number[][] = [];
  const ipv6: number[][] = [];
  for (const text of addresses) {
    const short = parseIpv4(text);
    const long = short === undefined ? parseIpv6(text) : undefined;
    if (short !== undefined) ipv4.push(short);
    else if (long !== undefined) ipv6.push(long);
    else throw new InputError('IP addresses', `"${text}" is no IPv4 or IPv6 address`);
  }
  if (ipv4.length > room || ipv6.length > room) throw tooMany(what);
  return { ipv4, ipv6 };
}

function tooMany(what: string): InputError {
  return new InputError('IP addresses', `there are more ${what} than the message has room for`);
}

function encodeBinary(view: DataView, adapterId: string, family: number, info: IpInfo): void {
  const base = KvpHeader.size;
  const binary = KvpIpBinary.cursor(view).at(base);
  binary.adapterId = utf16(adapterId, ADAPTER_ID_BYTES);
  binary.family = family;
  binary.dhcpEnabled = Number(info.isDhcp);
  const texts = info.addresses.map(({ address }) => address);
  const addresses = split(texts, MAX_IP_ADDRESSES, 'addresses');
  const gateways = split(info.gateways, MAX_IP_GATEWAYS, 'gateways');
  const dnsServers = split(info.dnsServers, MAX_IP_ADDRESSES, 'DNS servers');
  const bytesOf = (list: readonly number[][]): Uint8Array => Uint8Array.from(list.flat());
  binary.ipv4Count = addresses.ipv4.length;
  binary.ipv6Count = addresses.ipv6.length;
  binary.ipv4Addresses = bytesOf(addresses.ipv4);
  binary.ipv6Addresses = bytesOf(addresses.ipv6);
  binary.ipv4GatewayCount = gateways.ipv4.length;
  binary.ipv6GatewayCount = gateways.ipv6.length;
  binary.ipv4Gateways = bytesOf(gateways.ipv4);
  binary.ipv6Gateways = bytesOf(gateways.ipv6);
  binary.ipv4DnsCount = dnsServers.ipv4.length;
  binary.ipv6DnsCount = dnsServers.ipv6.length;
  binary.ipv4DnsServers = bytesOf(dnsServers.ipv4);
  binary.ipv6DnsServers = bytesOf(dnsServers.ipv6);
  encodeSubnets(view, base, info);
  const origin = info.isDhcp ? ORIGIN_OTHER : ORIGIN_STATIC;
  for (let index = 0; index < info.addresses.length; index += 1) {
    view.setUint16(base + KvpIpBinary.offset.origins + index * 2, origin, true);
  }
}

function encodeSubnets(view: DataView, base: number, info: IpInfo): void {
  let ipv4 = base + KvpIpBinary.offset.ipv4Subnets;
  let ipv6 = base + KvpIpBinary.offset.ipv6Subnets;
  for (const { address, subnet } of info.addresses) {
    if (address.includes(':')) {
      const prefix = Number(subnet.replace('/', ''));
      if (subnet === '' || !(prefix >= 0 && prefix <= 128)) throw badSubnet(subnet);
      view.setUint32(ipv6, prefix, true);
      ipv6 += 4;
    } else {
      const mask = parseIpv4(subnet);
      if (mask === undefined) throw badSubnet(subnet);
      for (const [index, byte] of mask.entries()) view.setUint8(ipv4 + index, byte);
      ipv4 += 4;
    }
  }
}

function badSubnet(subnet: string): InputError {
  const expected = 'expected a mask such as 255.255.255.0, or a prefix length such as /64 for IPv6';
  return new InputError('IP addresses', `"${subnet}" is no subnet: ${expected}`);
}

function decodeBinary({ bytes, view, start, length }: GuestMessage): IpInfo | undefined {
  if (length < KvpHeader.size + KvpIpBinary.size) return undefined;
  const base = start + KvpHeader.size;
  const binary = KvpIpBinary.cursor(view).at(base);
  const { ipv4Count, ipv6Count, ipv4GatewayCount, ipv6GatewayCount } = binary;
  const { ipv4DnsCount, ipv6DnsCount } = binary;
  if (Math.max(ipv4Count, ipv6Count, ipv4DnsCount, ipv6DnsCount) > MAX_IP_ADDRESSES)
    return undefined;
  if (Math.max(ipv4GatewayCount, ipv6GatewayCount) > MAX_IP_GATEWAYS) return undefined;
  const { offset } = KvpIpBinary;
  const list4 = (at: number, count: number): string[] =>
    Array.from({ length: count }, (_, index) => formatIpv4(bytes, base + at + index * 4));
  const list6 = (at: number, count: number): string[] =>
    Array.from({ length: count }, (_, index) => formatIpv6(bytes, base + at + index * 16));
  const prefix = (index: number): string =>
    `/${view.getUint32(base + offset.ipv6Subnets + index * 4, true)}`;
  const masks = list4(offset.ipv4Subnets, ipv4Count);
  return {
    isDhcp: binary.dhcpEnabled !== 0,
    addresses: [
      ...list4(offset.ipv4Addresses, ipv4Count).map((address, index) => ({
        address,
        subnet: masks[index]!,
      })),
      ...list6(offset.ipv6Addresses, ipv6Count).map((address, index) => ({
        address,
        subnet: prefix(index),
      })),
    ],
    gateways: [
      ...list4(offset.ipv4Gateways, ipv4GatewayCount),
      ...list6(offset.ipv6Gateways, ipv6GatewayCount),
    ],
    dnsServers: [
      ...list4(offset.ipv4DnsServers, ipv4DnsCount),
      ...list6(offset.ipv6DnsServers, ipv6DnsCount),
    ],
  };
}
