import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import type { MemoryStore } from '../../../src/storage/memory-store.ts';
import { chsGeometry } from '../../../src/storage/vhd/geometry.ts';
import {
  contentOf,
  firstDifference,
  MIB,
  readAll,
  Shelf,
  shelfWith,
} from '../../support/images.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';
import { PowerCutStore } from '../../support/power-cut.ts';
import { cases } from '../../support/cases.ts';

/** Writes from one power cut to the next. */
const STEP = cases(1, 3);

describe('CHS geometry', () => {
  it.each([
    [1, { cylinders: 30, heads: 4, sectorsPerTrack: 17 }],
    [100, { cylinders: 1003, heads: 12, sectorsPerTrack: 17 }],
    [200, { cylinders: 825, heads: 16, sectorsPerTrack: 31 }],
    [1024, { cylinders: 2080, heads: 16, sectorsPerTrack: 63 }],
    [127 * 1024, { cylinders: 65_278, heads: 16, sectorsPerTrack: 255 }],
    [2040 * 1024, { cylinders: 65_535, heads: 16, sectorsPerTrack: 255 }],
  ])('of %i MiB', (mib, geometry) => {
    expect(chsGeometry(mib * 2048)).toEqual(geometry);
  });

  it.skipIf(!hasTool('qemu-img')).each([1, 3, 64, 257, 500, 505, 4095, 32_000, 40_000, 120_000])(
    'of some %i MiB is the one that qemu-img writes',
    (mib) => {
      inFolder((folder) => {
        const made = join(folder, 'made.vhd');
        // Without force_size qemu-img takes the next size that a geometry gives exactly.
        run('qemu-img', ['create', '-f', 'vpc', made, `${mib}M`]);
        const footer = readFileSync(made).subarray(0, 512);
        const sectors = Number(footer.readBigUInt64BE(48)) / 512;
        expect(chsGeometry(sectors)).toEqual({
          cylinders: footer.readUInt16BE(56),
          heads: footer[58],
          sectorsPerTrack: footer[59],
        });
      });
    },
  );
});

describe('the footer', () => {
  it('is used from its copy at byte 0 when the one at the end is damaged, with a warning', () => {
    const { shelf, name } = shelfWith('vhd-dynamic', 4 * MIB);
    const store = shelf.stores.get(name)!;
    const image = shelf.open(name);
    image.write(0, new Uint8Array(512).fill(5), 0, 512);
    image.close();
    store.write(store.sizeBytes - 300, Uint8Array.of(1), 0, 1);
    expect(readAll(shelf.open(name))[0]).toBe(5);
    expect(shelf.warnings).toEqual([
      expect.stringMatching(
        /^disk\.vhd: the footer at byte \d+ has checksum 0x[0-9a-f]{8} where its bytes give 0x[0-9a-f]{8}; the copy at byte 0 is used$/,
      ),
    ]);
  });

  it('is moved behind each new block, so that the disk still opens by it', () => {
    const { shelf, name } = shelfWith('vhd-dynamic', 8 * MIB);
    const store = shelf.stores.get(name)!;
    const image = shelf.open(name);
    for (const at of [5 * MIB, 0, 3 * MIB]) {
      image.write(at, new Uint8Array(512).fill(1), 0, 512);
      const bytes = contentOf(store);
      expect(new TextDecoder().decode(bytes.subarray(-512, -504))).toBe('conectix');
      expect(bytes.subarray(-512)).toEqual(bytes.subarray(0, 512));
    }
  });

  it('may have 511 bytes, as old Virtual PC wrote it', () => {
    const { shelf, name } = shelfWith('vhd-fixed', 2 * MIB);
    const store = shelf.stores.get(name)!;
    store.resize(store.sizeBytes - 1);
    expect(shelf.open(name, { readOnly: true }).sizeBytes).toBe(2 * MIB);
  });

  it('gives the size, even when the geometry says less', () => {
    const shelf = new Shelf();
    shelf.create('disk.vhd', { format: 'vhd-fixed', sizeBytes: MIB + 512 });
    expect(shelf.open('disk.vhd').sizeBytes).toBe(MIB + 512);
  });
});

describe.each(['vhd-dynamic', 'vhd-differencing'] as const)(
  'a program that dies while it writes a %s',
  (format) => {
    it('leaves an image that opens and holds all completed writes', () => {
      for (let writes = 1; writes < 40; writes += STEP) {
        const { shelf, name, content } = shelfWith(format, 6 * MIB, { blockBytes: 524_288 });
        const random = new Random(writes);
        const store = new PowerCutStore(shelf.stores.get(name)!, writes);
        shelf.stores.set(name, store as unknown as MemoryStore);
        const image = shelf.open(name);
        const data = new Uint8Array(4096);
        let at = 0;
        while (store.powered) {
          at = random.below(content.length / 512 - 8) * 512;
          random.fill(data);
          image.write(at, data, 0, data.length);
          if (!store.powered) break;
          content.set(data, at);
        }
        store.keepAll();
        shelf.stores.set(name, store.cut(random));
        const seen = readAll(shelf.open(name));
        // The write that the end cut short may be there or not.
        const before = firstDifference(seen.subarray(0, at), content.subarray(0, at));
        const after = firstDifference(seen.subarray(at + 4096), content.subarray(at + 4096));
        expect([before, after]).toEqual([-1, -1]);
      }
    });
  },
);
