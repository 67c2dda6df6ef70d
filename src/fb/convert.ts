import type { GuestMemory } from '../core/memory.ts';
import type { PixelBits } from './display.ts';

const OPAQUE = 0xff00_0000 | 0;

/**
 * Turns one run of pixels of video memory into RGBA words.
 * @param from byte position in the linear memory
 * @param to index of the first word
 */
export type ConvertRow = (
  memory: GuestMemory,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
) => void;

/** The converter for a pixel format whose rows all begin at multiples of `alignment` bytes. */
export function rowConverter(bits: PixelBits, alignment: number): ConvertRow {
  if (bits === 32) return alignment % 4 === 0 ? rows32 : rows32Unaligned;
  if (bits === 24) return rows24;
  return alignment % 2 === 0 ? rows16 : rows16Unaligned;
}

function rows32(
  memory: GuestMemory,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
): void {
  const source = memory.u32;
  const first = from >>> 2;
  for (let index = 0; index < count; index += 1) {
    const pixel = source[first + index]! | 0;
    target[to + index] =
      OPAQUE | (pixel & 0xff00) | ((pixel & 0xff) << 16) | ((pixel >>> 16) & 0xff);
  }
}

function rows32Unaligned(
  memory: GuestMemory,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
): void {
  packedRows(memory.u8, from, target, to, count, 4);
}

function rows24(
  memory: GuestMemory,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
): void {
  packedRows(memory.u8, from, target, to, count, 3);
}

function packedRows(
  source: Uint8Array,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
  pixelBytes: number,
): void {
  let at = from;
  for (let index = 0; index < count; index += 1) {
    target[to + index] = OPAQUE | (source[at]! << 16) | (source[at + 1]! << 8) | source[at + 2]!;
    at += pixelBytes;
  }
}

function rows16(
  memory: GuestMemory,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
): void {
  const source = memory.u16;
  const first = from >>> 1;
  for (let index = 0; index < count; index += 1) {
    target[to + index] = rgb565(source[first + index]!);
  }
}

function rows16Unaligned(
  memory: GuestMemory,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
): void {
  const { u8 } = memory;
  for (let index = 0; index < count; index += 1) {
    const at = from + index * 2;
    target[to + index] = rgb565(u8[at]! | (u8[at + 1]! << 8));
  }
}

/** The high bits of each colour fill its low ones, so that full stays full. */
function rgb565(pixel: number): number {
  const red = pixel >>> 11;
  const green = (pixel >>> 5) & 0x3f;
  const blue = pixel & 0x1f;
  return (
    OPAQUE |
    (((blue << 3) | (blue >>> 2)) << 16) |
    (((green << 2) | (green >>> 4)) << 8) |
    ((red << 3) | (red >>> 2))
  );
}
