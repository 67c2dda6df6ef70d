/** Every script of scenarios/, as `synthvm test scenarios` runs it: each holds its own figures. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compiled, hasBinary, source } from '../support/cli.ts';

const folder = join(import.meta.dirname, '../../scenarios');
const { run } = hasBinary() ? compiled : source;
const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));

interface Report {
  readonly failures: number;
  readonly errors: readonly object[];
  readonly scenarios: readonly {
    readonly scenario: string;
    readonly runs: readonly { readonly digest: string; readonly failure?: object }[];
  }[];
}

function test(...argv: string[]): Report {
  const flags = ['--reporter', 'json', '-q', '--skip-check'];
  return JSON.parse(run('test', ...argv, ...flags).stdout) as Report;
}

it('broken drivers show the symptoms of the report, and fixed ones do not', () => {
  const paths = files.map((name) => join(folder, name));
  const report = test(...paths, join(folder, 'drivers'));
  const failed = report.scenarios.filter(({ runs }) => runs.some(({ failure }) => failure));
  expect({ failed, errors: report.errors }).toEqual({ failed: [], errors: [] });
  expect(report.scenarios.length).toBeGreaterThan(files.length);
}, 300_000);

it('a scenario gives the same run every time', () => {
  const path = join(folder, 'S17-rescind-while-opening.ts');
  const digests = (): string[] =>
    test(path).scenarios.flatMap(({ runs }) => runs.map(({ digest }) => digest));
  expect(digests()).toEqual(digests());
});

it('README.md lists every one', () => {
  const text = readFileSync(join(folder, 'README.md'), 'utf8');
  const listed = [...text.matchAll(/\(([\w.-]+\.ts)\)/g)].map((match) => match[1]!);
  expect(listed.toSorted()).toEqual(files.toSorted());
});

it('scripts import nothing of src/ but types, which the binary does not need', () => {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  for (const name of all.filter((path) => path.endsWith('.ts'))) {
    const text = readFileSync(join(folder, name), 'utf8');
    expect({ name, found: text.match(/^import (?!type)[^;]*\/src\/.*$/m) }).toEqual({
      name,
      found: null,
    });
  }
});
