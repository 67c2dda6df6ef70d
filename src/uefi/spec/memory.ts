/** UEFI 2.10, section 7.2: memory types, attributes and the descriptor of GetMemoryMap(). */
import { openEnum, struct, u32, u64 } from '../../core/wire.ts';

export const EfiMemoryType = openEnum(u32, {
  Reserved: 0,
  LoaderCode: 1,
  LoaderData: 2,
  BootServicesCode: 3,
  BootServicesData: 4,
  RuntimeServicesCode: 5,
  RuntimeServicesData: 6,
  Conventional: 7,
  Unusable: 8,
  AcpiReclaim: 9,
  AcpiNvs: 10,
  Mmio: 11,
  MmioPortSpace: 12,
  PalCode: 13,
  Persistent: 14,
});

export const MemoryDescriptor = struct('MemoryDescriptor', 40, {
  type: EfiMemoryType,
  padding: u32,
  physicalStart: u64,
  virtualStart: u64,
  pageCount: u64,
  attributes: u64,
});

/** What firmware reports, so that nobody steps by the size of the structure they know. */
export const MEMORY_DESCRIPTOR_STRIDE = 48;
export const MEMORY_DESCRIPTOR_VERSION = 1;

export const MemoryAttribute = {
  uncacheable: 1n << 0n,
  writeCombining: 1n << 1n,
  writeThrough: 1n << 2n,
  writeBack: 1n << 3n,
  runtime: 1n << 63n,
} as const;
