import type { GuestMemory } from '../core/memory.ts';
import type { Framebuffer } from '../uefi/system-table.ts';
import { acpiOptions } from './acpi-options.ts';
import { acpiRun } from './acpi/build.ts';
import { writeBiosAreas, writeTicks } from './bios-areas.ts';
import { E820Type, type MapEntry, memoryMap } from './memory-map.ts';
import type { PhaseLog } from './phases.ts';
import type { PowerOnOptions } from './power-on.ts';
import { GEN1_SMBIOS_GPA, writeSmbios } from './smbios.ts';

const FOUR_GIB = 0x1_0000_0000;
/** A loader's own memory: above what a BIOS uses, below what kernels take for their start-up code. */
const LOW_START = 0x1_0000;
const LOW_END = 0x8_0000;
/** Conventional memory of a Gen-2 machine, whose firmware has no data areas there. */
const GEN2_BASE_BYTES = 0xa_0000;
const ROM_GPA = 0xc_0000;
const ROM_BYTES = 0x4_0000;
/** Where kernels search for the RSDP when no firmware table leads them to it. */
const RSDP_COPY_GPA = 0xf_5c00;
const RSDP_BYTES = 36;

/** Gives memory away from the bottom up. */
export class LowMemory {
  #next = LOW_START;

  /** @returns the address, a multiple of `alignment` */
  allocate(bytes: number, alignment = 8): number {
    const gpa = Math.ceil(this.#next / alignment) * alignment;
    if (gpa + bytes > LOW_END) throw new Error("the loader's low memory is used up");
    this.#next = gpa + bytes;
    return gpa;
  }
}

/** What firmware leaves for a kernel that is loaded without a boot loader. */
export interface DirectPlatform {
  readonly memory: GuestMemory;
  readonly low: LowMemory;
  readonly map: readonly MapEntry[];
  /** Usable RAM is contiguous from 1 MiB to here. */
  readonly ramEnd: number;
  /** From 0 to here below 640 KiB. */
  readonly baseMemoryBytes: number;
  /** RAM below 4 GiB that firmware keeps at its end. */
  readonly firmwareBytes: number;
  /** First address after all RAM. */
  readonly topOfMemory: number;
  readonly rsdpGpa: number;
  readonly framebuffer: Framebuffer | undefined;
}

/**
 * The firmware's part of a direct boot. Gen-1: everything that a BIOS has in memory, as if it had just
 * found its boot device. Gen-2: ACPI tables and the frame buffer, but no UEFI, whose services could
 * only be called before a boot loader ended them; the RSDP and SMBIOS, which a UEFI system table would
 * lead to, stand where a BIOS has them, and the loader tells of the RSDP too.
 */
export function prepareDirect(options: PowerOnOptions, log: PhaseLog): DirectPlatform {
  const { memory, generation } = options;
  const { map, acpi, rsdpGpa } = generation === 1 ? writeBiosAreas(options) : writeAcpi(options);
  log.enter('firmware', generation === 1 ? 'BIOS' : 'ACPI tables of a Generation 2 machine');
  if (generation === 1) writeTicks(memory, log.elapsedNs);
  const high = memory.regions.find(({ name }) => name === 'ram-high');
  return {
    memory,
    low: new LowMemory(),
    map,
    ramEnd: acpi.gpa,
    baseMemoryBytes: map[0]!.length,
    firmwareBytes: acpi.bytes,
    topOfMemory: high === undefined ? acpi.gpa + acpi.bytes : FOUR_GIB + high.bytes,
    rsdpGpa,
    framebuffer: options.framebuffer,
  };
}

function writeAcpi(options: PowerOnOptions) {
  const { memory } = options;
  const run = acpiRun(acpiOptions(options));
  const gpa = memory.regions[0]!.bytes - run.maxBytes;
  const acpi = { gpa, bytes: run.maxBytes, nvsBytes: run.nvsBytes };
  const rsdpGpa = run.write(memory, gpa);
  memory.writeBytes(RSDP_COPY_GPA, memory.readBytes(rsdpGpa, RSDP_BYTES));
  writeSmbios(memory, GEN1_SMBIOS_GPA, { generation: 2, ramBytes: memory.ramBytes });
  const lowest = [
    { base: 0, length: GEN2_BASE_BYTES, type: E820Type.Memory },
    { base: ROM_GPA, length: ROM_BYTES, type: E820Type.Reserved },
  ];
  return { map: memoryMap(memory, lowest, acpi), acpi, rsdpGpa };
}
