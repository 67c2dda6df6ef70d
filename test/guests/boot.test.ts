/** Must show: unmodified Debian kernels boot to a shell, take commands, and end as they should. */
import { describe, expect, it } from 'vitest';
import { READY_MARKER, PROMPT } from '../../tools/guests/scripts.ts';
import {
  alarms,
  describeGuest,
  Session,
  type SessionOptions,
  warnings,
} from './support/session.ts';

/** What Linux says on Hyper-V itself, by messages of warning level. */
const USUAL: readonly RegExp[] = [
  // A Generation 2 machine has no PCI.
  /PCI: Fatal: No config space access function found|PCI: System does not support PCI/,
  // A Generation 1 machine has the PIIX4, of a revision whose timer had to be read three times.
  /\* Found PM-Timer Bug on the chipset|\* this clock source is slow/,
  // PCI without the memory-mapped configuration space of PCI Express.
  /fail to add MMCONFIG information/,
  // Not part of this CPU model.
  /no PMU driver, software events only/,
  /unsupported p6 CPU model/,
  // Nothing that unpacks into a root has a file system of its own.
  /Unknown kernel command line parameters/,
];

function boot(options: Omit<SessionOptions, 'commandLine'> & { commandLine?: string }): Session {
  const session = new Session({ commandLine: 'console=ttyS0 panic=-1', ...options });
  session.waitFor(READY_MARKER);
  session.waitFor(PROMPT);
  return session;
}

for (const guest of ['cloud', 'generic'] as const) {
  describeGuest(guest, 'kernel', () => {
    describe.each([
      { generation: 2, processors: 1 },
      { generation: 2, processors: 4 },
      { generation: 1, processors: 1 },
    ] as const)('on generation $generation with $processors processors', (machine) => {
      it('boots to a shell that takes commands, with nothing to complain of, and powers off', () => {
        const session = boot({ guest, ...machine });
        expect(session.command('echo $((6 * 7)) $(nproc)')).toBe(`42 ${machine.processors}`);
        expect(session.command('cat /proc/cmdline')).toBe('console=ttyS0 panic=-1');
        const log = session.command('dmesg -r');
        expect(alarms(log)).toEqual([]);
        expect(warnings(log, USUAL)).toEqual([]);
        expect(log).toContain('Hypervisor detected: Microsoft Hyper-V');
        session.type('poweroff -f\r');
        expect(session.end()).toEqual({ kind: 'power-off' });
      });
    });

    it('reboots into itself', () => {
      const session = boot({ guest });
      session.type('reboot -f\r');
      session.waitFor('Linux version');
      session.waitFor(PROMPT);
      session.type('poweroff -f\r');
      expect(session.end()).toEqual({ kind: 'power-off' });
    });

    it('that panics ends the run with what it said, and its crash registers', () => {
      const session = boot({ guest, commandLine: 'console=ttyS0 panic=-1 modules=hv_vmbus' });
      session.type('echo c > /proc/sysrq-trigger\r');
      const ending = session.end();
      if (ending.kind !== 'guest-crash') throw new Error(ending.kind);
      expect(ending.message).toContain('sysrq triggered crash');
      expect(ending.parameters).toHaveLength(5);
    });

    it('gives the same run again, whichever way instructions are executed', () => {
      const digests = (['interpret', 'jit', 'jit'] as const).map((mode) => {
        const session = boot({ guest, mode });
        session.type('poweroff -f\r');
        session.end();
        return session.machine.trace.digest;
      });
      expect(new Set(digests).size).toBe(1);
    });
  });
}

describe.each(['installer', 'installer-i386'] as const)('Debian’s %s', (guest) => {
  describeGuest(guest, 'with its own RAM disk', () => {
    it.each([1, 4])('boots to a shell on %i processors, and powers off', (processors) => {
      const session = new Session({
        guest,
        processors,
        memoryMib: 768,
        commandLine: 'console=ttyS0 rdinit=/bin/sh',
      });
      // Its shell is process 1, without a terminal of its own, and asks where the cursor is.
      session.waitFor(/# (?:.\[6n)?$/, 300);
      session.type('mount -t proc proc /proc; echo $((6 * 7)) done; uname -m\r');
      session.waitFor('42 done');
      session.waitFor(guest === 'installer' ? 'x86_64' : 'i686');
      expect(alarms(session.output)).toEqual([]);
      session.type('echo o > /proc/sysrq-trigger\r');
      expect(session.end()).toEqual({ kind: 'power-off' });
    });
  });
});
