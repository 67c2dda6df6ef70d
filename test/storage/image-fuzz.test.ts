/** Images with random damage: an error of the two kinds that callers know, or a disk that works. */
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { DiskFault } from '../../src/storage/block.ts';
import type { ImageFormat } from '../../src/storage/image.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { structureChecksum } from '../../src/storage/vhdx/crc32c.ts';
import { checksum } from '../../src/storage/vhd/footer.ts';
import { contentOf, MIB, shelfWith } from '../support/images.ts';
import type { Shelf } from '../support/images.ts';

const sizeBytes = 4 * MIB;

interface Sample {
  readonly shelf: Shelf;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Where the tables are: damage to data alone would find nothing. */
  readonly targets: readonly (readonly [start: number, length: number])[];
}

/** @param open whether the program died before it closed the disk, so that the log is in use */
function sample(format: ImageFormat, open: boolean): Sample {
  const { shelf, name } = shelfWith(format, sizeBytes, { blockBytes: MIB });
  const image = shelf.open(name);
  const data = new Uint8Array(8192).fill(3);
  image.write(0, data, 0, data.length);
  image.write(3 * MIB, data, 0, 512);
  image.flush();
  if (!open) image.close();
  const bytes = contentOf(shelf.stores.get(name)!);
  const end = bytes.length - 512;
  const targets: Record<string, readonly (readonly [number, number])[]> = {
    vhd: [
      [0, 2048],
      [end, 512],
      [2048, 512],
    ],
    vhdx: [
      [65_536, 80],
      [131_072, 80],
      [196_608, 96],
      [262_144, 96],
      [MIB, 64],
      [MIB, 24_576],
      [2 * MIB, 260],
      [2 * MIB + 65_536, 400],
      [3 * MIB, 32],
      [3 * MIB, 8 * 2050],
    ],
  };
  return { shelf, name, bytes, targets: targets[format.split('-')[0]!]! };
}

/** Makes the checksums right again, so that the damage gets past them. */
function mendVhdx(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  for (const [at, length] of [
    [65_536, 4096],
    [131_072, 4096],
    [196_608, 65_536],
    [262_144, 65_536],
  ] as const) {
    view.setUint32(at + 4, structureChecksum(bytes.subarray(at, at + length)), true);
  }
  for (let at = MIB; at < MIB + 65_536; at += 4096) {
    const length = view.getUint32(at + 8, true);
    if (view.getUint32(at, true) !== 0x6567_6f6c || length > MIB || length < 64) continue;
    view.setUint32(at + 4, structureChecksum(bytes.subarray(at, at + length)), true);
  }
}

function mendVhd(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  const end = bytes.length - 512;
  for (const [at, length, field] of [
    [0, 512, 64],
    [end, 512, 64],
    [512, 1024, 36],
  ] as const) {
    view.setUint32(at + field, checksum(bytes.subarray(at, at + length), field));
  }
}

const interesting = [0, 1, 2, 3, 4, 6, 7, 0x20, 0x7f, 0x80, 0xfe, 0xff];

function damaged(of: Sample, random: Random): Uint8Array {
  const bytes = of.bytes.slice();
  const count = 1 + random.below(4);
  for (let index = 0; index < count; index += 1) {
    const [start, length] = of.targets[random.below(of.targets.length)]!;
    const at = start + random.below(length);
    const run = random.below(4) === 0 ? 1 + random.below(8) : 1;
    const value =
      random.below(2) === 0 ? random.below(256) : interesting[random.below(interesting.length)]!;
    bytes.fill(value, at, Math.min(bytes.length, at + run));
  }
  if (random.below(3) > 0) (of.name.endsWith('vhdx') ? mendVhdx : mendVhd)(bytes);
  return random.below(12) === 0 ? bytes.slice(0, random.below(bytes.length)) : bytes;
}

/** Opens, reads, writes and closes. @returns what came of it */
function use(of: Sample, bytes: Uint8Array, readOnly: boolean): 'works' | 'refused' | 'faulted' {
  const store = MemoryStore.from(of.name, bytes);
  of.shelf.stores.set(of.name, store);
  try {
    const image = of.shelf.open(of.name, { readOnly });
    const part = new Uint8Array(65_536);
    for (const at of [0, MIB, 2 * MIB, 3 * MIB]) {
      if (at + part.length > image.sizeBytes) break;
      image.read(at, part, 0, part.length);
      if (!readOnly) image.write(at, part, 0, 8192);
    }
    if (!readOnly && image.sizeBytes < 1e9) image.unmap(0, image.sizeBytes);
    image.info();
    image.close();
    return 'works';
  } catch (error) {
    if (error instanceof InputError) return 'refused';
    if (error instanceof DiskFault) return 'faulted';
    throw error;
  }
}

describe.each([
  ['vhd-fixed', false],
  ['vhd-dynamic', false],
  ['vhd-differencing', false],
  ['vhdx-dynamic', false],
  ['vhdx-dynamic', true],
  ['vhdx-differencing', false],
  ['vhdx-differencing', true],
] as const)('%s with random damage (log in use: %s)', (format, open) => {
  it('is refused, faults or works, and takes no more memory than it should', () => {
    const of = sample(format, open);
    const random = new Random(17, format);
    const counts = { works: 0, refused: 0, faulted: 0 };
    for (let round = 0; round < 300; round += 1) {
      const bytes = damaged(of, random);
      counts[use(of, bytes, round % 2 === 0)] += 1;
      const store = of.shelf.stores.get(of.name)!;
      expect(store.allocatedBytes).toBeLessThan(of.bytes.length + 40 * MIB);
    }
    expect(counts.refused).toBeGreaterThan(20);
    expect(counts.works).toBeGreaterThan(20);
  });
});
