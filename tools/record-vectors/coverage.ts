/**
 * Which rows of the decode table tests have executed, by executor. With `SYNTHVM_COVERAGE` naming a
 * folder, each test file leaves a file of its own there, which tools/table-coverage.ts reads.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const COVERAGE_VARIABLE = 'SYNTHVM_COVERAGE';

/** Row numbers by executor: of instructions that completed, and of those that raised something. */
export type Coverage = Record<string, { completed: number[]; faulted: number[] }>;

const ran = new Map<string, { completed: Set<number>; faulted: Set<number> }>();

export function noteRow(executor: string, row: number, hasFaulted: boolean): void {
  let sets = ran.get(executor);
  if (sets === undefined) ran.set(executor, (sets = { completed: new Set(), faulted: new Set() }));
  (hasFaulted ? sets.faulted : sets.completed).add(row);
}

/** Leaves what was noted, if somebody asked. @param name of the test file */
export function writeCoverage(name: string): void {
  const folder = process.env[COVERAGE_VARIABLE];
  if (folder === undefined) return;
  const coverage: Coverage = {};
  for (const [executor, { completed, faulted }] of ran) {
    coverage[executor] = { completed: [...completed], faulted: [...faulted] };
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(coverage));
}

/** All that test files have left in a folder. */
export function readCoverage(folder: string): Coverage {
  const all: Coverage = {};
  for (const file of readdirSync(folder)) {
    const part = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Coverage;
    for (const [executor, { completed, faulted }] of Object.entries(part)) {
      const known = (all[executor] ??= { completed: [], faulted: [] });
      known.completed.push(...completed);
      known.faulted.push(...faulted);
    }
  }
  return all;
}
