/** Finds the floppy controller by ACPI, and the drive that the CMOS memory tells of. */
import {
  CMOS_FLOPPY_1440K,
  FLOPPY_CONTROL_PORT,
  FLOPPY_DMA_CHANNEL,
  FLOPPY_IRQ,
  FLOPPY_PORT,
  FLOPPY_PORT_COUNT,
} from '../../devices/floppy/spec.ts';
import { CmosByte, RTC_DATA_PORT, RTC_INDEX_PORT } from '../../devices/rtc/spec.ts';
import type { BlockDisk } from '../fs/media.ts';
import type { IsaBus, IsaDriver } from '../isa/bus.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { FloppyController, FloppyDisk } from './controller.ts';

const CONTROLLER_ID = 'PNP0700';
/** Drive A: is in the high half of the byte. */
const DRIVE_A_MASK = 0xf0;

/** @param added gives the drive to the rest of a kernel */
export function floppyDriver(added: (kernel: KernelApi, disk: BlockDisk) => void): IsaDriver {
  return {
    *attach(bus: IsaBus): Task {
      const { kernel } = bus;
      if (!bus.hasDevice(CONTROLLER_ID)) return;
      const last = FLOPPY_PORT + FLOPPY_PORT_COUNT - 1;
      const ports = `0x${FLOPPY_PORT.toString(16)}-0x${last.toString(16)},0x${FLOPPY_CONTROL_PORT.toString(16)}`;
      kernel.printf(
        `fdc0: <floppy drive controller> port ${ports} irq ${FLOPPY_IRQ} drq ${FLOPPY_DMA_CHANNEL} on acpi0\n`,
      );
      const controller = new FloppyController(kernel);
      bus.routeIsa(FLOPPY_IRQ, 'fdc0', () => controller.interrupt());
      if (!(yield* controller.probe())) {
        kernel.printf('fdc0: does not respond\ndevice_attach: fdc0 attach returned 6\n');
        return;
      }
      kernel.bootverbose(`fdc0: ic_type ${controller.version.toString(16)}\n`);
      kernel.hw.out8(RTC_INDEX_PORT, CmosByte.floppyType);
      const type = kernel.hw.in8(RTC_DATA_PORT) & DRIVE_A_MASK;
      if (type !== CMOS_FLOPPY_1440K || !(yield* controller.findDrive())) return;
      kernel.printf('fd0: <1440-KB 3.5" drive> on fdc0 drive 0\n');
      added(kernel, new FloppyDisk(controller));
    },
  };
}
