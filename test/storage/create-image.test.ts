import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { convertImage } from '../../src/storage/convert.ts';
import { createImage } from '../../src/storage/create-image.ts';
import type { CreateImageOptions } from '../../src/storage/create-image.ts';
import { imageFormats } from '../../src/storage/image.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { openImage } from '../../src/storage/open-image.ts';
import {
  contentOf,
  firstDifference,
  imageDifference,
  MIB,
  readAll,
  Shelf,
  shelfWith,
} from '../support/images.ts';

const GIB = 1024 * MIB;
const random = (): Random => new Random(1);

describe('creating an image', () => {
  it.each(imageFormats)('of %s draws all ids from the seed', (format) => {
    const bytes = (): Uint8Array => {
      const { shelf, name } = shelfWith(format, 4 * MIB);
      return contentOf(shelf.stores.get(name)!);
    };
    expect(firstDifference(bytes(), bytes())).toBe(-1);
  });

  it('of 2040 GiB or 64 TiB takes as little space as its tables', () => {
    const vhd = new MemoryStore('large.vhd');
    createImage(vhd, { format: 'vhd-dynamic', sizeBytes: 2040 * GIB, random: random() });
    expect(vhd.allocatedBytes).toBeLessThan(5 * MIB);
    const vhdx = new MemoryStore('large.vhdx');
    const sizeBytes = 64 * 1024 * GIB;
    createImage(vhdx, {
      format: 'vhdx-dynamic',
      sizeBytes,
      blockBytes: 32 * MIB,
      random: random(),
    });
    expect(vhdx.allocatedBytes).toBeLessThan(MIB);
    const image = openImage(vhdx, { readOnly: false, warn: () => {} });
    const sector = new Uint8Array(512).fill(6);
    image.write(sizeBytes - 512, sector, 0, 512);
    image.close();
    const again = openImage(vhdx, { readOnly: true, warn: () => {} });
    const there = new Uint8Array(512);
    again.read(sizeBytes - 512, there, 0, 512);
    expect(there).toEqual(sector);
  });

  const refused: [Omit<CreateImageOptions, 'random'>, string][] = [
    [
      { format: 'vhd-fixed', sizeBytes: 2041 * GIB },
      `a VHD has a multiple of 512 bytes up to 2040 GiB; ${2041 * GIB} were asked for`,
    ],
    [
      { format: 'vhdx-dynamic', sizeBytes: 65 * 1024 * GIB },
      `a VHDX has a multiple of 512 bytes up to 64 TiB; ${65 * 1024 * GIB} were asked for`,
    ],
    [
      { format: 'vhdx-dynamic', sizeBytes: MIB + 512, sectorBytes: 4096 },
      `a VHDX has a multiple of 4096 bytes up to 64 TiB; ${MIB + 512} were asked for`,
    ],
    [
      { format: 'vhdx-dynamic', sizeBytes: MIB, sectorBytes: 1024 },
      'a VHDX has sectors of 512 or 4096 bytes; 1024 were asked for',
    ],
    [
      { format: 'vhdx-dynamic', sizeBytes: MIB, blockBytes: 3 * MIB },
      'a VHDX has blocks of a power of two from 1 MiB to 256 MiB; 3145728 bytes were asked for',
    ],
    [
      { format: 'vhd-dynamic', sizeBytes: MIB, blockBytes: 1000 },
      'a VHD has blocks of a power of two from 512 KiB to 256 MiB; 1000 bytes were asked for',
    ],
    [
      { format: 'vhd-fixed', sizeBytes: MIB, sectorBytes: 4096 },
      'a vhd-fixed image has sectors of 512 bytes; 4096 were asked for, which VHDX can have',
    ],
    [{ format: 'raw', sizeBytes: 0 }, 'a raw image has a multiple of 512 bytes; 0 were asked for'],
    [{ format: 'vhdx-differencing', sizeBytes: MIB }, 'a vhdx-differencing image needs a parent'],
  ];
  it.each(refused)('%o is refused in one line', (options, message) => {
    expect(() => createImage(new MemoryStore('new'), { ...options, random: random() })).toThrow(
      message,
    );
  });

  it('refuses a parent of another kind', () => {
    const shelf = new Shelf();
    shelf.create('base.vhd', { format: 'vhd-dynamic', sizeBytes: MIB });
    expect(() => shelf.create('top.vhdx', { format: 'vhdx-differencing' }, 'base.vhd')).toThrow(
      'a differencing VHDX needs a VHDX as its parent; base.vhd is vhd-dynamic',
    );
  });
});

describe('converting an image', () => {
  it('keeps 4096-byte sectors where the format has them, and gives zeros no space', () => {
    const { shelf, name } = shelfWith('vhdx-dynamic', 64 * MIB, { sectorBytes: 4096 });
    const source = shelf.open(name);
    source.write(40 * MIB, new Uint8Array(4096).fill(4), 0, 4096);
    const target = new MemoryStore('new.vhdx');
    let done = 0;
    const info = convertImage(source, target, {
      format: 'vhdx-dynamic',
      random: random(),
      progress: (bytes) => (done = bytes),
    });
    expect(info).toMatchObject({ sectorBytes: 4096, allocatedBytes: 2 * MIB, log: 'clean' });
    expect(done).toBe(64 * MIB);
    const made = openImage(target, { readOnly: true, warn: () => {} });
    expect(imageDifference(made, readAll(source))).toBe(-1);
  });

  it('flattens a chain', () => {
    const { shelf, name, content } = shelfWith('vhdx-differencing', 4 * MIB);
    const target = new MemoryStore('flat.vhd');
    const info = convertImage(shelf.open(name), target, {
      format: 'vhd-dynamic',
      random: random(),
    });
    expect(info.parent).toBeUndefined();
    const made = openImage(target, { readOnly: true, warn: () => {} });
    expect(imageDifference(made, content)).toBe(-1);
  });
});
