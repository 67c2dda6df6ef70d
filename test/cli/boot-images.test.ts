/** `synthvm boot` from disk images that other people's tools made (issue "A VM boots", item 2). */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BOOT_SECTOR_CODE } from '../../src/boot/default-code.ts';
import { call, compiled, source, type CliResult } from '../support/cli.ts';
import { GPT_TOOLS, makeGptDisk, sumOf } from '../support/guest-disks.ts';
import { hasTool, inFolder, run } from '../support/tools.ts';

const FORMATS: readonly (readonly [file: string, arguments_: readonly string[]])[] = [
  ['fixed.vhd', ['-O', 'vpc', '-o', 'subformat=fixed,force_size=on']],
  ['dynamic.vhd', ['-O', 'vpc', '-o', 'subformat=dynamic,force_size=on']],
  ['fixed.vhdx', ['-O', 'vhdx', '-o', 'subformat=fixed']],
  ['dynamic.vhdx', ['-O', 'vhdx', '-o', 'subformat=dynamic']],
];
const hasGptTools = GPT_TOOLS.every(hasTool);

function summaryOf(result: CliResult): Record<string, unknown> {
  expect(result.stderr).toBe('');
  expect(result.status).toBe(0);
  const summary = result.events().at(-1)!;
  expect(summary['event']).toBe('summary');
  return summary;
}

function phasesOf(result: CliResult): unknown[] {
  return result
    .events()
    .filter(({ event }) => event === 'phase')
    .map(({ name }) => name);
}

const ALL_PHASES = [
  'firmware',
  'boot-device',
  'loader',
  'kernel',
  'vmbus-connected',
  'offers-delivered',
  'root-mounted',
  'login',
];

describe('booting disk images', () => {
  it.skipIf(!hasGptTools || !hasTool('qemu-img'))(
    'reaches login from the same GPT disk as raw, VHD and VHDX, by qemu-img',
    async () => {
      await inFolder(async (folder) => {
        const raw = makeGptDisk(folder);
        const paths = [raw];
        for (const [file, options] of FORMATS) {
          const path = join(folder, file);
          run('qemu-img', ['convert', '-f', 'raw', ...options, raw, path]);
          paths.push(path);
        }
        for (const path of paths) {
          const before = sumOf(path);
          const result = await (path === raw ? compiled.run : call)('boot', path, '--json');
          const summary = summaryOf(result);
          expect(phasesOf(result), path).toEqual(ALL_PHASES);
          expect(summary['generation'], path).toBe(2);
          expect(summary['disks'], path).toMatchObject([
            { name: 'da0', controller: 0, target: 0, lun: 0, model: 'Msft Virtual Disk 1.0' },
          ]);
          expect(sumOf(path), `${path} is not touched`).toBe(before);
        }
      });
    },
  );

  it.skipIf(!hasGptTools)('reaches login from a differencing VHDX over it', async () => {
    await inFolder(async (folder) => {
      const base = join(folder, 'base.vhdx');
      expect((await call('disk', 'convert', makeGptDisk(folder), base, '-q')).status).toBe(0);
      const child = join(folder, 'child.vhdx');
      expect((await call('disk', 'create', child, '--parent', base, '-q')).status).toBe(0);
      const before = sumOf(base);
      const result = await call('boot', child, '--json', '--write');
      expect(phasesOf(result)).toEqual(ALL_PHASES);
      expect(summaryOf(result)['generation']).toBe(2);
      expect(sumOf(base)).toBe(before);
    });
  });

  it.skipIf(!hasTool('sfdisk'))('takes an MBR disk for Generation 1', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'mbr.img');
      const disk = new Uint8Array(32 * 1024 * 1024);
      disk.set(BOOT_SECTOR_CODE, 1024 * 1024);
      disk.set([0x55, 0xaa], 1024 * 1024 + 510);
      writeFileSync(path, disk);
      run('sfdisk', ['-q', path], 'label: dos\nstart=2048, type=a5, bootable\n');
      const result = await call('boot', path, '--json');
      expect(phasesOf(result)).toEqual(ALL_PHASES);
      expect(summaryOf(result)['generation']).toBe(1);
    });
  });

  it.skipIf(!hasGptTools || !hasTool('qemu-img'))(
    'converts between all formats, and qemu-img finds the disks identical',
    async () => {
      await inFolder(async (folder) => {
        const raw = makeGptDisk(folder);
        let previous = raw;
        const chain = ['a.vhdx', 'b.vhd', 'c.img', 'd.vhdx', 'e.vhd'];
        const formats = ['vhdx-fixed', 'vhd-fixed', 'raw', 'vhdx', 'vhd'];
        for (const [index, name] of chain.entries()) {
          const next = join(folder, name);
          const made = await call('disk', 'convert', previous, next, '-q', '-f', formats[index]!);
          expect(made.stderr).toBe('');
          const kind = name.endsWith('vhdx') ? 'vhdx' : name.endsWith('vhd') ? 'vpc' : 'raw';
          const compared = run('qemu-img', ['compare', '-f', 'raw', '-F', kind, raw, next]);
          expect(compared, next).toContain('Images are identical.');
          previous = next;
        }
      });
    },
  );

  it('gives one digest for one seed, and another for another', async () => {
    const digest = async (...argv: string[]): Promise<unknown> =>
      summaryOf(await call('boot', '--json', ...argv))['digest'];
    const first = await digest('--seed', '7', '--cpus', '2');
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(await digest('--seed', '7', '--cpus', '2')).toBe(first);
    expect(await digest('--seed', '8', '--cpus', '2')).not.toBe(first);
  });
});

it('the binary, the source and this process agree on the digest', async () => {
  const argv = ['--gen', '1', '--guest', 'bis:2015q4', '--host', 'ws2012r2', '--cpus', '4'];
  const digest = summaryOf(await call('boot', '--json', ...argv))['digest'];
  for (const { name, run: start } of [compiled, source]) {
    expect([name, summaryOf(start('boot', '--json', ...argv))['digest']]).toEqual([name, digest]);
  }
});

describe.skipIf(!hasGptTools)('damaged disks', () => {
  const boot = (path: string): Promise<CliResult> => call('boot', path, '-q');

  it('boots from the backup GPT, with a warning', async () => {
    await inFolder(async (folder) => {
      const path = makeGptDisk(folder);
      const disk = readFileSync(path);
      disk[512] = 0x58;
      writeFileSync(path, disk);
      const result = await boot(path);
      expect(result.stdout).toContain('login:');
      expect(result.status).toBe(0);
      expect(result.stderr).toMatch(/^warning: .*primary GPT/);
      expect(result.stderr.trim().split('\n')).toHaveLength(1);
    });
  });

  it('says what is wrong with both GPTs', async () => {
    await inFolder(async (folder) => {
      const path = makeGptDisk(folder);
      const disk = readFileSync(path);
      disk[512] = 0x58;
      disk[disk.length - 512] = 0x58;
      writeFileSync(path, disk);
      const result = await boot(path);
      expect(result.status).toBe(12);
      expect(result.stderr).toMatch(/error: the boot stopped at boot-device: .*GPT/);
    });
  });

  it('keeps what the guest does to the disk only with --write', async () => {
    await inFolder(async (folder) => {
      const path = makeGptDisk(folder);
      const before = sumOf(path);
      expect((await boot(path)).status).toBe(0);
      expect(sumOf(path)).toBe(before);
    });
  });
});
