import { describe, expect, it } from 'vitest';
import { MmioBus, PortBus } from '../../src/core/bus.ts';

describe('the port bus', () => {
  it('routes to the device and reads all ones where there is none', () => {
    const bus = new PortBus();
    const writes: number[][] = [];
    bus.attach(0x3f8, 8, {
      portRead: (port, size) => port * 10 + size,
      portWrite: (...write) => writes.push(write),
    });
    expect(bus.read(0x3f9, 1)).toBe(0x3f9 * 10 + 1);
    bus.write(0x3ff, 1, 7);
    expect(writes).toEqual([[0x3ff, 1, 7]]);
    expect([bus.read(0x400, 1), bus.read(0x400, 2), bus.read(0x400, 4)]).toEqual([
      0xff, 0xffff, 0xffff_ffff,
    ]);
    bus.detach(0x3f8, 8);
    expect(bus.read(0x3f9, 1)).toBe(0xff);
  });

  it('refuses two devices on one port', () => {
    const bus = new PortBus();
    const device = { portRead: () => 0, portWrite: () => void 0 };
    bus.attach(0x40, 4, device);
    expect(() => bus.attach(0x43, 1, device)).toThrow('0x43 attached twice');
  });
});

describe('the MMIO bus', () => {
  it('routes by range, relative to its start, and refuses overlaps', () => {
    const bus = new MmioBus();
    const writes: number[][] = [];
    const device = {
      mmioRead: (address: number, size: number) => address + size,
      mmioWrite: (...write: number[]) => writes.push(write),
    };
    bus.attach(0xfec0_0000, 0x1000, device);
    expect(bus.read(0xfec0_0010, 4)).toBe(0x14);
    bus.write(0xfec0_0000, 4, 9);
    expect(writes).toEqual([[0, 4, 9]]);
    expect(bus.read(0xfec0_0ffe, 4)).toBe(0xffff_ffff);
    expect(() => bus.attach(0xfec0_0fff, 1, device)).toThrow('overlaps');
  });
});
