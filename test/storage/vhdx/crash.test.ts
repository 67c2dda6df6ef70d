/**
 * Power cuts, which keep any part of what was written since the last flush. The disk must then show
 * all that the guest had flushed, and for later writes the old or the new sector.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import type { MemoryStore } from '../../../src/storage/memory-store.ts';
import { cases } from '../../support/cases.ts';
import { MIB, shelfWith } from '../../support/images.ts';
import { PowerCutStore } from '../../support/power-cut.ts';

const shapes = [
  ['vhdx-dynamic', undefined],
  ['vhdx-differencing', undefined],
  ['vhdx-fixed', undefined],
] as const;

const SIZE = 5 * MIB;
const RUNS = cases(60, 20);
/** Of the disk as it was flushed, and as it is found: new ones for each cut would mostly be page faults. */
const flushed = new Uint8Array(SIZE);
const seen = new Uint8Array(SIZE);
const seenBefore = new Uint8Array(SIZE);

describe.each(shapes)('a power cut while a %s is written', (format) => {
  it('loses nothing that was flushed', () => {
    let replays = 0;
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 60 }), (seed, writes) => {
        const random = new Random(seed);
        const { shelf, name, content } = shelfWith(format, SIZE, { blockBytes: MIB });
        const store = new PowerCutStore(shelf.stores.get(name)!, writes);
        shelf.stores.set(name, store as unknown as MemoryStore);
        const image = shelf.open(name);
        flushed.set(content);
        const now = content;
        /** What a sector was given since the flush that `flushed` stands for. */
        const open = new Map<number, Uint8Array[]>();
        const data = new Uint8Array(64 * 512);
        for (let index = 0; index < 12 && store.powered; index += 1) {
          const at = random.below(SIZE / 512 - 64) * 512;
          const length = (1 + random.below(64)) * 512;
          const note = (from: number, to: number): void => {
            for (let place = from; place < to; place += 512) {
              const values = open.get(place / 512) ?? [];
              values.push(now.slice(place, place + 512));
              open.set(place / 512, values);
            }
          };
          random.fill(data.subarray(0, length));
          image.write(at, data, 0, length);
          now.set(data.subarray(0, length), at);
          note(at, at + length);
          if (format !== 'vhdx-fixed' && random.below(3) === 0) {
            // Space that a block gave up must not serve another before the log says that it is free.
            const block = random.below(SIZE / MIB) * MIB;
            image.unmap(block, MIB);
            now.fill(0, block, block + MIB);
            note(block, block + MIB);
          }
          if (random.below(3) > 0) continue;
          image.flush();
          if (!store.powered) break;
          flushed.set(now);
          open.clear();
        }
        shelf.stores.set(name, store.cut(random.split('cut')));
        shelf.open(name, { readOnly: true }).read(0, seenBefore, 0, SIZE);
        const after = shelf.open(name);
        if (after.info().log === 'replayed') replays += 1;
        after.read(0, seen, 0, SIZE);
        // Replay in memory and replay in the file are the same replay.
        expect(Buffer.compare(seen, seenBefore)).toBe(0);
        for (let sector = 0; sector < SIZE / 512; sector += 1) {
          const from = sector * 512;
          // Most of the disk is as it was: look at single sectors only where it is not.
          const next = from + 65_536;
          if (Buffer.compare(seen.subarray(from, next), flushed.subarray(from, next)) === 0) {
            sector += 127;
            continue;
          }
          const there = seen.subarray(from, from + 512);
          if (Buffer.compare(there, flushed.subarray(from, from + 512)) === 0) continue;
          const known = (open.get(sector) ?? []).some(
            (value) => Buffer.compare(there, value) === 0,
          );
          if (!known) expect.fail(`sector ${sector} holds what it was never given`);
        }
        after.close();
      }),
      { numRuns: RUNS, seed: 11 },
    );
    expect(replays).toBeGreaterThan(RUNS / 4);
  });
});
