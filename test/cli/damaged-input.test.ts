/** Damaged and wrong input: one clear line each, and its exit code (issue "A VM boots", item 8). */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { call, compiled, type CliResult } from '../support/cli.ts';
import { GPT_TOOLS, makeGptDisk } from '../support/guest-disks.ts';
import { hasTool, inFolder } from '../support/tools.ts';

const MIB = 1024 * 1024;

function expectLine(result: CliResult, exitCode: number, line: RegExp): void {
  expect(result.stderr).toMatch(line);
  expect(result.stderr.trimEnd().split('\n'), result.stderr).toHaveLength(1);
  expect(result.stderr).not.toMatch(/\n\s+at /);
  expect(result.status).toBe(exitCode);
}

/** Changes one byte of a file. */
function damage(path: string, position: number): void {
  const bytes = readFileSync(path);
  bytes[position] = bytes[position]! ^ 0xff;
  writeFileSync(path, bytes);
}

describe('wrong words', () => {
  it.each([
    [['boot', '--memroy', '1G'], 2, /^error: --memroy: unknown flag; did you mean --memory\?$/m],
    [['boot', '--memory', 'banana'], 2, /^error: --memory: "banana" is not a size such as 512M/m],
    [['boot', '--memory', '9G'], 2, /^error: --memory: 9G is not a whole number of MiB from 64M/m],
    [['boot', '--host', 'ws2008'], 2, /^error: --host: "ws2008" is not one of ws2012, .*ws2025/m],
    [['boot', '--guest', 'bis:11'], 2, /^error: --guest: no guest is called "bis:11"/m],
    [['boot', '--set', 'intrMpsaf=on'], 2, /^error: --set: .*did you mean "intrMpsafe"\?$/m],
    [['boot', '--set', 'hz=0'], 2, /^error: --set: "hz=0": hz takes a whole number/m],
    [['boot', '--seed', 'x'], 2, /^error: --seed: "x" is not a whole number of at most 64 bits$/m],
    [['boot', '--cpus', '0'], 2, /^error: --cpus: "0" is not a whole number from 1 to 64$/m],
    [
      ['boot', '--trace', 'a.txt'],
      2,
      /^error: --trace: "a.txt" ends neither in .ndjson nor in .json/m,
    ],
    [
      ['boot', '--trace', '/no/such/dir/a.json'],
      1,
      /^error: \/no\/such\/dir\/a.json: cannot be written/m,
    ],
    [['boot', '/no/such/disk.vhdx'], 1, /^error: \/no\/such\/disk.vhdx: no such file$/m],
    [['boot', '/'], 1, /^error: \/: is a directory; a disk image was expected$/m],
    [['disk', 'create', 'x.vhd'], 2, /^error: disk: create needs --size SIZE, or --parent FILE/m],
    [['frobnicate'], 2, /^error: frobnicate: unknown command; the commands are boot, /m],
  ] as const)('%j', async (argv, exitCode, line) => {
    expectLine(await call(...argv), exitCode, line);
  });

  it('are told by the program', () => {
    expectLine(compiled.run('bot'), 2, /^error: bot: unknown command; did you mean boot\?$/m);
  });
});

describe('damaged images', () => {
  const boot = (path: string): Promise<CliResult> => call('boot', path, '-q');
  const create = async (folder: string, name: string, size: string): Promise<string> => {
    const path = join(folder, name);
    expect((await call('disk', 'create', path, '--size', size, '-q')).status).toBe(0);
    return path;
  };

  it('an empty file', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'empty.img');
      writeFileSync(path, '');
      expectLine(await boot(path), 1, /: is empty \(0 bytes\); a disk image was expected$/m);
    });
  });

  it('a truncated VHDX', async () => {
    await inFolder(async (folder) => {
      const path = await create(folder, 'a.vhdx', '64M');
      truncateSync(path, 2 * MIB);
      expectLine(
        await boot(path),
        1,
        /^error: .*a.vhdx: .* the file ends at byte 2097152: the image is truncated$/m,
      );
    });
  });

  it('a VHDX whose region tables, or metadata, do not check', async () => {
    await inFolder(async (folder) => {
      const regions = await create(folder, 'r.vhdx', '64M');
      damage(regions, 192 * 1024 + 20);
      damage(regions, 256 * 1024 + 20);
      expectLine(await boot(regions), 1, /^error: .*r.vhdx: .*region table.*(196608|262144)/m);
      const metadata = await create(folder, 'm.vhdx', '64M');
      damage(metadata, 2 * MIB);
      expectLine(await boot(metadata), 1, /^error: .*m.vhdx: .*metadata/m);
    });
  });

  it('a VHD whose footers are bad', async () => {
    await inFolder(async (folder) => {
      const path = await create(folder, 'a.vhd', '16M');
      const bytes = readFileSync(path);
      damage(path, 100);
      damage(path, bytes.length - 412);
      expectLine(await boot(path), 1, /^error: .*a.vhd: .*footer/m);
    });
  });

  it('a disk with nothing on it, and no disk that boots', async () => {
    await inFolder(async (folder) => {
      const path = await create(folder, 'blank.vhdx', '64M');
      expectLine(
        await boot(path),
        12,
        /^error: the boot stopped at boot-device: no boot device: /m,
      );
      expectLine(
        await call('boot', path, '-q', '--gen', '1'),
        12,
        /^error: the boot stopped at boot-device: /m,
      );
    });
  });

  describe.skipIf(!GPT_TOOLS.every(hasTool))('what is on the disk', () => {
    it.each([
      ['no loader', null, /no \\EFI\\BOOT\\BOOTX64.EFI/],
      [
        'a text for a loader',
        new TextEncoder().encode('hello, world\n'),
        /is not a PE image: starts with "?'?hell/,
      ],
      [
        'a loader of another processor',
        aarch64Loader(),
        /is for AArch64 \(0xAA64\).*x86-64 \(0x8664\)/i,
      ],
    ])('%s', async (_, loader, reason) => {
      await inFolder(async (folder) => {
        const result = await boot(makeGptDisk(folder, 'disk.raw', loader));
        expectLine(result, 12, /^error: the boot stopped at (loader|boot-device): /m);
        expect(result.stderr).toMatch(reason);
      });
    });

    it('a FAT whose chain loops', async () => {
      await inFolder(async (folder) => {
        const path = makeGptDisk(folder, 'disk.raw', new Uint8Array(64 * 1024).fill(0x4d));
        loopFat(path);
        const result = await boot(path);
        expectLine(result, 12, /^error: the boot stopped at (loader|boot-device): .*loops/m);
      });
    });
  });

  it('a folder that cannot be written to', async () => {
    await inFolder(async (folder) => {
      mkdirSync(join(folder, 'x.vhdx'));
      expectLine(
        await call('disk', 'create', join(folder, 'x.vhdx'), '--size', '1M', '-q'),
        1,
        /x.vhdx: exists already/,
      );
      expectLine(
        await call('disk', 'create', join(folder, 'no', 'x.vhdx'), '--size', '1M', '-q'),
        1,
        /x.vhdx: no such file/,
      );
    });
  });
});

/** Just enough of a PE header for the machine type to be read. */
function aarch64Loader(): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x5a4d, true);
  view.setUint32(0x3c, 0x80, true);
  view.setUint32(0x80, 0x4550, true);
  view.setUint16(0x84, 0xaa64, true);
  view.setUint16(0x94, 240, true);
  view.setUint16(0x98, 0x20b, true);
  return bytes;
}

/** Lets the third cluster of the loader's chain lead back to its first, in both FATs. */
function loopFat(path: string): void {
  const disk = readFileSync(path);
  const esp = disk.subarray(MIB);
  const reserved = esp.readUInt16LE(14);
  const sectorsPerCluster = esp[13]!;
  const fatSectors = esp.readUInt32LE(36);
  const dataStart = (reserved + 2 * fatSectors) * 512;
  // The loader is the file of the deepest directory: its first cluster stands in the short entry.
  const entry = esp.indexOf('BOOTX64 EFI', dataStart, 'latin1');
  const first = esp.readUInt16LE(entry + 26);
  expect(first).toBeGreaterThan(2);
  expect(sectorsPerCluster * 512 * 3).toBeLessThan(64 * 1024);
  for (const fat of [0, 1]) {
    esp.writeUInt32LE(first, (reserved + fat * fatSectors) * 512 + (first + 2) * 4);
  }
  writeFileSync(path, disk);
}
