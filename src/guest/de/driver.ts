/** de(4) as a driver of pci0: the emulated network adapters. FreeBSD 13 and later have it no more. */
import { PciCommand, PciRegister } from '../../devices/pci/spec.ts';
import { TULIP_DEVICE_ID, TULIP_REVISION, TULIP_VENDOR_ID } from '../../devices/tulip/spec.ts';
import type { NetStack } from '../inet/stack.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { Vector } from '../kernel/apic.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { type PciDevice, type PciDriver, rangeText } from '../pci/bus.ts';
import { TulipController } from './controller.ts';

const IO_BAR = 0;
const MEMORY_BAR = 1;

/** @param stackOf the network stack of a kernel, which gets the interfaces */
export function tulipDriver(stackOf: (kernel: KernelApi) => NetStack): PciDriver {
  const controllers = new WeakMap<Kernel, TulipController[]>();
  return {
    *attach(device: PciDevice): Task<boolean> {
      const { kernel } = device;
      const isOurs = device.vendorId === TULIP_VENDOR_ID && device.deviceId === TULIP_DEVICE_ID;
      if (!isOurs || !kernel.switches.deDriver) return false;
      const all = controllers.get(kernel) ?? [];
      controllers.set(kernel, all);
      const name = `de${all.length}`;
      const io = device.bar(IO_BAR);
      const memory = device.bar(MEMORY_BAR);
      const irq = device.readPart(PciRegister.interruptLine, 0xff);
      const revision = device.readPart(PciRegister.revision, 0xff);
      const model = revision >= TULIP_REVISION ? '21140A' : '21140';
      kernel.printf(
        `${name}: <Digital ${model} Fast Ethernet> port ${rangeText(io.base, io.bytes)} ` +
          `mem ${rangeText(memory.base, memory.bytes)} irq ${irq} ${device.place}\n`,
      );
      const command = device.readPart(PciRegister.command, 0xffff);
      device.write(PciRegister.command, command | PciCommand.busMaster | PciCommand.memory);
      const controller = new TulipController(kernel, stackOf(kernel), name, memory.base);
      all.push(controller);
      if (all.length === 1) routeInterrupt(kernel, irq, all);
      yield* controller.attach(revision);
      return true;
    },
  };
}

/** All of them share one interrupt, which is level-triggered as PCI's are. */
function routeInterrupt(kernel: Kernel, irq: number, all: readonly TulipController[]): void {
  const vector = Vector.ioFirst + irq;
  kernel.interrupts.install(
    vector,
    () => `irq${irq}: ${all.map(({ name }) => name).join(' ')}`,
    () => {
      for (const controller of all) controller.interrupt();
    },
  );
  kernel.ioApic?.route(irq, vector, kernel.hardwareOf(0).index, true);
}
