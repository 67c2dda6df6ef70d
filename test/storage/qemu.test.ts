/** Images against qemu-img and qemu-io, which nobody here wrote. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { createHostFile, openHostFile } from '../../src/machine/host-files.ts';
import { convertImage } from '../../src/storage/convert.ts';
import { createImage } from '../../src/storage/create-image.ts';
import type { Image, ImageFormat } from '../../src/storage/image.ts';
import { openImage } from '../../src/storage/open-image.ts';
import { imageDifference, MIB } from '../support/images.ts';
import { hasTool, inFolder, run } from '../support/tools.ts';

const quiet = { warn: (message: string): void => expect.fail(message) };

function pattern(size: number): Uint8Array {
  const disk = new Uint8Array(size);
  const random = new Random(1);
  for (let index = 0; index < 24; index += 1) {
    const at = random.below(size / 512) * 512;
    random.fill(disk.subarray(at, Math.min(size, at + 512 * (1 + random.below(20)))));
  }
  random.fill(disk.subarray(size - 512));
  return disk;
}

function openFile(path: string, readOnly = true): Image {
  return openImage(openHostFile(path, { readOnly }), { readOnly, ...quiet });
}

const size = 9 * MIB + 7 * 512;
const ours: [ImageFormat, string, string][] = [
  ['vhd-fixed', 'vhd', 'vpc'],
  ['vhd-dynamic', 'vhd', 'vpc'],
  ['vhdx-fixed', 'vhdx', 'vhdx'],
  ['vhdx-dynamic', 'vhdx', 'vhdx'],
  ['raw', 'img', 'raw'],
];

describe.skipIf(!hasTool('qemu-img'))('qemu-img', () => {
  it.each(ours)('finds a converted %s identical and sound', (format, extension, qemuFormat) => {
    inFolder((folder) => {
      const raw = join(folder, 'disk.img');
      const made = join(folder, `made.${extension}`);
      writeFileSync(raw, pattern(size));
      const source = openFile(raw);
      const info = convertImage(source, createHostFile(made), { format, random: new Random(2) });
      expect(info).toMatchObject({ format, sizeBytes: size });
      expect(run('qemu-img', ['compare', '-f', 'raw', '-F', qemuFormat, raw, made])).toMatch(
        /Images are identical/,
      );
      const described = JSON.parse(
        run('qemu-img', ['info', '-f', qemuFormat, '--output=json', made]),
      ) as Record<string, unknown>;
      expect(described).toMatchObject({ format: qemuFormat, 'virtual-size': size });
      if (qemuFormat === 'vhdx') {
        expect(run('qemu-img', ['check', '-f', 'vhdx', made])).toMatch(/No errors/);
      }
    });
  });

  const theirs: [string, string, ImageFormat, string[]][] = [
    ['vpc', 'vhd', 'vhd-fixed', ['subformat=fixed', 'force_size=on']],
    ['vpc', 'vhd', 'vhd-dynamic', ['subformat=dynamic', 'force_size=on']],
    ['vhdx', 'vhdx', 'vhdx-fixed', ['subformat=fixed']],
    ['vhdx', 'vhdx', 'vhdx-dynamic', ['subformat=dynamic', 'block_size=1M']],
    ['vhdx', 'vhdx', 'vhdx-dynamic', ['subformat=dynamic', 'log_size=2M', 'block_size=32M']],
  ];

  it.each(theirs)(
    'converts to %s .%s, which reads as %s (%s)',
    (target, extension, format, how) => {
      inFolder((folder) => {
        const raw = join(folder, 'disk.img');
        const made = join(folder, `made.${extension}`);
        const disk = pattern(size);
        writeFileSync(raw, disk);
        run('qemu-img', ['convert', '-f', 'raw', '-O', target, '-o', how.join(','), raw, made]);
        const image = openFile(made);
        expect(image.format).toBe(format);
        expect(imageDifference(image, disk)).toBe(-1);
        image.close();
      });
    },
  );

  it('rounds a VHD up to its geometry, and the size in the footer counts', () => {
    inFolder((folder) => {
      const made = join(folder, 'made.vhd');
      run('qemu-img', ['create', '-f', 'vpc', made, '100M']);
      const described = JSON.parse(run('qemu-img', ['info', '--output=json', made])) as {
        'virtual-size': number;
      };
      expect(openFile(made).sizeBytes).toBe(described['virtual-size']);
    });
  });

  it('agrees after both have written to one VHDX by turns', () => {
    inFolder((folder) => {
      const made = join(folder, 'made.vhdx');
      const raw = join(folder, 'disk.img');
      const disk = new Uint8Array(8 * MIB);
      const random = new Random(4);
      createImage(createHostFile(made), {
        format: 'vhdx-dynamic',
        sizeBytes: disk.length,
        blockBytes: MIB,
        random,
      });
      for (let turn = 0; turn < 3; turn += 1) {
        const image = openFile(made, false);
        const at = random.below(disk.length / 512 - 64) * 512;
        random.fill(disk.subarray(at, at + 32_768));
        image.write(at, disk, at, 32_768);
        image.close();
        const theirAt = random.below(disk.length / 512 - 64) * 512;
        run('qemu-io', ['-f', 'vhdx', '-c', `write -P ${turn + 65} ${theirAt} 20k`, made]);
        disk.fill(turn + 65, theirAt, theirAt + 20_480);
      }
      writeFileSync(raw, disk);
      expect(run('qemu-img', ['compare', '-f', 'raw', '-F', 'vhdx', raw, made])).toMatch(
        /identical/,
      );
      expect(run('qemu-img', ['check', '-f', 'vhdx', made])).toMatch(/No errors/);
      expect(imageDifference(openFile(made), disk)).toBe(-1);
    });
  });

  it('replays the log that a crash leaves as this project does', () => {
    inFolder((folder) => {
      const made = join(folder, 'made.vhdx');
      const raw = join(folder, 'disk.img');
      const disk = pattern(6 * MIB);
      createImage(createHostFile(made), {
        format: 'vhdx-dynamic',
        sizeBytes: disk.length,
        random: new Random(5),
      });
      const image = openFile(made, false);
      image.write(0, disk, 0, disk.length);
      image.flush();
      // The machine dies here. What the log holds is undone in its place, as if it never got there.
      const crashed = openHostFile(made, { readOnly: false });
      crashed.write(3 * MIB, new Uint8Array(4096), 0, 4096);
      crashed.close();
      const mine = openFile(made);
      expect(mine.info().log).toBe('replayed');
      expect(imageDifference(mine, disk)).toBe(-1);
      mine.close();
      run('qemu-img', ['check', '-r', 'all', '-f', 'vhdx', made]);
      writeFileSync(raw, disk);
      expect(run('qemu-img', ['compare', '-f', 'raw', '-F', 'vhdx', raw, made])).toMatch(
        /identical/,
      );
    });
  });
});
