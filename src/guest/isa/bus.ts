/** Devices of a PC's board that ACPI's namespace describes, and the drivers for them. */
import type { Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** What a driver of such a device sees. */
export interface IsaBus {
  readonly kernel: Kernel;
  /** @param id of a device's _HID: "PNP0700" */
  hasDevice(id: string): boolean;
  /** Sends an ISA interrupt to processor 0. @param device as `vmstat -i` shows it */
  routeIsa(irq: number, device: string, handler: () => void): void;
}

export interface IsaDriver {
  /** Looks for its device, and takes it. */
  attach(bus: IsaBus): Task;
}

/** An EISA id as AML has it: "PNP0700" in four bytes (ACPI 6.5, 19.6.34). */
export function eisaIdBytes(id: string): string {
  const letter = (index: number): number => id.charCodeAt(index) - 0x40;
  const maker = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  return String.fromCharCode(maker >> 8, maker & 0xff, product >> 8, product & 0xff);
}
