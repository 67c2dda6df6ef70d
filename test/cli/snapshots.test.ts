import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  EVENTS_FILE,
  MANIFEST_FILE,
  type BootManifest,
} from '../../src/machine/bundle/manifest.ts';
import { call, compiled } from '../support/cli.ts';
import { inFolder } from '../support/tools.ts';

const MACHINE = ['-m', '64M', '--seed', '9'];

function digestOf(stdout: string): string {
  const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { digest: string };
  return summary.digest;
}

describe('--save and --from', () => {
  it('in another process end with the digest of one that never stopped', async () => {
    await inFolder(async (folder) => {
      const straight = await call('boot', ...MACHINE, '--json');
      const file = join(folder, 'boot.snap');
      const first = compiled.run('boot', ...MACHINE, '-q', '--until', '700ms', '--save', file);
      expect(first.status, first.stderr).toBe(0);
      const second = compiled.run('boot', '--from', file, '--json');
      expect(second.status, second.stderr).toBe(0);
      expect(digestOf(second.stdout)).toBe(digestOf(straight.stdout));
      expect(second.stdout).not.toContain('"vmbus-connected"');
    });
  });

  it('have the diskette of drive A: and the emulated adapter with them', async () => {
    await inFolder(async (folder) => {
      const image = join(folder, 'a.vfd');
      writeFileSync(image, new Uint8Array(1_474_560));
      const file = join(folder, 'boot.snap');
      const machine = ['-m', '64M', '--guest', 'bis:10.2', '--floppy', image, '--legacy-nics', '1'];
      const first = await call('boot', ...machine, '--until', '300ms', '--save', file);
      expect(first.stderr).toContain('Generation 1 (for its floppy drive)');
      const second = await call('boot', '--from', file, '--json');
      expect(digestOf(second.stdout)).toBe(
        digestOf((await call('boot', ...machine, '--json')).stdout),
      );
      const other = await call('boot', '--floppy', image, '--gen', '2');
      expect([other.status, other.stderr.split('\n').at(-2)]).toEqual([
        1,
        `error: ${image}: a diskette goes into Generation 1 only: 2 has no floppy drive`,
      ]);
      writeFileSync(image, new Uint8Array(5120));
      const small = await call('boot', ...machine);
      expect(small.status).toBe(1);
      expect(small.stderr).toMatch(
        /error: .*a\.vfd: is no diskette: it has 5120 bytes, expected 1474560/,
      );
    });
  });

  it('say in one line what does not fit', async () => {
    await inFolder(async (folder) => {
      const file = join(folder, 'no.snap');
      writeFileSync(file, 'nothing');
      const refused = await call('boot', '--from', file);
      expect([refused.status, refused.stderr]).toEqual([
        1,
        `error: ${file}: is no snapshot of synthvm\n`,
      ]);
      const clash = await call('boot', '--from', file, '--gen', '1');
      expect(clash.status).toBe(2);
      expect(clash.stderr).toBe(
        'error: --gen: goes not with --from: the snapshot has its machine in it\n',
      );
      const written = await call('boot', '--write', '--save', file);
      expect(written.status).toBe(2);
    });
  });
});

describe('--out and replay', () => {
  it('have the same run again, and name the first event of another', async () => {
    await inFolder(async (folder) => {
      const run = await call('boot', ...MACHINE, '-q', '--until', 'root-mounted', '--out', folder);
      expect(run.status, run.stderr).toBe(0);
      const again = await call('replay', folder, '-q');
      expect(again.stdout).toMatch(/^agrees: digest [0-9a-f]{16} over \d+ events\n$/);
      expect(again.status).toBe(0);

      const path = join(folder, MANIFEST_FILE);
      const manifest = JSON.parse(readFileSync(path, 'utf8')) as BootManifest;
      const machine = { ...manifest.machine, seed: '10' };
      writeFileSync(path, JSON.stringify({ ...manifest, machine }));
      const other = await call('replay', folder, '-q');
      expect(other.status).toBe(1);
      expect(other.stdout).toMatch(/^differs: digest/);
      expect(other.stdout).toMatch(/event 1 was .*"seedLow":9.*\n\s+now is .*"seedLow":10/);

      writeFileSync(path, JSON.stringify({ ...manifest, format: 7 }));
      const newer = await call('replay', folder);
      expect(newer.stderr).toBe(
        `error: ${path}: is a bundle of format 7; this program reads format 1\n`,
      );
    });
  });
});

describe('a scenario with --out', () => {
  it('leaves a bundle, and one of each fork, whose replay runs its script again', () => {
    inFolder((folder) => {
      const script = join(folder, 'boot.ts');
      writeFileSync(
        script,
        "import { scenario } from 'synthvm';\n" +
          "scenario('boots', { memory: '64M' }, async ({ vm }) => {\n" +
          "  await vm.phase('vmbus-connected');\n  await vm.screen.screenshot('by hand');\n" +
          "  const fork = await vm.fork();\n  await fork.phase('offers-delivered');\n});\n",
      );
      const out = join(folder, 'out');
      const run = compiled.run('run', script, '--out', out, '-q', '--skip-check');
      expect(run.status, run.stderr).toBe(0);
      expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('vmbus-connected');
      expect(readFileSync(join(out, 'vm-2', 'report.html'), 'utf8')).toContain('offers-delivered');
      const eventsOf = (folder: string): string[] =>
        readFileSync(join(folder, EVENTS_FILE), 'utf8').trimEnd().split('\n');
      const [first, fork] = [out, join(out, 'vm-2')].map(eventsOf);
      // It has had what the first had, and more.
      expect(fork!.slice(0, first!.length)).toEqual(first);
      expect(fork!.length).toBeGreaterThan(first!.length);
      for (const folder of [out, join(out, 'vm-2')]) {
        const again = compiled.run('replay', folder);
        expect(again.stdout).toMatch(/^agrees: passed, digest [0-9a-f]{16}\n$/);
      }
      writeFileSync(script, `${readFileSync(script, 'utf8')}// changed\n`);
      expect(compiled.run('replay', out).stderr).toContain('boot.ts has changed since');
    });
  });
});
