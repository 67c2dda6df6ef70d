import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Md5 } from '../../../src/guest/fs/md5.ts';
import { formatFat } from '../../../src/storage/fat/format.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { contentOf, FileRig, memoryDisk } from './rig.ts';

const MIB = 1024 * 1024;

describe('md5', () => {
  it('is that of the standard library, over every length up to three blocks', () => {
    for (let length = 0; length < 192; length += 1) {
      const bytes = Uint8Array.from({ length }, (_, index) => index * 7);
      const md5 = new Md5();
      md5.update(bytes.subarray(0, length >> 1));
      md5.update(bytes.subarray(length >> 1));
      expect(md5.finish()).toBe(createHash('md5').update(bytes).digest('hex'));
    }
  });
});

describe('gpart', () => {
  it('says what it did, and shows it', () => {
    const rig = new FileRig([memoryDisk(64 * MIB).block]);
    expect(rig.sh('gpart create -s gpt da1')).toBe('da1 created\n');
    expect(rig.sh('gpart add -t freebsd-ufs -a 1m -s 10m da1')).toBe('da1p1 added\n');
    expect(rig.sh('gpart add -t freebsd-swap da1')).toBe('da1p2 added\n');
    expect(rig.sh('gpart show')).toContain('        2048       20480  da1p1  freebsd-ufs\n');
    expect(rig.sh('gpart delete -i 2 da1')).toBe('da1p2 deleted\n');
    expect(rig.sh('ls /dev/da1*')).toBe('/dev/da1\n/dev/da1p1\n');
    expect(rig.try('gpart destroy da1').text).toBe('gpart: Device busy\n');
    expect(rig.sh('gpart destroy -F da1')).toBe('da1 destroyed\n');
    expect(rig.try('gpart delete -i 1 da1').text).toBe('gpart: Invalid argument\n');
    expect(rig.try('gpart add -t freebsd-ufs da9').text).toBe(
      "gpart: arg0 'da9': Invalid argument\n",
    );
  });

  it.skipIf(!hasTool('sgdisk'))('writes a table that sgdisk finds sound', () => {
    const { store, block } = memoryDisk(64 * MIB);
    const rig = new FileRig([block]);
    rig.sh('gpart create -s gpt da1', 'gpart add -t freebsd-ufs da1');
    inFolder((folder) => {
      const path = join(folder, 'disk.img');
      writeFileSync(path, contentOf(store));
      expect(run('sgdisk', ['-v', path])).toContain('No problems found');
      expect(run('sgdisk', ['-p', path])).toMatch(/1 +40 +131031 .*A503/);
    });
  });
});

describe('a FAT floppy', () => {
  function floppy() {
    const { store, block } = memoryDisk(1440 * 1024);
    formatFat(block, 0, block.sizeBytes, { label: 'FLOPPY', serial: 1, blank: true });
    const rig = new FileRig([block]);
    rig.sh('mkdir /mnt', 'mount -t msdosfs /dev/da1 /mnt');
    return { store, rig };
  }

  it('takes a file, shows it, and gives its space back', () => {
    const { rig } = floppy();
    const text = 'first line\nsecond line\n'.repeat(100);
    rig.put(
      '/mnt/note.txt',
      Uint8Array.from(text, (letter) => letter.charCodeAt(0)),
    );
    expect(rig.sh('cat /mnt/note.txt', 'ls /mnt')).toBe(`${text}note.txt\n`);
    const before = rig.sh('df');
    rig.sh('rm /mnt/note.txt');
    expect(rig.sh('ls /mnt')).toBe('');
    expect(rig.sh('df')).not.toBe(before);
    rig.sh('umount /mnt');
  });

  it.skipIf(!hasTool('mtype'))('holds what mtools reads', () => {
    const { rig, store } = floppy();
    const bytes = Uint8Array.from({ length: 5_000 }, (_, index) => 65 + (index % 26));
    rig.put('/mnt/letters', bytes);
    rig.sh('umount /mnt');
    inFolder((folder) => {
      const path = join(folder, 'floppy.img');
      writeFileSync(path, contentOf(store));
      expect(run('mtype', ['-i', path, '::LETTERS'])).toBe(String.fromCharCode(...bytes));
      if (hasTool('fsck.fat')) run('fsck.fat', ['-n', path]);
    });
  });
});

describe('mount', () => {
  it('refuses what has no file system', () => {
    const rig = new FileRig([memoryDisk(8 * MIB).block]);
    rig.sh('mkdir /mnt');
    expect(rig.try('mount /dev/da1 /mnt').text).toBe('mount: /mnt: Invalid argument\n');
    expect(rig.try('mount -t cd9660 /dev/da1 /mnt').text).toContain('Invalid argument');
    expect(rig.try('mount -t msdosfs /dev/da1 /mnt').text).toContain('Invalid argument');
    expect(rig.try('mount /dev/da1 /none').text).toContain('No such file or directory');
  });
});
