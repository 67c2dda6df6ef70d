/** The floppy drive under the kernel's driver: what the boot says, and diskettes that come and go. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { formatFat } from '../../../src/storage/fat/format.ts';
import { OverlayDevice } from '../../../src/storage/overlay.ts';
import { ArrayDisk } from '../../support/array-disk.ts';
import { legacy, Run } from '../../support/run.ts';
import { MemoryDisk } from '../../devices/support/memory-disk.ts';

const BYTES = 1_474_560;

function diskette(label: string, bytes = BYTES): MemoryDisk {
  const disk = new MemoryDisk(bytes);
  formatFat(disk, 0, bytes, { label, serial: 1, blank: true });
  return disk;
}

/** What a line of the shell printed. */
function shell(run: Run, line: string): string {
  return run.type(line);
}

const LINES = [
  'fdc0: <floppy drive controller> port 0x3f0-0x3f5,0x3f7 irq 6 drq 2 on acpi0',
  'fd0: <1440-KB 3.5" drive> on fdc0 drive 0',
];

describe('fdc0', () => {
  it.each([
    ['modern', { generation: 1 }],
    ['10.2', legacy],
  ] as const)('attaches on Generation 1 with its drive, with nothing in it: %s', (_, setup) => {
    const run = new Run(setup).boot().login();
    expect(run.linesWith('fd')).toEqual(expect.arrayContaining(LINES));
    expect(shell(run, 'ls /dev/fd0')).toContain('/dev/fd0');
    shell(run, 'mkdir -p /mnt/fd');
    expect(shell(run, 'mount -t msdosfs /dev/fd0 /mnt/fd')).toContain('Device not configured');
    expect(shell(run, 'vmstat -i')).toContain('irq6: fdc0');
  });

  it('is not there on Generation 2, and takes no diskette', () => {
    expect(new Run().boot().text).not.toContain('fdc0');
    expect(() => new Run({ floppy: diskette('A') })).toThrow(
      new InputError('memory', 'a diskette goes into Generation 1 only: 2 has no floppy drive'),
    );
  });

  it('mounts what is in the drive now, in whatever format', () => {
    const first = diskette('FIRST');
    const run = new Run({ generation: 1, floppy: first }).boot().login();
    shell(run, 'mkdir -p /mnt/fd');
    shell(run, 'mount -t msdosfs /dev/fd0 /mnt/fd');
    shell(run, 'echo "on the first" > /mnt/fd/note.txt');
    shell(run, 'umount /mnt/fd');
    run.machine.changeFloppy(diskette('SECOND', 737_280));
    shell(run, 'mount -t msdosfs /dev/fd0 /mnt/fd');
    expect(shell(run, 'ls /mnt/fd')).not.toContain('note');
    expect(shell(run, 'df')).toMatch(/fd0 +698 /);
    shell(run, 'umount /mnt/fd');
    run.machine.changeFloppy(undefined);
    expect(shell(run, 'mount -t msdosfs /dev/fd0 /mnt/fd')).toContain('Device not configured');
    run.machine.changeFloppy(first);
    shell(run, 'mount -t msdosfs /dev/fd0 /mnt/fd');
    expect(shell(run, 'cat /mnt/fd/note.txt')).toContain('on the first');
  });

  it('writes and reads all of a diskette: the digests agree, and so does the image', () => {
    const disk = diskette('FULL');
    const run = new Run({ generation: 1, floppy: disk }).boot().login();
    shell(run, 'dd if=/dev/random of=/dev/fd0 bs=64k count=22');
    const digest = createHash('md5')
      .update(disk.bytes.subarray(0, 22 * 65_536))
      .digest('hex');
    shell(run, 'dd if=/dev/fd0 of=/copy bs=64k count=22');
    expect(shell(run, 'md5 -q /copy')).toContain(digest);
  });

  it('keeps a write-protected diskette as it is', () => {
    const base = diskette('TAB');
    const disk = new MemoryDisk(BYTES, { readOnly: true });
    disk.bytes.set(base.bytes);
    const run = new Run({ generation: 1, floppy: disk }).boot().login();
    expect(shell(run, 'dd if=/dev/zero of=/dev/fd0 bs=512 count=1')).toContain(
      'Read-only file system',
    );
    expect(Buffer.from(disk.bytes).equals(Buffer.from(base.bytes))).toBe(true);
  });

  it('says where a diskette is bad', () => {
    const disk = diskette('BAD');
    const run = new Run({ generation: 1, floppy: disk }).boot().login();
    disk.badPosition = 100 * 512;
    expect(shell(run, 'dd if=/dev/fd0 of=/copy bs=512 count=200')).toContain('Input/output error');
    expect(run.text).toContain('fd0: hard error reading fsbn ');
    expect(run.text).toContain('ST1 20 ST2 20 cyl 2 hd 1 sec 11');
  });

  it('boots last of all, from the diskette’s first sector', () => {
    const disk = diskette('BOOT');
    disk.bytes.set([0x55, 0xaa], 510);
    const blank = new ArrayDisk(new Uint8Array(16 * 1024 * 1024));
    const run = new Run({ generation: 1, disks: [blank], floppy: disk }).powerOn();
    expect(run.ending).toBeUndefined();
    const sector = run.machine.memory.readBytes(0x7c00, 512);
    expect(sector).toEqual(disk.bytes.slice(0, 512));
    disk.bytes.set([0, 0], 510);
    const none = new Run({ generation: 1, disks: [blank], floppy: disk }).powerOn();
    expect(none.ending).toMatchObject({ kind: 'boot-stopped', phase: 'boot-device' });
    expect(JSON.stringify(none.ending)).toContain(
      'floppy A: (memory): no boot signature: sector 0 ends in 00 00, expected 55 AA',
    );
  });

  it('goes on by itself on another board, in the middle of a transfer', () => {
    const digest = (isChanged: boolean): string => {
      const run = new Run({ generation: 1, floppy: new OverlayDevice(diskette('MOVE')) })
        .boot()
        .login();
      const { machine } = run;
      const from = run.text.length;
      machine.console.type(
        new TextEncoder().encode('dd if=/dev/random of=/dev/fd0 bs=9k count=9\r'),
      );
      for (let turn = 0; !run.text.includes('bytes transferred', from); turn += 1) {
        machine.run(Infinity, 7);
        if (isChanged && turn % 5 === 0) machine.restore(machine.save());
      }
      return machine.trace.digest;
    };
    expect(digest(true)).toBe(digest(false));
  });

  it('refuses an image that is no diskette', () => {
    expect(() => new Run({ generation: 1, floppy: new MemoryDisk(1_000_448) })).toThrow(
      'is no diskette: it has 1000448 bytes, expected 1474560 (1.44 MB)',
    );
  });
});
