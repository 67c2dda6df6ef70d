/**
 * Every part's state is taken out of a running machine and put into a new board, which takes the old
 * one's place under the same guest. Whatever a part forgot to save would show in the digest.
 */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import type { MachineConfig } from '../../../src/machine/machine.ts';
import { firstDifference } from '../../../src/machine/snapshot/sections.ts';
import { cases } from '../../support/cases.ts';
import { machineForTest } from '../../support/run.ts';

const base: MachineConfig = {
  generation: 2,
  host: 'ws2022',
  memoryBytes: 64 * 1024 * 1024,
  processors: 1,
  seed: 7n,
  disks: [],
};
const END_NS = 2_500_000_000;
const MOST_CHANGES = cases(12, 5);

function straightDigest(config: MachineConfig): string {
  const machine = machineForTest(config);
  machine.powerOn();
  while (machine.run(END_NS) === undefined);
  return machine.trace.digest;
}

/** @returns the digest of a run whose board is changed again and again */
function changedDigest(
  config: MachineConfig,
  mostSteps: number,
): { digest: string; changes: number } {
  const machine = machineForTest(config);
  const random = new Random(config.seed, 'changes');
  machine.powerOn();
  let changes = 0;
  const steps = (): number => (changes < MOST_CHANGES ? 1 + random.below(mostSteps) : Infinity);
  while (machine.run(END_NS, steps()) === undefined) {
    const saved = machine.save();
    machine.restore(saved);
    expect(firstDifference(saved, machine.save())).toBeUndefined();
    changes += 1;
  }
  return { digest: machine.trace.digest, changes };
}

describe('a board in the place of another', () => {
  it.each([
    ['Generation 2', base, 600],
    ['Generation 1, two processors', { ...base, generation: 1, processors: 2 }, 600],
    [
      'an old guest on an old host',
      { ...base, generation: 1, host: 'ws2012r2', preset: 'bis:10.2' },
      9000,
    ],
  ] as const)('goes on as if nothing had been: %s', (_, config, mostSteps) => {
    const { digest, changes } = changedDigest(config, mostSteps);
    expect(changes).toBeGreaterThan(3);
    expect(digest).toBe(straightDigest(config));
  });

  it('tells of a section of another version, and of one that is missing', () => {
    const machine = machineForTest(base);
    machine.powerOn();
    const saved = machine.save();
    const newer = saved.map((section) =>
      section.name === 'partition' ? { ...section, version: 99 } : section,
    );
    expect(() => machine.restore(newer)).toThrow(
      'section "partition" has version 99, this program writes version 1',
    );
    const without = saved.filter(({ name }) => name !== 'vmbus');
    expect(() => machine.restore(without)).toThrow('there is no section "vmbus"');
  });
});
