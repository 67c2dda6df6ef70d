import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';
import { contentOf, FileRig, memoryDisk } from '../fs/rig.ts';

const MIB = 1024 * 1024;

function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  random.fill(bytes);
  return bytes;
}

/** A disk with a GPT, a UFS2 in its first partition, and that mounted on /mnt. */
function mounted(sizeBytes: number) {
  const { store, block } = memoryDisk(sizeBytes);
  const rig = new FileRig([block]);
  rig.sh('gpart create -s gpt da1', 'gpart add -t freebsd-ufs -a 1m da1', 'newfs -U /dev/da1p1');
  rig.sh('mkdir /mnt', 'mount /dev/da1p1 /mnt');
  return { store, rig };
}

describe('files on a UFS2', () => {
  it('are there after a second mount, with what was written', () => {
    const { rig } = mounted(64 * MIB);
    const random = new Random(7);
    // Direct blocks only, then one and two levels of indirect ones.
    const contents = [0, 1, 5_000, 40_000, 500_000, 3_000_000].map((length) =>
      randomBytes(random, length),
    );
    rig.sh('mkdir /mnt/deep', 'mkdir /mnt/deep/er');
    for (const [index, bytes] of contents.entries()) rig.put(`/mnt/deep/er/f${index}`, bytes);
    rig.sh('umount /mnt', 'fsck_ffs /dev/da1p1', 'mount /dev/da1p1 /mnt');
    for (const [index, bytes] of contents.entries()) {
      expect(Buffer.compare(rig.get(`/mnt/deep/er/f${index}`), bytes)).toBe(0);
    }
  });

  it('survive any sequence of creating, growing and removing, and fsck finds nothing', () => {
    const { rig } = mounted(16 * MIB);
    const random = new Random(11);
    const model = new Map<string, Uint8Array>();
    for (let step = 0; step < 300; step += 1) {
      const name = `/mnt/file-${random.below(25)}`;
      const there = model.get(name);
      if (there !== undefined && random.below(3) === 0) {
        rig.sh(`rm ${name}`);
        model.delete(name);
        continue;
      }
      const bytes = randomBytes(random, random.below(4) === 0 ? random.below(400_000) : 3_000);
      rig.put(name, bytes);
      model.set(name, bytes);
    }
    rig.sh('sync', 'umount /mnt');
    expect(rig.sh('fsck_ffs /dev/da1p1')).toContain('FILE SYSTEM IS CLEAN');
    rig.sh('mount /dev/da1p1 /mnt');
    expect(rig.sh('ls /mnt').trim().split('\n')).toEqual(
      [...model.keys()].map((name) => name.slice('/mnt/'.length)).toSorted(),
    );
    for (const [name, bytes] of model) expect(Buffer.compare(rig.get(name), bytes)).toBe(0);
  });

  it('fill the disk until there is no space, and then it is still sound', () => {
    const { rig } = mounted(16 * MIB);
    const { status, text } = rig.try('dd if=/dev/zero of=/mnt/big bs=64k count=1000');
    expect({ status, text }).toEqual({
      status: 1,
      text: 'dd: count=1000: No space left on device\n',
    });
    expect(rig.sh('df')).toMatch(/da1p1 +\d+ +\d+ +\d{1,2} {2}\/mnt/);
    rig.sh('umount /mnt', 'fsck_ffs /dev/da1p1', 'mount /dev/da1p1 /mnt', 'rm /mnt/big');
    rig.sh('dd if=/dev/zero of=/mnt/small bs=64k count=10');
  });

  it('a busy partition is neither formatted nor deleted', () => {
    const { rig } = mounted(16 * MIB);
    expect(rig.try('newfs /dev/da1p1').text).toContain('Device busy');
    expect(rig.try('gpart delete -i 1 da1').text).toContain('Device busy');
    expect(rig.try('gpart destroy -F da1').text).toContain('Device busy');
  });

  it('a mistake has the words of FreeBSD', () => {
    const { rig } = mounted(16 * MIB);
    expect(rig.try('cat /mnt/none').text).toBe('cat: /mnt/none: No such file or directory\n');
    expect(rig.try('mkdir /mnt').text).toBe('mkdir: /mnt: File exists\n');
    rig.sh('mkdir /mnt/full', 'touch /mnt/full/x');
    expect(rig.try('rmdir /mnt/full').text).toBe('rmdir: /mnt/full: Directory not empty\n');
    expect(rig.try('mount /dev/da9 /mnt').text).toContain('No such file or directory');
  });
});

describe('fsck', () => {
  it('finds a block map that does not fit the files', () => {
    const { rig, store } = mounted(16 * MIB);
    rig.put('/mnt/file', new Uint8Array(200_000));
    rig.sh('umount /mnt');
    const at = MIB + 32 * 4096 + 168;
    const group = new Uint8Array(20_000);
    store.read(at, group, 0, group.length);
    group[group.lastIndexOf(0xff)] = 0;
    store.write(at, group, 0, group.length);
    const { status, text } = rig.try('fsck_ffs /dev/da1p1');
    expect(status).toBe(8);
    expect(text).toContain('BLOCK MAP WRONG');
  });
});

describe('growfs', () => {
  it('keeps the files and uses the new space', () => {
    const { block } = memoryDisk(1536 * MIB);
    const rig = new FileRig([block]);
    rig.sh('gpart create -s gpt da1', 'gpart add -t freebsd-ufs -s 300m da1');
    rig.sh('newfs /dev/da1p1', 'mkdir /mnt', 'mount /dev/da1p1 /mnt');
    const bytes = randomBytes(new Random(3), 700_000);
    rig.put('/mnt/kept', bytes);
    rig.sh('umount /mnt', 'gpart resize -i 1 da1', 'growfs -y /dev/da1p1', 'fsck_ffs /dev/da1p1');
    rig.sh('mount /dev/da1p1 /mnt');
    expect(Buffer.compare(rig.get('/mnt/kept'), bytes)).toBe(0);
    const [, size] = /da1p1 +(\d+)/.exec(rig.sh('df'))!;
    expect(Number(size)).toBeGreaterThan(1500 * 1024);
  });
});

describe.skipIf(!hasTool('fsstat'))('beside The Sleuth Kit', () => {
  it('its reader finds the files that this one wrote', () => {
    const { rig, store } = mounted(32 * MIB);
    const bytes = randomBytes(new Random(5), 1_500_000);
    rig.sh('mkdir /mnt/folder');
    rig.put('/mnt/folder/data', bytes);
    rig.sh('umount /mnt');
    inFolder((folder) => {
      const path = join(folder, 'ufs.img');
      writeFileSync(path, contentOf(store).subarray(MIB));
      expect(run('fsstat', ['-f', 'ufs2', path])).toContain('File System Type: UFS 2');
      const listed = run('fls', ['-r', '-p', '-f', 'ufs2', path]);
      const [, inode] = /r\/r (\d+):\s+folder\/data/.exec(listed)!;
      const copy = join(folder, 'copy');
      run('sh', ['-c', `icat -f ufs2 '${path}' ${inode} > '${copy}'`]);
      expect(Buffer.compare(readFileSync(copy), bytes)).toBe(0);
    });
  });
});
