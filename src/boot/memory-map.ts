/** The memory map that firmware tells of: INT 15h E820h, and what a direct loader passes on. */
import type { GuestMemory } from '../core/memory.ts';

/** ACPI 6.5, table 15.3. */
export const E820Type = { Memory: 1, Reserved: 2, AcpiReclaim: 3, AcpiNvs: 4 } as const;

export interface MapEntry {
  readonly base: number;
  /** Bytes. */
  readonly length: number;
  /** `E820Type` */
  readonly type: number;
}

const MIB = 0x10_0000;
const FOUR_GIB = 0x1_0000_0000;

/** Where the ACPI tables stand: the last pages of RAM below 4 GiB. */
export interface AcpiPlace {
  readonly gpa: number;
  /** All of it; the last `nvsBytes` are NVS, the rest may be reclaimed. */
  readonly bytes: number;
  readonly nvsBytes: number;
}

/** @param lowest what stands below 1 MiB, in ascending order */
export function memoryMap(
  memory: GuestMemory,
  lowest: readonly MapEntry[],
  acpi: AcpiPlace,
): MapEntry[] {
  const reclaimBytes = acpi.bytes - acpi.nvsBytes;
  const map: MapEntry[] = [
    ...lowest,
    { base: MIB, length: acpi.gpa - MIB, type: E820Type.Memory },
    { base: acpi.gpa, length: reclaimBytes, type: E820Type.AcpiReclaim },
    { base: acpi.gpa + reclaimBytes, length: acpi.nvsBytes, type: E820Type.AcpiNvs },
  ];
  for (const region of memory.regions) {
    if (region.name === 'ram-high') {
      map.push({ base: FOUR_GIB, length: region.bytes, type: E820Type.Memory });
    }
  }
  return map;
}
