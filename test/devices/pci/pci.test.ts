import { describe, expect, it } from 'vitest';
import { PortBus } from '../../../src/core/bus.ts';
import {
  hostBridge,
  isaBridge,
  powerManagement,
  videoFunction,
} from '../../../src/devices/pci/board-functions.ts';
import { PciBus } from '../../../src/devices/pci/bus.ts';
import { BoardSlot } from '../../../src/devices/pci/spec.ts';

function board() {
  let resets = 0;
  const ports = new PortBus();
  const pci = new PciBus(() => (resets += 1), { set: () => undefined });
  pci.attach(ports);
  pci.plugIn(BoardSlot.hostBridge, hostBridge());
  pci.plugIn(BoardSlot.isaBridge, isaBridge());
  pci.plugIn(BoardSlot.powerManagement, powerManagement(0x400));
  pci.plugIn(BoardSlot.video, videoFunction(0xf800_0000));
  const select = (device: number, card: number, register: number): void =>
    ports.write(0xcf8, 4, (0x8000_0000 | (device << 11) | (card << 8) | (register & 0xfc)) >>> 0);
  return {
    ports,
    resets: () => resets,
    read: (device: number, card: number, register: number, size = 4): number => {
      select(device, card, register);
      return ports.read(0xcfc + (register & 3), size);
    },
    write: (device: number, card: number, register: number, size: number, value: number): void => {
      select(device, card, register);
      ports.write(0xcfc + (register & 3), size, value);
    },
  };
}

describe('PCI bus 0 of a Gen-1 board', () => {
  it('has the functions that lspci shows in a Hyper-V guest, with classes and revisions', () => {
    const { read } = board();
    const found: string[] = [];
    for (let device = 0; device < 32; device += 1) {
      for (let card = 0; card < 8; card += 1) {
        const id = read(device, card, 0);
        if (id === 0xffff_ffff) continue;
        const hex = (value: number, digits: number): string =>
          value.toString(16).padStart(digits, '0');
        const ids = `${hex(id & 0xffff, 4)}:${hex(id >>> 16, 4)}`;
        found.push(
          `${device}.${card} ${ids} ${hex(read(device, card, 8) >>> 8, 6)} rev ${read(device, card, 8, 1)}`,
        );
      }
    }
    expect(found).toEqual([
      '0.0 8086:7192 060000 rev 3',
      '7.0 8086:7110 060100 rev 1',
      '7.3 8086:7113 068000 rev 2',
      '8.0 1414:5353 030000 rev 0',
    ]);
    expect(read(7, 0, 0x0e, 1), 'device 7 has more functions').toBe(0x80);
    expect(read(7, 3, 0x40)).toBe(0x401);
  });

  it('a base address gives its size when ones are written, and takes its address back', () => {
    const { read, write } = board();
    write(8, 0, 0x10, 4, 0xffff_ffff);
    expect(read(8, 0, 0x10)).toBe(0xfc00_0000);
    write(8, 0, 0x10, 4, 0xf800_0000);
    expect(read(8, 0, 0x10)).toBe(0xf800_0000);
    write(8, 0, 0x14, 4, 0xffff_ffff);
    expect(read(8, 0, 0x14)).toBe(0);
    expect(read(8, 0, 0x3c, 2)).toBe(0x010b);
  });

  it('reads bytes and words of a double word, and nothing across it', () => {
    const { read, ports } = board();
    expect(read(0, 0, 2, 2)).toBe(0x7192);
    expect(read(0, 0, 1, 1)).toBe(0x80);
    expect(ports.read(0xcfe, 4)).toBe(0xffff_ffff);
  });

  it('the address register takes double words only, and nothing answers without its enable bit', () => {
    const { ports } = board();
    ports.write(0xcf8, 4, 0xffff_ffff);
    expect(ports.read(0xcf8, 4)).toBe(0x80ff_fffc);
    ports.write(0xcf8, 1, 0);
    ports.write(0xcfa, 2, 0);
    expect(ports.read(0xcf8, 4)).toBe(0x80ff_fffc);
    expect(ports.read(0xcf8, 2)).toBe(0xffff);
    ports.write(0xcf8, 4, 0);
    expect(ports.read(0xcfc, 4)).toBe(0xffff_ffff);
    ports.write(0xcf8, 4, 0x8001_0000);
    expect(ports.read(0xcfc, 4), 'bus 1').toBe(0xffff_ffff);
  });

  it('identities and classes cannot be changed', () => {
    const { read, write } = board();
    for (const register of [0, 8, 0x0c]) {
      const before = read(7, 0, register);
      write(7, 0, register, 4, 0x1234_5678);
      expect(read(7, 0, register)).toBe(before);
    }
  });

  it('the reset control register resets on the rising edge of its bit 2', () => {
    const { ports, resets } = board();
    ports.write(0xcf9, 1, 0x02);
    expect(resets()).toBe(0);
    ports.write(0xcf9, 1, 0x06);
    ports.write(0xcf9, 1, 0x06);
    expect(resets()).toBe(1);
    expect(ports.read(0xcf9, 1)).toBe(0x06);
    ports.write(0xcf9, 1, 0x02);
    ports.write(0xcf9, 1, 0x0e);
    expect(resets()).toBe(2);
  });
});
