/** atapci(4) on the PIIX4, and who gets its channels: ata(4), or 10.2's disengage driver. */
import { COMMAND_BLOCK_PORTS, IDE_CHANNELS } from '../../devices/ide/spec.ts';
import { PciClass, PciVendor, PIIX4_IDE_ID } from '../../devices/pci/spec.ts';
import type { Cam } from '../cam/transport.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { Vector } from '../kernel/apic.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { PciDevice, PciDriver } from '../pci/bus.ts';
import { AtaChannel } from './channel.ts';

/** The bus masters' base address among the six. */
const MASTER_BAR = 4;
const MASTER_CHANNEL_PORTS = 8;

function range(first: number, count: number): string {
  const start = `0x${first.toString(16)}`;
  return count === 1 ? start : `${start}-0x${(first + count - 1).toString(16)}`;
}

/** @param camOf where the channels of a kernel give their buses */
export function ataPciDriver(camOf: (kernel: KernelApi) => Cam): PciDriver {
  return {
    *attach(device: PciDevice): Task<boolean> {
      const { kernel } = device;
      const isPiix4 = device.vendorId === PciVendor.intel && device.deviceId === PIIX4_IDE_ID;
      if (device.classCode !== PciClass.ide || !isPiix4) return false;
      const master = device.bar(MASTER_BAR);
      const ports = [
        ...IDE_CHANNELS.flatMap(({ command, control }) => [
          range(command, COMMAND_BLOCK_PORTS),
          range(control, 1),
        ]),
        range(master.base, master.bytes),
      ];
      kernel.printf(
        `atapci0: <Intel PIIX4 UDMA33 controller> port ${ports.join(',')} ${device.place}\n`,
      );
      for (const index of IDE_CHANNELS.keys()) {
        attachChannel(kernel, camOf(kernel), index, master.base);
        yield 0;
      }
      return true;
    },
  };
}

function attachChannel(kernel: Kernel, cam: Cam, index: number, masterPort: number): void {
  const place = `at channel ${index} on atapci0`;
  const { ataDisks } = kernel.switches;
  // 10.2 keeps ata(4) from the first channel, and a DVD drive there with it; later kernels only
  // keep ada(4) from the disks.
  if (kernel.isLegacy && !ataDisks && index === 0) {
    kernel.printf(`ata0: <Hyper-V ATA storage disengage driver> ${place}\n`);
    return;
  }
  kernel.printf(`ata${index}: <ATA channel> ${place}\n`);
  const { command, control, irq } = IDE_CHANNELS[index]!;
  const channel = new AtaChannel(kernel, cam, {
    index,
    ports: { command, control, master: masterPort + index * MASTER_CHANNEL_PORTS },
    isDiskVetoed: !kernel.isLegacy && !ataDisks,
  });
  const vector = Vector.ioFirst + irq;
  kernel.interrupts.install(
    vector,
    () => `irq${irq}: ata${index}`,
    () => channel.interrupt(),
  );
  kernel.ioApic?.route(irq, vector, kernel.hardwareOf(0).index);
  cam.registerBus(channel, index);
}
