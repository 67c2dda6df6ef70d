import { describe, expect, it } from 'vitest';
import { DISKETTE_BYTES, FloppyBench, Request } from '../support/floppy-bench.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

/** READ DATA of one sector's length code, gap and so on. */
const read = (
  cylinder: number,
  head: number,
  sector: number,
  last = 18,
  flags = 0x40,
): number[] => [flags | 0x06, head << 2, cylinder, head, sector, 2, last, 0x1b, 0xff];
const write = (...address: Parameters<typeof read>): number[] => {
  const [command, ...rest] = read(...address);
  return [(command! & 0xc0) | 0x05, ...rest];
};

describe('a floppy controller', () => {
  it('tells of all four drives after a reset, one at a time, and then of none', () => {
    const bench = new FloppyBench();
    bench.out(0x3f2, 0x00);
    expect(bench.mainStatus, 'nothing while it is held').toBe(0);
    bench.out(0x3f2, 0x0c);
    expect(bench.line.isActive).toBe(false);
    bench.settle();
    expect(bench.line.isActive).toBe(true);
    for (let drive = 0; drive < 4; drive += 1) expect(bench.run(0x08)).toEqual([0xc0 | drive, 0]);
    expect(bench.line.isActive).toBe(false);
    expect(bench.run(0x08)).toEqual([0x80]);
  });

  it('resets itself by the data rate register, too', () => {
    const bench = new FloppyBench().reset();
    bench.send(0x06, 0x00);
    bench.out(0x3f4, 0x80);
    expect(bench.mainStatus).toBe(Request.toController);
    bench.settle();
    expect(bench.run(0x08)).toEqual([0xc0, 0]);
  });

  it('holds its interrupt back while the gate is shut', () => {
    const bench = new FloppyBench();
    bench.out(0x3f2, 0x00);
    bench.out(0x3f2, 0x04);
    bench.settle();
    expect(bench.line.isActive).toBe(false);
    bench.out(0x3f2, 0x0c);
    expect(bench.line.isActive).toBe(true);
  });

  it('is an 82077AA: version 90h, a FIFO to configure and lock, no part number', () => {
    const bench = new FloppyBench().reset();
    expect(bench.run(0x10)).toEqual([0x90]);
    expect(bench.run(0x18), 'PART ID came later').toEqual([0x80]);
    expect(bench.run(0x13, 0, 0x57, 0)).toEqual([]);
    expect(bench.run(0x94)).toEqual([0x10]);
    bench.seek(3);
    expect(bench.run(0x0e)).toEqual([3, 0, 0, 0, 0xdf, 0x02, 0, 0x80, 0x57, 0]);
    // What is locked outlives a reset, and so no drive is polled.
    bench.out(0x3f2, 0x18);
    bench.out(0x3f2, 0x1c);
    bench.settle();
    expect(bench.run(0x08)).toEqual([0x80]);
    expect(bench.run(0x14)).toEqual([0x00]);
    bench.reset();
    expect(bench.run(0x0e).slice(7)).toEqual([0, 0x20, 0]);
  });

  it('seeks and comes back to track 0; of a drive that is not there it says so', () => {
    const bench = new FloppyBench().reset();
    bench.send(0x0f, 0x04, 40);
    expect(bench.mainStatus & 0x0f, 'on its way').toBe(1);
    bench.settle();
    expect(bench.line.isActive).toBe(true);
    expect(bench.run(0x08)).toEqual([0x24, 40]);
    expect(bench.run(0x04, 0), 'ready, two sides, not at track 0').toEqual([0x28]);
    bench.run(0x07, 0);
    expect(bench.run(0x08)).toEqual([0x20, 0]);
    expect(bench.run(0x04, 0)).toEqual([0x38]);
    bench.run(0xcf, 0, 7);
    expect(bench.run(0x08), 'relative, inwards').toEqual([0x20, 7]);
    bench.run(0x8f, 0, 2);
    expect(bench.run(0x08)).toEqual([0x20, 5]);
    bench.run(0x07, 1);
    expect(bench.run(0x08)).toEqual([0x71, 0]);
  });

  it('has one thing under way: a second seek takes the place of the first', () => {
    const bench = new FloppyBench().reset();
    bench.send(0x0f, 0x00, 40);
    expect(bench.events.pendingCount).toBe(1);
    bench.send(0x0f, 0x00, 3);
    expect(bench.events.pendingCount).toBe(1);
    bench.settle();
    expect(bench.run(0x08)).toEqual([0x20, 3]);
  });

  it('shows its change line until a head moves over a diskette, and the motor has to run', () => {
    const bench = new FloppyBench().reset();
    expect(bench.in(0x3f7)).toBe(0xff);
    bench.seek(1);
    expect(bench.in(0x3f7)).toBe(0x7f);
    bench.controller.change(undefined);
    expect(bench.in(0x3f7)).toBe(0xff);
    bench.seek(2);
    expect(bench.in(0x3f7), 'without a diskette it stays').toBe(0xff);
    bench.controller.change(bench.disk);
    bench.out(0x3f2, 0x0c);
    expect(bench.in(0x3f7)).toBe(0x7f);
    bench.out(0x3f2, 0x1c);
    expect(bench.in(0x3f7)).toBe(0xff);
    bench.run(0x07, 0);
    expect(bench.in(0x3f7)).toBe(0x7f);
  });
});

describe('transfers', () => {
  it('READ DATA to the terminal count: one sector, with the next address in the result', () => {
    const bench = new FloppyBench().reset();
    bench.seek(5);
    bench.program(0x1_0000, 512);
    bench.send(...read(5, 1, 7));
    expect(bench.mainStatus).toBe(0x10);
    bench.settle();
    expect(bench.mainStatus).toBe(Request.toHost);
    expect(bench.line.isActive).toBe(true);
    expect(bench.in(0x3f5)).toBe(0x04);
    expect(bench.line.isActive, 'the first byte of the result takes it down').toBe(false);
    expect(bench.result()).toEqual([0, 0, 5, 1, 8, 2]);
    expect(bench.memory.readBytes(0x1_0000, 512)).toEqual(bench.sectors(5, 1, 7));
  });

  it('goes from one head to the other, and ends beyond the cylinder when nobody says stop', () => {
    const bench = new FloppyBench().reset();
    bench.seek(0);
    bench.program(0x2_0000, 36 * 512);
    expect(bench.run(...read(0, 0, 1, 18, 0xc0))).toEqual([0x04, 0, 0, 1, 0, 1, 2]);
    expect(bench.memory.readBytes(0x2_0000, 36 * 512)).toEqual(bench.sectors(0, 0, 1, 36));
    bench.program(0x2_0000, 18 * 512);
    expect(bench.run(...read(0, 0, 1, 18, 0xc0))).toEqual([0, 0, 0, 0, 1, 1, 2]);
    bench.program(0x2_0000, 40 * 512);
    expect(bench.run(...read(0, 0, 18))).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
  });

  it('WRITE DATA; the rest of a sector that ends early is zeros', () => {
    const bench = new FloppyBench().reset();
    bench.seek(79);
    const data = Uint8Array.from({ length: 1024 }, (_, index) => (index * 5) & 0xff);
    bench.memory.writeBytes(0x8000, data);
    bench.program(0x8000, 700, 0x48);
    expect(bench.run(...write(79, 0, 3))).toEqual([0, 0, 0, 79, 0, 5, 2]);
    const expected = new Uint8Array(1024);
    expected.set(data.subarray(0, 700));
    expect(bench.sectors(79, 0, 3, 2)).toEqual(expected);
  });

  it.each([
    ['another cylinder than the head is over', read(6, 0, 1), [0x40, 0x04, 0x10, 6, 0, 1, 2]],
    ['the mark of a bad cylinder', read(0xff, 0, 1), [0x40, 0x04, 0x12, 0xff, 0, 1, 2]],
    ['sector 0', read(5, 0, 0), [0x40, 0x04, 0, 5, 0, 0, 2]],
    ['sector 19', read(5, 0, 19, 20), [0x40, 0x04, 0, 5, 0, 19, 2]],
    ['another size', read(5, 0, 1).with(5, 3), [0x40, 0x04, 0, 5, 0, 1, 2]],
    ['another head than is selected', read(5, 0, 1).with(3, 1), [0x40, 0x04, 0, 5, 1, 1, 2]],
    ['single density', read(5, 0, 1, 18, 0), [0x40, 0x01, 0, 5, 0, 1, 2]],
    ['drive 1', read(5, 0, 1).with(1, 1), [0x41, 0x01, 0, 5, 0, 1, 2]],
    [
      'a deleted mark, skipping others',
      [0x6c, ...read(5, 0, 1).slice(1)],
      [0x40, 4, 0, 5, 0, 1, 2],
    ],
  ])('does not find %s', (_, command, result) => {
    const bench = new FloppyBench().reset();
    bench.seek(5);
    bench.program(0x1_0000, 512);
    expect(bench.run(...command)).toEqual(result);
    expect(bench.line.rises).toBeGreaterThan(0);
  });

  it('finds no address marks without a diskette, or at another data rate', () => {
    const bench = new FloppyBench().reset();
    bench.seek(0);
    expect(bench.run(0x4a, 0)).toEqual([0, 0, 0, 0, 0, 2, 2]);
    expect(bench.run(0x4a, 4), 'the next one under the head').toEqual([4, 0, 0, 0, 1, 3, 2]);
    bench.out(0x3f7, 0x02);
    expect(bench.run(0x4a, 0).slice(0, 3)).toEqual([0x40, 0x01, 0]);
    bench.out(0x3f7, 0x00);
    bench.controller.change(undefined);
    expect(bench.run(0x4a, 0).slice(0, 3)).toEqual([0x40, 0x01, 0]);
  });

  it('takes its format from the size: 720 KB at 250 kb/s with 9 sectors', () => {
    const bench = new FloppyBench(new MemoryDisk(737_280).fillPattern()).reset();
    bench.out(0x3f7, 0x02);
    bench.program(0x1_0000, 512);
    expect(bench.run(...read(0, 1, 9, 9)).slice(0, 3)).toEqual([4, 0, 0]);
    const at = (9 + 8) * 512;
    expect(bench.memory.readBytes(0x1_0000, 512)).toEqual(bench.disk.bytes.slice(at, at + 512));
    expect(bench.run(...read(0, 1, 10, 10)).slice(0, 2)).toEqual([0x44, 0x04]);
  });

  it('does not write on a protected diskette', () => {
    const disk = new MemoryDisk(DISKETTE_BYTES, { readOnly: true }).fillPattern();
    const bench = new FloppyBench(disk).reset();
    expect(bench.run(0x04, 0)).toEqual([0x78]);
    bench.program(0x8000, 512, 0x48);
    expect(bench.run(...write(0, 0, 1)).slice(0, 2)).toEqual([0x40, 0x02]);
    expect(bench.run(0x4d, 0, 2, 18, 0x1b, 0xf6).slice(0, 2)).toEqual([0x40, 0x02]);
  });

  it('tells of a sector that the image does not give', () => {
    const bench = new FloppyBench().reset();
    bench.disk.badPosition = 2 * 512;
    bench.program(0x1_0000, 4 * 512);
    expect(bench.run(...read(0, 0, 1))).toEqual([0x40, 0x20, 0x20, 0, 0, 3, 2]);
    bench.program(0x1_0000, 512, 0x48);
    expect(bench.run(...write(0, 0, 3)).slice(0, 3)).toEqual([0x40, 0x20, 0x20]);
  });

  it('overruns when the DMA controller does not take the data', () => {
    const bench = new FloppyBench().reset();
    bench.out(0x0a, 0x06);
    expect(bench.run(...read(0, 0, 1)).slice(0, 2)).toEqual([0x40, 0x10]);
  });

  it('without DMA gives and takes every byte by the FIFO', () => {
    const bench = new FloppyBench().reset();
    bench.run(0x03, 0xdf, 0x03);
    bench.send(...read(0, 0, 2, 3)).settle();
    const bytes: number[] = [];
    for (let sector = 2; sector <= 3; sector += 1) {
      expect(bench.line.isActive).toBe(true);
      for (let index = 0; index < 512; index += 1) {
        expect(bench.mainStatus).toBe(0xf0);
        bytes.push(bench.in(0x3f5));
      }
      expect(bench.mainStatus, 'the next sector is on its way').toBe(0x30);
      bench.settle();
    }
    expect(Uint8Array.from(bytes)).toEqual(bench.sectors(0, 0, 2, 2));
    expect(bench.result()).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
    bench.send(...write(0, 0, 4, 4)).settle();
    for (let index = 0; index < 512; index += 1) {
      expect(bench.mainStatus).toBe(0xb0);
      bench.send(index & 0xff);
    }
    bench.settle();
    expect(bench.result().slice(0, 2)).toEqual([0x40, 0x80]);
    expect(bench.sectors(0, 0, 4)).toEqual(Uint8Array.from({ length: 512 }, (_, at) => at & 0xff));
  });

  it('FORMAT TRACK fills the sectors whose addresses it is given', () => {
    const bench = new FloppyBench().reset();
    bench.seek(2);
    const before = bench.sectors(2, 1, 18);
    const addresses = Array.from({ length: 17 }, (_, index) => [2, 1, index + 1, 2]).flat();
    bench.memory.writeBytes(0x8000, Uint8Array.from(addresses));
    bench.program(0x8000, addresses.length, 0x48);
    expect(bench.run(0x4d, 0x04, 2, 17, 0x1b, 0xf6).slice(0, 3)).toEqual([0x04, 0, 0]);
    expect(bench.sectors(2, 1, 1, 17)).toEqual(new Uint8Array(17 * 512).fill(0xf6));
    expect(bench.sectors(2, 1, 18)).toEqual(before);
  });

  it('VERIFY reads without giving, by a count or to the end of the track', () => {
    const bench = new FloppyBench().reset();
    expect(bench.run(0x56, 0x80, 0, 0, 4, 2, 18, 0x1b, 3)).toEqual([0, 0, 0, 0, 0, 7, 2]);
    expect(bench.run(0x56, 0, 0, 0, 4, 2, 18, 0x1b, 0xff)).toEqual([0, 0, 0, 1, 0, 1, 2]);
    bench.disk.badPosition = 5 * 512;
    expect(bench.run(0x56, 0x80, 0, 0, 4, 2, 18, 0x1b, 3).slice(0, 3)).toEqual([0x40, 0x20, 0x20]);
  });

  it('scans for a sector that is equal, or as low', () => {
    const bench = new FloppyBench().reset();
    const scan = (code: number, gpa: number): number[] => {
      bench.program(gpa, 18 * 512, 0x48);
      return bench.run(code, 0, 0, 0, 1, 2, 18, 0x1b, 1);
    };
    const wanted = bench.sectors(0, 0, 5);
    for (let sector = 0; sector < 18; sector += 1) {
      bench.memory.writeBytes(0x2_0000 + sector * 512, wanted);
    }
    expect(scan(0x51, 0x2_0000)).toEqual([0, 0, 0x08, 0, 0, 5, 2]);
    bench.disk.bytes.fill(0x20, 0, 512);
    bench.memory.writeBytes(0x2_0000, new Uint8Array(18 * 512).fill(0x21));
    expect(scan(0x59, 0x2_0000)[2], 'lower').toBe(0);
    bench.disk.bytes.fill(0x40, 0, 18 * 512);
    expect(scan(0x51, 0x2_0000)[2], 'nowhere').toBe(0x04);
  });

  it('moves the head by itself where implied seeks are on', () => {
    const bench = new FloppyBench().reset();
    bench.run(0x13, 0, 0x40, 0);
    bench.program(0x1_0000, 512);
    expect(bench.run(...read(33, 0, 1)).slice(0, 4)).toEqual([0, 0, 0, 33]);
    expect(bench.memory.readBytes(0x1_0000, 512)).toEqual(bench.sectors(33, 0, 1));
  });
});
