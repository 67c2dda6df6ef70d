/** `synthvm test` and `synthvm types`: many scripts at once, and what is said of them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { call, compiled } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'synthvm-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'inner'));

const { run } = compiled;

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const small = "{ memory: '64M', nics: 0 }";
write(
  'inner/boot 10.ts',
  `import { scenario } from 'synthvm';
scenario('boots', ${small}, ({ vm }) => vm.phase('offers-delivered'));
scenario('boots Generation 2', { memory: '64M', nics: 0, generation: 2 }, ({ vm }) => vm.phase('kernel'));
scenario('is meant for 2012 R2', {
  memory: '64M', nics: 0, hosts: ['ws2012r2'], hostsReason: 'nothing else drifts',
}, ({ vm }) => vm.boot());
`,
);
write(
  'inner/boot 2.ts',
  "import { scenario } from 'synthvm';\nscenario('first', { memory: '64M' }, () => undefined);\n",
);
write('inner/helper.ts', 'export const helper = 1;\n');
write(
  'inner/declares-for-others.ts',
  "import { scenario } from 'synthvm';\nexport const twice = (): void => void scenario('a', {}, () => undefined);\n",
);

describe('synthvm test', () => {
  it('finds the scripts of a folder, and tells a line of each scenario', () => {
    const { status, stdout, stderr } = run('test', join(folder, 'inner'), '--jobs', '1');
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const names = stdout.split('\n').map((line) => line.slice(0, 26).trim());
    expect(names.slice(0, 4)).toEqual([
      'ok   first',
      'ok   boots',
      'ok   boots Generation 2',
      'ok   is meant for 2012 R2',
    ]);
    expect(stdout).toMatch(/4 of 4 runs of 4 scenarios passed, in /);
  });

  it('prints the matrix of hosts', () => {
    const { status, stdout } = run('test', join(folder, 'inner'), '--host', 'all', '--skip-check');
    expect(status).toBe(0);
    const matrix = stdout.slice(stdout.indexOf('\nscenario ')).split('\n').slice(1);
    const cells = (name: string): string[] =>
      matrix
        .find((line) => line.startsWith(name))!
        .slice('is meant for 2012 R2'.length)
        .trim()
        .split(/\s+/);
    expect(cells('scenario  ')).toEqual([
      'ws2012',
      'ws2012r2',
      'ws2016tp',
      'ws2016',
      'ws2019',
      'ws2022',
      'ws2025',
    ]);
    expect(cells('boots  ')).toEqual(Array.from({ length: 7 }, () => 'ok'));
    expect(cells('boots Generation 2')).toEqual(['-1', ...Array.from({ length: 6 }, () => 'ok')]);
    expect(cells('is meant for 2012 R2')).toEqual(['-2', 'ok', '-2', '-2', '-2', '-2', '-2']);
    expect(stdout).toContain(
      '\nleft out:\n-1  the host has no Generation 2\n-2  nothing else drifts\n',
    );
    expect(stdout).toMatch(/21 of 21 runs of 4 scenarios passed, 7 left out, in /);
  });

  it('runs what --only names of many files, and says when there is nothing of it', () => {
    const inner = join(folder, 'inner');
    const { status, stdout, stderr } = run('test', inner, '--only', 'first', '--skip-check');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('1 of 1 runs of 1 scenarios passed');
    const none = run('test', inner, '--only', 'last', '--skip-check');
    expect(none).toMatchObject({ status: 2, stdout: '' });
    expect(none.stderr).toBe('error: --only: no scenario\'s name holds "last"\n');
  });

  it('runs seeds, and names those that fail', () => {
    const file = write(
      'seeds.ts',
      `import { scenario } from 'synthvm';
scenario('odd ones fail', ${small}, ({ seed, expect }) => { expect(seed % 2n).toBe(0n); });
`,
    );
    const { status, stdout } = run('test', file, '--seeds', '6', '--skip-check');
    expect(status).toBe(1);
    expect(stdout).toMatch(/FAIL odd ones fail .* 3\/6 seeds, not 1 3 5\n/);
  });

  it('goes on after a script that ends its thread', () => {
    const file = write(
      'dies.ts',
      `import { scenario } from 'synthvm';
scenario('before', ${small}, () => undefined);
scenario('dies', ${small}, () => process.exit(3));
scenario('after', ${small}, () => undefined);
`,
    );
    const { stdout } = run('test', file, '--skip-check');
    expect(stdout).toMatch(/ok +before[^]*FAIL dies[^]*ok +after/);
  });

  it('warns of what a script does to its machine after the end of its run', () => {
    const leaves = write(
      'leaves.ts',
      `import { scenario } from 'synthvm';
scenario('leaves a callback', ${small}, ({ vm }) => void setTimeout(() => vm.screen.text, 20));
`,
    );
    const slow = write(
      'slow.ts',
      `import { scenario } from 'synthvm';
await new Promise((done) => setTimeout(done, 200));
scenario('begins late', ${small}, () => undefined);
`,
    );
    const { status, stderr } = run('test', leaves, slow, '--skip-check', '--jobs', '1');
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr:
        'warning: after the end of a run, machine: its run is over: it was discarded, and its memory with it\n',
    });
  });

  it('reports as JUnit and as JSON', () => {
    const file = write(
      'mixed.ts',
      `import { scenario } from 'synthvm';
scenario('good & <well>', ${small}, ({ note }) => note('answer', 42));
scenario('bad', ${small}, ({ expect }) => { expect('"').toBe('\\u0001'); });
`,
    );
    const wrong = write('wrong.ts', "import 'synthvm';\nconst = 3;\n");
    const xml = join(folder, 'report.xml');
    const quick = ['-q', '--skip-check', '--jobs', '1'];
    const junit = run('test', file, wrong, '--reporter', 'junit', '-o', xml, ...quick);
    expect(junit.status).toBe(1);
    const text = readFileSync(xml, 'utf8');
    expect(text).toContain('name="good &amp; &lt;well&gt; [ws2022]"');
    expect(text).toMatch(/<testsuites name="synthvm" tests="3" failures="1" errors="1"/);
    expect(text).toMatch(/<failure message="[^"]*mixed\.ts:3:\d+: expected/);
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0008]/);
    const json = JSON.parse(run('test', file, wrong, '--reporter', 'json', ...quick).stdout) as {
      readonly runs: number;
      readonly failures: number;
      readonly errors: readonly { readonly message: string }[];
      readonly scenarios: readonly { readonly runs: readonly object[] }[];
    };
    expect(json).toMatchObject({ runs: 2, failures: 1 });
    expect(json.scenarios[0]!.runs[0]).toMatchObject({ result: 'passed', notes: { answer: 42 } });
    expect(json.errors[0]!.message).toMatch(/^syntax error/);
  });

  it('refuses what is not there', async () => {
    expect(await call('test', join(folder, 'none'))).toMatchObject({ status: 1 });
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    expect((await call('test', empty)).stderr).toMatch(/empty: holds no script/);
    expect(await call('test', '.', '--reporter', 'xml')).toMatchObject({ status: 2 });
  });
});

describe('type errors', () => {
  const file = write(
    'types.ts',
    `import { scenario } from 'synthvm';
scenario('typed', ${small}, async ({ vm }) => {
  await vm.boot(3);
});
`,
  );

  it('are found where there is a compiler, before anything is booted', () => {
    // The compiler of this project is within reach of its own folder.
    const { status, stderr } = run('run', file);
    expect({ status, stderr }).toMatchObject({ status: 2 });
    expect(stderr).toMatch(/types\.ts:3:17: type error: .*WaitOptions/);
  });

  it('may be left unchecked', () => {
    expect(run('run', file, '--skip-check', '-q')).toMatchObject({ status: 0, stderr: '' });
  });

  it('are none in what `synthvm types` writes', () => {
    const path = join(folder, 'types/synthvm.d.ts');
    expect(run('types', path)).toMatchObject({ status: 0 });
    const text = readFileSync(path, 'utf8');
    expect(text).toContain("declare module 'synthvm'");
    expect(text).not.toMatch(/^\s*import\s/m);
    // The published file: `synthvm types` writes it anew.
    const published = join(import.meta.dirname, '../../types/synthvm.d.ts');
    expect(text).toBe(readFileSync(published, 'utf8'));
  });
});
