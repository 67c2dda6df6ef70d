/** Which files of a folder are scripts. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findScripts } from '../../src/scenario/discover.ts';

const DECLARES =
  "import { scenario } from 'synthvm';\nscenario('boots', {}, ({ vm }) => vm.boot());\n";
const HELPS = "import { expect } from 'synthvm';\nexport const small = { memory: '64M' };\n";
const folder = mkdtempSync(join(tmpdir(), 'synthvm-discover-'));

beforeAll(() => {
  const files: Readonly<Record<string, string>> = {
    '1.2.ts': DECLARES,
    '1.10.ts': DECLARES,
    'typed.ts': DECLARES.replace('scenario(', 'scenario<"vm">('),
    'module.mts': DECLARES,
    'helper.ts': HELPS,
    'plain.ts': 'export const one = 1;\n',
    'boot.test.ts': DECLARES,
    'types.d.ts': DECLARES,
    'notes.md': DECLARES,
    'deeper/by-helper.ts':
      "import { vm } from 'synthvm';\nimport { disk } from '../support/disk.ts';\ndisk(vm);\n",
    'support/disk.ts': DECLARES,
    'node_modules/package/index.ts': DECLARES,
    '.hidden/boot.ts': DECLARES,
    'empty/helper.ts': HELPS,
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

const find = (...names: string[]): string[] =>
  findScripts(names.map((name) => join(folder, name))).map((path) => relative(folder, path));

describe('the scripts of a folder', () => {
  it('import the API and declare a scenario, or have a helper that does; by number', () => {
    expect(find('.')).toEqual([
      '1.2.ts',
      '1.10.ts',
      'deeper/by-helper.ts',
      'module.mts',
      'typed.ts',
    ]);
  });

  it('are each once, and a file that is named is one whatever it holds', () => {
    expect(find('helper.ts', 'deeper', 'deeper/by-helper.ts')).toEqual([
      'helper.ts',
      'deeper/by-helper.ts',
    ]);
    expect(find('support/disk.ts')).toEqual(['support/disk.ts']);
  });

  it('that there are not are an error', () => {
    expect(() => find('empty')).toThrow('holds no script');
    expect(() => find('missing')).toThrow('no such file or folder');
  });
});
