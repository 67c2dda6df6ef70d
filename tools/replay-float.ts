/**
 * `bun tools/replay-float.ts [MNEMONIC [COUNT]]`: for every row of floating point or long SIMD how many
 * recorded vectors its function reproduces, and the first COUNT (1) that it does not.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { FloatReplay } from './record-vectors/replay-float.ts';
import { VectorFile } from './record-vectors/vectors.ts';

const [only, shown = '1'] = process.argv.slice(2);
const path = join(import.meta.dirname, '../test/cpu/vectors/user-mode.bin.zst');
const replay = new FloatReplay();
const counts = new Map<string, { passed: number; failed: number; first: string[] }>();

new VectorFile(zstdDecompressSync(readFileSync(path))).forEach((vector) => {
  if (!replay.accepts(vector)) return;
  const { row } = replay;
  if (only !== undefined && row.mnemonic !== only) return;
  const name = `${row.mnemonic} ${row.operands.map(({ text }) => text).join(',')}`;
  let count = counts.get(name);
  if (count === undefined) counts.set(name, (count = { passed: 0, failed: 0, first: [] }));
  const wrong = replay.run(vector);
  if (wrong.length === 0) count.passed++;
  else {
    count.failed++;
    const bytes = Buffer.from(vector.form.bytes).toString('hex');
    const { fcw, fsw, tags, mxcsr } = vector.before;
    const state = [fcw, fsw, tags, mxcsr].map((value) => value.toString(16)).join(' ');
    if (count.first.length < Number(shown)) {
      count.first.push(
        `form ${vector.index} repetition ${vector.repetition} (${bytes}; fcw fsw tags mxcsr ${state}): ${wrong.join('; ')}`,
      );
    }
  }
});

let passed = 0;
let failed = 0;
for (const [name, count] of counts) {
  passed += count.passed;
  failed += count.failed;
  if (count.failed === 0) continue;
  process.stdout.write(`${name.padEnd(24)} ${count.passed} passed, ${count.failed} failed\n`);
  for (const text of count.first) process.stdout.write(`    ${text}\n`);
}
process.stdout.write(`${passed} passed, ${failed} failed, in ${counts.size} rows\n`);
