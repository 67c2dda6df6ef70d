import { crc32, inflateSync } from 'node:zlib';

export interface Png {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue of each pixel. */
  readonly rgb: Uint8Array;
}

function must(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`PNG: ${what}`);
}

/**
 * A strict decoder of just what synthvm writes: IHDR, one IDAT, IEND; eight-bit RGB, no filters.
 * Checksums and inflation are zlib's.
 */
export function decodePng(given: Uint8Array): Png {
  // A Buffer's slices would share its memory.
  const file = new Uint8Array(given);
  const view = new DataView(file.buffer);
  const signature = [137, 80, 78, 71, 13, 10, 26, 10];
  must(
    signature.every((byte, index) => file[index] === byte),
    'wrong signature',
  );
  const chunks: { type: string; data: Uint8Array }[] = [];
  let at = 8;
  while (at < file.length) {
    const length = view.getUint32(at);
    const type = new TextDecoder().decode(file.slice(at + 4, at + 8));
    const sum = crc32(file.subarray(at + 4, at + 8 + length));
    must(view.getUint32(at + 8 + length) === sum, `wrong checksum of ${type}`);
    chunks.push({ type, data: file.slice(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  must(at === file.length, 'the last chunk ends beyond the file');
  const types = chunks.map(({ type }) => type).join(' ');
  must(types === 'IHDR IDAT IEND', `chunks ${types}`);
  const [header, data, end] = chunks.map((chunk) => chunk.data);
  must(end!.length === 0, 'IEND is not empty');
  must(Array.from(header!.slice(8)).join() === '8,2,0,0,0', 'not plain 8-bit RGB');
  const shape = new DataView(header!.buffer);
  const width = shape.getUint32(0);
  const height = shape.getUint32(4);
  const raw = new Uint8Array(inflateSync(data!));
  const rowBytes = width * 3;
  must(raw.length === (rowBytes + 1) * height, `${raw.length} bytes of pixels`);
  const rgb = new Uint8Array(rowBytes * height);
  for (let y = 0; y < height; y += 1) {
    const row = y * (rowBytes + 1);
    must(raw[row] === 0, `row ${y} is filtered`);
    rgb.set(raw.subarray(row + 1, row + 1 + rowBytes), y * rowBytes);
  }
  return { width, height, rgb };
}
