/** The SMBIOS tables of a Hyper-V machine: who made it, and how much memory it was given. */
import { latin1 } from '../core/text.ts';
import type { GuestMemory } from '../core/memory.ts';
import {
  SMBIOS_ANCHOR,
  SMBIOS_EXTENDED_SIZE,
  SMBIOS_INTERMEDIATE_ANCHOR,
  SMBIOS_INTERMEDIATE_AT,
  SmbiosBios,
  SmbiosEntryPoint,
  SmbiosHeader,
  SmbiosMemoryArray,
  SmbiosMemoryDevice,
  SmbiosSystem,
  SmbiosType,
} from '../core/spec/smbios.ts';
import { viewOf } from '../core/wire.ts';

const MIB = 1024 * 1024;
/** In the BIOS area, before the RSDP. */
export const GEN1_SMBIOS_GPA = 0xf_5800;
/** Entry point and structures. */
export const SMBIOS_BYTES = 0x400;
const TABLE_OFFSET = 0x20;
const SYSTEM_UUID = '53564d31-0000-4000-8000-00000000000f';
/** "none provided" and "unknown" of the specification. */
const NO_ERRORS = 0xfffe;
const UNKNOWN = 0x02;
const SYSTEM_BOARD = 0x03;
const SYSTEM_MEMORY = 0x03;
const NO_CORRECTION = 0x03;

export interface SmbiosOptions {
  readonly generation: 1 | 2;
  readonly ramBytes: number;
}

/** A structure with its strings behind it (6.1.3). */
function structure(
  type: number,
  handle: number,
  size: number,
  strings: readonly string[],
  fill: (view: DataView) => void,
): Uint8Array {
  const text = strings.length === 0 ? '\0\0' : `${strings.join('\0')}\0\0`;
  const bytes = new Uint8Array(size + text.length);
  const view = viewOf(bytes);
  fill(view);
  const header = SmbiosHeader.cursor(view).at(0);
  header.type = type;
  header.length = size;
  header.handle = handle;
  bytes.set(latin1(text), size);
  return bytes;
}

function structures({ generation, ramBytes }: SmbiosOptions): Uint8Array[] {
  const version = generation === 1 ? '090008 ' : 'Hyper-V UEFI Release v4.1';
  const vendor = generation === 1 ? 'American Megatrends Inc.' : 'Microsoft Corporation';
  const mebibytes = Math.floor(ramBytes / MIB);
  return [
    structure(SmbiosType.bios, 0, SmbiosBios.size, [vendor, version, '01/01/2016'], (view) => {
      const bios = SmbiosBios.cursor(view).at(0);
      bios.vendor = 1;
      bios.version = 2;
      bios.startSegment = 0xf000;
      bios.releaseDate = 3;
      // PCI is there; bit 3 of the first byte would say that nothing is known.
      bios.characteristics = Uint8Array.of(0x80);
      // ACPI; UEFI and "is a virtual machine".
      bios.extension = Uint8Array.of(0x01, generation === 1 ? 0x10 : 0x18);
      bios.controllerMajor = 0xff;
      bios.controllerMinor = 0xff;
    }),
    structure(
      SmbiosType.system,
      1,
      SmbiosSystem.size,
      ['Microsoft Corporation', 'Virtual Machine', '7.0'],
      (view) => {
        const system = SmbiosSystem.cursor(view).at(0);
        system.manufacturer = 1;
        system.product = 2;
        system.version = 3;
        system.uuid = SYSTEM_UUID;
        // Power switch.
        system.wakeUpType = 0x06;
      },
    ),
    structure(SmbiosType.memoryArray, 2, SmbiosMemoryArray.size, [], (view) => {
      const array = SmbiosMemoryArray.cursor(view).at(0);
      array.location = SYSTEM_BOARD;
      array.use = SYSTEM_MEMORY;
      array.errorCorrection = NO_CORRECTION;
      array.maxKib = mebibytes * 1024;
      array.errorHandle = NO_ERRORS;
      array.deviceCount = 1;
    }),
    structure(SmbiosType.memoryDevice, 3, SmbiosMemoryDevice.size, ['M0001', 'None'], (view) => {
      const device = SmbiosMemoryDevice.cursor(view).at(0);
      const fits = mebibytes < SMBIOS_EXTENDED_SIZE;
      device.arrayHandle = 2;
      device.errorHandle = NO_ERRORS;
      device.totalWidth = 0xffff;
      device.dataWidth = 0xffff;
      device.sizeMib = fits ? mebibytes : SMBIOS_EXTENDED_SIZE;
      device.extendedSizeMib = fits ? 0 : mebibytes;
      device.formFactor = UNKNOWN;
      device.deviceLocator = 1;
      device.bankLocator = 2;
      device.memoryType = UNKNOWN;
      device.typeDetail = 1 << UNKNOWN;
    }),
    structure(SmbiosType.end, 4, SmbiosHeader.size, [], () => undefined),
  ];
}

function negatedSum(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0;
  for (let index = start; index < end; index += 1) sum += bytes[index]!;
  return -sum & 0xff;
}

/** @param gpa of `SMBIOS_BYTES` of RAM, a multiple of 16 below 4 GiB */
export function writeSmbios(memory: GuestMemory, gpa: number, options: SmbiosOptions): void {
  const parts = structures(options);
  const tableBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const image = new Uint8Array(TABLE_OFFSET + tableBytes);
  if (image.length > SMBIOS_BYTES) throw new Error('the SMBIOS tables outgrew their place');
  let at = TABLE_OFFSET;
  for (const part of parts) {
    image.set(part, at);
    at += part.length;
  }
  const entry = SmbiosEntryPoint.cursor(viewOf(image)).at(0);
  entry.anchor = latin1(SMBIOS_ANCHOR);
  entry.entryBytes = SmbiosEntryPoint.size;
  entry.majorVersion = 2;
  entry.minorVersion = 8;
  entry.maxStructureBytes = Math.max(...parts.map((part) => part.length));
  entry.intermediateAnchor = latin1(SMBIOS_INTERMEDIATE_ANCHOR);
  entry.tableBytes = tableBytes;
  entry.tableGpa = gpa + TABLE_OFFSET;
  entry.structureCount = parts.length;
  entry.bcdRevision = 0x28;
  entry.intermediateChecksum = negatedSum(image, SMBIOS_INTERMEDIATE_AT, SmbiosEntryPoint.size);
  entry.checksum = negatedSum(image, 0, SmbiosEntryPoint.size);
  memory.writeBytes(gpa, image);
}
