/** Big-endian fields in bytes, as the network has them. */

export function readWord(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function readLong(bytes: Uint8Array, at: number): number {
  return (readWord(bytes, at) * 0x1_0000 + readWord(bytes, at + 2)) >>> 0;
}

export function writeLong(bytes: Uint8Array, at: number, value: number): void {
  writeWord(bytes, at, value >>> 16);
  writeWord(bytes, at + 2, value & 0xffff);
}
