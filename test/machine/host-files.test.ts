import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { createHostFile, openHostFile, openHostParent } from '../../src/machine/host-files.ts';
import { createImage } from '../../src/storage/create-image.ts';
import { openImage } from '../../src/storage/open-image.ts';
import { MIB } from '../support/images.ts';
import { inFolder, run } from '../support/tools.ts';

function failure(attempt: () => unknown): InputError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  return expect.fail('nothing was thrown');
}

describe('a host file', () => {
  it('is read and written at any byte, grows, shrinks and stays', () => {
    inFolder((folder) => {
      const path = join(folder, 'disk.img');
      const made = createHostFile(path);
      made.write(1000, new TextEncoder().encode('hello'), 1, 3);
      expect(made.sizeBytes).toBe(1003);
      made.resize(5000);
      made.flush();
      made.close();
      made.close();
      const file = openHostFile(path, { readOnly: true });
      const there = new Uint8Array(6).fill(1);
      file.read(999, there, 1, 5);
      expect([...there]).toEqual([1, 0, 101, 108, 108, 0]);
      expect(file.sizeBytes).toBe(5000);
      expect(file.modifiedMs).toBeGreaterThan(1.6e12);
      expect(() => file.read(4999, there, 0, 2)).toThrow(/are not inside its 5000 bytes/);
      expect(() => file.write(0, there, 0, 1)).toThrow(/open for reading only/);
      file.close();
    });
  });

  it.each([
    ['missing', 'no such file'],
    ['folder', 'is a directory; a disk image was expected'],
    ['empty', 'is empty (0 bytes); a disk image was expected'],
    ['full/inside', 'a part of the path is not a directory'],
    ['pipe', 'is not a regular file; a disk image was expected'],
    ['loop', 'its symbolic links form a loop'],
  ])('that is %s gives one clear line', (name, message) => {
    inFolder((folder) => {
      mkdirSync(join(folder, 'folder'));
      writeFileSync(join(folder, 'empty'), '');
      writeFileSync(join(folder, 'full'), 'x');
      run('mkfifo', [join(folder, 'pipe')]);
      symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
      const path = join(folder, name);
      const error = failure(() => openHostFile(path, { readOnly: true }));
      expect([error.where, error.message]).toEqual([path, message]);
    });
  });

  it.skipIf(process.getuid?.() === 0)('that may not be read or written says which', () => {
    inFolder((folder) => {
      const path = join(folder, 'disk.img');
      writeFileSync(path, 'x');
      chmodSync(path, 0o400);
      expect(failure(() => openHostFile(path, { readOnly: false })).message).toBe(
        'may not be written to (permission denied)',
      );
      chmodSync(path, 0);
      expect(failure(() => openHostFile(path, { readOnly: true })).message).toBe(
        'permission denied',
      );
    });
  });

  it('is not overwritten unless that is asked for', () => {
    inFolder((folder) => {
      const path = join(folder, 'disk.img');
      writeFileSync(path, 'precious');
      expect(failure(() => createHostFile(path)).message).toBe(
        'exists already; remove it first or choose another name',
      );
      const replaced = createHostFile(path, { replace: true });
      expect(replaced.sizeBytes).toBe(0);
      replaced.close();
    });
  });
});

describe('the parent of an image', () => {
  it.each([
    ['.\\base.vhdx', 'base.vhdx'],
    ['..\\parents\\base.vhdx', '../parents/base.vhdx'],
    ['sub/base.vhdx', 'sub/base.vhdx'],
    ['\\\\?\\C:\\vm\\base.vhdx', 'base.vhdx'],
    ['D:\\vm\\base.vhdx', 'base.vhdx'],
    ['\\\\?\\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}\\x\\base.vhdx', 'base.vhdx'],
  ])('recorded as %s is found at %s from the child', (recorded, place) => {
    inFolder((folder) => {
      for (const name of ['images', 'images/sub', 'parents']) mkdirSync(join(folder, name));
      const expected = join(folder, 'images', place);
      writeFileSync(expected, 'parent');
      const found = openHostParent([recorded], join(folder, 'images', 'child.vhdx'));
      expect(found?.name).toBe(expected);
      found?.close();
      expect(
        openHostParent(['nowhere.vhdx'], join(folder, 'images', 'child.vhdx')),
      ).toBeUndefined();
    });
  });

  it('is opened for reading only, through a chain on the host', () => {
    inFolder((folder) => {
      const at = (name: string): string => join(folder, name);
      const random = new Random(8);
      createImage(createHostFile(at('base.vhdx')), {
        format: 'vhdx-fixed',
        sizeBytes: MIB,
        random,
      });
      const base = openImage(openHostFile(at('base.vhdx'), { readOnly: true }), {
        readOnly: true,
        warn: (message) => expect.fail(message),
      });
      createImage(createHostFile(at('child.vhdx')), {
        format: 'vhdx-differencing',
        parent: { image: base, relativePath: '.\\base.vhdx' },
        random,
      });
      const child = openImage(openHostFile(at('child.vhdx'), { readOnly: false }), {
        readOnly: false,
        openParent: openHostParent,
        warn: (message) => expect.fail(message),
      });
      const sector = new Uint8Array(512).fill(9);
      child.write(0, sector, 0, 512);
      base.read(0, sector, 0, 512);
      expect(sector[0]).toBe(0);
      child.read(0, sector, 0, 512);
      expect(sector[0]).toBe(9);
      expect(child.info().parent).toMatchObject({ name: at('base.vhdx'), format: 'vhdx-fixed' });
      child.close();
    });
  });
});
