/**
 * `bun tools/table-coverage.ts`: for every row of the decode table how many recorded vectors
 * execute it, or why there is none.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { Decoder } from '../src/cpu/decode/decode.ts';
import { Instruction } from '../src/cpu/decode/instruction.ts';
import { BASE_FEATURES, encodings } from '../src/cpu/table/table.ts';
import { excluded } from './record-vectors/forms.ts';
import { VectorFile } from './record-vectors/vectors.ts';

const path = join(import.meta.dirname, '../test/cpu/vectors/user-mode.bin.zst');
const rows = encodings();
const completed = new Uint32Array(rows.length);
const faulted = new Uint32Array(rows.length);
const decoder = new Decoder(BASE_FEATURES);
const instruction = new Instruction();

new VectorFile(zstdDecompressSync(readFileSync(path))).forEach(({ form, exception }) => {
  const { bytes, mode } = form;
  if (decoder.decode(bytes, 0, bytes.length, mode, instruction) <= 0) return;
  const counts = exception < 0 ? completed : faulted;
  counts[instruction.row]! += 1;
});

let covered = 0;
for (const row of rows) {
  const done = completed[row.index]!;
  const failed = faulted[row.index]!;
  if (done + failed > 0) covered++;
  const state =
    done + failed > 0
      ? `${done} completed, ${failed} faulted`
      : `none: ${excluded(row) ?? 'NOT COVERED'}`;
  const name = `${row.mnemonic} ${row.operands.map(({ text }) => text).join(',')}`;
  process.stdout.write(`${row.code.padEnd(14)} ${name.padEnd(28)} ${state}\n`);
}
process.stdout.write(`${covered} of ${rows.length} rows have vectors\n`);
