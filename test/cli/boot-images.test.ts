/** `synthvm boot` from disk images that other people's tools made (issue "A VM boots", item 2). */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BOOT_SECTOR_CODE } from '../../src/boot/default-code.ts';
import { compiled, source, type CliResult } from '../support/cli.ts';
import { GPT_TOOLS, makeGptDisk } from '../support/guest-disks.ts';
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
    () => {
      inFolder((folder) => {
        const raw = makeGptDisk(folder);
        const paths = [raw];
        for (const [file, options] of FORMATS) {
          const path = join(folder, file);
          run('qemu-img', ['convert', '-f', 'raw', ...options, raw, path]);
          paths.push(path);
        }
        for (const path of paths) {
          const before = readFileSync(path);
          const result = compiled.run('boot', path, '--json');
          const summary = summaryOf(result);
          expect(phasesOf(result), path).toEqual(ALL_PHASES);
          expect(summary['generation'], path).toBe(2);
          expect(summary['disks'], path).toMatchObject([
            { name: 'da0', controller: 0, target: 0, lun: 0, model: 'Msft Virtual Disk 1.0' },
          ]);
          expect(readFileSync(path).equals(before), `${path} is not touched`).toBe(true);
        }
      });
    },
  );

  it.skipIf(!hasGptTools)('reaches login from a differencing VHDX over it', () => {
    inFolder((folder) => {
      const base = join(folder, 'base.vhdx');
      expect(compiled.run('disk', 'convert', makeGptDisk(folder), base, '-q').status).toBe(0);
      const child = join(folder, 'child.vhdx');
      expect(compiled.run('disk', 'create', child, '--parent', base, '-q').status).toBe(0);
      const before = readFileSync(base);
      const result = compiled.run('boot', child, '--json', '--write');
      expect(phasesOf(result)).toEqual(ALL_PHASES);
      expect(summaryOf(result)['generation']).toBe(2);
      expect(readFileSync(base).equals(before)).toBe(true);
    });
  });

  it.skipIf(!hasTool('sfdisk'))('takes an MBR disk for Generation 1', () => {
    inFolder((folder) => {
      const path = join(folder, 'mbr.img');
      const disk = new Uint8Array(32 * 1024 * 1024);
      disk.set(BOOT_SECTOR_CODE, 1024 * 1024);
      disk.set([0x55, 0xaa], 1024 * 1024 + 510);
      writeFileSync(path, disk);
      run('sfdisk', ['-q', path], 'label: dos\nstart=2048, type=a5, bootable\n');
      const result = compiled.run('boot', path, '--json');
      expect(phasesOf(result)).toEqual(ALL_PHASES);
      expect(summaryOf(result)['generation']).toBe(1);
    });
  });

  it.skipIf(!hasGptTools || !hasTool('qemu-img'))(
    'converts between all formats, and qemu-img finds the disks identical',
    () => {
      inFolder((folder) => {
        const raw = makeGptDisk(folder);
        let previous = raw;
        const chain = ['a.vhdx', 'b.vhd', 'c.img', 'd.vhdx', 'e.vhd'];
        const formats = ['vhdx-fixed', 'vhd-fixed', 'raw', 'vhdx', 'vhd'];
        for (const [index, name] of chain.entries()) {
          const next = join(folder, name);
          const made = compiled.run('disk', 'convert', previous, next, '-q', '-f', formats[index]!);
          expect(made.stderr).toBe('');
          const kind = name.endsWith('vhdx') ? 'vhdx' : name.endsWith('vhd') ? 'vpc' : 'raw';
          const compared = run('qemu-img', ['compare', '-f', 'raw', '-F', kind, raw, next]);
          expect(compared, next).toContain('Images are identical.');
          previous = next;
        }
      });
    },
  );

  it('gives one digest for one seed, and another for another', () => {
    const digest = (...argv: string[]): unknown =>
      summaryOf(compiled.run('boot', '--json', ...argv))['digest'];
    const first = digest('--seed', '7', '--cpus', '2');
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(digest('--seed', '7', '--cpus', '2')).toBe(first);
    expect(digest('--seed', '8', '--cpus', '2')).not.toBe(first);
  });
});

it('the binary and the source agree on the digest', () => {
  for (const argv of [
    [],
    ['--gen', '1', '--guest', 'bis:2015q4', '--host', 'ws2012r2', '--cpus', '4'],
  ]) {
    const [one, two] = [source, compiled].map(
      (program) => summaryOf(program.run('boot', '--json', ...argv))['digest'],
    );
    expect(one).toBe(two);
  }
});

describe.skipIf(!hasGptTools)('damaged disks', () => {
  const boot = (path: string, ...argv: string[]): CliResult =>
    compiled.run('boot', path, '-q', ...argv);

  it('boots from the backup GPT, with a warning', () => {
    inFolder((folder) => {
      const path = makeGptDisk(folder);
      const disk = readFileSync(path);
      disk[512] = 0x58;
      writeFileSync(path, disk);
      const result = boot(path);
      expect(result.stdout).toContain('login:');
      expect(result.status).toBe(0);
      expect(result.stderr).toMatch(/^warning: .*primary GPT/);
      expect(result.stderr.trim().split('\n')).toHaveLength(1);
    });
  });

  it('says what is wrong with both GPTs', () => {
    inFolder((folder) => {
      const path = makeGptDisk(folder);
      const disk = readFileSync(path);
      disk[512] = 0x58;
      disk[disk.length - 512] = 0x58;
      writeFileSync(path, disk);
      const result = boot(path);
      expect(result.status).toBe(12);
      expect(result.stderr).toMatch(/error: the boot stopped at boot-device: .*GPT/);
    });
  });

  it('keeps what the guest does to the disk only with --write', () => {
    inFolder((folder) => {
      const path = makeGptDisk(folder);
      const copy = join(folder, 'copy.raw');
      copyFileSync(path, copy);
      expect(boot(path).status).toBe(0);
      expect(readFileSync(path).equals(readFileSync(copy))).toBe(true);
    });
  });
});
