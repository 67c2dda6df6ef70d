import { describe, expect, it } from 'vitest';
import { I8042 } from '../../../src/devices/i8042/i8042.ts';
import { Bench, TestLine } from '../harness.ts';

class KeyboardBench extends Bench {
  readonly asked: string[] = [];
  readonly controller: I8042;
  readonly mouseLine = new TestLine();

  constructor() {
    super();
    this.controller = new I8042({
      line: this.line,
      mouseLine: this.mouseLine,
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

  it('opens and closes the wire of the mouse', () => {
    const bench = new KeyboardBench();
    expect(bench.controllerReply(0x20) & 0x20, 'as firmware leaves it').toBe(0x20);
    bench.out(0x64, 0xa8);
    expect(bench.controllerReply(0x20) & 0x20).toBe(0);
    bench.out(0x64, 0xa7);
    expect(bench.controllerReply(0x20) & 0x20).toBe(0x20);
    expect(bench.controllerReply(0xa9)).toBe(0);
  });

  it('loops a byte back as if the mouse had sent it, with its interrupt', () => {
    const bench = new KeyboardBench();
    bench.out(0x64, 0x60);
    bench.out(0x60, 0x47);
    bench.out(0x64, 0xd3);
    bench.out(0x60, 0x5a);
    expect(bench.in(0x64) & 0x21).toBe(0x21);
    expect([bench.mouseLine.rises, bench.line.rises]).toEqual([1, 0]);
    expect(bench.in(0x60)).toBe(0x5a);
    expect(bench.mouseLine.isActive).toBe(false);
    expect(bench.in(0x64) & 0x21).toBe(0);
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

describe('the mouse', () => {
  function command(bench: KeyboardBench, ...bytes: number[]): number[] {
    const answers: number[] = [];
    for (const byte of bytes) {
      bench.out(0x64, 0xd4);
      bench.out(0x60, byte);
      answers.push(...bench.drain());
    }
    return answers;
  }

  it('answers reset, identify and status, marked as its own', () => {
    const bench = new KeyboardBench();
    expect(command(bench, 0xff)).toEqual([0xfa, 0xaa, 0x00]);
    expect(command(bench, 0xf2)).toEqual([0xfa, 0x00]);
    expect(command(bench, 0xe9)).toEqual([0xfa, 0x00, 2, 100]);
    expect(command(bench, 0xe8, 3, 0xf3, 40, 0xf4, 0xe9)).toEqual([
      0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0x20, 3, 40,
    ]);
    bench.out(0x64, 0xd4);
    bench.out(0x60, 0xf2);
    bench.pass(1_000_000);
    expect(bench.in(0x64) & 0x21).toBe(0x21);
  });

  it('tells of movement and buttons once it is enabled, and keeps what does not fit', () => {
    const bench = new KeyboardBench();
    bench.controller.moveMouse(5, 5, 0);
    expect(bench.drain()).toEqual([]);
    command(bench, 0xff, 0xf4);
    bench.controller.moveMouse(3, -2, 1);
    expect(bench.drain()).toEqual([0x29, 3, 0xfe]);
    bench.controller.moveMouse(300, 0, 0);
    bench.controller.moveMouse(0, 0, 0);
    expect(bench.drain()).toEqual([0x08, 255, 0, 0x08, 45, 0]);
  });

  it('sends nothing by itself in remote mode, and echoes in wrap mode', () => {
    const bench = new KeyboardBench();
    command(bench, 0xff, 0xf4, 0xf0);
    bench.controller.moveMouse(7, 1, 4);
    expect(bench.drain()).toEqual([]);
    expect(command(bench, 0xeb)).toEqual([0xfa, 0x0c, 7, 1]);
    expect(command(bench, 0xee, 0xf4, 0xec)).toEqual([0xfa, 0xf4, 0xfa]);
  });

  it('never keeps more than it has room for', () => {
    const bench = new KeyboardBench();
    command(bench, 0xff, 0xf4);
    for (let step = 0; step < 100; step += 1) bench.controller.moveMouse(1, 0, 0);
    const bytes = bench.drain();
    expect(bytes.length).toBeLessThanOrEqual(16);
    bench.controller.moveMouse(0, 0, 0);
    expect(bench.drain(), 'the rest of the movement').toEqual([0x08, 95, 0]);
  });
});
