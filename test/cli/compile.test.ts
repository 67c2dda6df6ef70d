/** `synthvm compile`: one program of a script and its images, which needs nothing else. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { call, compiled } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'synthvm-program-'));
afterAll(() => rmSync(folder, { recursive: true }));
const { run } = compiled;

describe('synthvm compile', () => {
  it('makes a program that runs where nothing is installed', () => {
    const script = join(folder, 'mine.ts');
    const program = join(folder, 'mine');
    writeFileSync(join(folder, 'helper.ts'), "export const label = 'disk size';\n");
    writeFileSync(
      script,
      `import { scenario } from 'synthvm';
import { label } from './helper.ts';
const disks = [{ builtIn: true }, 'data.img'] as const;
scenario('reads its image', { memory: '64M', nics: 0, disks }, async ({ vm, note }) => {
  await vm.boot();
  note(label, (await vm.disk('da1')).bytes);
});
scenario('fails', { memory: '64M', nics: 0 }, ({ expect }) => {
  expect(1).toBe(2);
});
`,
    );
    expect(run('disk', 'create', join(folder, 'data.img'), '--size', '4M').status).toBe(0);
    const made = run('compile', script, '--disk', 'data.img', '-o', program, '-q', '--skip-check');
    expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' });
    rmSync(script);
    rmSync(join(folder, 'data.img'));
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    const start = (...argv: string[]): { status: number | null; stderr: string } =>
      spawnSync(program, argv, { cwd: elsewhere, env: {}, encoding: 'utf8' });
    const good = start('--only', 'reads');
    expect(good.stderr).toContain('disk size: 4194304');
    expect(good.status).toBe(0);
    const bad = start('--only', 'fails', '-q');
    expect(bad.status).toBe(1);
    expect(bad.stderr).toMatch(/mine\.ts:9:\d+: expected 1 to be 2/);
    expect(bad.stderr).toContain(`again        ${program} --only fails --seed 1`);
  });

  it('refuses what is not there', async () => {
    expect(run('compile', 'none.ts', '-o', 'x', '--skip-check').stderr).toMatch(
      /none\.ts: no such file/,
    );
    expect((await call('compile', 'none.ts')).stderr).toContain('needs the name of the program');
  });
});
