import { expect, it } from 'vitest';
import { PortBus } from '../../../src/core/bus.ts';
import { Vga } from '../../../src/devices/vga/vga.ts';

function plug(): { readonly vga: Vga; readonly set: (register: number, value: number) => void } {
  const ports = new PortBus();
  const vga = new Vga();
  vga.attach(ports);
  return {
    vga,
    set: (register, value) => {
      ports.write(0x3d4, 1, register);
      ports.write(0x3d5, 1, value);
      expect(ports.read(0x3d4, 1)).toBe(register);
      expect(ports.read(0x3d5, 1)).toBe(register < 0x19 ? value : 0xff);
    },
  };
}

it('powers on with the picture and its cursor at the first cell', () => {
  const { vga } = plug();
  expect([vga.startAddress, vga.cursorAddress]).toEqual([0, 0]);
});

it('has the cursor and the start of the picture where the guest puts them', () => {
  const { vga, set } = plug();
  set(0x0e, 0x01);
  set(0x0f, 0x90);
  set(0x0c, 0x00);
  set(0x0d, 0x50);
  expect([vga.startAddress, vga.cursorAddress]).toEqual([80, 400]);
});

it('shows no cursor while bit 5 of its start line is set', () => {
  const { vga, set } = plug();
  set(0x0a, 0x2d);
  expect(vga.cursorAddress).toBe(-1);
  set(0x0a, 0x0d);
  expect(vga.cursorAddress).toBe(0);
});

it('takes an index and its value in one 16-bit write', () => {
  const ports = new PortBus();
  const vga = new Vga();
  vga.attach(ports);
  ports.write(0x3d4, 2, 0x7b0f);
  expect(vga.cursorAddress).toBe(0x7b);
});

it('has no registers above 18h', () => {
  const { vga, set } = plug();
  set(0x19, 0x55);
  set(0xff, 0x55);
  expect([vga.startAddress, vga.cursorAddress]).toEqual([0, 0]);
});

it('keeps what drivers of text consoles write into the other controllers', () => {
  const ports = new PortBus();
  new Vga().attach(ports);
  const indexed = (port: number, index: number): number => {
    ports.write(port, 1, index);
    return ports.read(port + 1, 1);
  };
  expect(indexed(0x3ce, 0x06), 'text at B8000h, odd and even').toBe(0x0e);
  ports.write(0x3c4, 2, 0x0402);
  expect([ports.read(0x3c4, 1), indexed(0x3c4, 2), indexed(0x3c4, 5)]).toEqual([2, 4, 0xff]);
  ports.write(0x3c2, 1, 0xe3);
  expect([ports.read(0x3cc, 1), ports.read(0x3c2, 1)]).toEqual([0xe3, 0]);
  // Index and data of the attribute controller by turns; a look at the status starts over.
  ports.read(0x3da, 1);
  for (const value of [0x30, 0x0c, 0x31]) ports.write(0x3c0, 1, value);
  ports.read(0x3da, 1);
  ports.write(0x3c0, 1, 0x30);
  expect([ports.read(0x3c0, 1), ports.read(0x3c1, 1)]).toEqual([0x10, 0x0c]);
  ports.write(0x3c8, 1, 7);
  for (const value of [1, 2, 0xff]) ports.write(0x3c9, 1, value);
  ports.write(0x3c7, 1, 7);
  expect([1, 2, 3].map(() => ports.read(0x3c9, 1))).toEqual([1, 2, 0x3f]);
});

it('ends a poll for either edge of the retrace', () => {
  const ports = new PortBus();
  new Vga().attach(ports);
  const looks = [1, 2, 3, 4].map(() => ports.read(0x3da, 1) & 8);
  expect(new Set(looks)).toEqual(new Set([0, 8]));
});
