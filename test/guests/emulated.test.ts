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

describe.skipIf(!hasModule('generic', 'tulip'))('Linux’s tulip driver', () => {
  it('finds a 21140 with its transceiver, and carries packets of every size', () => {
    const session = boot({ legacyAdapters: 1 });
    const found = session.command('modprobe tulip');
    for (const line of [
      'tulip0: EEPROM default media type Autosense',
      'tulip0: Index #0 - Media MII (#11) described by a 21140 MII PHY (1) block',
      'tulip0:  MII transceiver #1 config 1000 status 782d advertising 01e1',
      'Digital DS21140 Tulip rev 32 at Port 0xec00, 00:15:5d:01:01:01, IRQ 11',
    ]) {
      expect(found).toContain(line);
    }
    session.command('ip link set eth0 up; ip addr add 192.168.100.77/24 dev eth0');
    for (const bytes of [0, 56, 1400, 1472, 9000, 60_000]) {
      const ping = session.command(`ping -c 3 -s ${bytes} 192.168.100.1`);
      expect(ping, `${bytes} bytes`).toContain('3 packets received, 0% packet loss');
    }
    expect(session.command('cat /proc/interrupts')).toMatch(/11: .*fasteoi +eth0/);
    expect(alarms(session.output)).toEqual([]);
  });

  it('hears of a cable that is pulled', () => {
    const session = boot({ legacyAdapters: 1 });
    session.command('modprobe tulip; ip link set eth0 up');
    session.machine.enter({ kind: 'link', adapter: 1, isUp: false });
    session.command(
      'ip addr add 192.168.100.77/24 dev eth0; ping -c 2 -w 2 192.168.100.1; sleep 90',
    );
    expect(session.command('ip link show eth0')).toContain('NO-CARRIER');
    session.machine.enter({ kind: 'link', adapter: 1, isUp: true });
    session.command('sleep 90');
    expect(session.command('ping -c 2 192.168.100.1')).toContain('0% packet loss');
  });
});
