/** Linux's own drivers for the emulated devices of Generation 1, as far as no boot needs them. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PROMPT } from '../../tools/guests/scripts.ts';
import { ArrayDisk } from '../support/array-disk.ts';
import { alarms, hasModule, Session, type SessionOptions } from './support/session.ts';

function boot(options: Omit<SessionOptions, 'commandLine' | 'guest' | 'generation'>): Session {
  const session = new Session({
    guest: 'generic',
    generation: 1,
    commandLine: 'console=ttyS0 panic=-1',
    ...options,
  });
  session.waitFor(PROMPT);
  return session;
}

describe.skipIf(!hasModule('generic', 'floppy'))('Linux’s floppy driver', () => {
  it('finds an 82077 with a drive of 1.44 MB, and writes and reads all of a diskette', () => {
    const diskette = new ArrayDisk(1_474_560);
    const session = boot({ floppy: diskette });
    const found = session.command('modprobe floppy');
    expect(found).toContain('Floppy drive(s): fd0 is 1.44M');
    expect(found).toContain('FDC 0 is a post-1991 82077');
    session.command('dd if=/dev/urandom of=/dev/fd0 bs=1k count=1440 && sync');
    const digest = createHash('md5').update(diskette.bytes).digest('hex');
    session.command('echo 3 > /proc/sys/vm/drop_caches');
    expect(session.command('md5sum /dev/fd0')).toContain(digest);
    expect(alarms(session.output)).toEqual([]);
    expect(session.output).not.toMatch(/fd0: .*error|floppy0: /);
  });

  it('tells of a diskette that is protected, and of a drive without one', () => {
    const session = boot({ floppy: new ArrayDisk(1_474_560, { readOnly: true }) });
    session.command('modprobe floppy');
    expect(session.command('dd if=/dev/zero of=/dev/fd0 bs=1k count=1')).toContain('Read-only');
    session.machine.changeFloppy(undefined);
    expect(session.command('dd if=/dev/fd0 of=/dev/null count=1')).toContain('No such device');
  });
});
