import { describe, expect, it } from 'vitest';
import { IoApic } from '../../../src/devices/ioapic/ioapic.ts';

interface Delivered {
  destination: number;
  isLogical: boolean;
  mode: number;
  vector: number;
  isLevel: boolean;
}

function ioapic() {
  const delivered: Delivered[] = [];
  const device = new IoApic((destination, isLogical, mode, vector, isLevel) => {
    delivered.push({ destination, isLogical, mode, vector, isLevel });
  });
  const read = (register: number): number => {
    device.mmioWrite(0, 4, register);
    return device.mmioRead(0x10, 4);
  };
  const write = (register: number, value: number): void => {
    device.mmioWrite(0, 4, register);
    device.mmioWrite(0x10, 4, value);
  };
  const route = (pin: number, low: number, destination = 0): void => {
    write(0x11 + pin * 2, destination * 0x100_0000);
    write(0x10 + pin * 2, low);
  };
  return { device, delivered, read, write, route };
}

const LEVEL = 0x8000;
const MASKED = 0x1_0000;
const REMOTE_IRR = 0x4000;

describe('I/O APIC', () => {
  it('is an 82093AA with 24 masked entries', () => {
    const { read } = ioapic();
    expect(read(1)).toBe(0x0017_0011);
    for (let pin = 0; pin < 24; pin += 1) expect(read(0x10 + pin * 2)).toBe(MASKED);
    expect(read(0x10 + 48)).toBe(0);
  });

  it('keeps writable bits only; the index register is 8 bits wide', () => {
    const { device, read, write } = ioapic();
    write(0x10, 0xffff_ffff);
    expect(read(0x10)).toBe(0x1_afff);
    write(0x11, 0xffff_ffff);
    expect(read(0x11)).toBe(0xff00_0000);
    write(0, 0xffff_ffff);
    expect(read(0)).toBe(0x0f00_0000);
    device.mmioWrite(0, 4, 0x1_23ab);
    expect(device.mmioRead(0, 4)).toBe(0xab);
    expect(device.mmioRead(0x20, 4)).toBe(0);
  });

  it('an edge is sent once, with destination, mode and vector of its entry', () => {
    const { device, delivered, route } = ioapic();
    route(4, 0x0934, 0x0c);
    const line = device.line(4);
    line.set(true);
    line.set(true);
    line.set(false);
    const sent = { destination: 0x0c, isLogical: true, mode: 1, vector: 0x34, isLevel: false };
    expect(delivered).toEqual([sent]);
    line.set(true);
    expect(delivered).toHaveLength(2);
  });

  it('an edge at a masked pin is lost', () => {
    const { device, delivered, route } = ioapic();
    device.setLine(4, true);
    route(4, 0x34);
    expect(delivered).toEqual([]);
  });

  it('a level is sent again after EOI while the line stays active', () => {
    const { device, delivered, route, read } = ioapic();
    route(9, 0x39 | LEVEL);
    device.setLine(9, true);
    expect(read(0x10 + 18)).toBe(0x39 | LEVEL | REMOTE_IRR);
    device.setLine(9, false);
    device.setLine(9, true);
    expect(delivered).toHaveLength(1);
    device.endOfInterrupt(0x38);
    expect(delivered).toHaveLength(1);
    device.endOfInterrupt(0x39);
    expect(delivered).toHaveLength(2);
    device.setLine(9, false);
    device.endOfInterrupt(0x39);
    expect(delivered).toHaveLength(2);
    expect(read(0x10 + 18)).toBe(0x39 | LEVEL);
  });

  it('a level that comes while masked is sent when it is unmasked', () => {
    const { device, delivered, route } = ioapic();
    route(9, 0x39 | LEVEL | MASKED);
    device.setLine(9, true);
    expect(delivered).toEqual([]);
    route(9, 0x39 | LEVEL);
    expect(delivered.map(({ vector, isLevel }) => [vector, isLevel])).toEqual([[0x39, true]]);
  });

  it('writing an entry keeps remote IRR; a moment as edge clears it', () => {
    const { device, delivered, route, read } = ioapic();
    route(9, 0x39 | LEVEL);
    device.setLine(9, true);
    route(9, 0x39 | LEVEL | MASKED);
    expect(read(0x10 + 18) & REMOTE_IRR).toBe(REMOTE_IRR);
    route(9, 0x39 | MASKED);
    expect(read(0x10 + 18) & REMOTE_IRR).toBe(0);
    route(9, 0x39 | LEVEL);
    expect(delivered).toHaveLength(2);
  });

  it('has no pin 24', () => {
    expect(() => ioapic().device.line(24)).toThrow('no pin 24');
  });
});
