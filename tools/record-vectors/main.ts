/**
 * `bun tools/record-vectors/main.ts [OUTPUT]` compiles record.c, gives it the forms of the table and
 * compresses what it records. Needs an x86-64 Linux computer with gcc.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync, constants } from 'node:zlib';
import { Random } from '../../src/core/random.ts';
import { vectorForms } from './forms.ts';

const RESULTS_PER_FORM = 20;

const [output = join(import.meta.dirname, '../../test/cpu/vectors/user-mode.bin.zst')] =
  process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'record-vectors-'));
try {
  const random = new Random(5, 'vector forms');
  const text = vectorForms((below) => random.below(below))
    .map(({ mode, flags, bytes }) => `${mode} ${flags} ${Buffer.from(bytes).toString('hex')}\n`)
    .join('');
  const recorder = join(folder, 'record');
  const recorded = join(folder, 'vectors.bin');
  const source = join(import.meta.dirname, 'record.c');
  const compiled = Bun.spawnSync(['gcc', '-O2', '-Wall', '-Wextra', '-o', recorder, source]);
  if (!compiled.success) throw new Error(compiled.stderr.toString());
  const ran = Bun.spawnSync([recorder, String(RESULTS_PER_FORM), recorded], {
    stdin: Buffer.from(text),
  });
  if (!ran.success) throw new Error(`the recorder ended with ${ran.exitCode ?? ran.signalCode}`);
  process.stderr.write(ran.stderr.toString());
  const compressed = zstdCompressSync(readFileSync(recorded), {
    params: { [constants.ZSTD_c_compressionLevel]: 19 },
  });
  writeFileSync(output, compressed);
  process.stderr.write(`${compressed.length} bytes compressed\n`);
} finally {
  rmSync(folder, { recursive: true });
}
