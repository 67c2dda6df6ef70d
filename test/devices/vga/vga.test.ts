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
