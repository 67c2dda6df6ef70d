/**
 * The Internet checksum (RFC 1071), over bytes at any alignment. Sums are big-endian 16-bit words in
 * a number, folded only at the end: up to 64 KiB of data fit 32 bits.
 */
import { Ipv4Header, Ipv6Header } from './spec/ip.ts';

const IPV4_ADDRESSES_AT = Ipv4Header.offset.source;
const IPV6_ADDRESSES_AT = Ipv6Header.offset.source;

/** Folds carries into 16 bits. @param sum any unsigned number below 2^53 */
export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0x7fff_ffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  folded = (folded & 0xffff) + (folded >>> 16);
  return (folded & 0xffff) + (folded >>> 16);
}

function swap(folded: number): number {
  return ((folded & 0xff) << 8) | (folded >>> 8);
}

/**
 * The folded sum of a run of bytes, the first one being the high half of a word.
 * @param words the same buffer from `wordsOf`
 */
export function sumBytes(
  bytes: Uint8Array,
  words: Int32Array,
  start: number,
  length: number,
): number {
  const end = start + length;
  let at = start;
  // Little-endian pairs sum to the same value with its bytes swapped, unless the start is odd.
  const isOdd = (start & 1) !== 0 && length > 0;
  let first = 0;
  if (isOdd) {
    first = bytes[at]! << 8;
    at += 1;
  }
  let low = 0;
  if ((at & 2) !== 0 && at + 2 <= end) {
    low = bytes[at]! | (bytes[at + 1]! << 8);
    at += 2;
  }
  const last = Math.min(end >>> 2, words.length);
  let high = 0;
  let index = at >>> 2;
  if ((at & 3) === 0 && index < last) {
    for (; index + 1 < last; index += 2) {
      const one = words[index]!;
      const two = words[index + 1]!;
      low += (one & 0xffff) + (two & 0xffff);
      high += (one >>> 16) + (two >>> 16);
    }
    if (index < last) {
      low += words[index]! & 0xffff;
      high += words[index]! >>> 16;
    }
    at = last * 4;
  }
  for (; at + 1 < end; at += 2) low += bytes[at]! | (bytes[at + 1]! << 8);
  if (at < end) low += bytes[at]!;
  const folded = foldSum(low + high);
  return isOdd ? foldSum(first + folded) : swap(folded);
}

/** The checksum that makes a run sum to all ones, 16 bits. @param sum as `sumBytes` gives it */
export function complementOf(sum: number): number {
  return ~foldSum(sum) & 0xffff;
}

/** The pseudo header of RFC 793 over an IPv4 header at `start`. */
export function ipv4PseudoSum(
  bytes: Uint8Array,
  start: number,
  protocol: number,
  length: number,
): number {
  return addressSum(bytes, start + IPV4_ADDRESSES_AT, 8, protocol + length);
}

/** The pseudo header of RFC 8200 8.1 over an IPv6 header at `start`. */
export function ipv6PseudoSum(
  bytes: Uint8Array,
  start: number,
  protocol: number,
  length: number,
): number {
  return addressSum(bytes, start + IPV6_ADDRESSES_AT, 32, protocol + length);
}

function addressSum(bytes: Uint8Array, start: number, length: number, seed: number): number {
  let sum = seed;
  for (let at = start; at < start + length; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  return foldSum(sum);
}
