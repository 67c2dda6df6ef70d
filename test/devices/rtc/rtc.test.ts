import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { civilFromSeconds, secondsFromCivil } from '../../../src/devices/rtc/calendar.ts';
import { Rtc } from '../../../src/devices/rtc/rtc.ts';
import { Bench } from '../harness.ts';

const SECOND = 1_000_000_000;

class ClockBench extends Bench {
  constructor(options: { epochSeconds?: number; ramBytes?: number; lowGapStart?: number } = {}) {
    super();
    const rtc = new Rtc({
      line: this.line,
      clock: this.clock,
      events: this.events,
      ...options,
    });
    rtc.attach(this.ports);
  }

  get(register: number): number {
    this.out(0x70, register);
    return this.in(0x71);
  }

  set(register: number, value: number): void {
    this.out(0x70, register);
    this.out(0x71, value);
  }

  /** Century, year, month, day, hours, minutes, seconds as they stand in the registers. */
  get time(): string {
    return [0x32, 9, 8, 7, 4, 2, 0]
      .map((register) => this.get(register).toString(16).padStart(2, '0'))
      .join(' ');
  }
}

describe('the calendar', () => {
  it('agrees with the JavaScript engine in both directions', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), (seconds) => {
        const date = new Date(seconds * 1000);
        const civil = civilFromSeconds(seconds);
        expect(civil).toEqual({
          year: date.getUTCFullYear(),
          month: date.getUTCMonth() + 1,
          day: date.getUTCDate(),
          weekday: date.getUTCDay(),
          hour: date.getUTCHours(),
          minute: date.getUTCMinutes(),
          second: date.getUTCSeconds(),
        });
        expect(secondsFromCivil(civil)).toBe(seconds);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the real-time clock', () => {
  it('starts at the same moment in every run and moves with virtual time', () => {
    const bench = new ClockBench();
    expect(bench.time).toBe('20 16 01 01 00 00 00');
    bench.pass(SECOND - 1);
    expect(bench.time).toBe('20 16 01 01 00 00 00');
    bench.pass(1 + 86_400 * 59 * SECOND);
    expect(bench.time).toBe('20 16 02 29 00 00 01');
    expect(bench.get(6), 'a Monday').toBe(2);
  });

  it('shows the same moment in binary and in 12-hour form', () => {
    const bench = new ClockBench({ epochSeconds: Date.UTC(2023, 10, 30, 23, 59, 58) / 1000 });
    expect(bench.time).toBe('20 23 11 30 23 59 58');
    bench.set(0x0b, 0x00);
    expect(bench.get(4)).toBe(0x91);
    bench.set(0x0b, 0x06);
    expect(bench.time).toBe('14 17 0b 1e 17 3b 3a');
  });

  it('takes the time that a guest sets under SET, and runs on from there', () => {
    const bench = new ClockBench();
    bench.pass(123_456_789);
    bench.set(0x0b, 0x82);
    bench.pass(5 * SECOND);
    expect(bench.time, 'stopped').toBe('20 16 01 01 00 00 00');
    for (const [register, value] of [
      [0x32, 0x20],
      [9, 0x24],
      [8, 0x02],
      [7, 0x29],
      [4, 0x23],
      [2, 0x59],
      [0, 0x59],
    ] as const) {
      bench.set(register, value);
    }
    bench.set(0x0b, 0x02);
    bench.pass(SECOND);
    expect(bench.time).toBe('20 24 03 01 00 00 00');
  });

  it('warns of an update for its last 244 us', () => {
    const bench = new ClockBench();
    bench.pass(SECOND - 244_001);
    expect(bench.get(0x0a)).toBe(0x26);
    bench.pass(1);
    expect(bench.get(0x0a)).toBe(0xa6);
    bench.pass(244_000);
    expect(bench.get(0x0a)).toBe(0x26);
  });

  it('interrupts periodically once register C is read each time', () => {
    const bench = new ClockBench();
    bench.set(0x0b, 0x42);
    bench.pass(SECOND);
    expect(bench.line.rises, 'held until register C is read').toBe(1);
    expect(bench.get(0x0c)).toBe(0xd0);
    expect(bench.line.isActive).toBe(false);
    let count = 0;
    const end = bench.clock.nowNs + SECOND;
    while (bench.clock.nowNs < end) {
      bench.pass(Math.min(100_000, end - bench.clock.nowNs));
      if (bench.line.isActive) {
        count += 1;
        bench.get(0x0c);
      }
    }
    expect(count).toBe(1024);
  });

  it('interrupts on an update, and on an alarm with wildcards', () => {
    const bench = new ClockBench();
    bench.set(1, 0x30);
    bench.set(3, 0xff);
    bench.set(5, 0xc0);
    bench.set(0x0b, 0x22);
    bench.pass(30 * SECOND - 1);
    expect(bench.line.isActive).toBe(false);
    bench.pass(1);
    expect(bench.get(0x0c) & 0xa0).toBe(0xa0);
    bench.pass(60 * SECOND);
    expect(bench.get(0x0c) & 0xa0).toBe(0xa0);
    bench.set(0x0b, 0x12);
    bench.pass(SECOND);
    expect(bench.get(0x0c) & 0x90).toBe(0x90);
  });

  it('shows flags to a guest that polls without interrupts', () => {
    const bench = new ClockBench();
    bench.get(0x0c);
    bench.pass(SECOND / 2);
    expect(bench.get(0x0c)).toBe(0x40);
    bench.pass(SECOND / 2);
    expect(bench.get(0x0c)).toBe(0x50);
    expect(bench.line.rises).toBe(0);
  });

  it('tells the memory sizes and keeps what a guest stores', () => {
    const gib = 2 ** 30;
    const bench = new ClockBench({ ramBytes: 6 * gib, lowGapStart: 0xf800_0000 });
    const word = (at: number): number => bench.get(at) | (bench.get(at + 1) << 8);
    expect(word(0x15)).toBe(640);
    expect(word(0x17)).toBe(0xffff);
    expect(word(0x34) * 65_536 + 0x100_0000).toBe(0xf800_0000);
    expect((word(0x5b) | (bench.get(0x5d) << 16)) * 65_536).toBe(6 * gib - 0xf800_0000);
    bench.set(0x0f, 0x0a);
    expect(bench.get(0x8f), 'bit 7 of the index masks NMI').toBe(0x0a);
  });
});
