import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import type { MemoryStore } from '../../../src/storage/memory-store.ts';
import { OverlayDevice } from '../../../src/storage/overlay.ts';
import {
  contentOf,
  firstDifference,
  imageDifference,
  MIB,
  shelfWith,
} from '../../support/images.ts';
import { PowerCutStore } from '../../support/power-cut.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';
import { cases } from '../../support/cases.ts';

/** The content after a change of size: what is cut off is gone, what is added is zeros. */
function resized(content: Uint8Array, size: number): Uint8Array {
  const next = new Uint8Array(size);
  next.set(content.subarray(0, size));
  return next;
}

describe.each([
  ['vhdx-dynamic', 512],
  ['vhdx-dynamic', 4096],
  ['vhdx-fixed', 512],
] as const)('a %s of %d-byte sectors', (format, sectorBytes) => {
  it('keeps what it holds over any sequence of sizes and writes', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = new Random(seed);
        const options = { blockBytes: MIB, sectorBytes };
        const { shelf, name, content } = shelfWith(format, 3 * MIB, options);
        let image = shelf.open(name);
        let model: Uint8Array = content;
        const data = new Uint8Array(16 * 4096);
        for (let index = 0; index < 10; index += 1) {
          const size = (1 + random.below(6 * 256)) * 4096;
          image.resize(size);
          model = resized(model, size);
          random.fill(data);
          const length = Math.min(size, data.length);
          const at = random.below((size - length) / 4096 + 1) * 4096;
          image.write(at, data, 0, length);
          model.set(data.subarray(0, length), at);
          if (random.below(3) === 0) {
            image.close();
            image = shelf.open(name);
          }
          expect(image.sizeBytes).toBe(size);
          expect(imageDifference(image, model)).toBe(-1);
        }
        image.close();
        expect(imageDifference(shelf.open(name, { readOnly: true }), model)).toBe(-1);
        expect(shelf.warnings).toEqual([]);
      }),
      { numRuns: cases(8, 4), seed: 5 },
    );
  });
});

describe('a VHDX whose table outgrows its place', () => {
  const grown = 2304 * 1024 * MIB;

  function grow() {
    const { shelf, name } = shelfWith('vhdx-dynamic', 3 * MIB, { blockBytes: MIB });
    const image = shelf.open(name);
    const sector = new Uint8Array(512).fill(0x5a);
    image.write(MIB, sector, 0, 512);
    image.resize(grown);
    image.write(grown - 512, sector, 0, 512);
    return { shelf, name, image };
  }

  it('has both ends of 2304 GiB, and takes space for what is written alone', () => {
    const { shelf, name, image } = grow();
    image.close();
    const again = shelf.open(name);
    const sector = new Uint8Array(512);
    for (const at of [MIB, grown - 512]) {
      again.read(at, sector, 0, 512);
      expect(sector.every((byte) => byte === 0x5a)).toBe(true);
    }
    expect(again.info()).toMatchObject({ sizeBytes: grown, allocatedBytes: 2 * MIB });
    again.resize(3 * MIB);
    again.close();
    expect(shelf.open(name, { readOnly: true }).sizeBytes).toBe(3 * MIB);
  });

  it.skipIf(!hasTool('qemu-img'))('is sound for qemu-img', () => {
    const { shelf, name } = shelfWith('vhdx-dynamic', 3 * MIB, { blockBytes: MIB });
    const image = shelf.open(name);
    image.resize(200 * 1024 * MIB);
    image.write(7 * MIB, new Uint8Array(512).fill(1), 0, 512);
    image.close();
    inFolder((folder) => {
      const path = join(folder, 'grown.vhdx');
      writeFileSync(path, contentOf(shelf.stores.get(name)!));
      expect(run('qemu-img', ['check', '-f', 'vhdx', path])).toMatch(/No errors/);
      const info = JSON.parse(run('qemu-img', ['info', '--output=json', path])) as object;
      expect(info).toMatchObject({ 'virtual-size': 200 * 1024 * MIB });
    });
  });
});

describe('a power cut while a VHDX is resized', () => {
  it('leaves the old size or the new one, with what was flushed', () => {
    const sizes = new Set<number>();
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 60 }), (seed, writes) => {
        const random = new Random(seed);
        const { shelf, name, content } = shelfWith('vhdx-dynamic', 4 * MIB, { blockBytes: MIB });
        const first = shelf.open(name);
        random.fill(content.subarray(0, 2 * MIB));
        first.write(0, content, 0, 2 * MIB);
        first.close();
        const target = random.below(2) === 0 ? 2 * MIB : 300 * 1024 * MIB;
        const store = new PowerCutStore(shelf.stores.get(name)!, writes);
        shelf.stores.set(name, store as unknown as MemoryStore);
        shelf.open(name).resize(target);
        shelf.stores.set(name, store.cut(random.split('cut')));
        const after = shelf.open(name);
        sizes.add(after.sizeBytes);
        expect([4 * MIB, target]).toContain(after.sizeBytes);
        const seen = new Uint8Array(2 * MIB);
        after.read(0, seen, 0, seen.length);
        expect(firstDifference(seen, content.subarray(0, 2 * MIB))).toBe(-1);
      }),
      { numRuns: cases(30, 12), seed: 3 },
    );
    expect(sizes.size).toBe(3);
  });
});

describe('what cannot be resized says so', () => {
  it.each([
    ['vhd-dynamic', /a vhd-dynamic image cannot be resized/],
    ['raw', /a raw image cannot be resized/],
    ['vhdx-differencing', /has the size of its parent/],
  ] as const)('%s', (format, message) => {
    const { shelf, name } = shelfWith(format, 4 * MIB);
    expect(() => shelf.open(name).resize(8 * MIB)).toThrow(message);
  });

  it('a size that is no multiple of the sector, or none at all', () => {
    const { shelf, name } = shelfWith('vhdx-dynamic', 4 * MIB);
    const image = shelf.open(name);
    for (const size of [0, -512, 100, 65 * 1024 ** 4]) {
      expect(() => image.resize(size)).toThrow(/a VHDX has a multiple of 512 bytes up to 64 TiB/);
    }
  });
});

describe('an overlay', () => {
  it('has a size of its own, and cut-off content does not come back', () => {
    const { shelf, name } = shelfWith('vhdx-dynamic', 4 * MIB);
    const base = shelf.open(name);
    const whole = new Uint8Array(4 * MIB).fill(0x77);
    base.write(0, whole, 0, whole.length);
    const overlay = new OverlayDevice(base);
    let model: Uint8Array = whole;
    for (const size of [3 * MIB + 4096, 6 * MIB, MIB, 4 * MIB]) {
      overlay.resize(size);
      model = resized(model, size);
      const seen = new Uint8Array(size);
      overlay.read(0, seen, 0, size);
      expect(firstDifference(seen, model)).toBe(-1);
    }
    expect(base.sizeBytes).toBe(4 * MIB);
  });
});
