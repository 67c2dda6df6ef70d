/** What the firmware left for the kernel, read from guest memory and nowhere else. */
import {
  ACPI_20_TABLE_GUID,
  ConfigurationTable,
  MemoryDescriptor,
  SYSTEM_TABLE_SIGNATURE,
  SystemTable,
  TableHeader,
} from '../../core/spec/efi.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import type { FirmwareStart } from '../../hypervisor/processor.ts';
import type { MemoryRange } from '../kernel/pages.ts';
import {
  BIOS_HANDOFF_GPA,
  BIOS_HANDOFF_SIGNATURE,
  BiosHandoff,
  E820Entry,
  LOADER_HANDOFF_GUID,
  LoaderHandoff,
} from '../spec.ts';
import { SMBIOS_TABLE_GUID } from '../../core/spec/smbios.ts';
import { scanForRsdp } from './acpi.ts';
import { scanForSmbios, smbiosMemoryBytes } from './smbios.ts';

const MAX_E820_ENTRIES = 128;
const MAX_EFI_TABLES = 64;
const MAX_DESCRIPTORS = 1024;

export interface EfiDescriptor extends MemoryRange {
  readonly type: number;
}

export interface Framebuffer {
  readonly gpa: number;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  readonly stride: number;
}

export interface FirmwareFacts {
  readonly generation: 1 | 2;
  /** -1: no ACPI. */
  readonly rsdpGpa: number;
  /** What the kernel may use once it owns the machine. */
  readonly usable: readonly MemoryRange[];
  /** All RAM in bytes: what SMBIOS says, else what the map lists. */
  readonly realBytes: number;
  /** Where the map's RAM below 4 GiB ends, and what follows it begins. */
  readonly map: readonly MemoryRange[];
  readonly framebuffer: Framebuffer | undefined;
  /** Gen-2: the map as the loader got it. */
  readonly descriptors: readonly EfiDescriptor[];
}

export function readFirmware(memory: GuestMemory, start: FirmwareStart): FirmwareFacts {
  return start.mode === 'real' ? readBios(memory) : readEfi(memory, start.systemTableGpa);
}

function readBios(memory: GuestMemory): FirmwareFacts {
  const usable: MemoryRange[] = [];
  const ram: MemoryRange[] = [];
  const handoffAt = memory.resolve(BIOS_HANDOFF_GPA, BiosHandoff.size);
  const handoff = BiosHandoff.cursor(memory.view).at(Math.max(0, handoffAt));
  const hasMap = handoffAt >= 0 && handoff.signature === BIOS_HANDOFF_SIGNATURE;
  const count = hasMap ? Math.min(MAX_E820_ENTRIES, handoff.e820Count) : 0;
  const listAt = memory.resolve(handoff.e820Gpa, count * E820Entry.size);
  const entry = E820Entry.cursor(memory.view);
  const entries = listAt < 0 ? 0 : count;
  for (let index = 0; index < entries; index += 1) {
    entry.at(listAt + index * E820Entry.size);
    const range = {
      start: whole(entry.baseLo, entry.baseHi),
      bytes: whole(entry.lengthLo, entry.lengthHi),
    };
    if (E820_RAM.has(entry.type)) ram.push(range);
    if (entry.type === E820_MEMORY) usable.push(range);
  }
  return {
    generation: 1,
    rsdpGpa: scanForRsdp(memory),
    usable,
    realBytes:
      smbiosMemoryBytes(memory, scanForSmbios(memory)) ||
      usable.reduce((sum, { bytes }) => sum + bytes, 0),
    map: ram,
    framebuffer: undefined,
    descriptors: [],
  };
}

const E820_MEMORY = 1;
/** Memory, and what ACPI has of it. */
const E820_RAM: ReadonlySet<number> = new Set([1, 3, 4]);
/** EFI types that are free once boot services have ended: 1 to 4 and 7. */
const EFI_FREE_LATER: ReadonlySet<number> = new Set([1, 2, 3, 4, 7]);
/** The rest of what is RAM: runtime services and ACPI. */
const EFI_RAM: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 7, 9, 10]);

function readEfi(memory: GuestMemory, systemTableGpa: number): FirmwareFacts {
  const tables = configurationTables(memory, systemTableGpa);
  const handoffAt = memory.resolve(tables.get(LOADER_HANDOFF_GUID) ?? -1, LoaderHandoff.size);
  const descriptors: EfiDescriptor[] = [];
  let framebuffer: Framebuffer | undefined;
  if (handoffAt >= 0) {
    const handoff = LoaderHandoff.cursor(memory.view).at(handoffAt);
    readDescriptors(
      memory,
      whole(handoff.memoryMapGpaLo, handoff.memoryMapGpaHi),
      handoff.memoryMapBytes,
      handoff.descriptorBytes,
      descriptors,
    );
    const bytes = whole(handoff.framebufferBytesLo, handoff.framebufferBytesHi);
    if (bytes > 0) {
      framebuffer = {
        gpa: whole(handoff.framebufferGpaLo, handoff.framebufferGpaHi),
        bytes,
        width: handoff.width,
        height: handoff.height,
        stride: handoff.stride,
      };
    }
  }
  return {
    generation: 2,
    rsdpGpa: tables.get(ACPI_20_TABLE_GUID) ?? -1,
    usable: descriptors.filter(({ type }) => EFI_FREE_LATER.has(type)),
    realBytes:
      smbiosMemoryBytes(memory, tables.get(SMBIOS_TABLE_GUID) ?? -1) ||
      descriptors.reduce((sum, { type, bytes }) => sum + (EFI_RAM.has(type) ? bytes : 0), 0),
    map: descriptors.filter(({ type }) => EFI_RAM.has(type)),
    framebuffer,
    descriptors,
  };
}

function configurationTables(memory: GuestMemory, systemTableGpa: number): Map<string, number> {
  const found = new Map<string, number>();
  const at = memory.resolve(systemTableGpa, SystemTable.size);
  if (at < 0) return found;
  const system = SystemTable.cursor(memory.view).at(at);
  if (TableHeader.cursor(memory.view).at(at).signature !== SYSTEM_TABLE_SIGNATURE) return found;
  const count = Math.min(MAX_EFI_TABLES, whole(system.tableCountLo, system.tableCountHi));
  const first = memory.resolve(
    whole(system.configurationTablesLo, system.configurationTablesHi),
    count * ConfigurationTable.size,
  );
  const entry = ConfigurationTable.cursor(memory.view);
  const entries = first < 0 ? 0 : count;
  for (let index = 0; index < entries; index += 1) {
    entry.at(first + index * ConfigurationTable.size);
    found.set(entry.vendorGuid, whole(entry.tableLo, entry.tableHi));
  }
  return found;
}

function readDescriptors(
  memory: GuestMemory,
  mapGpa: number,
  mapBytes: number,
  descriptorBytes: number,
  into: EfiDescriptor[],
): void {
  if (descriptorBytes < MemoryDescriptor.size) return;
  const count = Math.min(MAX_DESCRIPTORS, Math.floor(mapBytes / descriptorBytes));
  const first = memory.resolve(mapGpa, count * descriptorBytes);
  const descriptor = MemoryDescriptor.cursor(memory.view);
  const descriptors = first < 0 ? 0 : count;
  for (let index = 0; index < descriptors; index += 1) {
    descriptor.at(first + index * descriptorBytes);
    into.push({
      type: descriptor.type,
      start: whole(descriptor.physicalStartLo, descriptor.physicalStartHi),
      bytes: whole(descriptor.pageCountLo, descriptor.pageCountHi) * PAGE_BYTES,
    });
  }
}

function whole(low: number, high: number): number {
  return high * 0x1_0000_0000 + low;
}
