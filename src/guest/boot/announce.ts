/** The lines of devices that the kernel finds in ACPI's namespace. */
import type { Task } from '../kernel/api.ts';
import { attachPciBus, type PciDriver } from '../pci/bus.ts';
import type { Startup } from './startup.ts';

/** acpi0 and its timer, which becomes a timecounter. */
export function announceTables(startup: Startup): void {
  const { kernel, acpi } = startup;
  const table = acpi?.find('FACP') ?? acpi?.find('APIC');
  if (table === undefined) return;
  const where = kernel.isLegacy ? ' on motherboard' : '';
  kernel.printf(`acpi0: <${table.oemId} ${table.oemTableId}>${where}\n`);
  const fadt = acpi?.fadt();
  const timer = startup.pmTimer;
  if (fadt === undefined || timer === undefined) return;
  const port = fadt.pmTimerPort;
  const range = `0x${port.toString(16)}-0x${(port + 3).toString(16)}`;
  const width = fadt.isPmTimer32 ? 32 : 24;
  startup.addTimecounter(timer);
  kernel.printf(`acpi_timer0: <${width}-bit timer at 3.579545MHz> port ${range} on acpi0\n`);
}

/** @returns the device that vmbus0 hangs on; '' when none is found */
export function* announceBuses(
  { kernel, acpi, firmware }: Startup,
  pciDrivers: readonly PciDriver[],
): Task<string> {
  if (acpi === undefined) return '';
  let where = '';
  if (firmware.generation === 1) {
    kernel.printf('pcib0: <ACPI Host-PCI bridge> port 0xcf8-0xcff on acpi0\n');
    kernel.printf('pci0: <ACPI PCI bus> on pcib0\n');
    yield* attachPciBus(kernel, pciDrivers);
    where = 'pcib0';
  }
  if (acpi.namespaceHas('ACPI0004')) {
    kernel.printf('acpi_syscontainer0: <System Container> on acpi0\n');
    if (kernel.switches.vmbusAcpi && acpi.namespaceHas('VMBus')) where = 'acpi_syscontainer0';
  }
  return where;
}

export function announceSmallDevices({ kernel, acpi }: Startup): void {
  if (acpi?.namespaceHas('VM_Gen_Counter') === true) {
    kernel.printf('vmgenc0: <VM Generation Counter> on acpi0\n');
  }
  if (acpi?.namespaceHas('VMBus') === true) {
    kernel.printf(`vmbus_res0: <Hyper-V Vmbus Resource>${acpi.vmbusInterrupt()} on acpi0\n`);
  }
}

export function announceSerial({ kernel }: Startup): void {
  if (!kernel.console.isPresent) return;
  kernel.printf(
    'uart0: <16550 or compatible> port 0x3f8-0x3ff irq 4 flags 0x10 on acpi0\n' +
      'uart0: console (115200,n,8,1)\n',
  );
}
