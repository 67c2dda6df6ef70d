import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { encodePng } from '../../src/fb/png.ts';
import { Surface } from '../../src/fb/surface.ts';
import { decodePng } from '../support/png.ts';
import { hasTool, inFolder } from '../support/tools.ts';

function noise(width: number, height: number): Surface {
  const surface = new Surface(width, height);
  new Random(width).fill(surface.u8);
  return surface;
}

function rgbOf({ u8 }: Surface): Uint8Array {
  return u8.filter((_, index) => index % 4 !== 3);
}

/** Large arrays take `toEqual` seconds. */
function expectSame(found: Uint8Array, wanted: Uint8Array): void {
  expect(found.length).toBe(wanted.length);
  expect(Buffer.compare(found, wanted)).toBe(0);
}

describe('PNG', () => {
  // Below, at and above the 65 535 bytes of one stored block.
  it.each([
    [1, 1],
    [3, 2],
    [145, 150],
    [109, 200],
    [1092, 20],
    [21_844, 1],
    [640, 400],
  ])('%i by %i: stored, every pixel comes back', (width, height) => {
    const surface = noise(width, height);
    const { rgb, ...shape } = decodePng(encodePng(surface));
    expect(shape).toEqual({ width, height });
    expectSame(rgb, rgbOf(surface));
  });

  it('takes a compressor', () => {
    const surface = new Surface(640, 400);
    surface.u32.fill(0xff20_4060, 0, 90_000);
    const file = encodePng(surface, { deflate: (bytes) => deflateSync(bytes) });
    expect(file.length).toBeLessThan(10_000);
    expectSame(decodePng(file).rgb, rgbOf(surface));
  });

  it('writes a part', () => {
    const surface = noise(50, 40);
    const rectangle = { left: 10, top: 20, width: 7, height: 5 };
    const { rgb, ...shape } = decodePng(encodePng(surface, { rectangle }));
    expect(shape).toEqual({ width: 7, height: 5 });
    for (let y = 0; y < 5; y += 1) {
      const from = ((20 + y) * 50 + 10) * 4;
      const row = surface.u8.slice(from, from + 28).filter((_, index) => index % 4 !== 3);
      expect(rgb.slice(y * 21, y * 21 + 21)).toEqual(row);
    }
  });

  it('refuses a part that is not there', () => {
    const surface = new Surface(10, 10);
    for (const rectangle of [
      { left: -1, top: 0, width: 5, height: 5 },
      { left: 6, top: 0, width: 5, height: 5 },
      { left: 0, top: 0, width: 0, height: 5 },
    ]) {
      expect(() => encodePng(surface, { rectangle })).toThrow();
    }
  });
});

describe.skipIf(!hasTool('convert'))('PNG read by ImageMagick', () => {
  it('every pixel comes back', () => {
    const surface = noise(123, 45);
    inFolder((folder) => {
      const png = join(folder, 'a.png');
      writeFileSync(png, encodePng(surface));
      const ppm = execFileSync('convert', [png, 'ppm:-'], { maxBuffer: 1 << 20 });
      expect(ppm.subarray(0, 2).toString()).toBe('P6');
      expectSame(ppm.subarray(ppm.length - 123 * 45 * 3), rgbOf(surface));
    });
  });
});
