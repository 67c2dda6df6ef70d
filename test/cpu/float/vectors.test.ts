import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { FloatReplay } from '../../../tools/record-vectors/replay-float.ts';
import { type Vector, VectorFile } from '../../../tools/record-vectors/vectors.ts';
import { cases } from '../../support/cases.ts';

const path = join(import.meta.dirname, '../vectors/user-mode.bin.zst');

describe('floating point and SIMD instructions', () => {
  it('do what a real processor did, bit for bit, with its flags and exceptions', () => {
    const replay = new FloatReplay();
    const rows = new Set<number>();
    const wrong: string[] = [];
    let count = 0;
    let traps = 0;
    const visit = (vector: Vector): void => {
      if (!replay.accepts(vector)) return;
      const { row } = replay;
      rows.add(row.index);
      count++;
      if (vector.exception >= 0) traps++;
      const differences = replay.run(vector);
      if (differences.length === 0) return;
      const bytes = Buffer.from(vector.form.bytes).toString('hex');
      wrong.push(`${row.mnemonic} ${bytes} ${vector.repetition}: ${differences.join('; ')}`);
    };
    // Of every form some repetitions, or all.
    const file = new VectorFile(zstdDecompressSync(readFileSync(path)));
    file.forEach(visit, (index, repetition) => (index + repetition) % cases(1, 3) === 0);
    expect(wrong).toEqual([]);
    expect(rows.size).toBe(233);
    expect(count).toBeGreaterThan(cases(36_500, 12_000));
    expect(traps).toBeGreaterThan(cases(500, 150));
  });
});
