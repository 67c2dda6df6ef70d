import { GuestMemory } from '../../../src/core/memory.ts';
import { Trace } from '../../../src/core/trace.ts';
import { DmaControllers } from '../../../src/devices/dma/dma.ts';
import { FloppyController } from '../../../src/devices/floppy/controller.ts';
import { Bench } from '../harness.ts';
import { MemoryDisk } from './memory-disk.ts';

export const DISKETTE_BYTES = 1_474_560;
export const Request = { toHost: 0xd0, toController: 0x80 } as const;
const MOST_EVENTS = 20_000;

/** A floppy controller at its ports with the DMA controllers, and the few lines of a driver that polls. */
export class FloppyBench extends Bench {
  readonly memory = new GuestMemory({ ramBytes: 1024 * 1024, lowGapStart: 0xf800_0000 });
  readonly dma = new DmaControllers(this.memory);
  readonly disk: MemoryDisk;
  readonly controller: FloppyController;

  constructor(disk = new MemoryDisk(DISKETTE_BYTES).fillPattern()) {
    super();
    this.disk = disk;
    const { line, events, dma } = this;
    this.controller = new FloppyController({ line, events, dma, trace: new Trace(this.clock) });
    this.controller.attach(this.ports);
    this.dma.attach(this.ports);
    this.controller.change(disk);
  }

  /** Lets everything happen that is under way. */
  settle(): this {
    let events = 0;
    while (this.events.runNext()) {
      events += 1;
      if (events > MOST_EVENTS) throw new Error('the controller never comes to rest');
    }
    return this;
  }

  get mainStatus(): number {
    return this.in(0x3f4);
  }

  send(...bytes: number[]): this {
    for (const byte of bytes) this.out(0x3f5, byte);
    return this;
  }

  /** All bytes that the controller has to give. */
  result(): number[] {
    const bytes: number[] = [];
    while ((this.mainStatus & 0xc0) === 0xc0 && bytes.length < 100) bytes.push(this.in(0x3f5));
    return bytes;
  }

  /** A command to its end. */
  run(...bytes: number[]): number[] {
    return this.send(...bytes)
      .settle()
      .result();
  }

  /** Resets it, reads the four interrupts, and turns the motor on. */
  reset(): this {
    this.out(0x3f2, 0x18);
    this.out(0x3f2, 0x1c);
    this.settle();
    for (let drive = 0; drive < 4; drive += 1) this.run(0x08);
    this.run(0x03, 0xdf, 0x02);
    return this;
  }

  seek(cylinder: number): number[] {
    this.run(0x0f, 0, cylinder);
    return this.run(0x08);
  }

  /** Channel 2 for `bytes` at `gpa`. @param mode 0x44 into memory, 0x48 out of it */
  program(gpa: number, bytes: number, mode = 0x46): void {
    this.out(0x0a, 0x06);
    this.out(0x0c, 0);
    this.out(0x0b, mode | 0x02);
    this.out(0x04, gpa & 0xff);
    this.out(0x04, (gpa >> 8) & 0xff);
    this.out(0x81, gpa >> 16);
    this.out(0x05, (bytes - 1) & 0xff);
    this.out(0x05, (bytes - 1) >> 8);
    this.out(0x0a, 0x02);
  }

  /** Bytes of the diskette at an address, sector from 1. */
  sectors(cylinder: number, head: number, sector: number, count = 1): Uint8Array {
    const at = ((cylinder * 2 + head) * 18 + sector - 1) * 512;
    return this.disk.bytes.slice(at, at + count * 512);
  }
}
