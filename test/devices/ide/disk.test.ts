import { describe, expect, it } from 'vitest';
import { IdeBench, Status } from '../support/ide-bench.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const SECTOR = 512;

function bench({ sectors = 4096, sectorBytes = 512, readOnly = false } = {}) {
  const disk = new MemoryDisk(sectors * SECTOR, { sectorBytes, readOnly }).fillPattern();
  const made = new IdeBench();
  made.controller.plugInDisk(0, 0, disk);
  return { bench: made, disk, channel: made.channel(0) };
}

function words(data: Uint8Array): Uint16Array {
  return new Uint16Array(data.buffer, 0, data.length / 2);
}

function text(data: Uint8Array, word: number, count: number): string {
  const bytes = data.subarray(word * 2, (word + count) * 2);
  return String.fromCharCode(...bytes.map((_, index) => bytes[index ^ 1]!));
}

describe('an emulated ATA disk', () => {
  it('is found as drivers probe: registers keep what is written, device 1 has none', () => {
    const { channel } = bench();
    channel.out(6, 0xa0);
    channel.out(2, 0x55);
    channel.out(3, 0xaa);
    expect([channel.in(2), channel.in(3)]).toEqual([0x55, 0xaa]);
    expect(channel.in(7)).toBe(0x50);
    channel.out(6, 0xb0);
    expect(channel.in(7)).toBe(0);
    expect(channel.alternateStatus).toBe(0);
  });

  it('a channel without drives floats, but for the busy bit', () => {
    const empty = new IdeBench().channel(1);
    for (const register of [1, 2, 3, 4, 5, 6, 7]) expect(empty.in(register)).toBe(0x7f);
    expect(empty.alternateStatus).toBe(0x7f);
    empty.command(0xec);
    empty.bench.settle();
    expect(empty.bench.edges).toEqual([0, 0]);
  });

  it('IDENTIFY DEVICE: Virtual HD 1.1.0 of ATA-8 with MWDMA2, its size in both forms', () => {
    const { channel, bench: rig } = bench({ sectors: 4096 });
    channel.command(0xec);
    expect(channel.alternateStatus).toBe(Status.busy);
    expect(channel.wait() & (Status.request | Status.error)).toBe(Status.request);
    expect(rig.edges[0]).toBe(1);
    const data = channel.readWords(512);
    expect(text(data, 27, 20).trim()).toBe('Virtual HD');
    expect(text(data, 23, 4).trim()).toBe('1.1.0');
    const word = words(data);
    expect(word[0]! & 0x8000, 'not a packet device').toBe(0);
    expect(word[49]! & 0x0300, 'LBA and DMA').toBe(0x0300);
    expect(word[60]! + word[61]! * 0x1_0000).toBe(4096);
    expect(word[100]! + word[101]! * 0x1_0000).toBe(4096);
    expect(word[63]).toBe(0x0407);
    expect(word[80]).toBe(0x01f0);
    expect(word[83]! & 0x0400, '48-bit addresses').toBe(0x0400);
    expect(word[88], 'no ultra DMA').toBe(0);
    expect(word[47]).toBe(0x8080);
    // CHS words describe no more than there is.
    expect(word[1]! * word[3]! * word[6]!).toBeLessThanOrEqual(4096);
    expect(channel.in(7) & Status.request).toBe(0);
  });

  it('READ SECTORS: an interrupt for each sector, none after the last is taken', () => {
    const { channel, bench: rig, disk } = bench();
    channel.command(0x20, { lba: 7, count: 3 });
    const parts: Uint8Array[] = [];
    for (let index = 0; index < 3; index += 1) {
      expect(channel.wait() & Status.request).toBe(Status.request);
      parts.push(channel.readWords(SECTOR));
    }
    rig.settle();
    expect(rig.edges[0]).toBe(3);
    expect(channel.in(7)).toBe(0x50);
    const whole = Uint8Array.from(parts.flatMap((part) => [...part]));
    expect(whole).toEqual(disk.bytes.slice(7 * SECTOR, 10 * SECTOR));
  });

  it('READ MULTIPLE takes blocks of the count that was set, the last one shorter', () => {
    const { channel, bench: rig, disk } = bench();
    channel.command(0xc6, { count: 4 });
    channel.wait();
    channel.command(0xc4, { lba: 100, count: 10 });
    const edges = rig.edges[0];
    const sizes: number[] = [];
    const parts: number[] = [];
    for (let left = 10; left > 0;) {
      expect(channel.wait() & Status.request).toBe(Status.request);
      const sectors = Math.min(4, left);
      parts.push(...channel.readWords(sectors * SECTOR));
      sizes.push(sectors);
      left -= sectors;
    }
    expect(sizes).toEqual([4, 4, 2]);
    expect(rig.edges[0] - edges).toBe(3);
    expect(Uint8Array.from(parts)).toEqual(disk.bytes.slice(100 * SECTOR, 110 * SECTOR));
    channel.command(0xc6, { count: 3 });
    expect(channel.wait() & Status.error, 'not a power of two').toBe(Status.error);
  });

  it('WRITE SECTORS: the first sector without an interrupt, each one after it with one', () => {
    const { channel, bench: rig, disk } = bench();
    const data = Uint8Array.from({ length: 2 * SECTOR }, (_, index) => index * 3);
    channel.command(0x30, { lba: 20, count: 2 });
    expect(rig.lines[0]).toBe(false);
    expect(channel.wait() & Status.request).toBe(Status.request);
    channel.writeWords(data.subarray(0, SECTOR));
    expect(channel.wait() & Status.request).toBe(Status.request);
    expect(rig.edges[0]).toBe(1);
    channel.writeWords(data.subarray(SECTOR));
    expect(channel.wait()).toBe(0x50);
    expect(rig.edges[0]).toBe(2);
    expect(disk.bytes.slice(20 * SECTOR, 22 * SECTOR)).toEqual(data);
  });

  it('addresses in cylinders, heads and sectors lead to the same sectors', () => {
    const { channel, disk } = bench();
    channel.command(0xec);
    channel.wait();
    const word = words(channel.readWords(512));
    const [heads, perTrack] = [word[3]!, word[6]!];
    const lba = (2 * heads + 1) * perTrack + 4;
    channel.out(6, 0xa0 | 1);
    channel.out(2, 1);
    channel.out(3, 5);
    channel.out(4, 2);
    channel.out(5, 0);
    channel.out(7, 0x20);
    channel.wait();
    expect(channel.readWords(SECTOR)).toEqual(disk.bytes.slice(lba * SECTOR, (lba + 1) * SECTOR));
    channel.out(3, 0);
    channel.out(7, 0x20);
    expect(channel.wait() & Status.error, 'there is no sector 0').toBe(Status.error);
    expect(channel.in(1)).toBe(0x10);
  });

  it('READ DMA EXT through a table of odd regions; the masters tell of the interrupt', () => {
    const { channel, bench: rig, disk } = bench();
    const bytes = 300 * SECTOR;
    const pieces = [
      [0x10_0002, 0x1_0000 - 2],
      [0x12_0000, 0],
      [0x14_0000, bytes - 0x1_0000 - (0x1_0000 - 2)],
    ] as const;
    channel.regions(0x2000, pieces);
    channel.commandExt(0x25, 1000, 300);
    channel.setMaster(0, 1, 0x09);
    expect(channel.master(2) & 0x01, 'active').toBe(1);
    rig.settle();
    expect(rig.edges[0]).toBe(1);
    expect(channel.master(2)).toBe(0x04);
    expect(channel.in(7)).toBe(0x50);
    const got = Buffer.concat(
      pieces.map(([gpa, length]) => rig.memory.readBytes(gpa, length === 0 ? 0x1_0000 : length)),
    );
    expect(got.equals(disk.bytes.slice(1000 * SECTOR, 1300 * SECTOR))).toBe(true);
    channel.setMaster(2, 1, 0x04);
    expect(channel.master(2)).toBe(0);
  });

  it('WRITE DMA starts when the master does, whichever the guest set going first', () => {
    const { channel, bench: rig, disk } = bench();
    const data = Uint8Array.from({ length: 4 * SECTOR }, (_, index) => index % 251);
    rig.memory.writeBytes(0x8000, data);
    channel.regions(0x2000, [[0x8000, data.length]]);
    channel.command(0xca, { lba: 64, count: 4 });
    rig.settle();
    expect(channel.alternateStatus & Status.busy).toBe(Status.busy);
    channel.setMaster(0, 1, 0x01);
    rig.settle();
    expect(channel.in(7)).toBe(0x50);
    expect(disk.bytes.slice(64 * SECTOR, 68 * SECTOR)).toEqual(data);
  });

  it('a table that is longer than the command leaves the master active; a shorter one ends both', () => {
    const { channel, bench: rig, disk } = bench();
    channel.regions(0x2000, [[0x8000, 8 * SECTOR]]);
    channel.command(0xc8, { lba: 0, count: 2 });
    channel.setMaster(0, 1, 0x09);
    rig.settle();
    expect(channel.master(2)).toBe(0x05);
    channel.setMaster(0, 1, 0x00);
    expect(channel.master(2)).toBe(0x04);
    channel.regions(0x2000, [[0x9000, SECTOR]]);
    channel.command(0xc8, { lba: 5, count: 4 });
    channel.setMaster(0, 1, 0x09);
    rig.settle();
    expect(channel.master(2)).toBe(0x04);
    expect(channel.in(7) & (Status.busy | Status.request)).toBe(0);
    expect(rig.memory.readBytes(0x9000, SECTOR)).toEqual(disk.bytes.slice(5 * SECTOR, 6 * SECTOR));
  });

  it('regions outside RAM, and a direction that is not the command’s, set the error bit', () => {
    const { channel, bench: rig } = bench();
    channel.regions(0x2000, [[0xf000_0000, SECTOR]]);
    channel.command(0xc8, { count: 1 });
    channel.setMaster(0, 1, 0x09);
    rig.settle();
    expect(channel.master(2) & 0x03).toBe(0x02);
    expect(channel.in(7) & Status.error).toBe(Status.error);
    channel.setMaster(0, 1, 0);
    channel.regions(0x2000, [[0x8000, SECTOR]]);
    channel.command(0xc8, { count: 1 });
    channel.setMaster(0, 1, 0x01);
    rig.settle();
    expect(channel.master(2) & 0x03).toBe(0x02);
    expect(channel.in(7) & Status.error).toBe(Status.error);
  });

  it('beyond the end: ID not found. An unreadable sector: uncorrectable, with its address', () => {
    const { channel, disk } = bench();
    channel.command(0x20, { lba: 4095, count: 2 });
    expect(channel.wait() & Status.error).toBe(Status.error);
    expect(channel.in(1)).toBe(0x10);
    disk.badPosition = 9 * SECTOR;
    channel.command(0xc4, { lba: 8, count: 4 });
    expect(channel.wait() & Status.error).toBe(Status.error);
    expect([channel.in(1), channel.in(3)]).toEqual([0x40, 9]);
  });

  it('a read-only disk takes no writes, and unknown commands are aborted', () => {
    const { channel } = bench({ readOnly: true });
    for (const code of [0x30, 0xca, 0xa0, 0xa1, 0xb0, 0x00]) {
      channel.command(code, { count: 1 });
      expect(channel.wait() & Status.error, `command ${code.toString(16)}`).toBe(Status.error);
      expect(channel.in(1)).toBe(0x04);
    }
  });

  it('a disk of 4096-byte sectors has sectors of 512 here, and a physical sector of eight', () => {
    const { channel, disk } = bench({ sectorBytes: 4096 });
    channel.command(0xec);
    channel.wait();
    expect(words(channel.readWords(512))[106]).toBe(0x6003);
    const before = disk.bytes.slice(0, 8 * SECTOR);
    const data = new Uint8Array(SECTOR).fill(0xee);
    channel.command(0x30, { lba: 3, count: 1 });
    channel.wait();
    channel.writeWords(data);
    channel.wait();
    before.set(data, 3 * SECTOR);
    expect(disk.bytes.slice(0, 8 * SECTOR)).toEqual(before);
  });

  it('FLUSH CACHE flushes; SET FEATURES changes what IDENTIFY says', () => {
    const { channel, disk } = bench();
    channel.command(0xe7);
    expect(channel.wait()).toBe(0x50);
    expect(disk.flushes).toBe(1);
    channel.command(0xef, { features: 0x82 });
    expect(channel.wait()).toBe(0x50);
    channel.command(0xef, { features: 0x03, count: 0x21 });
    expect(channel.wait()).toBe(0x50);
    channel.command(0xec);
    channel.wait();
    const word = words(channel.readWords(512));
    expect([word[63], word[85]]).toEqual([0x0207, 0x0008]);
    channel.command(0xef, { features: 0x03, count: 0x45 });
    expect(channel.wait() & Status.error, 'ultra DMA').toBe(Status.error);
  });

  it('READ NATIVE MAX in both forms; the high bytes come with the HOB bit', () => {
    const { channel } = bench({ sectors: 4096 });
    channel.command(0xf8);
    channel.wait();
    expect([channel.in(3), channel.in(4)]).toEqual([0xff, 0x0f]);
    channel.commandExt(0x27, 0, 0);
    channel.wait();
    expect([channel.in(3), channel.in(4)]).toEqual([0xff, 0x0f]);
    channel.control(0x80);
    expect([channel.in(3), channel.in(4)]).toEqual([0, 0]);
    channel.out(2, 0);
    expect(channel.in(3), 'a write turns the HOB bit off').toBe(0xff);
  });

  it('a software reset: busy, then the signature of a disk; nothing of the command before it', () => {
    const { channel, bench: rig } = bench();
    channel.command(0x20, { lba: 3, count: 5 });
    channel.control(0x04);
    expect(channel.alternateStatus).toBe(Status.busy);
    channel.control(0x00);
    rig.settle();
    expect(channel.in(7)).toBe(0x50);
    expect([1, 2, 3, 4, 5, 6].map((register) => channel.in(register))).toEqual([
      1, 1, 1, 0, 0, 0xa0,
    ]);
    expect(rig.edges[0]).toBe(0);
  });

  it('with nIEN set no interrupt comes, and a waiting one comes when it is cleared', () => {
    const { channel, bench: rig } = bench();
    channel.control(0x02);
    channel.command(0xec);
    rig.settle();
    expect([rig.edges[0], channel.master(2)]).toEqual([0, 0]);
    channel.control(0x00);
    expect([rig.edges[0], channel.master(2)]).toEqual([1, 4]);
    expect(channel.alternateStatus & Status.request).toBe(Status.request);
    expect(rig.lines[0], 'alternate status does not acknowledge').toBe(true);
    channel.in(7);
    expect(rig.lines[0]).toBe(false);
  });

  it('answers nowhere while the function’s I/O bit is off, and its masters where BAR 4 says', () => {
    const { channel, bench: rig } = bench();
    const { controller, ports } = rig;
    controller.write(0x04, 2, 0x0004);
    expect([channel.in(7), channel.alternateStatus, channel.master(2)]).toEqual([0xff, 0xff, 0xff]);
    controller.write(0x20, 4, 0xc000);
    controller.write(0x04, 2, 0x0005);
    expect([channel.in(7), ports.read(0xc002, 1), channel.master(2)]).toEqual([0x50, 0, 0xff]);
    // Over the command block of the channel, the masters answer nowhere.
    controller.write(0x20, 4, 0x01f0);
    expect([channel.in(7), ports.read(0xc002, 1)]).toEqual([0x50, 0xff]);
    controller.write(0x20, 4, 0xffff_ffff);
    expect(controller.read(0x20, 4)).toBe(0xfff1);
    controller.write(0x40, 2, 0x0000);
    expect(channel.in(7), 'the primary channel is not decoded').toBe(0xff);
  });
});
