import { describe, expect, it } from 'vitest';
import { I8042 } from '../../../src/devices/i8042/i8042.ts';
import { Bench } from '../harness.ts';

class KeyboardBench extends Bench {
  readonly asked: string[] = [];
  readonly controller: I8042;

  constructor() {
    super();
    this.controller = new I8042({
      line: this.line,
      events: this.events,
      host: {
        reset: () => this.asked.push('reset'),
        setA20: (isOpen) => this.asked.push(`A20 ${isOpen}`),
      },
    });
    this.controller.attach(this.ports);
  }

  /** Everything that comes out within a tenth of a second. */
  drain(): number[] {
    const bytes: number[] = [];
    for (let index = 0; index < 100; index += 1) {
      this.pass(1_000_000);
      if ((this.in(0x64) & 1) !== 0) bytes.push(this.in(0x60));
    }
    return bytes;
  }

  controllerReply(command: number): number {
    this.out(0x64, command);
    expect(this.in(0x64) & 1).toBe(1);
    return this.in(0x60);
  }
}

describe('the keyboard controller', () => {
  it('passes its self test and its port test', () => {
    const bench = new KeyboardBench();
    expect(bench.controllerReply(0xaa)).toBe(0x55);
    expect(bench.controllerReply(0xab)).toBe(0x00);
    expect(bench.in(0x64) & 0x1d).toBe(0x1c);
  });

  it('has one channel: enabling the mouse leaves bit 5 of the command byte set', () => {
    const bench = new KeyboardBench();
    bench.out(0x64, 0xa8);
    expect(bench.controllerReply(0x20) & 0x20).toBe(0x20);
  });

  it('resets on a pulse of FE and moves the A20 gate', () => {
    const bench = new KeyboardBench();
    bench.out(0x64, 0xff);
    expect(bench.asked).toEqual([]);
    bench.out(0x64, 0xd1);
    bench.out(0x60, 0xdd);
    bench.out(0x64, 0xd1);
    bench.out(0x60, 0xdf);
    bench.out(0x64, 0xfe);
    expect(bench.asked).toEqual(['A20 false', 'A20 true', 'reset']);
  });
});

describe('the keyboard', () => {
  it('answers reset and identify; translation makes the id AB 41', () => {
    const bench = new KeyboardBench();
    bench.out(0x60, 0xff);
    expect(bench.drain()).toEqual([0xfa, 0xaa]);
    bench.out(0x60, 0xf2);
    expect(bench.drain()).toEqual([0xfa, 0xab, 0x41]);
    bench.out(0x64, 0x60);
    bench.out(0x60, 0x24);
    bench.out(0x60, 0xf2);
    expect(bench.drain()).toEqual([0xfa, 0xab, 0x83]);
  });

  it('sends set 1 through translation, one interrupt a byte', () => {
    const bench = new KeyboardBench();
    bench.controller.key(0x1e, true);
    bench.controller.key(0x1e, false);
    bench.controller.key(0x48, true, true);
    bench.controller.key(0x48, false, true);
    expect(bench.drain()).toEqual([0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8]);
    expect(bench.line.rises).toBe(6);
  });

  it('sends every key of set 1 as itself', () => {
    const bench = new KeyboardBench();
    for (let code = 1; code <= 0x58; code += 1) {
      if (code >= 0x54 && code <= 0x56) continue;
      bench.controller.key(code, true);
      expect(bench.drain()).toEqual([code]);
    }
  });

  it('sends set 2 without translation, and set 1 when asked for it', () => {
    const bench = new KeyboardBench();
    bench.out(0x64, 0x60);
    bench.out(0x60, 0x05);
    bench.controller.key(0x1c, true);
    bench.controller.key(0x1c, false);
    expect(bench.drain()).toEqual([0x5a, 0xf0, 0x5a]);
    bench.out(0x60, 0xf0);
    bench.drain();
    bench.out(0x60, 0x01);
    bench.drain();
    bench.controller.key(0x1c, false);
    expect(bench.drain()).toEqual([0x9c]);
  });

  it('loses keys beyond 16 bytes and says so, and never grows', () => {
    const bench = new KeyboardBench();
    for (let index = 0; index < 1000; index += 1) bench.controller.key(0x1e, true);
    const bytes = bench.drain();
    expect(bytes.length).toBeLessThanOrEqual(17);
    expect(bytes[0]).toBe(0x1e);
  });

  it('keeps its bytes while the controller holds the clock', () => {
    const bench = new KeyboardBench();
    bench.out(0x64, 0xad);
    bench.controller.key(0x1e, true);
    expect(bench.drain()).toEqual([]);
    bench.out(0x64, 0xae);
    expect(bench.drain()).toEqual([0x1e]);
  });
});
