import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';

describe('seeded chance', () => {
  it('repeats for a seed, differs between seeds, over all 64 bits', () => {
    const draw = (seed: bigint): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 8 }, () => random.u32());
    };
    expect(draw(7n)).toEqual(draw(7n));
    expect(draw(7n)).not.toEqual(draw(8n));
    expect(draw(7n)).not.toEqual(draw(7n + (1n << 40n)));
  });

  it('splits by name, so that one part does not shift another', () => {
    const root = new Random(1);
    const before = root.split('storvsc').u32();
    root.u32();
    expect(root.split('storvsc').u32()).toBe(before);
    expect(root.split('netvsc').u32()).not.toBe(before);
  });

  it('splits what was split: equal names of different parts differ', () => {
    const root = new Random(1);
    const draw = (part: string): number => root.split(part).split('scheduler').u32();
    expect(draw('guest 1')).toBe(draw('guest 1'));
    expect(draw('guest 1')).not.toBe(draw('guest 2'));
    expect(draw('guest 1')).not.toBe(root.split('scheduler').u32());
  });

  it('is even: 64,000 draws below 64 leave no bucket 15 % off', () => {
    const random = new Random(3);
    const buckets = new Array<number>(64).fill(0);
    for (let index = 0; index < 64_000; index += 1) buckets[random.below(64)]! += 1;
    expect(Math.min(...buckets)).toBeGreaterThan(850);
    expect(Math.max(...buckets)).toBeLessThan(1150);
  });

  it('keeps fractions in [0, 1) and fills bytes of every value', () => {
    const random = new Random(9);
    for (let index = 0; index < 1000; index += 1) {
      const fraction = random.fraction();
      expect(fraction >= 0 && fraction < 1).toBe(true);
    }
    const bytes = new Uint8Array(8192);
    random.fill(bytes);
    expect(new Set(bytes).size).toBe(256);
  });
});
