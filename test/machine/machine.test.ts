/** What a program may do to a machine, beside booting it. */
import { afterEach, describe, expect, it } from 'vitest';
import { ScsiDisk } from '../../src/devices/scsi/disk.ts';
import { HOST_PROFILES } from '../../src/machine/profiles.ts';
import type { GuestDriver } from '../../src/guest/vmbus/api.ts';
import { DeviceClass } from '../../src/vmbus/spec/guids.ts';
import { Run } from '../support/run.ts';
import { ArrayDisk } from '../support/array-disk.ts';

describe('a host profile with changes', () => {
  it('differs in these and in nothing else', () => {
    const { storvsc } = HOST_PROFILES.ws2022;
    const hostProfile = { storvsc: { ...storvsc, inquiryVersion: 4 } };
    const model = (run: Run): string | undefined =>
      run.boot().lines.find((line) => line.startsWith('da0: <'));
    expect(model(new Run())).toContain('SPC-3 SCSI device');
    expect(model(new Run({ hostProfile }))).toContain('SPC-2 SCSI device');
    const run = new Run({ hostProfile }).boot();
    expect(run.text).toContain('Hyper-V Version: 10.0.20348 [SP0]');
  });
});

describe('drivers of a program', () => {
  it('are asked before the kernel’s own', () => {
    const claimed: string[] = [];
    const driver: GuestDriver = {
      name: 'mine',
      probe: ({ interfaceId }) => (interfaceId === DeviceClass.timeSync ? 'My clock' : undefined),
      *attach({ name }) {
        claimed.push(name);
        yield 0;
        return 0;
      },
    };
    const run = new Run({ drivers: [driver] }).boot();
    expect(claimed).toEqual(['mine0']);
    expect(run.lines).toContain('mine0: <My clock> on vmbus0');
    expect(run.text).not.toContain('hvtimesync0');
  });
});

describe('runUntil', () => {
  it('stops at the turn at which something comes true, and not at the deadline', () => {
    const run = new Run().powerOn();
    const { machine } = run;
    expect(machine.runUntil(() => machine.guest.bus !== undefined, 5e9)).toBe(true);
    const at = machine.clock.nowNs;
    expect(run.text).not.toContain('login: ');
    expect(machine.runUntil(() => machine.guest.bus !== undefined, 5e9)).toBe(true);
    expect(machine.clock.nowNs).toBe(at);
  });

  it('tells of what never comes true', () => {
    const run = new Run().powerOn();
    expect(run.machine.runUntil(() => false, 3e9)).toBe(false);
    expect(run.machine.clock.nowNs).toBe(3e9);
  });
});

describe('reset by the host', () => {
  it('boots again, from a panic too, and forgets it', () => {
    const run = new Run().boot().login();
    run.machine.console.type(new TextEncoder().encode('panic\r'));
    run.forSeconds(1);
    expect(run.ending?.kind).toBe('guest-crash');
    run.reset();
    expect(run.ending).toBeUndefined();
    expect(run.untilText('login: ')).toBe(true);
    expect(run.login().type('echo alive')).toContain('\nalive\n');
  });

  it('gives each power cycle its own chances, and equal runs equal ones', () => {
    const cycles = (): { digests: string[]; draws: number[] } => {
      const run = new Run({ preset: 'bis:10.2', generation: 1, processors: 2 }).boot();
      const digests = [run.machine.trace.digest];
      const draws = [run.kernel.random('a part').u32()];
      run.reset();
      run.untilText('login: ');
      digests.push(run.machine.trace.digest);
      draws.push(run.kernel.random('a part').u32());
      return { digests, draws };
    };
    const once = cycles();
    expect(cycles()).toEqual(once);
    expect(once.draws[0]).not.toBe(once.draws[1]);
  });
});

describe('hd at the guest’s prompt', () => {
  const disk = new ScsiDisk(
    new ArrayDisk(Uint8Array.from({ length: 4096 }, (_, at) => (at < 1024 ? at >> 4 : 0))),
  );
  const run = new Run();
  run.board.scsi.attach({ target: 0, lun: 1 }, disk);
  run.boot().login();
  afterEach(() => expect(run.kernel.isHalted).toBe(false));

  it('shows bytes from any position, and repeats once', () => {
    const shown = run.type('hd -s 1008 -n 64 /dev/da1').split('\n');
    expect(shown.slice(1, 5)).toEqual([
      `000003f0  ${'3f '.repeat(8)} ${'3f '.repeat(8)} |${'?'.repeat(16)}|`,
      `00000400  ${'00 '.repeat(8)} ${'00 '.repeat(8)} |${'.'.repeat(16)}|`,
      '*',
      '00000430',
    ]);
  });

  it('ends with the disk', () => {
    expect(run.type('hd -s 4080 -n 512 /dev/da1')).toContain('\n00001000\n');
    expect(run.type('hd -s 9999 /dev/da1')).not.toContain('00001000');
  });

  it('says what is wrong', () => {
    expect(run.type('hd')).toContain('usage: hd ');
    expect(run.type('hd -n -1 /dev/da1')).toContain('usage: hd ');
    expect(run.type('hd /dev/da7')).toContain('hd: /dev/da7: No such file or directory');
  });
});
