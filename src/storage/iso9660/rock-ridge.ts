import type { DiskRange } from '../disk-range.ts';

/** Continuation areas that one record may chain to, and bytes of each. */
const MAX_CONTINUATIONS = 32;
const MAX_AREA_BYTES = 65_536;
const LOGICAL_BLOCK_BYTES = 2048;

function tag(area: Uint8Array, at: number): string {
  return String.fromCharCode(area[at]!, area[at + 1]!);
}

/**
 * Whether the system use area of the root's "." record starts with SUSP's SP entry.
 * @returns the bytes to skip in every other area, or -1 without Rock Ridge
 */
export function suspSkip(area: Uint8Array): number {
  const isSusp = area.length >= 7 && tag(area, 0) === 'SP' && area[4] === 0xbe && area[5] === 0xef;
  return isSusp ? area[6]! : -1;
}

/**
 * The name that Rock Ridge's NM entries give a file (RRIP 4.1.4), through continuation areas (SUSP
 * 5.1), or '' when there are none.
 */
export function rockRidgeName(range: DiskRange, area: Uint8Array, skip: number): string {
  const name: number[] = [];
  let bytes = area;
  let at = skip;
  for (let hop = 0; hop < MAX_CONTINUATIONS; hop += 1) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let next: { position: number; length: number } | undefined;
    while (at + 4 <= bytes.length) {
      const length = bytes[at + 2]!;
      if (length < 4 || at + length > bytes.length) break;
      const kind = tag(bytes, at);
      if (kind === 'NM' && length >= 5 && (bytes[at + 4]! & 0x06) === 0) {
        name.push(...bytes.subarray(at + 5, at + length));
      } else if (kind === 'CE' && length >= 28) {
        const block = view.getUint32(at + 4, true) * LOGICAL_BLOCK_BYTES;
        next = {
          position: block + view.getUint32(at + 12, true),
          length: view.getUint32(at + 20, true),
        };
      } else if (kind === 'ST') break;
      at += length;
    }
    if (next === undefined || next.length > MAX_AREA_BYTES) break;
    bytes = range.bytes(next.position, next.length);
    at = 0;
  }
  return new TextDecoder().decode(Uint8Array.from(name));
}
