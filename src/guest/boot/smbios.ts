/** What the loader takes from SMBIOS into the kernel's environment: memory, maker and product. */
import type { GuestMemory } from '../../core/memory.ts';
import {
  SMBIOS_ANCHOR,
  SMBIOS_EXTENDED_SIZE,
  SmbiosEntryPoint,
  SmbiosHeader,
  SmbiosMemoryDevice,
  SmbiosType,
} from '../../core/spec/smbios.ts';

const MIB = 1024 * 1024;
const BIOS_START = 0xf_0000;
const BIOS_END = 0x10_0000;
const STEP = 16;
const MAX_STRUCTURES = 256;

/** Looks for the entry point as a loader on a PC BIOS does. @returns its GPA, or -1 */
export function scanForSmbios(memory: GuestMemory): number {
  for (let gpa = BIOS_START; gpa < BIOS_END; gpa += STEP) {
    if (isEntryPoint(memory, gpa)) return gpa;
  }
  return -1;
}

function isEntryPoint(memory: GuestMemory, gpa: number): boolean {
  const at = memory.resolve(gpa, SmbiosEntryPoint.size);
  if (at < 0) return false;
  for (let index = 0; index < SMBIOS_ANCHOR.length; index += 1) {
    if (memory.u8[at + index] !== SMBIOS_ANCHOR.charCodeAt(index)) return false;
  }
  let sum = 0;
  for (let index = 0; index < SmbiosEntryPoint.size; index += 1) sum += memory.u8[at + index]!;
  return (sum & 0xff) === 0;
}

/**
 * "smbios.memory.enabled" in bytes: the sizes of all memory devices.
 * @param gpa of the entry point, -1 without one
 * @returns 0 when firmware does not say
 */
export function smbiosMemoryBytes(memory: GuestMemory, gpa: number): number {
  if (gpa < 0 || !isEntryPoint(memory, gpa)) return 0;
  const entryAt = memory.resolve(gpa, SmbiosEntryPoint.size);
  const { tableGpa, tableBytes } = SmbiosEntryPoint.cursor(memory.view).at(entryAt);
  const start = memory.resolve(tableGpa, tableBytes);
  if (start < 0) return 0;
  const end = start + tableBytes;
  const header = SmbiosHeader.cursor(memory.view);
  let total = 0;
  let at = start;
  for (let count = 0; count < MAX_STRUCTURES && at + SmbiosHeader.size <= end; count += 1) {
    const { type, length } = header.at(at);
    if (type === SmbiosType.end || length < SmbiosHeader.size) break;
    if (type === SmbiosType.memoryDevice && length >= SmbiosMemoryDevice.size) {
      const { sizeMib, extendedSizeMib } = SmbiosMemoryDevice.cursor(memory.view).at(at);
      total += (sizeMib === SMBIOS_EXTENDED_SIZE ? extendedSizeMib : sizeMib) * MIB;
    }
    // Strings follow, and two zeros end them.
    at += length;
    while (at + 1 < end && (memory.u8[at] !== 0 || memory.u8[at + 1] !== 0)) at += 1;
    at += 2;
  }
  return total;
}
