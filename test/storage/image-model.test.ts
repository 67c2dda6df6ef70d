import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { imageFormats } from '../../src/storage/image.ts';
import type { ImageFormat } from '../../src/storage/image.ts';
import { OverlayDevice } from '../../src/storage/overlay.ts';
import { firstDifference, imageDifference, MIB, shelfWith } from '../support/images.ts';
import { cases } from '../support/cases.ts';

interface Step {
  readonly kind: 'write' | 'unmap' | 'flush' | 'reopen';
  /** Parts of the disk, from 0 to 1. */
  readonly at: number;
  readonly length: number;
  readonly seed: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'write', 'unmap', 'flush', 'reopen'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.oneof(
    fc.double({ min: 0, max: 0.01, noNaN: true }),
    fc.double({ min: 0, max: 0.6, noNaN: true }),
  ),
  seed: fc.nat(),
});

function range(step: Step, size: number, sector: number): [number, number] {
  const at = Math.min(size - sector, Math.floor((step.at * size) / sector) * sector);
  const length = Math.max(sector, Math.floor((step.length * size) / sector) * sector);
  return [at, Math.min(length, size - at)];
}

/** A block's worth of the range at whole blocks: what a sparse image turns into zeros. */
function unmapped(at: number, length: number, size: number, block: number): [number, number] {
  const end = at + length === size ? size : Math.floor((at + length) / block) * block;
  return [Math.ceil(at / block) * block, end];
}

interface Shape {
  readonly format: ImageFormat;
  readonly sectorBytes?: number;
  readonly blockBytes?: number;
}

const shapes: Shape[] = [
  ...imageFormats.map((format) => ({ format })),
  { format: 'vhdx-dynamic', sectorBytes: 4096, blockBytes: MIB },
  { format: 'vhdx-differencing', sectorBytes: 4096, blockBytes: MIB },
  { format: 'vhdx-differencing', blockBytes: 8 * MIB },
  { format: 'vhd-differencing', blockBytes: 524_288 },
];

describe.each(shapes)('$format $sectorBytes $blockBytes', (shape) => {
  const { format, ...options } = shape;

  it('holds what was written, over any sequence of writes, unmaps and reopenings', () => {
    const size = 5 * MIB + 3 * 4096;
    const data = new Uint8Array(size);
    const scratch = new Uint8Array(size);
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const { shelf, name, content } = shelfWith(format, size, options);
        let image = shelf.open(name);
        for (const each of steps) {
          const [at, length] = range(each, size, image.sectorBytes);
          if (each.kind === 'write') {
            new Random(each.seed).fill(data.subarray(0, Math.min(length, 4096)));
            data.copyWithin(4096, 0, Math.max(0, length - 4096));
            image.write(at, data, 0, length);
            content.set(data.subarray(0, length), at);
          } else if (each.kind === 'unmap') {
            image.unmap(at, length);
            if (format === 'vhdx-dynamic' || format === 'vhdx-differencing') {
              const [from, to] = unmapped(at, length, size, image.info().blockBytes!);
              if (from < to) content.fill(0, from, to);
            }
          } else if (each.kind === 'flush') {
            image.flush();
          } else {
            image.close();
            image = shelf.open(name);
          }
          const there = scratch.subarray(0, length);
          image.read(at, scratch, 0, length);
          expect(firstDifference(there, content.subarray(at, at + length))).toBe(-1);
        }
        image.close();
        expect(imageDifference(shelf.open(name, { readOnly: true }), content)).toBe(-1);
        expect(shelf.warnings).toEqual([]);
      }),
      { numRuns: cases(12, 6), seed: 42 },
    );
  });

  it('is described by its own name and size', () => {
    const { shelf, name } = shelfWith(format, 4 * MIB, options);
    const image = shelf.open(name, { readOnly: true });
    expect(image.info()).toMatchObject({
      name,
      format,
      sizeBytes: 4 * MIB,
      sectorBytes: shape.sectorBytes ?? 512,
    });
    expect(image.info().parent !== undefined).toBe(format.endsWith('differencing'));
    if (shape.blockBytes !== undefined) expect(image.info().blockBytes).toBe(shape.blockBytes);
  });

  it('refuses writes when it is open for reading, and ranges outside the disk', () => {
    const { shelf, name } = shelfWith(format, 4 * MIB, options);
    const image = shelf.open(name, { readOnly: true });
    const sector = new Uint8Array(image.sectorBytes);
    expect(() => image.write(0, sector, 0, sector.length)).toThrow(
      expect.objectContaining({ name: 'DiskFault', position: 0 }),
    );
    expect(() => image.read(4 * MIB, sector, 0, sector.length)).toThrow(
      expect.objectContaining({ name: 'DiskFault', position: 4 * MIB }),
    );
    expect(() => image.read(100, sector, 0, sector.length)).toThrow(/are no whole sectors/);
  });

  it('keeps the base as it was under an overlay', () => {
    const { shelf, name, content } = shelfWith(format, 3 * MIB, options);
    const base = shelf.open(name, { readOnly: true });
    const overlay = new OverlayDevice(base);
    const model = content.slice();
    const random = new Random(9);
    const data = new Uint8Array(300_000);
    random.fill(data);
    for (let index = 0; index < 40; index += 1) {
      const sector = overlay.sectorBytes;
      const at = random.below(model.length / sector) * sector;
      const wanted = (1 + random.below(index % 4 === 0 ? 60 : 3)) * sector;
      const length = Math.min(wanted, model.length - at);
      overlay.write(at, data, index, length);
      model.set(data.subarray(index, index + length), at);
    }
    overlay.unmap(MIB, 65_536 * 2);
    model.fill(0, MIB, MIB + 65_536 * 2);
    overlay.write(MIB + 4096, data, 0, 4096);
    model.set(data.subarray(0, 4096), MIB + 4096);
    const seen = new Uint8Array(model.length);
    overlay.read(0, seen, 0, seen.length);
    expect(firstDifference(seen, model)).toBe(-1);
    expect(imageDifference(base, content)).toBe(-1);
    expect(overlay.overlayBytes).toBeGreaterThan(0);
  });
});
