import type { AcpiOptions } from './acpi/options.ts';
import type { PowerOnOptions } from './power-on.ts';

/** The options of the ACPI tables of this machine. */
export function acpiOptions(options: PowerOnOptions): AcpiOptions {
  return {
    ...options.acpi,
    generation: options.generation,
    processorCount: options.processors,
    ram: options.memory.regions
      .filter((region) => region.name.startsWith('ram'))
      .map((region) => ({ start: region.gpa, bytes: region.bytes })),
  };
}
