import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { contentOf, firstDifference } from '../support/images.ts';

describe('a memory store', () => {
  it('costs nothing for what was never written', () => {
    const store = new MemoryStore('disk', 8 * 2 ** 30);
    const page = new Uint8Array(4096).fill(1);
    store.read(7 * 2 ** 30, page, 0, 4096);
    expect(page.every((byte) => byte === 0)).toBe(true);
    expect(store.allocatedBytes).toBe(0);
    store.write(6 * 2 ** 30, page, 0, 4096);
    expect(store.allocatedBytes).toBe(0);
    store.write(6 * 2 ** 30, page.fill(1), 0, 4096);
    expect(store.allocatedBytes).toBe(65_536);
    expect(store.sizeBytes).toBe(8 * 2 ** 30);
  });

  it('is an array that grows, and loses for good what it is cut by', () => {
    const operation = fc.tuple(
      fc.constantFrom('write', 'write', 'write', 'resize'),
      fc.nat({ max: 400_000 }),
      fc.nat({ max: 200_000 }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), (operations) => {
        const store = new MemoryStore('disk');
        let model = new Uint8Array();
        const random = new Random(1);
        const data = new Uint8Array(200_000);
        random.fill(data);
        const resized = (size: number): Uint8Array<ArrayBuffer> => {
          const next = new Uint8Array(size);
          next.set(model.subarray(0, size));
          return next;
        };
        for (const [kind, at, length] of operations) {
          if (kind === 'resize') {
            store.resize(at);
            model = resized(at);
          } else {
            store.write(at, data, 0, length);
            if (length > 0 && at + length > model.length) model = resized(at + length);
            model.set(data.subarray(0, length), length > 0 ? at : 0);
          }
          expect(firstDifference(contentOf(store), model)).toBe(-1);
        }
      }),
      { numRuns: 40, seed: 3 },
    );
  });

  it('refuses reads beyond its end and writes when it is read-only', () => {
    const store = new MemoryStore('disk', 1000);
    expect(() => store.read(999, new Uint8Array(2), 0, 2)).toThrow(
      'disk: 2 bytes at 999 are not inside its 1000 bytes',
    );
    const fixed = new MemoryStore('disk', 1000, { readOnly: true });
    expect(() => fixed.write(0, new Uint8Array(1), 0, 1)).toThrow('disk is read-only');
    expect(() => fixed.resize(5)).toThrow('disk is read-only');
  });
});
