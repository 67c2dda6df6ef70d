import { describe, expect, it } from 'vitest';
import { ScsiDvd } from '../../../src/devices/scsi/dvd.ts';
import { MICROSOFT_IDE_DVD } from '../../../src/devices/scsi/inquiry.ts';
import { IdeBench, Status } from '../support/ide-bench.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const BLOCK = 2048;

function bench({ blocks = 300, hasDisc = true } = {}) {
  const disc = new MemoryDisk(blocks * BLOCK, { readOnly: true }).fillPattern();
  const unit = new ScsiDvd('dvd', hasDisc ? disc : undefined, MICROSOFT_IDE_DVD);
  const made = new IdeBench();
  made.controller.plugInUnit(1, 0, unit);
  return { bench: made, disc, unit, channel: made.channel(1) };
}

const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const read10 = (lba: number, blocks: number): number[] => [
  0x28,
  0,
  lba >>> 24,
  (lba >>> 16) & 0xff,
  (lba >>> 8) & 0xff,
  lba & 0xff,
  0,
  blocks >>> 8,
  blocks & 0xff,
  0,
];

describe('an emulated ATAPI drive', () => {
  it('shows its signature after power-on and to IDENTIFY DEVICE, which it aborts', () => {
    const { channel } = bench();
    channel.out(6, 0xa0);
    expect([channel.in(4), channel.in(5), channel.in(7)]).toEqual([0x14, 0xeb, 0]);
    channel.command(0xec);
    expect(channel.wait() & Status.error).toBe(Status.error);
    expect([channel.in(1), channel.in(4), channel.in(5)]).toEqual([0x04, 0x14, 0xeb]);
  });

  it('alone on its channel, it answers zeros for the other device', () => {
    const { channel } = bench();
    channel.out(6, 0xb0);
    expect([1, 2, 3, 4, 5, 6, 7].map((register) => channel.in(register))).toEqual([
      0, 0, 0, 0, 0, 0, 0,
    ]);
  });

  it('IDENTIFY PACKET DEVICE: Virtual CD, packets of twelve bytes, MWDMA2', () => {
    const { channel, bench: rig } = bench();
    channel.out(6, 0xa0);
    channel.out(7, 0xa1);
    expect(channel.wait() & Status.request).toBe(Status.request);
    expect(rig.edges[1]).toBe(1);
    const data = channel.readWords(512);
    const word = new Uint16Array(data.buffer);
    expect(word[0]).toBe(0x85c0);
    expect(ascii(data.slice(54, 94).map((_, index, all) => all[index ^ 1]!)).trim()).toBe(
      'Virtual CD',
    );
    expect(word[63]).toBe(0x0407);
  });

  it('INQUIRY names Microsoft’s CD/ROM; each phase has its interrupt reason', () => {
    const { channel, bench: rig } = bench();
    channel.out(6, 0xa0);
    channel.out(7, 0xa0);
    expect([channel.in(2), channel.alternateStatus & Status.request]).toEqual([1, Status.request]);
    channel.writeWords(Uint8Array.of(0x12, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0));
    expect(channel.wait() & Status.request).toBe(Status.request);
    expect([channel.in(2), channel.in(4), channel.in(5)]).toEqual([2, 36, 0]);
    const data = channel.readWords(36);
    expect(channel.wait() & (Status.request | Status.error)).toBe(0);
    expect(channel.in(2)).toBe(3);
    expect(data[0]).toBe(5);
    expect(ascii(data.slice(8, 36))).toBe('Msft    Virtual CD/ROM  1.0 ');
    expect(rig.edges[1]).toBe(2);
  });

  it('READ (10) by the data port, in turns of the byte count that the guest chose', () => {
    const { channel, disc } = bench();
    channel.packet(read10(100, 3), { byteCount: BLOCK });
    const { data, turns, status } = channel.packetData();
    expect(turns).toBe(3);
    expect(status & Status.error).toBe(0);
    expect(Buffer.from(data).equals(disc.bytes.slice(100 * BLOCK, 103 * BLOCK))).toBe(true);
  });

  it('READ (10) of more than the drive’s buffer, by both ways', () => {
    const { channel, bench: rig, disc } = bench();
    const blocks = 150;
    const want = disc.bytes.slice(20 * BLOCK, (20 + blocks) * BLOCK);
    channel.packet(read10(20, blocks), { byteCount: 0x8000 });
    expect(Buffer.from(channel.packetData().data).equals(want)).toBe(true);
    const regions = Array.from(
      { length: 5 },
      (_, index) =>
        [0x10_0000 + index * 0x1_0000, Math.min(0x1_0000, want.length - index * 0x1_0000)] as const,
    );
    channel.regions(0x2000, regions);
    channel.packet(read10(20, blocks), { dma: true });
    channel.setMaster(0, 1, 0x09);
    rig.settle();
    expect(channel.in(7) & (Status.error | Status.busy | Status.request)).toBe(0);
    expect(channel.master(2)).toBe(0x04);
    expect(Buffer.from(rig.memory.readBytes(0x10_0000, want.length)).equals(want)).toBe(true);
  });

  it('an error ends the command with the sense key, and REQUEST SENSE tells the rest once', () => {
    const { channel } = bench();
    channel.packet(read10(299, 2));
    expect(channel.wait() & Status.error).toBe(Status.error);
    expect(channel.in(1)).toBe(0x54);
    const sense = (): number[] => {
      channel.packet([0x03, 0, 0, 0, 18]);
      const { data } = channel.packetData();
      return [data[2]!, data[12]!, data[13]!];
    };
    expect(sense()).toEqual([0x05, 0x21, 0x00]);
    expect(sense()).toEqual([0, 0, 0]);
  });

  it('an empty drive is not ready: medium not present', () => {
    const { channel } = bench({ hasDisc: false });
    channel.packet([0x00]);
    expect(channel.wait() & Status.error).toBe(Status.error);
    expect(channel.in(1)).toBe(0x20);
    channel.packet([0x03, 0, 0, 0, 18]);
    expect(channel.packetData().data.slice(12, 14)).toEqual(Uint8Array.of(0x3a, 0x01));
  });

  it('MODE SELECT takes its parameters from the host', () => {
    const { channel, bench: rig } = bench();
    channel.packet([0x5a, 0, 0x01, 0, 0, 0, 0, 0, 64]);
    const { data } = channel.packetData();
    channel.packet([0x55, 0x10, 0, 0, 0, 0, 0, 0, data.length]);
    expect(channel.wait() & Status.request).toBe(Status.request);
    expect(channel.in(2), 'data, to the drive').toBe(0);
    const list = data.slice();
    list.fill(0, 0, 8);
    channel.writeWords(list);
    expect(channel.wait() & (Status.request | Status.error)).toBe(0);
    rig.settle();
  });

  it('DEVICE RESET ends what it is at and shows the signature', () => {
    const { channel, bench: rig } = bench();
    channel.packet(read10(0, 10));
    channel.out(7, 0x08);
    rig.settle();
    expect([channel.in(7), channel.in(1), channel.in(4), channel.in(5)]).toEqual([
      0, 1, 0x14, 0xeb,
    ]);
  });
});
