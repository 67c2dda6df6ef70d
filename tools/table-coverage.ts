/**
 * `bun tools/table-coverage.ts [--all]`: runs the tests of the processor and tells which rows of the
 * decode table no test has executed to its end, by executor; with `--all` every row with the executors
 * that ran it. The exit code is 1 when there is such a row.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Encoding, Trait } from '../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../src/cpu/table/table.ts';
import { COVERAGE_VARIABLE, readCoverage } from './record-vectors/coverage.ts';
import { EXECUTORS } from './record-vectors/executors.ts';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'synthvm-coverage-'));
const vitest = ['--bun', 'node_modules/.bin/vitest', 'run', '--pool=threads'];
const tests = ['test/cpu/executors.test.ts', 'test/cpu/system'];
const { status } = spawnSync('node_modules/.bin/bun', [...vitest, ...tests], {
  cwd: root,
  env: { ...process.env, [COVERAGE_VARIABLE]: folder },
  stdio: ['ignore', 'ignore', 'inherit'],
});
if (status !== 0) process.stdout.write('some of the tests fail: see `npx vitest run test/cpu`\n');
const coverage = readCoverage(folder);
rmSync(folder, { recursive: true });

/** What these rows do is to raise an exception; there are no performance counters. */
function onlyFaults({ mnemonic, traits }: Encoding): boolean {
  return /^(?:ud\d|rdpmc)$/.test(mnemonic) || (traits & Trait.smm) !== 0;
}

let missing = 0;
let rows = 0;
for (const row of encodings()) {
  if (row.feature !== '' && !BASE_FEATURES.has(row.feature)) continue;
  rows += 1;
  const without = Object.keys(EXECUTORS).filter((executor) => {
    const ran = coverage[executor];
    if (ran === undefined) return true;
    if (ran.completed.includes(row.index)) return false;
    return !(onlyFaults(row) && ran.faulted.includes(row.index));
  });
  if (without.length > 0) missing += 1;
  if (without.length === 0 && !process.argv.includes('--all')) continue;
  const name = `${row.mnemonic} ${row.operands.map(({ text }) => text).join(',')}`;
  const state = without.length === 0 ? 'run by all' : `NOT RUN by ${without.join(', ')}`;
  process.stdout.write(`${row.code.padEnd(14)} ${name.padEnd(28)} ${state}\n`);
}
process.stdout.write(`${rows - missing} of ${rows} rows are run to their end on every executor\n`);
process.exitCode = missing === 0 && status === 0 ? 0 : 1;
