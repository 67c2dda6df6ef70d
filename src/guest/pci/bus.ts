/** pci0: what configuration mechanism #1 finds on bus 0, and the drivers for it (dev/pci). */
import {
  PCI_ADDRESS_ENABLE,
  PCI_ADDRESS_PORT,
  PCI_BAR_IO,
  PCI_DATA_PORT,
  PCI_HEADER_MULTI_FUNCTION,
  PciClass,
  PciCommand,
  PciRegister,
} from '../../devices/pci/spec.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Task } from '../kernel/api.ts';

const DEVICES = 32;
const FUNCTIONS = 8;
const NOBODY = 0xffff;
const BARS = 6;

/** A function of bus 0, as a driver sees it. */
export class PciDevice {
  readonly kernel: Kernel;
  readonly slot: number;
  readonly function: number;
  readonly vendorId: number;
  readonly deviceId: number;
  /** Base class, sub-class and programming interface. */
  readonly classCode: number;

  constructor(kernel: Kernel, slot: number, index: number) {
    this.kernel = kernel;
    this.slot = slot;
    this.function = index;
    const id = this.read(PciRegister.vendorId);
    this.vendorId = id & 0xffff;
    this.deviceId = id >>> 16;
    this.classCode = this.vendorId === NOBODY ? 0 : this.read(PciRegister.revision) >>> 8;
  }

  /** The double word of the configuration space that holds a register. */
  read(register: number): number {
    this.#select(register);
    return this.kernel.hw.in32(PCI_DATA_PORT);
  }

  write(register: number, value: number): void {
    this.#select(register);
    this.kernel.hw.out32(PCI_DATA_PORT, value);
  }

  #select(register: number): void {
    const address = (this.slot << 11) | (this.function << 8) | (register & 0xfc);
    this.kernel.hw.out32(PCI_ADDRESS_PORT, (PCI_ADDRESS_ENABLE | address) >>> 0);
  }

  /** The bits of a register that are in the double word of another: a byte or a word. */
  readPart(register: number, mask: number): number {
    return (this.read(register) >>> (8 * (register & 3))) & mask;
  }

  get place(): string {
    return `at device ${this.slot}.${this.function} on pci0`;
  }

  /** Sizes the base address `index` as the bus does: all ones are written, what sticks is read. */
  bar(index: number): { readonly isIo: boolean; readonly base: number; readonly bytes: number } {
    const register = PciRegister.bar0 + index * 4;
    const old = this.read(register);
    this.write(register, 0xffff_ffff);
    const sticks = this.read(register);
    this.write(register, old);
    const isIo = (old & PCI_BAR_IO) !== 0;
    const mask = isIo ? ~3 : ~15;
    const limit = isIo ? 0xffff : 0xffff_ffff;
    const bytes = sticks === 0 ? 0 : ((~(sticks & mask) & limit) >>> 0) + 1;
    return { isIo, base: (old & mask) >>> 0, bytes };
  }
}

/** Takes a function. */
export interface PciDriver {
  /** @returns false when the function is not for this driver */
  attach(device: PciDevice): Task<boolean>;
}

/** Finds what is on bus 0, in order of its place, and gives each to its driver. */
export function* attachPciBus(kernel: Kernel, drivers: readonly PciDriver[]): Task {
  const devices: PciDevice[] = [];
  for (let slot = 0; slot < DEVICES; slot += 1) {
    const first = new PciDevice(kernel, slot, 0);
    if (first.vendorId === NOBODY) continue;
    const header = first.readPart(PciRegister.headerType, 0xff);
    const functions = (header & PCI_HEADER_MULTI_FUNCTION) === 0 ? 1 : FUNCTIONS;
    devices.push(first);
    for (let index = 1; index < functions; index += 1) {
      const device = new PciDevice(kernel, slot, index);
      if (device.vendorId !== NOBODY) devices.push(device);
    }
    yield 0;
  }
  for (const device of devices) yield* attachDevice(device, drivers);
}

function* attachDevice(device: PciDevice, drivers: readonly PciDriver[]): Task {
  const { kernel } = device;
  switch (device.classCode) {
    case PciClass.hostBridge:
      // hostb(4) is quiet.
      return;
    case PciClass.isaBridge:
      kernel.printf(`isab0: <PCI-ISA bridge> ${device.place}\n`);
      kernel.printf('isa0: <ISA bus> on isab0\n');
      return;
    case PciClass.vga:
      attachDisplay(device);
      return;
    default:
      for (const driver of drivers) if (yield* driver.attach(device)) return;
      kernel.printf(
        `pci0: <${className(device.classCode)}> at device ${device.slot}.${device.function} (no driver attached)\n`,
      );
  }
}

/** Ports or addresses as a driver's line has them: `0xf800-0xf87f`. */
export function rangeText(base: number, bytes: number): string {
  return `0x${base.toString(16)}-0x${(base + bytes - 1).toString(16)}`;
}

/** vgapci(4): the display is the console's, which drives it by itself. */
function attachDisplay(device: PciDevice): void {
  const { kernel } = device;
  const resources: string[] = [];
  for (let index = 0; index < BARS; index += 1) {
    const { isIo, base, bytes } = device.bar(index);
    if (bytes === 0) continue;
    resources.push(`${isIo ? 'port' : 'mem'} ${rangeText(base, bytes)}`);
  }
  const interrupt = device.read(PciRegister.interruptLine);
  if (((interrupt >>> 8) & 0xff) !== 0) resources.push(`irq ${interrupt & 0xff}`);
  kernel.printf(`vgapci0: <VGA-compatible display> ${resources.join(' ')} ${device.place}\n`);
  const hasMemory = (device.readPart(PciRegister.command, 0xffff) & PciCommand.memory) !== 0;
  if (hasMemory) kernel.printf('vgapci0: Boot video device\n');
}

/** pci(4)'s words for a class without a driver. */
function className(classCode: number): string {
  const base = classCode >>> 16;
  if (base === 0x06) return 'bridge';
  if (base === 0x01) return 'mass storage';
  return classCode === PciClass.ethernet ? 'network, ethernet' : 'unknown';
}
