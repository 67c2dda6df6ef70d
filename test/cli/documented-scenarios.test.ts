/** The examples of docs/scenarios.md, each complete, as a reader would save and run it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { compiled } from '../support/cli.ts';

const page = join(import.meta.dirname, '../../docs/scenarios.md');
const folder = mkdtempSync(join(tmpdir(), 'synthvm-examples-'));
afterAll(() => rmSync(folder, { recursive: true }));
const { run } = compiled;
/** Each would warm up by itself. */
const ONE_THREAD = ['--jobs', '1'];

it('run as they stand, and their types are right', () => {
  const examples = [
    ...readFileSync(page, 'utf8').matchAll(/^```ts\n\/\/ (\S+\.ts)\n([^]*?)^```$/gm),
  ];
  expect(examples.map(([, name]) => name)).toEqual([
    'boot.ts',
    'bad-block.ts',
    'two-machines.ts',
    'host-services.ts',
    'rescinded.ts',
  ]);
  for (const [, name, text] of examples) writeFileSync(join(folder, name!), text!);
  const { status, stdout, stderr } = run('test', folder, ...ONE_THREAD);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/5 of 5 runs of 5 scenarios passed/);
});
