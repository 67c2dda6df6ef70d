import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import type { MachineDescription } from '../../../src/machine/description.ts';
import { openMachine } from '../../../src/machine/description.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { decodeSnapshot, encodeSnapshot } from '../../../src/machine/snapshot/file.ts';
import { restoreSnapshot, takeSnapshot } from '../../../src/machine/snapshot/restore.ts';
import { afterwards } from '../../support/afterwards.ts';

const description: MachineDescription = {
  generation: 2,
  host: 'ws2022',
  guest: 'bis:modern',
  switches: {},
  memoryBytes: 64 * 1024 * 1024,
  processors: 2,
  networkAdapters: 1,
  seed: '3',
  disks: [],
  dvds: [],
};
const END_NS = 2_200_000_000;
const NO_WARNING = (): void => undefined;

function create(): Machine {
  const { machine, close } = openMachine(description, 'test', NO_WARNING);
  afterwards(close);
  return machine;
}

function runToEnd(machine: Machine): string {
  while (machine.run(END_NS) === undefined);
  return machine.trace.digest;
}

describe('a snapshot', () => {
  it('goes on as the machine that never stopped, with what had been typed', () => {
    const machine = create();
    const random = new Random(5, 'points');
    machine.powerOn();
    const files: Uint8Array[] = [];
    while (machine.run(END_NS, 1 + random.below(900)) === undefined) {
      if (machine.console.recentText.includes('login: '))
        machine.enter({ kind: 'console', text: 'x' });
      files.push(encodeSnapshot(takeSnapshot(machine, description)));
    }
    const { digest } = machine.trace;
    expect(files.length).toBeGreaterThan(3);
    for (const file of files.slice(-4)) {
      const snapshot = decodeSnapshot(file, 'a.snap');
      const restored = create();
      restoreSnapshot(restored, snapshot, 'a.snap');
      // What comes in after the snapshot is not in it.
      for (const entry of machine.inputs.entries.slice(snapshot.inputs.length)) {
        while (restored.clock.nowNs < entry.at.timeNs || restored.turns < entry.at.turn) {
          restored.run(entry.at.timeNs, 1);
        }
        restored.enter(entry.input);
      }
      expect(runToEnd(restored)).toBe(digest);
    }
  });

  it('of another machine is told by the section that differs', () => {
    const machine = create();
    machine.powerOn();
    machine.run(700_000_000, 100);
    const snapshot = takeSnapshot(machine, description);
    const sections = snapshot.sections.map((section) => {
      if (section.name !== 'chipset rtc') return section;
      const bytes = section.bytes.slice();
      bytes[20] = bytes[20]! ^ 1;
      return { ...section, bytes };
    });
    expect(() => restoreSnapshot(create(), { ...snapshot, sections }, 'a.snap')).toThrow(
      'the machine came to be another: section "chipset rtc" in ',
    );
  });

  it('cannot be taken after something that cannot be repeated', () => {
    const machine = create();
    machine.powerOn();
    machine.inputs.passBy('a rule on messages');
    expect(() => takeSnapshot(machine, description)).toThrow(
      new InputError('snapshot', 'cannot be taken after a rule on messages'),
    );
  });
});

describe('a snapshot file', () => {
  const machine = create();
  machine.powerOn();
  const file = encodeSnapshot(takeSnapshot(machine, description));

  function refusal(bytes: Uint8Array): string {
    try {
      decodeSnapshot(bytes, 'a.snap');
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      return (error as InputError).message;
    }
    return '';
  }

  it('of another format or program is refused with both named', () => {
    const format = file.slice();
    format[16] = 9;
    expect(refusal(format)).toBe('is a snapshot of format 9; this program reads format 1');
    const snapshot = decodeSnapshot(file, 'a.snap');
    const other = encodeSnapshot({ ...snapshot, program: '9.8.7' } as typeof snapshot);
    expect(refusal(other)).toMatch(/^is a snapshot of synthvm 9\.8\.7; this is synthvm \d/);
  });

  it('is refused in one line wherever it was cut off or damaged', () => {
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        expect(refusal(file.subarray(0, at))).toMatch(/^is (cut off|no snapshot)[^\n]*$/);
        const damaged = file.slice();
        damaged[at] = damaged[at]! ^ change;
        expect(refusal(damaged)).toMatch(/^is (damaged|cut off|no snapshot|a snapshot of)[^\n]*$/);
      }),
      { numRuns: 60 },
    );
  });
});
