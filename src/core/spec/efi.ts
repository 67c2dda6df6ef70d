/**
 * What EFI firmware leaves in memory and a kernel reads: the memory map and the system table (UEFI
 * 2.10, sections 4.3, 4.6 and 7.2). It stands below both, since firmware writes and guests read it.
 */
import { bytes, guid, openEnum, struct, u32, u64 } from '../wire.ts';

/** Section 7.2.1, EFI_MEMORY_TYPE. */
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

/** Section 7.2.3, EFI_MEMORY_DESCRIPTOR. */
export const MemoryDescriptor = struct('MemoryDescriptor', 40, {
  type: EfiMemoryType,
  padding: u32,
  physicalStart: u64,
  virtualStart: u64,
  pageCount: u64,
  attributes: u64,
});

/** Section 4.2, EFI_TABLE_HEADER. */
export const TableHeader = struct('TableHeader', 24, {
  signature: u64,
  revision: u32,
  headerBytes: u32,
  crc32: u32,
  reserved: u32,
});

/** "IBI SYST" */
export const SYSTEM_TABLE_SIGNATURE = 0x5453_5953_2049_4249n;

/** Section 4.3.1, EFI_SYSTEM_TABLE; `header` is a `TableHeader`. */
export const SystemTable = struct('SystemTable', 120, {
  header: bytes(24),
  firmwareVendor: u64,
  firmwareRevision: u32,
  padding: u32,
  consoleInHandle: u64,
  consoleIn: u64,
  consoleOutHandle: u64,
  consoleOut: u64,
  standardErrorHandle: u64,
  standardError: u64,
  runtimeServices: u64,
  bootServices: u64,
  tableCount: u64,
  configurationTables: u64,
});

/** Section 4.6, EFI_CONFIGURATION_TABLE. */
export const ConfigurationTable = struct('ConfigurationTable', 24, {
  vendorGuid: guid,
  table: u64,
});

/** Section 4.6.1, EFI_ACPI_20_TABLE_GUID. */
export const ACPI_20_TABLE_GUID = '8868e871-e4f1-11d3-bc22-0080c73c8881';
