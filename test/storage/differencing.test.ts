import { describe, expect, it } from 'vitest';
import type { ImageFormat } from '../../src/storage/image.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import {
  contentOf,
  firstDifference,
  imageDifference,
  MIB,
  readAll,
  Shelf,
} from '../support/images.ts';

const letters = (byte: number, length = 512): Uint8Array => new Uint8Array(length).fill(byte);

describe.each(['vhd', 'vhdx'])('a chain of differencing .%s', (extension) => {
  const dynamic = `${extension}-dynamic` as ImageFormat;
  const differencing = `${extension}-differencing` as ImageFormat;
  const name = (stem: string): string => `${stem}.${extension}`;

  /** base <- middle <- top, each with a sector of its own. */
  function chain(): Shelf {
    const shelf = new Shelf();
    let parent: string | undefined;
    for (const [index, stem] of ['base', 'middle', 'top'].entries()) {
      const format = parent === undefined ? dynamic : differencing;
      const size = parent === undefined ? { sizeBytes: 8 * MIB } : {};
      shelf.create(name(stem), { format, ...size }, parent);
      const image = shelf.open(name(stem));
      image.write(index * 512, letters(index + 1, 512 * (5 - index)), 0, 512 * (5 - index));
      image.close();
      parent = name(stem);
    }
    return shelf;
  }

  it('reads each sector from the youngest image that has it', () => {
    const shelf = chain();
    const top = shelf.open(name('top'));
    const seen = readAll(top);
    const firsts = Array.from({ length: 6 }, (_, index) => seen[index * 512]);
    expect(firsts).toEqual([1, 2, 3, 3, 3, 0]);
    const described = top.info();
    expect(described.parent?.name).toBe(name('middle'));
    expect(described.parent?.parent?.name).toBe(name('base'));
    expect(shelf.warnings).toEqual([]);
  });

  it('leaves the parent as it is when the child is written', () => {
    const shelf = chain();
    const before = readAll(shelf.open(name('middle'), { readOnly: true }));
    const top = shelf.open(name('top'));
    top.write(4 * MIB, letters(9, MIB), 0, MIB);
    top.close();
    const after = readAll(shelf.open(name('middle'), { readOnly: true }));
    expect(firstDifference(after, before)).toBe(-1);
    expect(readAll(shelf.open(name('top')))[4 * MIB]).toBe(9);
  });

  it('says what is wrong with a parent that is not there, another disk, or the child itself', () => {
    const shelf = chain();
    expect(() => shelf.open(name('top'), { openParent: () => undefined })).toThrow(
      `is a differencing disk, and its parent was not found: it names .\\${name('middle')}, C:\\disks\\${name('middle')}`,
    );
    expect(() =>
      shelf.open(name('top'), { openParent: () => shelf.stores.get(name('top')) }),
    ).toThrow(`is a differencing disk whose parents lead back to ${name('top')}`);
    shelf.create(name('other'), { format: dynamic, sizeBytes: 8 * MIB });
    expect(() =>
      shelf.open(name('top'), { openParent: () => shelf.stores.get(name('other')) }),
    ).toThrow(
      /^was made over a parent with (unique id|data write GUID) \S+, but other\.\S+ has \S+: it is another disk/,
    );
    const wrong = extension === 'vhd' ? 'vhdx' : 'vhd';
    shelf.create(`other.${wrong}`, {
      format: `${wrong}-dynamic` as ImageFormat,
      sizeBytes: 8 * MIB,
    });
    expect(() =>
      shelf.open(name('top'), { openParent: () => shelf.stores.get(`other.${wrong}`) }),
    ).toThrow(
      `is a differencing ${extension.toUpperCase()}, but its parent other.${wrong} is ${wrong}-dynamic; a ${extension.toUpperCase()} was expected`,
    );
  });

  it('ends a chain that is too long to be one', () => {
    const shelf = chain();
    const top = contentOf(shelf.stores.get(name('top'))!);
    let copies = 0;
    const openParent = (): MemoryStore => MemoryStore.from(`copy${(copies += 1)}`, top);
    expect(() => shelf.open(name('top'), { openParent })).toThrow(
      'has more than 64 parents above one another',
    );
    expect(copies).toBe(64);
  });

  it.runIf(extension === 'vhdx')('notices that the parent was written to since', () => {
    const shelf = chain();
    const base = shelf.open(name('base'));
    base.write(0, letters(8), 0, 512);
    base.close();
    expect(() => shelf.open(name('top'))).toThrow(/it is another disk, or was written to since/);
  });

  it('lets the child be larger than its parent, with zeros behind it', () => {
    const shelf = new Shelf();
    shelf.create(name('base'), { format: dynamic, sizeBytes: 3 * MIB });
    const base = shelf.open(name('base'));
    base.write(0, letters(1, 3 * MIB), 0, 3 * MIB);
    base.close();
    shelf.create(name('top'), { format: differencing, sizeBytes: 7 * MIB }, name('base'));
    const top = shelf.open(name('top'));
    top.write(5 * MIB, letters(2), 0, 512);
    const expected = new Uint8Array(7 * MIB);
    expected.fill(1, 0, 3 * MIB).fill(2, 5 * MIB, 5 * MIB + 512);
    expect(imageDifference(top, expected)).toBe(-1);
  });
});

describe('a differencing VHD', () => {
  it('warns when the parent has another time stamp than recorded', () => {
    const shelf = new Shelf();
    shelf.create('base.vhd', { format: 'vhd-dynamic', sizeBytes: 4 * MIB });
    const child = shelf.create('top.vhd', { format: 'vhd-differencing' }, 'base.vhd');
    const header = new Uint8Array(1024);
    child.read(512, header, 0, 1024);
    const view = new DataView(header.buffer);
    // Parent Time Stamp, at 56; the checksum at 36 falls by what the bytes' sum grows.
    view.setUint32(56, 0x0102);
    view.setUint32(36, view.getUint32(36) - 3);
    child.write(512, header, 0, 1024);
    shelf.open('top.vhd').close();
    expect(shelf.warnings).toEqual([
      'top.vhd: its parent base.vhd has another time stamp than recorded (0, expected 258); if the parent was written to since, what this disk shows is wrong',
    ]);
  });
});
