/** Each kind of damage and the one line that a user gets for it. */
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import type { ImageFormat } from '../../src/storage/image.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { openImage } from '../../src/storage/open-image.ts';
import { structureChecksum } from '../../src/storage/vhdx/crc32c.ts';
import { MetadataItem } from '../../src/storage/vhdx/spec.ts';
import { contentOf, MIB, shelfWith } from '../support/images.ts';

const metadata = 2 * MIB;
const bat = 3 * MIB;

/** An image of 8 MiB with its first and fourth block written, as bytes. */
function bytesOf(format: ImageFormat): Uint8Array {
  const { shelf, name } = shelfWith(format, 8 * MIB);
  const image = shelf.open(name);
  const data = new Uint8Array(512).fill(1);
  image.write(0, data, 0, 512);
  image.write(6 * MIB, data, 0, 512);
  image.close();
  return contentOf(shelf.stores.get(name)!);
}

function put(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  bytes.set(values, at);
  return bytes;
}

const text = (letters: string): number[] => [...new TextEncoder().encode(letters)];

/** Changes a VHDX structure and makes its checksum right again. */
function mended(
  bytes: Uint8Array,
  start: number,
  length: number,
  at: number,
  ...values: number[]
): Uint8Array {
  put(bytes, start + at, ...values);
  const part = bytes.subarray(start, start + length);
  new DataView(bytes.buffer).setUint32(start + 4, structureChecksum(part), true);
  return bytes;
}

/** Both headers, or both region tables, changed alike. */
function mendedTwice(
  bytes: Uint8Array,
  start: number,
  length: number,
  at: number,
  ...values: number[]
): Uint8Array {
  mended(bytes, start, length, at, ...values);
  return mended(bytes, start + 65_536, length, at, ...values);
}

/** A VHD structure with its checksum made right. */
function summed(bytes: Uint8Array, start: number, length: number, field: number): Uint8Array {
  const view = new DataView(bytes.buffer, start, length);
  view.setUint32(field, 0);
  let sum = 0;
  for (let index = 0; index < length; index += 1) sum += bytes[start + index]!;
  view.setUint32(field, ~sum >>> 0);
  return bytes;
}

/** Where the metadata table describes an item, and where its data stands. */
const entryAt = (index: number): number => metadata + 32 + index * 32;
const itemData = metadata + 65_536;

type Damage = readonly [
  what: string,
  name: string,
  bytes: () => Uint8Array,
  message: string | RegExp,
];

const vhdx = (): Uint8Array => bytesOf('vhdx-dynamic');
const vhdxDamage: Damage[] = [
  [
    'an empty file',
    'a.vhdx',
    () => new Uint8Array(),
    'is empty (0 bytes); a disk image was expected',
  ],
  [
    'a raw disk named .vhdx',
    'a.vhdx',
    () => new Uint8Array(MIB),
    'is named .vhdx, but does not begin with "vhdxfile" at byte 0; if it is a raw image, rename it to .img',
  ],
  [
    'one that ends after the signature',
    'a.vhdx',
    () => vhdx().slice(0, 100),
    'the file identifier at byte 0 needs 520 bytes, but the file ends at byte 100: the image is truncated',
  ],
  [
    'one that ends in the region tables',
    'a.vhdx',
    () => vhdx().slice(0, 200_000),
    // The log is placed by the header and is missed first.
    /^the VHDX header at byte (65536|131072) puts the log at byte 1048576 with 1048576 bytes, but the file ends at byte 200000: the image is truncated$/,
  ],
  [
    'one that ends before its last block',
    'a.vhdx',
    () => vhdx().slice(0, 7 * MIB),
    'entry 3 of the VHDX block allocation table, at byte 3145752, puts a block of 2097152 bytes at byte 6291456, which is not inside the file of 7340032 bytes: the image is truncated or damaged',
  ],
  [
    'both headers with a wrong checksum',
    'a.vhdx',
    () => put(put(vhdx(), 65_536 + 40, 1, 2), 131_072 + 40, 1, 2),
    /^both headers of the VHDX are damaged: checksum 0x[0-9a-f]{8} at byte 65536 where its bytes give 0x[0-9a-f]{8}, checksum 0x[0-9a-f]{8} at byte 131072 where its bytes give 0x[0-9a-f]{8}$/,
  ],
  [
    'both headers overwritten',
    'a.vhdx',
    () => vhdx().fill(0, 65_536, 196_608),
    'both headers of the VHDX are damaged: no "head" at byte 65536, no "head" at byte 131072',
  ],
  [
    'a format version of the future',
    'a.vhdx',
    () => mendedTwice(vhdx(), 65_536, 4096, 66, 2),
    /^the VHDX header at byte \d+ has format version 2; 1 is supported$/,
  ],
  [
    'a log in use without room for it',
    'a.vhdx',
    () => mendedTwice(mendedTwice(vhdx(), 65_536, 4096, 48, 9), 65_536, 4096, 68, 0, 0, 0, 0),
    /^the VHDX header at byte \d+ says that a log is in use, but gives it no room$/,
  ],
  [
    'a log that is not aligned',
    'a.vhdx',
    () => mendedTwice(vhdx(), 65_536, 4096, 72, 1),
    /^the VHDX header at byte \d+ puts the log at byte 1048577 with 1048576 bytes; multiples of 1 MiB were expected$/,
  ],
  [
    'both region tables with a wrong checksum',
    'a.vhdx',
    () => put(put(vhdx(), 196_608 + 20, 9), 262_144 + 20, 9),
    /^both region tables of the VHDX are damaged: checksum 0x[0-9a-f]{8} at byte 196608 where its bytes give 0x[0-9a-f]{8}, checksum 0x[0-9a-f]{8} at byte 262144 where its bytes give 0x[0-9a-f]{8}$/,
  ],
  [
    'a required region that nobody knows',
    'a.vhdx',
    () => mendedTwice(vhdx(), 196_608, 65_536, 16, 1, 2, 3, 4),
    'the VHDX region table at byte 196608 requires region 04030201-f623-4200-9d64-115e9bfd4a08, which is not known here',
  ],
  [
    'regions that overlap',
    'a.vhdx',
    () => mendedTwice(vhdx(), 196_608, 65_536, 16 + 32 + 16 + 2, 0x30),
    'the VHDX region table at byte 196608 has regions that overlap at byte 3145728',
  ],
  [
    'a region beyond the end',
    'a.vhdx',
    () => mendedTwice(vhdx(), 196_608, 65_536, 16 + 16 + 3, 0x40),
    'the VHDX region table at byte 196608 puts region 2dc27766-f623-4200-9d64-115e9bfd4a08 at byte 1076887552 with 1048576 bytes, but the file ends at byte 8388608: the image is truncated',
  ],
  [
    'a damaged metadata table',
    'a.vhdx',
    () => put(vhdx(), metadata, 0),
    'the VHDX metadata table at byte 2097152 does not begin with "metadata": the image is damaged',
  ],
  [
    'a required metadata item that nobody knows',
    'a.vhdx',
    () => put(vhdx(), entryAt(0), 0xff, 0xff, 0xff, 0xff),
    'the VHDX metadata table at byte 2097152 requires item ffffffff-fa36-4d43-b3b6-33f0aa44e76b, which is not known here',
  ],
  [
    'no virtual disk size',
    'a.vhdx',
    () => put(vhdx(), entryAt(1) + 24, 1),
    `the VHDX metadata table at byte 2097152 lacks the virtual disk size (${MetadataItem.virtualDiskSize})`,
  ],
  [
    'an item outside the region',
    'a.vhdx',
    () => put(vhdx(), entryAt(1) + 18, 0xff),
    `the VHDX metadata table at byte 2097152 puts the virtual disk size (${MetadataItem.virtualDiskSize}) at offset 16711688 with 8 bytes, which is not inside the region`,
  ],
  [
    'a block size that cannot be',
    'a.vhdx',
    () => put(vhdx(), itemData, 0, 0, 0x30, 0),
    'the VHDX metadata table at byte 2097152 gives as file parameters blocks of 3145728 bytes; a power of two from 1 MiB to 256 MiB was expected',
  ],
  [
    'a sector size that cannot be',
    'a.vhdx',
    () => put(vhdx(), itemData + 8 + 8 + 16, 0, 4),
    'the VHDX metadata table at byte 2097152 gives as logical sector size 1024 bytes; 512 or 4096 were expected',
  ],
  [
    'a disk of no size',
    'a.vhdx',
    () => vhdx().fill(0, itemData + 8, itemData + 16),
    'the VHDX metadata table at byte 2097152 gives as virtual disk size 0 bytes; a multiple of 512 up to 64 TiB was expected',
  ],
  [
    'a disk too large for its block allocation table',
    'a.vhdx',
    () => put(vhdx(), itemData + 8 + 5, 0x10),
    'the VHDX block allocation table at byte 3145728 has 1048576 bytes, but 8392708 entries of 8 bytes are needed',
  ],
  [
    'a block state that there is not',
    'a.vhdx',
    () => put(vhdx(), bat + 8, 4),
    'entry 1 of the VHDX block allocation table, at byte 3145736, is 0x4, which is no payload block state',
  ],
  [
    'two blocks in one place',
    'a.vhdx',
    () => put(vhdx(), bat + 8, 6, 0, 0x40),
    'block 1 of the VHDX is placed at byte 4194304, which other data already takes: the block allocation table at byte 3145728 is damaged',
  ],
  [
    'a block in the metadata region',
    'a.vhdx',
    () => put(vhdx(), bat + 8, 6, 0, 0x20),
    'block 1 of the VHDX is placed at byte 2097152, which other data already takes: the block allocation table at byte 3145728 is damaged',
  ],
];

const vhd = (): Uint8Array => bytesOf('vhd-dynamic');
const fixedVhd = (): Uint8Array => bytesOf('vhd-fixed');
const vhdDamage: Damage[] = [
  [
    'a raw disk named .vhd',
    'a.vhd',
    () => new Uint8Array(MIB),
    'is named .vhd, but has "conectix" neither at byte 1048064, where the footer of a VHD is, nor at byte 0: the image is truncated or not a VHD',
  ],
  [
    'a fixed one whose footer is cut off',
    'a.vhd',
    () => fixedVhd().slice(0, -512),
    'is named .vhd, but has "conectix" neither at byte 8388096, where the footer of a VHD is, nor at byte 0: the image is truncated or not a VHD',
  ],
  [
    'a fixed one with a bad footer',
    'a.vhd',
    () => put(fixedVhd(), 8 * MIB + 200, 1),
    /^the footer at byte 8388608 has checksum 0x[0-9a-f]{8} where its bytes give 0x[0-9a-f]{8}, and byte 0 has no copy: the VHD cannot be used$/,
  ],
  [
    'a fixed one with data cut off before the footer',
    'a.vhd',
    () => fixedVhd().slice(4 * MIB),
    'the VHD footer at byte 4194304 gives a fixed disk of 8388608 bytes, but only 4194304 bytes stand before it: the image is truncated',
  ],
  [
    'a dynamic one with footer and copy damaged',
    'a.vhd',
    () => {
      const bytes = vhd();
      return put(put(bytes, 100, 1), bytes.length - 300, 1);
    },
    /^the footer at byte \d+ has checksum 0x[0-9a-f]{8} where its bytes give 0x[0-9a-f]{8}, and the copy at byte 0 is damaged: the VHD cannot be used$/,
  ],
  [
    'a dynamic one that ends in a block',
    'a.vhd',
    () => vhd().slice(0, 3 * MIB),
    /^block 3 of the VHD ends at byte \d+, but the data of the file ends at byte 3145728: the image is truncated$/,
  ],
  [
    'a disk type that nobody knows',
    'a.vhd',
    () => {
      const bytes = put(fixedVhd(), 8 * MIB + 63, 6);
      return summed(bytes, 8 * MIB, 512, 64);
    },
    'the VHD footer at byte 8388608 has disk type 6; 2 (fixed), 3 (dynamic) and 4 (differencing) are supported',
  ],
  [
    'a damaged dynamic disk header',
    'a.vhd',
    () => put(vhd(), 512 + 700, 1),
    /^the dynamic disk header of the VHD at byte 512 has checksum 0x[0-9a-f]{8} where its bytes give 0x[0-9a-f]{8}: the image is damaged$/,
  ],
  [
    'a dynamic disk header that is not there',
    'a.vhd',
    () => put(vhd(), 512, ...text('cxbroken')),
    'the dynamic disk header of the VHD at byte 512 does not begin with "cxsparse"',
  ],
  [
    'a block size that is no power of two',
    'a.vhd',
    () => summed(put(vhd(), 512 + 33, 0x30), 512, 1024, 36),
    'the dynamic disk header of the VHD at byte 512 gives blocks of 3145728 bytes; a power of two from 512 to 256 MiB was expected',
  ],
  [
    'a block table that is too short',
    'a.vhd',
    () => summed(put(vhd(), 512 + 31, 3), 512, 1024, 36),
    'the dynamic disk header of the VHD at byte 512 gives a block table of 3 entries, but a disk of 8388608 bytes needs 4',
  ],
  [
    'two blocks in one place',
    'a.vhd',
    () => put(vhd(), 1536 + 4, 0, 0, 0, 4),
    'block 0 of the VHD is placed at byte 2048, which other data already takes: the block table at byte 1536 is damaged',
  ],
];

describe('a damaged image', () => {
  it.each([...vhdxDamage, ...vhdDamage])(
    '%s (%s) gives one clear line',
    (_, name, bytes, message) => {
      const store = MemoryStore.from(name, bytes());
      let caught: unknown;
      try {
        openImage(store, { readOnly: true, warn: () => {} });
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(InputError);
      const error = caught as InputError;
      expect(error.where).toBe(name);
      expect(error.message).not.toMatch(/\n/);
      if (typeof message === 'string') expect(error.message).toBe(message);
      else expect(error.message).toMatch(message);
    },
  );
});

describe('a raw image', () => {
  it('of no whole number of sectors is filled up with zeros, and says so', () => {
    const warnings: string[] = [];
    const store = MemoryStore.from('disk.img', new Uint8Array(1000).fill(7));
    const image = openImage(store, { readOnly: false, warn: (message) => warnings.push(message) });
    expect(warnings).toEqual([
      'disk.img: 1000 bytes are not a multiple of 512; the last sector is filled up with zeros',
    ]);
    const sector = new Uint8Array(512);
    image.read(512, sector, 0, 512);
    expect([...sector.subarray(486, 490)]).toEqual([7, 7, 0, 0]);
    image.write(512, sector, 0, 512);
    expect(store.sizeBytes).toBe(1024);
  });
});
