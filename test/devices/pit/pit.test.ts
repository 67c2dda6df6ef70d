import { describe, expect, it } from 'vitest';
import { Pit } from '../../../src/devices/pit/pit.ts';
import type { PitAnomaly } from '../../../src/devices/pit/spec.ts';
import { PIT_HZ } from '../../../src/devices/pit/spec.ts';
import { Bench } from '../harness.ts';

const DRIFT: PitAnomaly = { aheadCounts: 306, reanchorAfter: 356, startPhase: 0 };
const MS = 1_000_000;

function machine(anomaly: PitAnomaly | null = null): Bench {
  const bench = new Bench();
  new Pit({ line: bench.line, clock: bench.clock, events: bench.events, anomaly }).attach(
    bench.ports,
  );
  return bench;
}

/** Moves the clock to the start of a tick of the timer's input. */
function toTick(bench: Bench, tick: number): void {
  bench.pass(Math.ceil((tick * 1e9) / PIT_HZ) - bench.clock.nowNs);
}

function program(bench: Bench, channel: number, mode: number, count: number): void {
  bench.out(0x43, (channel << 6) | 0x30 | (mode << 1));
  bench.out(0x40 + channel, count & 0xff);
  bench.out(0x40 + channel, count >> 8);
}

function latched(bench: Bench, channel = 0): number {
  bench.out(0x43, channel << 6);
  const low = bench.in(0x40 + channel);
  return low | (bench.in(0x40 + channel) << 8);
}

/**
 * FreeBSD's legacy DELAY(1 second) against the latched count, where every port access takes a third
 * of `readCounts`. @returns true seconds spent
 */
function legacyDelay(anomaly: PitAnomaly | null, readCounts: number): number {
  const bench = machine(anomaly);
  const accessNs = Math.round(((readCounts / 3) * 1e9) / PIT_HZ);
  const read = (): number => {
    bench.clock.set(bench.clock.nowNs + accessNs);
    bench.out(0x43, 0);
    bench.clock.set(bench.clock.nowNs + accessNs);
    const low = bench.in(0x40);
    bench.clock.set(bench.clock.nowNs + accessNs);
    return low | (bench.in(0x40) << 8);
  };
  program(bench, 0, 2, 0);
  const start = bench.clock.nowNs;
  let previous = read();
  for (let left = PIT_HZ; left > 0;) {
    const count = read();
    const passed = previous - count;
    left -= passed < 0 ? passed + 0x1_0000 : passed;
    previous = count;
  }
  return (bench.clock.nowNs - start) / 1e9;
}

describe('a sound timer', () => {
  it('counts down at 1193182 Hz and reloads in mode 2', () => {
    const bench = machine();
    program(bench, 0, 2, 1000);
    expect(latched(bench)).toBe(1000);
    toTick(bench, 999);
    expect(latched(bench)).toBe(1);
    toTick(bench, 1000);
    expect(latched(bench)).toBe(1000);
    toTick(bench, 1000 * 1_000_000 + 17);
    expect(latched(bench)).toBe(983);
  });

  it('interrupts once a period, with no drift over a minute', () => {
    const bench = machine();
    program(bench, 0, 2, 11_932);
    const before = bench.line.rises;
    bench.pass(60_000 * MS);
    expect(bench.line.rises - before).toBe(Math.floor((60 * PIT_HZ) / 11_932));
  });

  it('interrupts once in mode 0, when the count ends', () => {
    const bench = machine();
    program(bench, 0, 0, 1193);
    toTick(bench, 1192);
    expect(bench.line.isActive).toBe(false);
    toTick(bench, 1193);
    expect(bench.line.isActive).toBe(true);
    bench.pass(1000 * MS);
    expect(bench.line.rises).toBe(1);
    expect(latched(bench)).toBeGreaterThan(0);
  });

  it('counts by two in mode 3, and its output is high for the first half', () => {
    const bench = machine();
    program(bench, 0, 3, 1000);
    const outputs: [number, boolean][] = [];
    for (const tick of [0, 100, 499, 500, 600, 999, 1000]) {
      toTick(bench, tick);
      bench.out(0x43, 0xc2);
      const status = bench.in(0x40);
      const low = bench.in(0x40);
      outputs.push([low | (bench.in(0x40) << 8), (status & 0x80) !== 0]);
    }
    expect(outputs).toEqual([
      [1000, true],
      [800, true],
      [2, true],
      [1000, false],
      [800, false],
      [2, false],
      [1000, true],
    ]);
  });

  it('takes a new count up at the end of the running period in mode 2', () => {
    const bench = machine();
    program(bench, 0, 2, 1000);
    toTick(bench, 400);
    bench.out(0x40, 100);
    bench.out(0x40, 0);
    expect(latched(bench)).toBe(600);
    bench.out(0x43, 0xe2);
    expect(bench.in(0x40) & 0x40, 'null count: not taken up yet').toBe(0x40);
    toTick(bench, 1000);
    expect(latched(bench)).toBe(100);
    toTick(bench, 1130);
    expect(latched(bench)).toBe(70);
    const before = bench.line.rises;
    toTick(bench, 2000);
    expect(bench.line.rises - before).toBe(9);
  });

  it('keeps a latched count until it is read', () => {
    const bench = machine();
    program(bench, 0, 2, 5000);
    toTick(bench, 1000);
    bench.out(0x43, 0x00);
    toTick(bench, 2000);
    bench.out(0x43, 0x00);
    expect(bench.in(0x40) | (bench.in(0x40) << 8)).toBe(4000);
    expect(bench.in(0x40) | (bench.in(0x40) << 8)).toBe(3000);
  });

  it('counts in BCD where the control word says so', () => {
    const bench = machine();
    bench.out(0x43, 0x35);
    bench.out(0x40, 0x00);
    bench.out(0x40, 0x10);
    expect(latched(bench)).toBe(0x1000);
    toTick(bench, 1);
    expect(latched(bench)).toBe(0x0999);
  });

  it('lets the gate of port 61h start and stop channel 2, whose output stands in bit 5', () => {
    const bench = machine();
    program(bench, 2, 0, 1193);
    toTick(bench, 5000);
    expect(latched(bench, 2)).toBe(1193);
    expect(bench.in(0x61) & 0x21).toBe(0);
    bench.out(0x61, 0x01);
    toTick(bench, 6192);
    expect(bench.in(0x61) & 0x21).toBe(0x01);
    toTick(bench, 6193);
    expect(bench.in(0x61) & 0x21).toBe(0x21);
  });

  it('shows memory refresh as a toggle of about 15 us', () => {
    const bench = machine();
    let changes = 0;
    for (let last = 0, index = 0; index < 1000; index += 1) {
      bench.pass(1000);
      const now = bench.in(0x61) & 0x10;
      if (now !== last) changes += 1;
      last = now;
    }
    expect(changes).toBe(66);
  });
});

describe('the timer of a host that drifts', () => {
  it('jumps up by 306 counts shortly after the reload, as in the log of the original report', () => {
    const bench = machine(DRIFT);
    program(bench, 0, 2, 0);
    // The report's reads: 228, 131, 34, then 65473 after the reload, and 65388 after 65180.
    const shown: number[] = [];
    const firstTick = Math.ceil(((0x1_0000 - 228) * 0x1_0000) / (0x1_0000 + 306)) + 50;
    for (let index = 0; index < 10; index += 1) {
      toTick(bench, firstTick + index * 97);
      shown.push(latched(bench));
    }
    const reload = shown.findIndex((count, index) => index > 0 && count > shown[index - 1]!);
    const jump = shown.findIndex((count, index) => index > reload && count > shown[index - 1]!);
    expect(shown[reload]! - shown[reload - 1]!).toBeGreaterThan(65_000);
    expect(0x1_0000 - shown[jump - 1]!).toBeLessThanOrEqual(356);
    expect(jump - reload, 'reads between the reload and the jump').toBe(4);
    expect(shown[jump]! - shown[jump - 1]!).toBeGreaterThanOrEqual(306 - 98);
    expect(shown[jump]! - shown[jump - 1]!).toBeLessThanOrEqual(306 - 96);
  });

  it('makes a legacy DELAY(1 s) of 98-count reads end after 0.5057 s', () => {
    expect(legacyDelay(DRIFT, 98)).toBeCloseTo(1 - (9 * 65_536) / PIT_HZ, 3);
  });

  it('stays between 0.494 and 0.506 over all start phases, and mostly at 0.5057', () => {
    const fractions: number[] = [];
    for (let startPhase = 0; startPhase < 0x1_0000; startPhase += 2048) {
      fractions.push(legacyDelay({ ...DRIFT, startPhase }, 98));
    }
    expect(Math.min(...fractions)).toBeGreaterThan(0.494);
    expect(Math.max(...fractions)).toBeLessThan(0.5058);
    expect(fractions.filter((fraction) => fraction > 0.5056).length).toBeGreaterThanOrEqual(24);
  });

  it('hides behind reads of 306 counts or more, and a sound timer never shows it', () => {
    expect(legacyDelay(DRIFT, 307)).toBeCloseTo(1, 3);
    expect(legacyDelay(null, 98)).toBeCloseTo(1, 3);
  });

  it('interrupts at the true rate all the same', () => {
    const bench = machine(DRIFT);
    program(bench, 0, 2, 0);
    const before = bench.line.rises;
    bench.pass(10_000 * MS);
    expect(bench.line.rises - before).toBe(Math.floor((10 * PIT_HZ) / 65_536));
  });
});
