/** `synthvm boot --screenshot`. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readText } from '../../src/fb/read-text.ts';
import { Surface } from '../../src/fb/surface.ts';
import { call, compiled } from '../support/cli.ts';
import { decodePng } from '../support/png.ts';
import { inFolder } from '../support/tools.ts';

function textOf(file: string): string[] {
  const { width, height, rgb } = decodePng(readFileSync(file));
  const surface = new Surface(width, height);
  for (let index = 0; index < rgb.length; index += 1) {
    surface.u8[Math.floor(index / 3) * 4 + (index % 3)] = rgb[index]!;
  }
  return readText(surface);
}

describe('boot --screenshot', () => {
  it.each([
    ['1', compiled.run],
    ['2', call],
  ])('shows the login prompt of Generation %s', async (generation, run) => {
    await inFolder(async (folder) => {
      const file = join(folder, 'screen.png');
      const { status, stderr } = await run('boot', '-q', '--gen', generation, '--screenshot', file);
      expect([status, stderr]).toEqual([0, '']);
      const text = textOf(file);
      expect(text).toContain('FreeBSD/amd64 (synthvm) (ttyu0)');
      expect(text.at(-1)).toBe('login:');
    });
  });

  it('changes neither the report nor its digest', async () => {
    await inFolder(async (folder) => {
      const file = join(folder, 'screen.png');
      const [plain, shot] = await Promise.all(
        [[], ['--screenshot', file]].map(async (flags) =>
          (await call('boot', '--json', '--until', 'vmbus-connected', ...flags))
            .events()
            .map((event) => ({ ...event, wallMs: undefined })),
        ),
      );
      expect(shot).toEqual(plain);
      expect(textOf(file).some((line) => line.startsWith('vmbus0: version'))).toBe(true);
    });
  });

  it('is written when the guest stops on its way', async () => {
    await inFolder(async (folder) => {
      const file = join(folder, 'screen.png');
      const { status } = await call('boot', '-q', '--set', 'vmbusAcpi=off', '--screenshot', file);
      expect(status).not.toBe(0);
      expect(textOf(file).some((line) => line.startsWith('FreeBSD 14.1'))).toBe(true);
    });
  });

  it('is written when nothing boots, and says why', async () => {
    await inFolder(async (folder) => {
      const file = join(folder, 'screen.png');
      const disk = join(folder, 'empty.img');
      writeFileSync(disk, new Uint8Array(1 << 20));
      const { status } = await call('boot', '-q', disk, '--screenshot', file);
      expect(status).toBe(12);
      expect(textOf(file)[0]).toBe('Boot failed:');
    });
  });

  it('replaces an older file', async () => {
    await inFolder(async (folder) => {
      const file = join(folder, 'screen.png');
      writeFileSync(file, new Uint8Array(1 << 20));
      const { status } = await call('boot', '-q', '--until', 'kernel', '--screenshot', file);
      expect(status).toBe(0);
      expect(statSync(file).size).toBeLessThan(1 << 20);
      expect(decodePng(readFileSync(file)).width).toBe(1024);
    });
  });

  it('says before anything boots that the file cannot be written', async () => {
    await inFolder(async (folder) => {
      mkdirSync(join(folder, 'a.png'));
      for (const [file, code] of [
        [join(folder, 'a.png'), 'EISDIR'],
        [join(folder, 'nowhere', 'a.png'), 'ENOENT'],
      ] as const) {
        const { status, stdout, stderr } = await call('boot', '--screenshot', file);
        expect(status).toBe(1);
        expect(stdout).toBe('');
        expect(stderr).toBe(`error: ${file}: cannot be written (${code})\n`);
      }
    });
  });

  it('takes only PNG', async () => {
    const { status, stderr } = await call('boot', '--screenshot', 'a.jpg');
    expect(status).toBe(2);
    expect(stderr).toContain('error: --screenshot: "a.jpg" does not end in .png\n');
  });

  it('leaves no file when the machine never was', async () => {
    await inFolder(async (folder) => {
      const file = join(folder, 'screen.png');
      const { status } = await call('boot', join(folder, 'none.img'), '--screenshot', file);
      expect(status).toBe(1);
      expect(existsSync(file)).toBe(false);
    });
  });
});
