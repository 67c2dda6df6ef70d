/** Parts of the namespace that both generations have. */
import {
  type Aml,
  and,
  device,
  eisaId,
  integer,
  method,
  name,
  notify,
  or,
  packageOf,
  path,
  returns,
  scope,
  text,
} from './aml.ts';
import { type AcpiOptions, COM_PORTS, GENERATION_ID_OFFSET } from './options.ts';
import { currentResources, io, irq, memory32Fixed } from './resources.ts';
import { IO_APIC_GPA, LOCAL_APIC_GPA } from './spec.ts';

/** A device's notification that says "look again" (ACPI 6.5, section 5.6.6: device specific). */
const NOTIFY_CHANGED = 0x80;

/** The sleep states that exist: working, and off, both with SLP_TYP 0 as on Hyper-V. */
export function sleepStates(): Aml[] {
  const state = packageOf(integer(0), integer(0));
  return [name('\\_S0', state), name('\\_S5', state)];
}

/** `P001`, `P002` and so on, whose numbers are the processor UIDs of the MADT. */
export function processorName(uid: number): string {
  const letter = String.fromCharCode('P'.charCodeAt(0) + Math.floor(uid / 1000));
  return letter + String(uid % 1000).padStart(3, '0');
}

/**
 * The device that hv_vmbus drivers look for, by the compatible id `VMBus`; the _HID is that of
 * Hyper-V's Gen-2 machines, since ACPI wants seven or eight characters and Gen-1's has five. Its
 * interrupt is a short IRQ descriptor: an extended one makes Linux use the per-processor interrupt
 * of ARM64. Real hosts give an _ADR too, which ACPI forbids beside a _HID and no driver reads.
 */
export function vmbusDevice(object: string, irqs: readonly number[]): Aml {
  const state = path('STA');
  return device(
    object,
    name('STA', integer(0x0f)),
    name('_DDN', text('VMBUS')),
    name('_HID', text('MSFT1000')),
    name('_CID', text('VMBus')),
    name('_UID', integer(0)),
    method('_DIS', 0, and(state, integer(0x0d), state)),
    method('_PS0', 0, or(state, integer(0x0f), state)),
    method('_STA', 0, returns(state)),
    method('_PS3', 0),
    currentResources(irq(...irqs)),
  );
}

export function serialPorts(options: AcpiOptions): Aml[] {
  return options.comPorts.map((number) => {
    const { port, irq: line } = COM_PORTS[number];
    return device(
      `UAR${number}`,
      name('_HID', eisaId('PNP0501')),
      name('_DDN', text(`COM${number}`)),
      name('_UID', integer(number)),
      currentResources(io(port, 8), irq(line)),
    );
  });
}

export function realTimeClock(): Aml {
  return device(
    'RTC0',
    name('_HID', eisaId('PNP0B00')),
    name('_UID', integer(0)),
    currentResources(io(0x70, 2), irq(8)),
  );
}

/** Keeps guests from giving the APICs' pages to something else. */
export function apicPages(): Aml {
  return device(
    'APIC',
    name('_HID', eisaId('PNP0003')),
    currentResources(
      memory32Fixed({ start: LOCAL_APIC_GPA, bytes: 0x1000 }, true),
      memory32Fixed({ start: IO_APIC_GPA, bytes: 0x1000 }, true),
    ),
  );
}

/** Microsoft's "Virtual Machine Generation ID" paper: where the id is, and how a change is told. */
export function generationCounter(nvsGpa: number): Aml {
  const gpa = nvsGpa + GENERATION_ID_OFFSET;
  return scope(
    '\\_SB',
    device(
      'GENC',
      name('_HID', text('MSFT1002')),
      name('_CID', text('VM_Gen_Counter')),
      name('_UID', integer(0)),
      name('_DDN', text('VM_Gen_Counter')),
      name('ADDR', packageOf(integer(gpa % 2 ** 32), integer(Math.floor(gpa / 2 ** 32)))),
    ),
  );
}

/** The general-purpose event by which the host tells of a new generation id. */
export function generationEvent(): Aml {
  return scope('\\_GPE', method('_E00', 0, notify('\\_SB.GENC', NOTIFY_CHANGED)));
}
