import type { Random } from '../core/random.ts';
import { readGuid } from '../core/wire.ts';

/** A version 4 GUID (RFC 9562, 5.4), drawn from the run's own source of chance. */
export function newGuid(random: Random): string {
  const bytes = new Uint8Array(16);
  random.fill(bytes);
  // The version is in the high digit of the third group, which Microsoft stores little-endian.
  bytes[7] = (bytes[7]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return readGuid(new DataView(bytes.buffer), 0);
}
