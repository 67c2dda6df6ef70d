import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/core/memory.ts';
import { Random } from '../../src/core/random.ts';
import { DirtyRectangles } from '../../src/fb/dirty.ts';
import { Display, type PixelBits } from '../../src/fb/display.ts';
import { ScanOut } from '../../src/fb/scan-out.ts';

const VRAM_GPA = 0xf800_0000;
const VRAM_BYTES = 1 << 20;

function machine(): { memory: GuestMemory; display: Display; scanOut: ScanOut; vram: number } {
  const memory = new GuestMemory({
    ramBytes: 65_536,
    lowGapStart: VRAM_GPA,
    extra: [{ name: 'vram', gpa: VRAM_GPA, bytes: VRAM_BYTES }],
  });
  const display = new Display();
  display.setVram(VRAM_GPA, VRAM_BYTES);
  const vram = memory.resolve(VRAM_GPA, VRAM_BYTES);
  return { memory, display, scanOut: new ScanOut(memory, display), vram };
}

/** A pixel's colour as the formats of the Linux kernel's fbdev describe it, in floating point. */
function colorAt(memory: GuestMemory, at: number, bits: PixelBits): number[] {
  const { u8 } = memory;
  if (bits !== 16) return [u8[at + 2]!, u8[at + 1]!, u8[at]!, 255];
  const word = u8[at]! + u8[at + 1]! * 256;
  const scale = (value: number, most: number): number => Math.floor((value * 255) / most + 0.5);
  return [scale(word >> 11, 31), scale((word >> 5) & 63, 63), scale(word & 31, 31), 255];
}

describe('pixels', () => {
  it.each([
    [32, 64, 260, 0],
    [32, 61, 250, 3],
    [24, 64, 200, 0],
    [24, 33, 101, 7],
    [16, 64, 130, 2],
    [16, 31, 63, 1],
  ] as const)('%i bits, %i wide, pitch %i, offset %i', (bits, width, pitchBytes, offset) => {
    const { memory, display, scanOut, vram } = machine();
    const height = 20;
    new Random(7).fill(memory.u8.subarray(vram, vram + 16_384));
    display.setMode({ width, height, bitsPerPixel: bits, pitchBytes, offset });
    expect(scanOut.refresh()).toBe(width * height);
    const { u8 } = scanOut.surface!;
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const at = (y * width + x) * 4;
        const source = vram + offset + y * pitchBytes + (x * bits) / 8;
        const shown = Array.from(u8.slice(at, at + 4));
        const wanted = colorAt(memory, source, bits);
        for (const [channel, value] of shown.entries()) {
          // Bit replication and rounding differ by one in the middle of 5-bit and 6-bit ranges.
          expect(Math.abs(value - wanted[channel]!)).toBeLessThanOrEqual(bits === 16 ? 1 : 0);
        }
      }
    }
  });

  it('full stays full and none stays none at 16 bits', () => {
    const { memory, display, scanOut, vram } = machine();
    memory.u16.set([0xffff, 0x0000, 0xf800, 0x07e0, 0x001f], vram / 2);
    display.setMode({ width: 5, height: 1, bitsPerPixel: 16, pitchBytes: 10, offset: 0 });
    scanOut.refresh();
    expect([...scanOut.surface!.u32]).toEqual([
      0xffff_ffff, 0xff00_0000, 0xff00_00ff, 0xff00_ff00, 0xffff_0000,
    ]);
  });
});

describe('what is read', () => {
  const mode = { width: 100, height: 50, bitsPerPixel: 32, pitchBytes: 400, offset: 0 } as const;

  it('everything, while the guest reports nothing', () => {
    const { memory, display, scanOut, vram } = machine();
    display.setMode(mode);
    scanOut.refresh();
    memory.u32[vram / 4] = 0x12_3456;
    expect(scanOut.refresh()).toBe(5000);
    expect(scanOut.surface!.u32[0]).toBe(0xff56_3412);
  });

  it('only what the guest reports, once it does', () => {
    const { memory, display, scanOut, vram } = machine();
    display.setMode(mode);
    display.isTracked = true;
    expect(scanOut.refresh()).toBe(5000);
    memory.u32.fill(0xff_ffff, vram / 4, vram / 4 + 5000);
    expect(scanOut.refresh()).toBe(0);
    display.touch(10, 20, 30, 25);
    expect(scanOut.refresh()).toBe(100);
    const white = scanOut.surface!.u32.filter((pixel) => pixel === 0xffff_ffff).length;
    expect(white).toBe(100);
    expect(scanOut.surface!.u32[20 * 100 + 10]).toBe(0xffff_ffff);
    expect(Array.from(scanOut.changed.words.slice(0, 4))).toEqual([10, 20, 30, 25]);
    expect(scanOut.refresh(true)).toBe(5000);
  });

  it('everything after a change of mode or place', () => {
    const { display, scanOut } = machine();
    display.isTracked = true;
    display.setMode(mode);
    scanOut.refresh();
    display.setVram(VRAM_GPA, VRAM_BYTES);
    expect(scanOut.refresh()).toBe(5000);
    display.setMode({ ...mode, width: 90 });
    expect(scanOut.refresh()).toBe(4500);
    expect(scanOut.surface!.width).toBe(90);
  });

  it('nothing from where there is no memory: black', () => {
    const { display, scanOut } = machine();
    display.setMode(mode);
    scanOut.refresh();
    scanOut.surface!.u32.fill(0);
    for (const [gpa, bytes] of [
      [-1, 0],
      [0xe000_0000, VRAM_BYTES],
      [VRAM_GPA, 19_999],
    ] as const) {
      display.setVram(gpa, bytes);
      expect(scanOut.refresh()).toBe(0);
      expect(scanOut.surface!.u32.every((pixel) => pixel === 0xff00_0000)).toBe(true);
    }
    display.setVram(VRAM_GPA, 20_000);
    expect(scanOut.refresh()).toBe(5000);
  });

  it('nothing while the screen is off', () => {
    const { display, scanOut } = machine();
    display.setMode(mode);
    scanOut.refresh();
    display.setMode(undefined);
    expect(scanOut.refresh()).toBe(0);
    expect(scanOut.surface).toBeUndefined();
  });
});

describe('dirty rectangles', () => {
  it('cover every pixel that was added, whatever was added', () => {
    const random = new Random(3);
    const signed = (): number => random.below(140) - 20;
    for (let round = 0; round < 50; round += 1) {
      const dirty = new DirtyRectangles();
      const wanted = new Uint8Array(100 * 100);
      for (let count = random.below(120); count > 0; count -= 1) {
        const [left, top, right, bottom] = [signed(), signed(), signed(), signed()];
        dirty.add(left, top, right, bottom, 100, 100);
        for (let y = Math.max(top, 0); y < Math.min(bottom, 100); y += 1) {
          for (let x = Math.max(left, 0); x < Math.min(right, 100); x += 1) wanted[y * 100 + x] = 1;
        }
      }
      expect(dirty.count).toBeLessThanOrEqual(64);
      for (let index = 0; index < dirty.count; index += 1) {
        const [left, top, right, bottom] = dirty.words.slice(index * 4, index * 4 + 4);
        expect(left! >= 0 && top! >= 0 && right! <= 100 && bottom! <= 100).toBe(true);
        expect(left! < right! && top! < bottom!).toBe(true);
        for (let y = top!; y < bottom!; y += 1) wanted.fill(0, y * 100 + left!, y * 100 + right!);
      }
      expect(wanted.includes(1)).toBe(false);
    }
  });
});
