import { describe, expect, it } from 'vitest';
import { AcpiPm } from '../../../src/devices/acpi-pm/acpi-pm.ts';
import { Bench } from '../harness.ts';

class PowerBench extends Bench {
  readonly asked: string[] = [];
  readonly pm: AcpiPm;

  constructor(timerBits: 24 | 32 = 32) {
    super();
    this.pm = new AcpiPm({
      line: this.line,
      clock: this.clock,
      events: this.events,
      host: {
        powerOff: (type) => this.asked.push(`power off ${type}`),
        reset: () => this.asked.push('reset'),
      },
      timerBits,
    });
    this.pm.attach(this.ports);
  }
}

describe('ACPI fixed hardware', () => {
  it('powers off when SLP_EN is written, in one 16-bit write or through the high byte', () => {
    const bench = new PowerBench();
    expect(bench.ports.read(0x404, 2), 'SCI_EN: ACPI mode is on').toBe(0x0001);
    bench.ports.write(0x404, 2, 0x0001);
    expect(bench.asked).toEqual([]);
    bench.ports.write(0x404, 2, 0x2000);
    bench.out(0x405, 0x20 | (5 << 2));
    expect(bench.asked).toEqual(['power off 0', 'power off 5']);
    expect(bench.ports.read(0x404, 2) & 0x2000, 'SLP_EN reads as 0').toBe(0);
  });

  it('resets on a write of 1 to 0x433 and on nothing else', () => {
    const bench = new PowerBench();
    bench.out(0x433, 0);
    bench.out(0x433, 6);
    expect(bench.asked).toEqual([]);
    bench.out(0x433, 1);
    expect(bench.asked).toEqual(['reset']);
  });

  it('counts 3579545 ticks a second in 32 bits, or in 24', () => {
    const wide = new PowerBench();
    wide.pass(60_000_000_000);
    expect(wide.ports.read(0x408, 4)).toBe(60 * 3_579_545);
    const narrow = new PowerBench(24);
    narrow.pass(60_000_000_000);
    expect(narrow.ports.read(0x408, 4)).toBe((60 * 3_579_545) % 2 ** 24);
    narrow.ports.write(0x408, 4, 0);
    expect(narrow.ports.read(0x408, 4), 'read-only').toBe((60 * 3_579_545) % 2 ** 24);
  });

  it('raises the SCI each time the top bit of the timer changes', () => {
    const bench = new PowerBench(24);
    const halfNs = Math.ceil((2 ** 23 * 1e9) / 3_579_545);
    bench.ports.write(0x402, 2, 0x0001);
    bench.pass(halfNs - 1);
    expect(bench.line.isActive).toBe(false);
    bench.pass(1);
    expect(bench.line.isActive).toBe(true);
    expect(bench.ports.read(0x400, 2)).toBe(0x0001);
    bench.ports.write(0x400, 2, 0x0001);
    expect(bench.line.isActive).toBe(false);
    bench.pass(10 * halfNs);
    expect(bench.line.rises).toBe(2);
  });

  it('holds the SCI for the power button until the guest clears its status', () => {
    const bench = new PowerBench();
    bench.pm.pressPowerButton();
    expect(bench.line.isActive).toBe(false);
    bench.ports.write(0x402, 2, 0x0100);
    expect(bench.line.isActive).toBe(true);
    bench.ports.write(0x400, 2, 0x00ff);
    expect(bench.line.isActive).toBe(true);
    bench.out(0x401, 0x01);
    expect(bench.line.isActive).toBe(false);
  });

  it('gives general-purpose events a status and an enable word', () => {
    const bench = new PowerBench();
    bench.ports.write(0x40c, 4, 0x0001_0000);
    bench.pm.raiseGeneralPurposeEvent(3);
    expect(bench.line.isActive).toBe(false);
    bench.pm.raiseGeneralPurposeEvent(0);
    expect(bench.line.isActive).toBe(true);
    expect(bench.ports.read(0x40c, 4)).toBe(0x0001_0009);
    bench.ports.write(0x40c, 2, 0x0001);
    expect(bench.line.isActive).toBe(false);
    expect(bench.ports.read(0x40c, 2)).toBe(0x0008);
  });
});
