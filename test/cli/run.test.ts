/** `synthvm run`, from source and as the binary: what a script does, and what is wrong with one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { call, compiled, source } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'synthvm-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** A script with a scenario for each body, each on a line of its own after the import. */
function script(name: string, bodies: Readonly<Record<string, string>>): string {
  const scenarios = Object.entries(bodies).map(
    ([title, body]) =>
      `scenario('${title}', { memory: '64M', nics: 0 }, async ({ vm, step, expect }) => { ${body} });\n`,
  );
  return write(name, `import { scenario } from 'synthvm';\n${scenarios.join('')}`);
}

/** What follows is the same in both. */
const { run } = compiled;

describe.each([source, compiled])('synthvm run ($name)', (program) => {
  it('runs a script in a folder where nothing is installed', () => {
    const file = script('boots.ts', {
      s: "await step('the boot', () => vm.boot()); expect(1).toBe(1);",
    });
    const { status, stderr, stdout } = program.run('run', file, '--console');
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stderr).toContain('the boot');
    expect(stderr).toMatch(/passed: s, .* of virtual time, .*digest [0-9a-f]{16}/);
    expect(stdout).toContain('Trying to mount root');
  });
});

describe('what goes wrong in a script', () => {
  it('is one line with its place, and the first one’s exit code', () => {
    const cases: readonly (readonly [title: string, body: string, message: RegExp])[] = [
      ['assertion', 'expect(1).toBe(2);', /expected 1 to be 2/],
      ['wait', "await vm.console.wait('x', { within: '1us' });", /console text "x" did not come/],
      ['rejected', "await Promise.reject(new Error('no'));", /Error: no/],
      ['floating', "void Promise.reject(new Error('no')); await vm.run('1s');", /Error: no/],
      ['nothing', 'await new Promise(() => undefined);', /the script awaits something that never/],
      ['exit', "await vm.run('1us'); process.exit(3);", /ended its process with exit code 3/],
      ['crash', "await vm.boot(); await vm.nmi(); await vm.run('1s');", /the guest crashed: NMI/],
    ];
    const bodies = cases.map(([title, body]) => [title, body]);
    const ordered = script('wrong.ts', Object.fromEntries(bodies));
    for (const [index, [title, , message]] of cases.entries()) {
      if (title !== 'crash') continue;
      const { status, stderr } = run('run', ordered, '-q', '--skip-check', '--only', title);
      expect({ title, status, first: stderr.split('\n')[0] }).toEqual({
        title,
        status: 10,
        first: expect.stringMatching(
          new RegExp(`wrong\\.ts:${index + 2}:\\d+: .*${message.source}`),
        ),
      });
    }
    const { status, stderr } = run('run', ordered, '-q', '--skip-check');
    expect(status).toBe(1);
    expect(stderr).not.toMatch(/^\s+at /m);
    const lines = stderr.split('\n').filter((line) => line.startsWith('error: '));
    expect(lines).toHaveLength(cases.length);
    for (const [index, [, , message]] of cases.entries()) {
      expect(lines[index]).toMatch(new RegExp(`wrong\\.ts:${index + 2}:\\d+: .*${message.source}`));
    }
  });

  it('a loop that awaits nothing ends with real time', () => {
    const file = script('loop.ts', { s: "await vm.run('1us'); for (;;) Bun.sleepSync(5);" });
    const { status, stderr } = run('run', file, '-q', '--skip-check', '--wall-limit', '1s');
    expect(status).toBe(124);
    expect(stderr).toMatch(/loop\.ts:2:\d+: the script has not come back for 1 s of real time/);
  });

  const atLoad: readonly (readonly [name: string, text: string, code: number, line: RegExp])[] = [
    [
      'a syntax error',
      "import 'synthvm';\nconst = 3;",
      2,
      /:2:7: syntax error: Expected identifier/,
    ],
    [
      'a missing disk',
      "scenario('s', { disks: ['no.vhdx'] }, () => {});",
      1,
      /:2:\d+: .*no\.vhdx: no such file/,
    ],
    ['a missing module', "import 'no-such';", 2, /:1:\d+: cannot find "no-such"/],
    ['no scenario', "import 'synthvm';", 2, /: declares no scenario/],
    ['an error at load', "import 'synthvm';\nthrow new Error('oh');", 2, /:2:\d+: Error: oh/],
    [
      'an unknown option',
      "scenario('s', { disk: [] }, () => {});",
      2,
      /:2:\d+: s: unknown option "disk"; did you mean "disks"/,
    ],
  ];
  const whole = (text: string): string =>
    text.startsWith('import') ? text : `import { scenario } from 'synthvm';\n${text}`;

  it.each(atLoad.slice(0, 2))('%s', (_, text, code, line) => {
    const { status, stderr } = run('run', write('a.ts', whole(text)), '-q', '--skip-check');
    expect({ status, first: stderr.split('\n')[0] }).toEqual({
      status: code,
      first: expect.stringMatching(line) as string,
    });
    expect(stderr).not.toMatch(/^\s+at |internal error/m);
  });

  it('at load is one line for each of many scripts', () => {
    const files = atLoad.map(([name, text]) => write(`${name}.ts`, whole(text)));
    const { status, stderr } = run('test', ...files, '--skip-check', '--jobs', '1');
    expect(status).toBe(1);
    for (const [name, , , line] of atLoad) {
      expect(stderr).toMatch(new RegExp(`^error: .*${name}\\.ts${line.source}`, 'm'));
    }
    expect(stderr.match(/^error: /gm)).toHaveLength(atLoad.length);
    expect(stderr).not.toMatch(/^\s+at |internal error/m);
  });

  it('is shown with what was seen last, and again by the command that is named', () => {
    const body = "await step('one', () => vm.console.wait('no such text', { within: '3s' }));";
    const file = script('again.ts', { s: body });
    const first = run('run', file, '-q', '--seed', '7', '--set', 'hz=100');
    expect(first.status).toBe(14);
    for (const part of [
      'step         one',
      'awaited      console text "no such text"',
      'last phase   login',
      'channels     heartbeat',
      'seed         7',
    ]) {
      expect(first.stderr).toContain(part);
    }
    const again = /again\s+synthvm (.*)/.exec(first.stderr)![1]!;
    expect(again).toBe(`run ${file} --only s --seed 7 --set hz=100`);
    expect(run(...again.split(' '), '-q').stderr).toBe(first.stderr);
  });

  it('on the command line is refused', async () => {
    expect((await call('run')).stderr).toBe('error: run: needs a script: a .ts file\n');
    expect(await call('run', 'x.ts', '--hots', 'a')).toMatchObject({ status: 2 });
    expect(run('run', 'no-such.ts')).toMatchObject({
      status: 1,
      stderr: 'error: no-such.ts: no such file\n',
    });
  });
});
