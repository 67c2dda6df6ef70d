const polynomial = 0x82f6_3b78;

/** Four tables: a byte's remainder after zero to three further bytes ("slicing by four"). */
const tables = new Uint32Array(4 * 256);
for (let byte = 0; byte < 256; byte += 1) {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? polynomial : 0);
  tables[byte] = value;
}
for (let index = 256; index < tables.length; index += 1) {
  const shorter = tables[index - 256]!;
  tables[index] = (shorter >>> 8) ^ tables[shorter & 0xff]!;
}

/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of every VHDX structure.
 * @param previous the result for the bytes before these
 * @returns an unsigned 32-bit number
 */
export function crc32c(
  bytes: Uint8Array,
  start = 0,
  length = bytes.length - start,
  previous = 0,
): number {
  let crc = ~previous;
  let at = start;
  const end = start + length;
  for (; at + 4 <= end; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      tables[768 + (crc & 0xff)]! ^
      tables[512 + ((crc >>> 8) & 0xff)]! ^
      tables[256 + ((crc >>> 16) & 0xff)]! ^
      tables[crc >>> 24]!;
  }
  for (; at < end; at += 1) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

const noChecksum = new Uint8Array(4);

/** The checksum of a structure whose own checksum, at byte 4, counts as zero. */
export function structureChecksum(bytes: Uint8Array): number {
  const signature = crc32c(bytes, 0, 4);
  return crc32c(bytes, 8, bytes.length - 8, crc32c(noChecksum, 0, 4, signature));
}
