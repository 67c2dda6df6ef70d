import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/core/memory.ts';
import { FirmwareMemory } from '../../src/uefi/memory-map.ts';
import { type PeImage, parsePe } from '../../src/uefi/pe-image.ts';
import { loadPe } from '../../src/uefi/pe-loader.ts';
import {
  buildEfiApplication,
  type EfiApplication,
  TEXT_ADDRESS,
} from '../../src/uefi/pe-writer.ts';
import { EfiMemoryType } from '../../src/uefi/spec/memory.ts';
import { CoffHeader, OptionalHeader, SectionHeader } from '../../src/uefi/spec/pe.ts';
import { hasTool, inFolder, run } from '../support/tools.ts';

const MIB = 1024 * 1024;
const CODE = Uint8Array.of(0x31, 0xc0, 0xc3);
const COFF_AT = 68;
const OPTIONAL_AT = COFF_AT + CoffHeader.size;
const SECTIONS_AT = OPTIONAL_AT + 240;

function application(options: Partial<EfiApplication> = {}): Uint8Array {
  return buildEfiApplication({ code: CODE, ...options });
}

/** The same file with one field of its headers changed. */
function altered(change: (view: DataView) => void): Uint8Array {
  const file = application();
  change(new DataView(file.buffer));
  return file;
}

function mustParse(file: Uint8Array): PeImage {
  const image = parsePe(file);
  if (typeof image === 'string') throw new Error(image);
  return image;
}

function newPages(): FirmwareMemory {
  return new FirmwareMemory(new GuestMemory({ ramBytes: 64 * MIB, lowGapStart: 0xf800_0000 }));
}

function optional(field: keyof typeof OptionalHeader.offset): number {
  return OPTIONAL_AT + OptionalHeader.offset[field];
}

describe('a file that is no EFI application for x86-64', () => {
  it.each([
    ['is empty', new Uint8Array(0), 'is not a PE image: it is empty'],
    [
      'is text',
      new TextEncoder().encode('hello world'),
      "is not a PE image: starts with 'hell', expected 'MZ'",
    ],
    [
      'is an ELF',
      Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1),
      "is not a PE image: starts with 7f 45 4c 46, expected 'MZ'",
    ],
    [
      'ends in its DOS header',
      Uint8Array.of(0x4d, 0x5a, 0, 0),
      'is not a PE image: it has 4 bytes, the DOS header alone takes 64',
    ],
    [
      'points outside itself',
      altered((view) => view.setUint32(60, 0x10_0000, true)),
      'is not a PE image: its PE header at offset 1048576 would end at 1048712, the file has 1536 bytes',
    ],
    [
      'has no PE signature',
      altered((view) => view.setUint8(64, 0x4e)),
      "is not a PE image: offset 64 has 4e 45 00 00, expected 'PE' and two zeros",
    ],
    [
      'is for AArch64',
      application({ machine: 0xaa64 }),
      'is for AArch64 (0xAA64), this machine needs x86-64 (0x8664)',
    ],
    [
      'is for 32-bit x86',
      application({ machine: 0x14c }),
      'is for 32-bit x86 (0x014C), this machine needs x86-64 (0x8664)',
    ],
    [
      'is for a machine of no name',
      application({ machine: 0x1234 }),
      'is for an unknown machine (0x1234), this machine needs x86-64 (0x8664)',
    ],
    [
      'is PE32',
      altered((view) => view.setUint16(OPTIONAL_AT, 0x10b, true)),
      'has optional header magic 0x10B (PE32, for 32-bit code), expected 0x20B (PE32+)',
    ],
    [
      'is a Windows program',
      application({ subsystem: 3 }),
      'has subsystem 3 (Windows console), expected 10 (EFI application)',
    ],
    [
      'is an EFI driver',
      application({ subsystem: 12 }),
      'has subsystem 12 (EFI runtime driver), expected 10 (EFI application)',
    ],
    [
      'has no section',
      altered((view) => view.setUint16(COFF_AT + CoffHeader.offset.sectionCount, 0, true)),
      'has 0 sections, expected 1 to 96',
    ],
    [
      'has an odd alignment',
      altered((view) => view.setUint32(optional('sectionAlignment'), 4097, true)),
      'has a section alignment of 4097, expected a power of two',
    ],
    [
      'wants all memory',
      altered((view) => view.setUint32(optional('imageBytes'), 0xffff_ffff, true)),
      'says that it takes 4294967295 bytes of memory, expected 1 to 1073741824',
    ],
    [
      'enters outside itself',
      altered((view) => view.setUint32(optional('entryPoint'), 0x9000, true)),
      'has its entry point at 0x9000, outside the image of 0x3000 bytes',
    ],
    [
      'has a section outside the image',
      altered((view) =>
        view.setUint32(SECTIONS_AT + SectionHeader.offset.virtualAddress, 0x3000, true),
      ),
      'has section .text ending at 0x3003, outside the image of 0x3000 bytes',
    ],
    [
      'is cut off',
      application().subarray(0, 600),
      'is truncated: section .text ends at offset 1024, the file at 600',
    ],
  ])('%s', (_name, file, reason) => {
    expect(parsePe(file)).toBe(reason);
  });

  it('never makes the parser or the loader throw, whatever its bytes', () => {
    const start = application();
    const changes = fc.array(
      fc.tuple(fc.integer({ min: 0, max: start.length - 1 }), fc.integer({ min: 0, max: 255 })),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(changes, fc.integer({ min: 0, max: start.length }), (edits, length) => {
        const file = start.slice();
        for (const [at, value] of edits) file[at] = value;
        const image = parsePe(file.subarray(0, length));
        if (typeof image === 'string') return;
        const loaded = loadPe(image, newPages());
        if (typeof loaded !== 'string') expect(loaded.entryGpa).toBeGreaterThan(loaded.baseGpa);
      }),
      { numRuns: 200 },
    );
  });
});

describe('loading', () => {
  it('puts headers and sections in place and zeros where the file has nothing', () => {
    const pages = newPages();
    pages.memory.u8.fill(0xee);
    const loaded = loadPe(mustParse(application()), pages);
    if (typeof loaded === 'string') throw new Error(loaded);
    const bytes = pages.memory.readBytes(loaded.baseGpa, 0x3000);
    expect(bytes.subarray(0, 2)).toEqual(Uint8Array.of(0x4d, 0x5a));
    expect(bytes.subarray(0x1000, 0x1004)).toEqual(Uint8Array.of(0x31, 0xc0, 0xc3, 0));
    expect(loaded.entryGpa).toBe(loaded.baseGpa + 0x1000);
    expect(bytes.includes(0xee)).toBe(false);
    expect(pages.typeAt(loaded.baseGpa)).toBe(EfiMemoryType.is.LoaderCode);
  });

  it('honours the preferred address when it is free, else relocates every pointer', () => {
    const imageBase = 0x200_0000;
    const code = new Uint8Array(0x1800);
    const view = new DataView(code.buffer);
    const pointers = [8, 0x0ff8, 0x1000, 0x1230];
    for (const at of pointers) view.setBigUint64(at, BigInt(imageBase + TEXT_ADDRESS + at), true);
    const image = mustParse(buildEfiApplication({ code, pointers, imageBase }));
    const pages = newPages();
    for (const isFree of [true, false]) {
      const loaded = loadPe(image, pages);
      if (typeof loaded === 'string') throw new Error(loaded);
      expect(loaded.baseGpa === imageBase).toBe(isFree);
      for (const at of pointers) {
        const place = loaded.baseGpa + TEXT_ADDRESS + at;
        const pointer = pages.memory.view.getBigUint64(pages.memory.resolve(place, 8), true);
        expect(pointer).toBe(BigInt(place));
      }
    }
  });

  it('refuses an image without relocations whose address is taken', () => {
    const file = buildEfiApplication({ code: CODE, imageBase: 0x200_0000 });
    const flags = COFF_AT + CoffHeader.offset.characteristics;
    file[flags] = file[flags]! | 1;
    const pages = newPages();
    expect(loadPe(mustParse(file), pages)).toMatchObject({ baseGpa: 0x200_0000 });
    expect(loadPe(mustParse(file), pages)).toBe(
      'must be loaded at 0x2000000, since it has no relocations, and that memory is not free',
    );
  });

  it('says when there is no memory for it', () => {
    const file = altered((view) => view.setUint32(optional('imageBytes'), 200 * MIB, true));
    expect(loadPe(mustParse(file), newPages())).toBe(
      'needs 209715200 bytes of free memory below 4 GiB',
    );
  });

  it('copies no more than the virtual size, so that sections that crowd do not overwrite', () => {
    const file = altered((view) => {
      // As in systemd-boot: the raw data of one section reaches past the start of the next.
      view.setUint32(SECTIONS_AT + SectionHeader.offset.virtualBytes, 2, true);
    });
    const pages = newPages();
    const loaded = loadPe(mustParse(file), pages);
    if (typeof loaded === 'string') throw new Error(loaded);
    expect([...pages.memory.readBytes(loaded.entryGpa, 3)]).toEqual([0x31, 0xc0, 0]);
  });
});

describe.skipIf(!hasTool('objdump'))('what binutils says of a generated image', () => {
  it('finds the same headers, sections and relocations', () => {
    inFolder((folder) => {
      const path = join(folder, 'a.efi');
      const code = new Uint8Array(0x1400);
      const imageBase = 0x14_0000_0000;
      writeFileSync(path, buildEfiApplication({ code, pointers: [16, 0x1300], imageBase }));
      const text = run('objdump', ['-f', '-h', '-p', path]);
      expect(text).toContain('file format pei-x86-64');
      expect(text).toMatch(/ImageBase\s+0+1400000000/);
      expect(text).toMatch(/SectionAlignment\s+0+1000/);
      expect(text).toMatch(/SizeOfImage\s+0+4000/);
      expect(text).toMatch(/\.text\s+0+1400/);
      const relocations = text.split('\n').filter((line) => /DIR64/.test(line));
      expect(relocations).toHaveLength(2);
      expect(relocations[0]).toMatch(/offset\s+10\s+\[1010\]/);
      expect(relocations[1]).toMatch(/offset\s+300\s+\[2300\]/);
    });
  });
});
