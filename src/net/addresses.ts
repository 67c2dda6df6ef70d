/** Addresses in text. Cold code: configuration, reports and traces. */
import { InputError } from '../core/errors.ts';
import { MAC_BYTES } from './spec/ethernet.ts';

/** Microsoft's prefix for virtual adapters. */
export const HYPERV_OUI = [0x00, 0x15, 0x5d] as const;

export function macText(bytes: ArrayLike<number>, at = 0): string {
  let text = '';
  for (let index = 0; index < MAC_BYTES; index += 1) {
    text += (index > 0 ? ':' : '') + bytes[at + index]!.toString(16).padStart(2, '0');
  }
  return text;
}

/** @param where what the text was given for, named in the error */
export function parseMac(text: string, where: string): Uint8Array {
  if (!/^[0-9a-f]{2}([:-]?[0-9a-f]{2}){5}$/i.test(text)) {
    throw new InputError(where, `"${text}" is not a MAC address such as 00:15:5d:01:02:03`);
  }
  const digits = text.replaceAll(/[:-]/g, '');
  return Uint8Array.from({ length: MAC_BYTES }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  );
}

/** The address of a Hyper-V adapter: the prefix and 24 bits of the caller's. */
export function hypervMac(serial: number): Uint8Array {
  return Uint8Array.of(...HYPERV_OUI, (serial >>> 16) & 0xff, (serial >>> 8) & 0xff, serial & 0xff);
}

export function ipv4Text(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

/** @returns the address as an unsigned 32-bit number */
export function parseIpv4(text: string, where: string): number {
  const parts = text.split('.');
  const isSound =
    parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  if (!isSound) throw new InputError(where, `"${text}" is not an IPv4 address such as 10.0.0.1`);
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** @param prefixBits 0 to 32 */
export function netmask(prefixBits: number): number {
  return prefixBits === 0 ? 0 : (0xffff_ffff << (32 - prefixBits)) >>> 0;
}
