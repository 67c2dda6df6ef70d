/** The namespace of a Gen-2 machine: VMBus in a module device, and no bus beside it. */
import { type Aml, device, integer, join, method, name, returns, scope, text } from './aml.ts';
import {
  apicPages,
  generationCounter,
  generationEvent,
  processorName,
  realTimeClock,
  serialPorts,
  sleepStates,
  vmbusDevice,
} from './dsdt-common.ts';
import type { AcpiOptions } from './options.ts';
import { currentResources, dwordMemory, qwordMemory } from './resources.ts';

function processorDevice(uid: number): Aml {
  return device(
    processorName(uid),
    name('_HID', text('ACPI0007')),
    name('_UID', integer(uid)),
    method('_STA', 0, returns(integer(0x0f))),
  );
}

export function gen2Namespace(options: AcpiOptions, nvsGpa: number): Aml {
  const uids = Array.from({ length: options.processorCount }, (_, index) => index + 1);
  return join(
    [],
    [
      ...sleepStates(),
      scope(
        '\\_SB',
        apicPages(),
        device(
          'VMOD',
          name('_HID', text('ACPI0004')),
          name('_UID', integer(0)),
          // Guests take frame buffers and vPCI windows from what this module produces.
          currentResources(dwordMemory(options.lowMmio), qwordMemory(options.highMmio)),
          vmbusDevice('VMBS', options.vmbusIrqs ?? [5]),
        ),
        ...serialPorts(options),
        realTimeClock(),
        ...uids.map(processorDevice),
      ),
      generationCounter(nvsGpa),
      generationEvent(),
    ],
  );
}
