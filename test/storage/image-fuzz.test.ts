/** Images with random damage: an error of the two kinds that callers know, or a disk that works. */
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { DiskFault } from '../../src/storage/block.ts';
import type { ImageFormat } from '../../src/storage/image.ts';
import type { MemoryStore } from '../../src/storage/memory-store.ts';
import { structureChecksum } from '../../src/storage/vhdx/crc32c.ts';
import { checksum } from '../../src/storage/vhd/footer.ts';
import { cases } from '../support/cases.ts';
import { MIB, shelfWith } from '../support/images.ts';
import type { Shelf } from '../support/images.ts';

const sizeBytes = 4 * MIB;
const ROUNDS = cases(300, 100);

interface Sample {
  readonly shelf: Shelf;
  readonly name: string;
  readonly store: MemoryStore;
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
  const store = shelf.stores.get(name)!.copy();
  const end = store.sizeBytes - 512;
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
  return { shelf, name, store, targets: targets[format.split('-')[0]!]! };
}

type Checksum = (bytes: Uint8Array, field: number) => number;

/** Makes a structure's checksum right again, so that the damage gets past it. */
function mend(store: MemoryStore, at: number, length: number, field: number, sum: Checksum): void {
  if (at + length > store.sizeBytes) return;
  const bytes = new Uint8Array(length);
  store.read(at, bytes, 0, length);
  const vhdx = sum !== checksum;
  new DataView(bytes.buffer).setUint32(field, sum(bytes, field), vhdx);
  store.write(at + field, bytes, field, 4);
}

function mendVhdx(store: MemoryStore): void {
  for (const at of [65_536, 131_072]) mend(store, at, 4096, 4, structureChecksum);
  for (const at of [196_608, 262_144]) mend(store, at, 65_536, 4, structureChecksum);
  const header = new DataView(new ArrayBuffer(12));
  for (let at = MIB; at < MIB + 65_536; at += 4096) {
    store.read(at, new Uint8Array(header.buffer), 0, 12);
    const length = header.getUint32(8, true);
    if (header.getUint32(0, true) !== 0x6567_6f6c || length > MIB || length < 64) continue;
    mend(store, at, length, 4, structureChecksum);
  }
}

function mendVhd(store: MemoryStore): void {
  for (const at of [0, store.sizeBytes - 512]) mend(store, at, 512, 64, checksum);
  mend(store, 512, 1024, 36, checksum);
}

const interesting = [0, 1, 2, 3, 4, 6, 7, 0x20, 0x7f, 0x80, 0xfe, 0xff];

function damaged(of: Sample, random: Random): MemoryStore {
  const store = of.store.copy();
  const count = 1 + random.below(4);
  for (let index = 0; index < count; index += 1) {
    const [start, length] = of.targets[random.below(of.targets.length)]!;
    const at = start + random.below(length);
    const run = random.below(4) === 0 ? 1 + random.below(8) : 1;
    const value =
      random.below(2) === 0 ? random.below(256) : interesting[random.below(interesting.length)]!;
    const inside = Math.min(run, store.sizeBytes - at);
    store.write(at, new Uint8Array(run).fill(value), 0, inside);
  }
  if (random.below(3) > 0) (of.name.endsWith('vhdx') ? mendVhdx : mendVhd)(store);
  if (random.below(12) === 0) store.resize(random.below(store.sizeBytes));
  return store;
}

/** Opens, reads, writes and closes. @returns what came of it */
function use(of: Sample, store: MemoryStore, readOnly: boolean): 'works' | 'refused' | 'faulted' {
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
    for (let round = 0; round < ROUNDS; round += 1) {
      const store = damaged(of, random);
      counts[use(of, store, round % 2 === 0)] += 1;
      expect(store.allocatedBytes).toBeLessThan(of.store.sizeBytes + 40 * MIB);
    }
    expect(counts.refused).toBeGreaterThan(20);
    expect(counts.works).toBeGreaterThan(20);
  });
});
