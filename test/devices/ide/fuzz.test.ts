import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import {
  hostBridge,
  isaBridge,
  powerManagement,
  videoFunction,
} from '../../../src/devices/pci/board-functions.ts';
import { PciBus } from '../../../src/devices/pci/bus.ts';
import { BoardSlot } from '../../../src/devices/pci/spec.ts';
import { ScsiDvd } from '../../../src/devices/scsi/dvd.ts';
import { IdeBench, Status } from '../support/ide-bench.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { cases, shown } from '../../support/cases.ts';

const CASES = cases(10_000, 2000);
const COMMANDS = [
  0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x40, 0x42, 0x91, 0xa0, 0xa1, 0xc4, 0xc5, 0xc6, 0xc8,
  0xca, 0xe7, 0xec, 0xef, 0xf8, 0x08, 0x90, 0x27,
];
const PACKETS = [
  0x00, 0x03, 0x12, 0x25, 0x28, 0xa8, 0x43, 0x46, 0x4a, 0x51, 0x55, 0x5a, 0xad, 0xbd,
];

/** A board with a disk and a DVD drive, whose ports get what chance gives. */
class Chaos {
  readonly bench = new IdeBench();
  readonly disk = new MemoryDisk(512 * 512).fillPattern();
  readonly pci: PciBus;
  readonly #random: Random;

  constructor(seed: bigint) {
    this.#random = new Random(seed);
    const { controller, ports } = this.bench;
    controller.plugInDisk(0, 0, this.disk);
    controller.plugInDisk(0, 1, new MemoryDisk(512 * 64, { sectorBytes: 4096 }));
    controller.plugInUnit(1, 0, new ScsiDvd('dvd', new MemoryDisk(2048 * 80)));
    this.pci = new PciBus(() => undefined, { set: () => undefined });
    this.pci.attach(ports);
    this.pci.plugIn(BoardSlot.hostBridge, hostBridge());
    this.pci.plugIn(BoardSlot.isaBridge, isaBridge());
    this.pci.plugIn(BoardSlot.ide, controller);
    this.pci.plugIn(BoardSlot.powerManagement, powerManagement(0x400));
    this.pci.plugIn(BoardSlot.video, videoFunction(0xf800_0000));
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)]!;
  }

  #byte(): number {
    return this.#random.below(3) === 0
      ? this.#pick([0, 1, 2, 4, 0x40, 0x80, 0xff])
      : this.#random.below(256);
  }

  /** One thing that a hostile or broken driver does. */
  step(): void {
    const { ports, memory } = this.bench;
    const base = this.#pick([0x1f0, 0x170]);
    const kind = this.#random.below(12);
    if (kind < 4) {
      for (let register = 1; register < 7; register += 1)
        ports.write(base + register, 1, this.#byte());
      if (this.#random.below(2) === 0)
        ports.write(base + 6, 1, 0xe0 | (this.#random.below(2) << 4));
      ports.write(base + 7, 1, this.#random.below(4) === 0 ? this.#byte() : this.#pick(COMMANDS));
    } else if (kind === 4) {
      ports.write(0x177 - 1, 1, 0xa0);
      ports.write(0x171, 1, this.#random.below(2));
      ports.write(0x177, 1, 0xa0);
      ports.write(0x170, 2, this.#pick(PACKETS) | (this.#byte() << 8));
      for (let index = 1; index < 6; index += 1)
        ports.write(0x170, 2, this.#random.below(0x1_0000));
    } else if (kind === 5) {
      const size = this.#pick([1, 2, 4]);
      for (let count = this.#random.below(300); count > 0; count -= 1) ports.read(base, size);
    } else if (kind === 6) {
      for (let count = this.#random.below(300); count > 0; count -= 1) {
        ports.write(base, 2, this.#random.below(0x1_0000));
      }
    } else if (kind === 7) {
      ports.write(base === 0x1f0 ? 0x3f6 : 0x376, this.#pick([1, 2]), this.#byte());
    } else if (kind === 8) {
      // A table of rubbish in the first megabyte, and the master set going.
      const table = this.#random.below(0x10_0000) & ~7;
      for (let index = 0; index < 32; index += 4) {
        memory.view.setUint32(table + index, this.#random.below(0x100_0000), true);
      }
      const master = 0xffa0 + this.#random.below(2) * 8;
      ports.write(master + 4, 4, this.#random.below(8) === 0 ? 0xffff_fffc : table);
      ports.write(master, 1, this.#byte());
      ports.write(master, 1, this.#pick([1, 9]));
    } else if (kind === 9) {
      ports.write(0xffa0 + this.#random.below(16), this.#pick([1, 2, 4]), this.#byte());
    } else if (kind === 10) {
      for (let port = base; port < base + 8; port += 1) ports.read(port, this.#pick([1, 2, 4]));
      ports.read(0xffa0 + this.#random.below(16), this.#pick([1, 2, 4]));
    } else {
      const slot = this.#pick([0x0000, 0x3800, 0x3900, 0x3b00, 0x4000, 0x5000]);
      ports.write(0xcf8, 4, (0x8000_0000 | slot | (this.#byte() & 0xfc)) >>> 0);
      const port = 0xcfc + this.#random.below(4);
      ports.write(port, this.#pick([1, 2, 4]), this.#random.below(0x1_0000_0000));
      ports.read(port, this.#pick([1, 2, 4]));
    }
    if (this.#random.below(2) === 0) this.bench.settle();
  }

  /** What firmware would do: I/O on, both channels decoded, the masters in their place, a reset. */
  recover(): void {
    const { controller } = this.bench;
    controller.write(0x04, 2, 0x0005);
    controller.write(0x20, 4, 0xffa0);
    controller.write(0x40, 4, 0x8000_8000);
    for (const index of [0, 1] as const) {
      const channel = this.bench.channel(index);
      channel.setMaster(0, 1, 0);
      channel.setMaster(2, 1, 0x06);
      channel.control(0x04);
      channel.control(0x00);
    }
    this.bench.settle();
  }
}

describe('IDE and PCI under a hostile guest', () => {
  it(`${shown(CASES)} cases: nothing throws or runs on for ever, and a reset mends all`, () => {
    for (let round = 0; round < 10; round += 1) {
      const chaos = new Chaos(BigInt(round));
      for (let index = 0; index < CASES / 10; index += 1) chaos.step();
      chaos.recover();
      const channel = chaos.bench.channel(0);
      channel.command(0x20, { lba: 11, count: 1 });
      expect(channel.wait() & (Status.request | Status.error), `round ${round}`).toBe(
        Status.request,
      );
      const sector = Buffer.from(channel.readWords(512));
      expect(sector.equals(chaos.disk.bytes.subarray(11 * 512, 12 * 512))).toBe(true);
      const dvd = chaos.bench.channel(1);
      dvd.packet([0x28, 0, 0, 0, 0, 5, 0, 0, 1, 0], { byteCount: 2048 });
      expect(dvd.packetData().data).toHaveLength(2048);
    }
  });
});
