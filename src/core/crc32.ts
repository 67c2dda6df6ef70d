const POLYNOMIAL = 0xedb8_8320;

const TABLE = new Uint32Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? POLYNOMIAL : 0);
  TABLE[byte] = value;
}

/**
 * CRC-32 as GPT and the UEFI table headers use it (ISO 3309, polynomial 0x04C11DB7 reflected).
 * @param previous the result for the bytes before these, when a sum is made in parts
 * @returns an unsigned 32-bit number
 */
export function crc32(
  bytes: Uint8Array,
  start = 0,
  length = bytes.length - start,
  previous = 0,
): number {
  let crc = ~previous;
  const end = start + length;
  for (let index = start; index < end; index += 1) {
    crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[index]!) & 0xff]!;
  }
  return ~crc >>> 0;
}
