/** Every script of scenarios/, as `synthvm test scenarios` runs it: each holds its own figures. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { IS_EXHAUSTIVE } from '../support/cases.ts';
import { compiled } from '../support/cli.ts';

const folder = join(import.meta.dirname, '../../scenarios');
const { run } = compiled;
const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
/** Three quarters of all time, for many boots of the same kind: `npm run test:exhaustive` runs these too. */
const LONG = new Set([
  '1.1-interrupt-giant.ts',
  '1.4-receive-side-scaling.ts',
  '1.6-nat-checksum.ts',
  '1.7-nic-order.ts',
  '1.10-dhcp-at-boot.ts',
  '1.12-tsc-calibration.ts',
  '1.13-generation-2.ts',
  '1.14-sixteen-disks.ts',
  'S6-gpadl-post-throttle.ts',
  'S11-gpadl-teardown.ts',
  'S25-srb-flag-mask.ts',
]);
const chosen = files.filter((name) => IS_EXHAUSTIVE || !LONG.has(name));

interface Report {
  readonly failures: number;
  readonly errors: readonly object[];
  readonly scenarios: readonly {
    readonly scenario: string;
    readonly runs: readonly { readonly digest: string; readonly failure?: object }[];
  }[];
}

function test(...argv: string[]): Report {
  // Every thread warms up by itself; under `npm test` another file has the other processor.
  const threads = IS_EXHAUSTIVE ? [] : ['--jobs', '1'];
  const flags = ['--reporter', 'json', '-q', '--skip-check', ...threads];
  return JSON.parse(run('test', ...argv, ...flags).stdout) as Report;
}

it(`broken drivers show the symptoms of the report, and fixed ones do not, in ${chosen.length} of ${files.length} scripts`, () => {
  const paths = chosen.map((name) => join(folder, name));
  const report = test(...paths, join(folder, 'drivers'));
  const failed = report.scenarios.filter(({ runs }) => runs.some(({ failure }) => failure));
  expect({ failed, errors: report.errors }).toEqual({ failed: [], errors: [] });
  expect(report.scenarios.length).toBeGreaterThan(chosen.length);
}, 300_000);

it('a scenario gives the same run every time', () => {
  const path = join(folder, 'S10-revoked-while-opening.ts');
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
