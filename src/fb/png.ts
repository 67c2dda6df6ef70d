/**
 * PNG files (W3C Recommendation "PNG (Third Edition)"; zlib streams: RFC 1950, stored blocks: RFC
 * 1951 section 3.2.4): eight bits a channel, without alpha.
 */
import { crc32 } from '../core/crc32.ts';
import type { Surface } from './surface.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] as const;
const COLOR_TYPE_RGB = 2;
const CHUNK_OVERHEAD = 12;
const HEADER_BYTES = 13;
/** zlib header of a stream without compression: deflate, 32 KiB window, fastest. */
const ZLIB_HEADER = [0x78, 0x01] as const;
const ADLER_BYTES = 4;
const MAX_STORED_BYTES = 65_535;
const STORED_HEADER_BYTES = 5;
const ADLER_MODULUS = 65_521;
/** Bytes after which the sums must be reduced, so that they stay below 2^32 (RFC 1950, 9). */
const ADLER_RUN = 5552;

export interface PngRectangle {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface PngOptions {
  /** The part to write; default: all of it. */
  readonly rectangle?: PngRectangle;
  /** Makes a zlib stream (RFC 1950) of bytes; without it they are stored as they are. */
  readonly deflate?: (bytes: Uint8Array) => Uint8Array;
}

/** @returns a PNG file; throws for a rectangle that is not on the surface */
export function encodePng(surface: Surface, options: PngOptions = {}): Uint8Array {
  const { left, top, width, height } = options.rectangle ?? {
    left: 0,
    top: 0,
    width: surface.width,
    height: surface.height,
  };
  if (!(left >= 0 && top >= 0 && width > 0 && height > 0)) {
    throw new Error(`nothing to write: ${width} by ${height} pixels at ${left}, ${top}`);
  }
  if (left + width > surface.width || top + height > surface.height) {
    throw new Error(`${width} by ${height} at ${left}, ${top} is not on the surface`);
  }
  const rows = filteredRows(surface, left, top, width, height);
  const stream = options.deflate === undefined ? storedStream(rows) : options.deflate(rows);
  const file = new Uint8Array(SIGNATURE.length + 3 * CHUNK_OVERHEAD + HEADER_BYTES + stream.length);
  file.set(SIGNATURE);
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8;
  header[9] = COLOR_TYPE_RGB;
  let at = putChunk(file, SIGNATURE.length, 'IHDR', header);
  at = putChunk(file, at, 'IDAT', stream);
  putChunk(file, at, 'IEND', new Uint8Array(0));
  return file;
}

/** Rows of red, green and blue, each behind its filter type, 0 for none. */
function filteredRows(
  { u32, width: stride }: Surface,
  left: number,
  top: number,
  width: number,
  height: number,
): Uint8Array {
  const rows = new Uint8Array((width * 3 + 1) * height);
  let to = 0;
  for (let y = top; y < top + height; y += 1) {
    to += 1;
    const from = y * stride + left;
    for (let x = from; x < from + width; x += 1) {
      const pixel = u32[x]!;
      rows[to] = pixel;
      rows[to + 1] = pixel >>> 8;
      rows[to + 2] = pixel >>> 16;
      to += 3;
    }
  }
  return rows;
}

function storedStream(bytes: Uint8Array): Uint8Array {
  const blocks = Math.ceil(bytes.length / MAX_STORED_BYTES);
  const length = ZLIB_HEADER.length + blocks * STORED_HEADER_BYTES + bytes.length + ADLER_BYTES;
  const stream = new Uint8Array(length);
  stream.set(ZLIB_HEADER);
  let at: number = ZLIB_HEADER.length;
  for (let from = 0; from < bytes.length; from += MAX_STORED_BYTES) {
    const size = Math.min(MAX_STORED_BYTES, bytes.length - from);
    stream[at] = from + size === bytes.length ? 1 : 0;
    stream[at + 1] = size & 0xff;
    stream[at + 2] = size >>> 8;
    stream[at + 3] = ~size & 0xff;
    stream[at + 4] = (~size >>> 8) & 0xff;
    stream.set(bytes.subarray(from, from + size), at + STORED_HEADER_BYTES);
    at += STORED_HEADER_BYTES + size;
  }
  new DataView(stream.buffer).setUint32(at, adler32(bytes));
  return stream;
}

function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let from = 0; from < bytes.length; from += ADLER_RUN) {
    const end = Math.min(from + ADLER_RUN, bytes.length);
    for (let index = from; index < end; index += 1) {
      low += bytes[index]!;
      high += low;
    }
    low %= ADLER_MODULUS;
    high %= ADLER_MODULUS;
  }
  return ((high << 16) | low) >>> 0;
}

function putChunk(file: Uint8Array, at: number, type: string, data: Uint8Array): number {
  const view = new DataView(file.buffer);
  view.setUint32(at, data.length);
  for (let index = 0; index < 4; index += 1) file[at + 4 + index] = type.charCodeAt(index);
  file.set(data, at + 8);
  const end = at + 8 + data.length;
  view.setUint32(end, crc32(file, at + 4, data.length + 4));
  return end + 4;
}
