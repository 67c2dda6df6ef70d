/** What every layer above IPv4 needs of it: where things lie, and addresses in text. */
import { hexBytes } from '../../core/text.ts';
import { ETHERNET_BYTES } from '../../net/spec/ethernet.ts';
import { Ipv4Header } from '../../net/spec/ip.ts';
import { fold, pseudoSum, sumOf } from './checksum.ts';
import { ChecksumFlag, HEADROOM, type Packet } from './packet.ts';

export const BROADCAST_IP = 0xffff_ffff;

/** Where the transport header of a packet that this guest makes begins. */
export const TRANSPORT_AT = HEADROOM + ETHERNET_BYTES + Ipv4Header.size;

export function macText(mac: Uint8Array): string {
  return hexBytes(mac, ':');
}

export function ipText(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

/** @returns the address as an unsigned number, or undefined */
export function parseIp(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    address = address * 256 + Number(part);
  }
  return address;
}

/** Is the transport checksum of a packet that came in right? */
export function isTransportSound(
  packet: Packet,
  ip: number,
  protocol: number,
  length: number,
): boolean {
  const { csumFlags } = packet;
  const known = ChecksumFlag.dataValid | ChecksumFlag.pseudoHeader;
  if ((csumFlags & known) === known) return true;
  const { bytes } = packet;
  const at = ip + (bytes[ip]! & 15) * 4;
  return fold(pseudoSum(bytes, ip, protocol, length) + sumOf(bytes, at, length)) === 0xffff;
}
