/** The Internet checksum (RFC 1071) and its incremental form (RFC 1624), as the kernel does them. */
import { Ipv4Header } from '../../net/spec/ip.ts';

/** Folds carries into 16 bits. @param sum any unsigned number below 2^32 */
export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** @returns the folded sum of a run of bytes, its first byte being the high half of a word */
export function sumOf(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length;
  let sum = 0;
  let at = start;
  for (; at + 1 < end; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  if (at < end) sum += bytes[at]! << 8;
  return fold(sum);
}

/** The folded sum of TCP's and UDP's pseudo header over the IPv4 header at `ip`. */
export function pseudoSum(bytes: Uint8Array, ip: number, protocol: number, length: number): number {
  return fold(sumOf(bytes, ip + Ipv4Header.offset.source, 8) + protocol + length);
}

/** A checksum after one 16-bit word under it went from one value to another: ~(~C + ~m + m'). */
export function adjust(checksum: number, from: number, to: number): number {
  return ~fold((~checksum & 0xffff) + (~from & 0xffff) + to) & 0xffff;
}

/** Likewise for a 32-bit address. */
export function adjustLong(checksum: number, from: number, to: number): number {
  const high = adjust(checksum, from >>> 16, to >>> 16);
  return adjust(high, from & 0xffff, to & 0xffff);
}
