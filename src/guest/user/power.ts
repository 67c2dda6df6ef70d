/** The ways to end: halt, power off by ACPI's S5, reset by the FADT's register. */
import type { Startup } from '../boot/startup.ts';
import type { Task } from '../kernel/api.ts';

/** PM1 control: SLP_TYP in bits 12:10, SLP_EN bit 13 (ACPI 6.5, 4.8.3.2.1). */
const SLEEP_TYPE_SHIFT = 10;
const SLEEP_ENABLE = 0x2000;
/** What is left where the FADT has no reset register: the keyboard controller, then port CF9h. */
const I8042_COMMAND_PORT = 0x64;
const I8042_PULSE_RESET = 0xfe;
const PCI_RESET_PORT = 0xcf9;
const PCI_HARD_RESET = 0x06;

export type PowerAction = 'halt' | 'poweroff' | 'reboot';

/** Syncs, takes leave of VMBus and acts. Does not return once the machine has ended. */
export function* shutDown(startup: Startup, action: PowerAction): Task {
  const { kernel } = startup;
  kernel.printf("Waiting (max 60 seconds) for system process `syncer' to stop... done\n");
  yield* kernel.userland.files?.unmountAll() ?? none();
  kernel.printf('All buffers synced.\n');
  const seconds = Math.floor(kernel.uptimeNs() / 1e9);
  kernel.printf(`Uptime: ${seconds}s\n`);
  if (startup.bus !== undefined) yield* startup.bus.connection.unload();
  kernel.phase('halt');
  yield 1_000_000;
  if (action === 'halt') {
    kernel.printf('\nThe operating system has halted.\nPlease press any key to reboot.\n\n');
    kernel.halt(0);
  } else if (action === 'poweroff') {
    yield* powerOff(startup);
  } else {
    yield* reset(startup);
  }
}

function* none(): Task {}

function* powerOff(startup: Startup): Task {
  const { kernel, acpi } = startup;
  const fadt = acpi?.fadt();
  const sleepType = acpi?.sleepTypeS5() ?? -1;
  if (fadt === undefined || fadt.pm1aControlPort === 0 || sleepType < 0) {
    kernel.printf('The operating system has halted.\n');
    kernel.halt(0);
    return;
  }
  kernel.printf('acpi0: Powering system off\n');
  yield 0;
  kernel.hw.out16(fadt.pm1aControlPort, (sleepType << SLEEP_TYPE_SHIFT) | SLEEP_ENABLE);
  kernel.halt(1);
}

function* reset(startup: Startup): Task {
  const { kernel, acpi } = startup;
  const fadt = acpi?.fadt();
  kernel.printf('Rebooting...\n');
  yield 0;
  if (fadt?.hasReset === true) {
    kernel.hw.out8(fadt.resetPort, fadt.resetValue);
    yield 50_000_000;
  }
  kernel.hw.out8(I8042_COMMAND_PORT, I8042_PULSE_RESET);
  yield 1_000_000;
  kernel.hw.out8(PCI_RESET_PORT, PCI_HARD_RESET);
  yield 1_000_000;
  kernel.hardware.tripleFault();
  kernel.halt(2);
}
