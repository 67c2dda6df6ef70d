/** As much firmware as a model guest reads: ACPI tables and the hand-over of each generation. */
import {
  ACPI_20_TABLE_GUID,
  ConfigurationTable,
  MemoryDescriptor,
  SYSTEM_TABLE_SIGNATURE,
  SystemTable,
  TableHeader,
} from '../../../src/core/spec/efi.ts';
import type { GuestMemory } from '../../../src/core/memory.ts';
import {
  BIOS_HANDOFF_GPA,
  BIOS_HANDOFF_SIGNATURE,
  BiosHandoff,
  E820Entry,
  LOADER_HANDOFF_GUID,
  LoaderHandoff,
} from '../../../src/guest/spec.ts';
import type { FirmwareStart } from '../../../src/hypervisor/processor.ts';

const TABLES = 0xf_0000;
const EFI_DATA = 0x10_0000;

function table(signature: string, body: number[], length?: number): Uint8Array {
  const bytes = new Uint8Array(length ?? 36 + body.length);
  const put = (at: number, text: string): void => {
    for (let index = 0; index < text.length; index += 1) bytes[at + index] = text.charCodeAt(index);
  };
  put(0, signature);
  new DataView(bytes.buffer).setUint32(4, bytes.length, true);
  bytes[8] = 1;
  put(10, 'VRTUAL');
  put(16, 'MICROSFT');
  bytes.set(body, 36);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes[9] = -sum & 0xff;
  return bytes;
}

const ascii = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));

function madt(processors: number): Uint8Array {
  const body = [0, 0, 0xe0, 0xfe, 1, 0, 0, 0];
  for (let index = 0; index < processors; index += 1) body.push(0, 8, index, index, 1, 0, 0, 0);
  body.push(1, 12, processors, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0);
  return table('APIC', body);
}

function fadt(dsdt: number): Uint8Array {
  const body = Array.from({ length: 132 - 36 }, () => 0);
  const put32 = (at: number, value: number): void => {
    for (let index = 0; index < 4; index += 1)
      body[at - 36 + index] = (value >>> (index * 8)) & 0xff;
  };
  put32(40, dsdt);
  put32(64, 0x404);
  put32(76, 0x408);
  put32(112, 0x500);
  body[116 - 36] = 1;
  put32(120, 0x433);
  body[128 - 36] = 1;
  return table('FACP', body);
}

function dsdt(generation: 1 | 2): Uint8Array {
  const s5 = [0x08, ...ascii('_S5_'), 0x12, 6, 4, 0x0a, 5, 0, 0, 0];
  const bus = [0x08, ...ascii('_HID'), 0x0d, ...ascii('VMBus'), 0, 0x22, 0x20, 0x00];
  const parent = [0x08, ...ascii('_HID'), 0x0d, ...ascii('ACPI0004'), 0];
  return table('DSDT', [...s5, ...(generation === 2 ? parent : []), ...bus]);
}

/** Lays the tables out and @returns the RSDP's address. */
function writeAcpi(memory: GuestMemory, generation: 1 | 2, processors: number): number {
  let at = TABLES + 64;
  const place = (bytes: Uint8Array): number => {
    const gpa = at;
    memory.writeBytes(gpa, bytes);
    at = (at + bytes.length + 63) & ~63;
    return gpa;
  };
  const facp = place(fadt(place(dsdt(generation))));
  const apic = place(madt(processors));
  const pointers = new Uint8Array(16);
  new DataView(pointers.buffer).setUint32(0, facp, true);
  new DataView(pointers.buffer).setUint32(8, apic, true);
  const xsdt = place(table('XSDT', [...pointers]));
  const rsdp = new Uint8Array(36);
  rsdp.set(ascii('RSD PTR '));
  rsdp[15] = 2;
  new DataView(rsdp.buffer).setUint32(24, xsdt, true);
  memory.writeBytes(TABLES, rsdp);
  return TABLES;
}

/** Gen-1: E820 and the RSDP in the BIOS area. Gen-2: a system table with ACPI and the map. */
export function writeFirmware(
  memory: GuestMemory,
  generation: 1 | 2,
  processors: number,
): FirmwareStart {
  const rsdp = writeAcpi(memory, generation, processors);
  const { view } = memory;
  if (generation === 1) {
    const handoff = BiosHandoff.cursor(view).at(memory.resolve(BIOS_HANDOFF_GPA, 16));
    handoff.signature = BIOS_HANDOFF_SIGNATURE;
    handoff.e820Count = 2;
    handoff.e820Gpa = 0x600;
    const entry = E820Entry.cursor(view).at(memory.resolve(0x600, 40));
    entry.length = 0x9_fc00n;
    entry.type = 1;
    entry.at(memory.resolve(0x600, 40) + E820Entry.size);
    entry.base = 0x10_0000n;
    entry.length = BigInt(memory.ramBytes - 0x10_0000);
    entry.type = 1;
    return { mode: 'real', segment: 0, ip: 0x7c00, drive: 0x80 };
  }
  const base = memory.resolve(EFI_DATA, 0x1000);
  const system = SystemTable.cursor(view).at(base);
  TableHeader.cursor(view).at(base).signature = SYSTEM_TABLE_SIGNATURE;
  system.tableCount = 2n;
  system.configurationTables = BigInt(EFI_DATA + 0x100);
  const entry = ConfigurationTable.cursor(view).at(base + 0x100);
  entry.vendorGuid = ACPI_20_TABLE_GUID;
  entry.table = BigInt(rsdp);
  entry.at(base + 0x118);
  entry.vendorGuid = LOADER_HANDOFF_GUID;
  entry.table = BigInt(EFI_DATA + 0x200);
  const handoff = LoaderHandoff.cursor(view).at(base + 0x200);
  handoff.memoryMapGpa = BigInt(EFI_DATA + 0x300);
  handoff.memoryMapBytes = 96;
  handoff.descriptorBytes = 48;
  handoff.framebufferBytes = 0x80_0000n;
  handoff.framebufferGpa = 0xf800_0000n;
  handoff.width = 1024;
  handoff.height = 768;
  handoff.stride = 1024;
  const map = MemoryDescriptor.cursor(view).at(base + 0x300);
  map.type = 4;
  map.pageCount = 0x800n;
  map.at(base + 0x330);
  map.type = 7;
  map.physicalStart = 0x80_0000n;
  map.pageCount = BigInt((memory.ramBytes - 0x80_0000) / 4096);
  return {
    mode: 'efi',
    entryGpa: 0x20_0000,
    imageHandle: 1,
    systemTableGpa: EFI_DATA,
    stackGpa: 0x8_0000,
    // The model guest runs no instructions and looks at neither.
    pageTablesGpa: 0,
    segments: { gdtGpa: 0, gdtBytes: 24, codeSelector: 8, dataSelector: 16 },
  };
}
