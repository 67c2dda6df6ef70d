import { PortBus } from '../../../src/core/bus.ts';
import { VirtualClock } from '../../../src/core/clock.ts';
import { EventQueue } from '../../../src/core/events.ts';
import { GuestMemory } from '../../../src/core/memory.ts';
import { Trace } from '../../../src/core/trace.ts';
import { IdeController } from '../../../src/devices/ide/controller.ts';

const RAM_BYTES = 4 * 1024 * 1024;
/** A poll that lasts longer than this found no end. */
const MOST_POLLS = 10_000;

export const Status = { error: 0x01, request: 0x08, ready: 0x40, busy: 0x80 } as const;

/** An IDE controller at its ports, and the few lines of a driver that polls. */
export class IdeBench {
  readonly clock = new VirtualClock();
  readonly events = new EventQueue(this.clock);
  readonly memory = new GuestMemory({ ramBytes: RAM_BYTES, lowGapStart: 0xf800_0000 });
  readonly ports = new PortBus();
  readonly controller: IdeController;
  /** Rising edges of IRQ 14 and 15. */
  readonly edges: [number, number] = [0, 0];
  readonly lines: [boolean, boolean] = [false, false];

  constructor() {
    this.controller = new IdeController({
      line: (irq) => ({
        set: (active) => {
          const index = irq === 14 ? 0 : 1;
          if (active && !this.lines[index]) this.edges[index] += 1;
          this.lines[index] = active;
        },
      }),
      events: this.events,
      memory: this.memory,
      trace: new Trace(this.clock),
    });
    this.controller.attach(this.ports);
  }

  channel(index: 0 | 1): BenchChannel {
    return new BenchChannel(this, index);
  }

  /** Lets everything happen that is under way. */
  settle(): void {
    let turns = 0;
    while (this.events.runNext()) {
      turns += 1;
      if (turns > MOST_POLLS) throw new Error('the drive never comes to rest');
    }
  }
}

export class BenchChannel {
  readonly bench: IdeBench;
  readonly #base: number;
  readonly #control: number;
  readonly #master: number;

  constructor(bench: IdeBench, index: 0 | 1) {
    this.bench = bench;
    this.#base = index === 0 ? 0x1f0 : 0x170;
    this.#control = index === 0 ? 0x3f6 : 0x376;
    this.#master = 0xffa0 + index * 8;
  }

  in(register: number): number {
    return this.bench.ports.read(this.#base + register, 1);
  }

  out(register: number, value: number): void {
    this.bench.ports.write(this.#base + register, 1, value);
  }

  get alternateStatus(): number {
    return this.bench.ports.read(this.#control, 1);
  }

  control(value: number): void {
    this.bench.ports.write(this.#control, 1, value);
  }

  master(register: number, size = 1): number {
    return this.bench.ports.read(this.#master + register, size);
  }

  setMaster(register: number, size: number, value: number): void {
    this.bench.ports.write(this.#master + register, size, value);
  }

  /** Polls the alternate status until the drive is not busy. @returns the status register */
  wait(): number {
    for (let polls = 0; (this.alternateStatus & Status.busy) !== 0; polls += 1) {
      if (polls > MOST_POLLS || !this.bench.events.runNext()) throw new Error('busy for ever');
    }
    return this.in(7);
  }

  /** Chooses a drive with a 28-bit address, writes the registers and the command. */
  command(
    code: number,
    { drive = 0, lba = 0, count = 0, features = 0 }: Partial<Record<string, number>> = {},
  ): void {
    this.out(6, 0xe0 | (drive << 4) | ((lba >>> 24) & 0xf));
    this.out(1, features);
    this.out(2, count);
    this.out(3, lba & 0xff);
    this.out(4, (lba >>> 8) & 0xff);
    this.out(5, (lba >>> 16) & 0xff);
    this.out(7, code);
  }

  /** The same with 48-bit addresses: each register twice, the high byte first. */
  commandExt(code: number, lba: number, count: number): void {
    const upper = Math.floor(lba / 0x100_0000);
    this.out(6, 0xe0);
    this.out(2, count >>> 8);
    this.out(3, upper & 0xff);
    this.out(4, (upper >>> 8) & 0xff);
    this.out(5, (upper >>> 16) & 0xff);
    this.out(2, count & 0xff);
    this.out(3, lba & 0xff);
    this.out(4, (lba >>> 8) & 0xff);
    this.out(5, (lba >>> 16) & 0xff);
    this.out(7, code);
  }

  readWords(bytes: number): Uint8Array {
    const data = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 2) {
      const word = this.bench.ports.read(this.#base, 2);
      data[at] = word;
      data[at + 1] = word >>> 8;
    }
    return data;
  }

  writeWords(data: Uint8Array): void {
    for (let at = 0; at < data.length; at += 2) {
      this.bench.ports.write(this.#base, 2, data[at]! | (data[at + 1]! << 8));
    }
  }

  /** Puts a table of regions at `gpa` and points the bus master at it. */
  regions(gpa: number, regions: readonly (readonly [gpa: number, bytes: number])[]): void {
    const { view } = this.bench.memory;
    const at = this.bench.memory.resolve(gpa, 8 * regions.length);
    for (const [index, [region, bytes]] of regions.entries()) {
      view.setUint32(at + index * 8, region, true);
      view.setUint16(at + index * 8 + 4, bytes & 0xffff, true);
      view.setUint16(at + index * 8 + 6, index === regions.length - 1 ? 0x8000 : 0, true);
    }
    this.setMaster(4, 4, gpa);
    this.setMaster(2, 1, 0x06);
  }

  /** Sends a packet command and its packet. */
  packet(cdb: readonly number[], { byteCount = 0xfffe, dma = false, drive = 0 } = {}): void {
    this.out(6, 0xa0 | (drive << 4));
    this.out(1, dma ? 1 : 0);
    this.out(4, byteCount & 0xff);
    this.out(5, byteCount >>> 8);
    this.out(7, 0xa0);
    this.writeWords(Uint8Array.from({ length: 12 }, (_, index) => cdb[index] ?? 0));
  }

  /** Takes all the data of a packet command by the data port. @returns it, and the turns it took */
  packetData(): { readonly data: Uint8Array; readonly turns: number; readonly status: number } {
    const parts: number[] = [];
    let turns = 0;
    for (;;) {
      const status = this.wait();
      if ((status & Status.request) === 0) {
        return { data: Uint8Array.from(parts), turns, status };
      }
      const bytes = this.in(4) | (this.in(5) << 8);
      parts.push(...this.readWords(bytes));
      turns += 1;
    }
  }
}
