import { describe, expect, it } from 'vitest';
import { legacy, Run, type Setup } from '../support/run.ts';

/** Words of a memory that are not 0. Whole memories are compared by identity: no report is to show one. */
function dirt(words: Uint32Array): number {
  let count = 0;
  for (let index = 0; index < words.length; index += 1) if (words[index] !== 0) count += 1;
  return count;
}

/** Boots, uses disk, network, screen and keyboard, and gives the machine up. @returns what it did */
function live(setup: Setup): {
  readonly digest: string;
  readonly memory: Run['machine']['memory'];
} {
  const run = new Run({ networkAdapters: 1, ...setup }).boot();
  run.login();
  run.type('ifconfig hn0');
  run.type('dd if=/dev/da0 of=/dev/null bs=64k count=16');
  run.type('dmesg');
  run.board.keyboard.type('uptime\n');
  run.forSeconds(2);
  const { memory, trace } = run.machine;
  const used = dirt(memory.u32);
  expect(used).toBeGreaterThan(10_000);
  run.machine.discard();
  return { digest: trace.digest, memory };
}

describe('the memory of a machine that is gone', () => {
  const modern: Setup = { processors: 2 };

  it('is all zeros again, and the next machine runs on it as on a new one', () => {
    const first = live(modern);
    expect(dirt(first.memory.u32)).toBe(0);
    const between = live({ ...legacy, networkAdapters: 0 });
    expect(between.memory === first.memory).toBe(true);
    expect(dirt(first.memory.u32)).toBe(0);
    const last = live({ ...modern, generation: 1 });
    expect(last.memory === first.memory).toBe(true);
    const again = live(modern);
    expect(again.memory === first.memory).toBe(true);
    expect(again.digest).toBe(first.digest);
    expect(dirt(first.memory.u32)).toBe(0);
  });

  it('is not that of a machine of another size, and nothing more is asked of its own', () => {
    const run = new Run({ memoryBytes: 128 * 1024 * 1024 }).boot();
    const { memory } = run.machine;
    run.machine.discard();
    run.machine.discard();
    expect(run.machine.run(run.nowNs + 1e9)).toEqual({ kind: 'power-off' });
    const other = new Run({ memoryBytes: 96 * 1024 * 1024 });
    expect(other.machine.memory === memory).toBe(false);
    const same = new Run({ memoryBytes: 128 * 1024 * 1024 });
    expect(same.machine.memory === memory).toBe(true);
    // Given up twice, taken once.
    expect(new Run({ memoryBytes: 128 * 1024 * 1024 }).machine.memory === memory).toBe(false);
  });

  it('is out of reach of whatever still holds the machine', () => {
    const run = new Run().boot();
    const { machine } = run;
    const snapshot = machine.save();
    machine.discard();
    const next = new Run().boot();
    const before = next.machine.memory.u8.slice();
    const ways: readonly (() => unknown)[] = [
      () => machine.memory,
      () => machine.board,
      () => machine.screen,
      () => machine.guest,
      () => machine.powerOn(),
      () => machine.reset(),
      () => machine.suspend(),
      () => machine.save(),
      () => machine.restore(snapshot),
      () => machine.plugInAgain(),
      () => machine.reconfigure({ processors: 2 }),
    ];
    for (const way of ways) expect(way, String(way)).toThrow('its run is over');
    expect(machine.run(Infinity)).toEqual({ kind: 'power-off' });
    expect(Buffer.compare(next.machine.memory.u8, before)).toBe(0);
  });
});
