import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../../src/core/memory.ts';
import { DmaControllers } from '../../../src/devices/dma/dma.ts';
import { Bench } from '../harness.ts';

class DmaBench extends Bench {
  readonly memory = new GuestMemory({ ramBytes: 256 * 1024, lowGapStart: 0xf800_0000 });
  readonly dma = new DmaControllers(this.memory);

  constructor() {
    super();
    this.dma.attach(this.ports);
  }

  /** Programs channel 2. */
  program(mode: number, gpa: number, count: number): void {
    this.out(0x0c, 0);
    this.out(0x0b, mode | 2);
    this.out(0x04, gpa & 0xff);
    this.out(0x04, (gpa >> 8) & 0xff);
    this.out(0x81, gpa >> 16);
    this.out(0x05, count & 0xff);
    this.out(0x05, count >> 8);
    this.out(0x0a, 2);
  }

  word(port: number): number {
    this.out(0x0c, 0);
    return this.in(port) | (this.in(port) << 8);
  }
}

const data = Uint8Array.from({ length: 64 }, (_, index) => index + 1);

describe('the DMA controllers', () => {
  it('move a device’s bytes into memory, and mask the channel at the terminal count', () => {
    const bench = new DmaBench();
    bench.program(0x44, 0x1_1000, 9);
    expect(bench.dma.toMemory(2, data, 0, 64)).toBe(10);
    expect(bench.dma.isAtTerminalCount).toBe(true);
    expect(bench.memory.readBytes(0x1_1000, 12)).toEqual(Uint8Array.of(...data.slice(0, 10), 0, 0));
    expect(bench.in(0x08), 'told once').toBe(0x04);
    expect(bench.in(0x08)).toBe(0);
    expect(bench.word(0x04)).toBe(0x100a);
    expect(bench.word(0x05)).toBe(0xffff);
    expect(bench.dma.toMemory(2, data, 0, 64), 'masked').toBe(0);
  });

  it('go on where the last request ended', () => {
    const bench = new DmaBench();
    bench.program(0x44, 0x2000, 19);
    expect(bench.dma.toMemory(2, data, 0, 8)).toBe(8);
    expect(bench.dma.isAtTerminalCount).toBe(false);
    expect(bench.dma.toMemory(2, data, 8, 56)).toBe(12);
    expect(bench.memory.readBytes(0x2000, 20)).toEqual(data.slice(0, 20));
  });

  it('begin anew by themselves where they were told to, and stop the device all the same', () => {
    const bench = new DmaBench();
    bench.program(0x54, 0x2000, 3);
    expect(bench.dma.toMemory(2, data, 0, 64)).toBe(4);
    expect(bench.dma.toMemory(2, data, 4, 60)).toBe(4);
    expect(bench.memory.readBytes(0x2000, 4)).toEqual(data.slice(4, 8));
  });

  it('go downwards, and round in their 64 KiB', () => {
    const bench = new DmaBench();
    bench.program(0x64, 0x2003, 3);
    expect(bench.dma.toMemory(2, data, 0, 4)).toBe(4);
    expect(bench.memory.readBytes(0x2000, 4)).toEqual(data.slice(0, 4).toReversed());
    bench.program(0x44, 0x1_fffe, 3);
    expect(bench.dma.toMemory(2, data, 0, 4)).toBe(4);
    expect(bench.memory.readBytes(0x1_fffe, 2)).toEqual(data.slice(0, 2));
    expect(bench.memory.readBytes(0x1_0000, 2)).toEqual(data.slice(2, 4));
  });

  it('give memory to a device; what is no RAM reads as ones, and takes nothing', () => {
    const bench = new DmaBench();
    bench.memory.writeBytes(0x3000, data);
    const taken = new Uint8Array(64);
    bench.program(0x48, 0x3000, 63);
    expect(bench.dma.fromMemory(2, taken, 0, 64)).toBe(64);
    expect(taken).toEqual(data);
    bench.program(0x48, 0xf0_0000, 63);
    expect(bench.dma.fromMemory(2, taken, 0, 64)).toBe(64);
    expect(taken).toEqual(new Uint8Array(64).fill(0xff));
    bench.program(0x44, 0xf0_0000, 63);
    expect(bench.dma.toMemory(2, data, 0, 64)).toBe(64);
  });

  it('only count where they verify, or where the device goes the other way', () => {
    const bench = new DmaBench();
    bench.program(0x40, 0x2000, 7);
    expect(bench.dma.toMemory(2, data, 0, 8)).toBe(8);
    expect(bench.memory.readBytes(0x2000, 8)).toEqual(new Uint8Array(8));
    bench.program(0x48, 0x2000, 7);
    expect(bench.dma.toMemory(2, data, 0, 8)).toBe(8);
    expect(bench.memory.readBytes(0x2000, 8)).toEqual(new Uint8Array(8));
  });

  it('do nothing while a controller is off, or the cascade is masked', () => {
    const bench = new DmaBench();
    bench.program(0x44, 0x2000, 63);
    bench.out(0x08, 0x04);
    expect(bench.dma.toMemory(2, data, 0, 4)).toBe(0);
    bench.out(0x08, 0);
    bench.out(0xd4, 0x04);
    expect(bench.dma.toMemory(2, data, 0, 4)).toBe(0);
    bench.out(0xd4, 0x00);
    expect(bench.dma.toMemory(2, data, 0, 4)).toBe(4);
    bench.out(0x0d, 0);
    expect(bench.in(0x0f) & 0x0f, 'a master clear masks all').toBe(0x0f);
    expect(bench.dma.toMemory(2, data, 0, 4)).toBe(0);
    bench.out(0x0e, 0);
    expect(bench.in(0x0f) & 0x0f).toBe(0);
  });

  it('keep every page register, the ones without a channel too', () => {
    const bench = new DmaBench();
    for (let port = 0x80; port < 0x90; port += 1) bench.out(port, port ^ 0x55);
    for (let port = 0x80; port < 0x90; port += 1) expect(bench.in(port)).toBe(port ^ 0x55);
    bench.out(0xd8, 0);
    bench.out(0xc4, 0x34);
    bench.out(0xc4, 0x12);
    bench.out(0xd8, 0);
    expect(bench.in(0xc4) | (bench.in(0xc4) << 8)).toBe(0x1234);
  });
});
