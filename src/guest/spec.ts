/**
 * What the firmware's loader leaves in guest memory for the model guest: the answers that a real
 * loader gets from INT 15h (Gen-1) or from EFI boot services (Gen-2), which the model cannot call.
 */
import { bytes, guid, openEnum, struct, u32, u64 } from '../core/wire.ts';

/** Gen-1: where `BiosHandoff` lies, in the BIOS data area's free part (IBM PC AT, 0x500). */
export const BIOS_HANDOFF_GPA = 0x500;
/** "SVH1" */
export const BIOS_HANDOFF_SIGNATURE = 0x3148_5653;

export const BiosHandoff = struct('BiosHandoff', 16, {
  signature: u32,
  /** Entries of the E820 list, at most 128. */
  e820Count: u32,
  /** GPA of the first `E820Entry`. */
  e820Gpa: u32,
  reserved: u32,
});

/** ACPI 6.5, section 15.1, INT 15h E820h, without the extended attributes. */
export const E820Entry = struct(
  'E820Entry',
  20,
  {
    base: u64,
    length: u64,
    type: openEnum(u32, { Memory: 1, Reserved: 2, AcpiReclaim: 3, AcpiNvs: 4 }),
  },
  { packed: true },
);

/** Gen-2: vendor GUID of the EFI configuration table entry that points to `LoaderHandoff`. */
export const LOADER_HANDOFF_GUID = '8a1d1f52-7b0e-4c6f-9c53-5356484f4646';

export const LoaderHandoff = struct('LoaderHandoff', 56, {
  /** GPA and bytes of the EFI memory map, and bytes of one descriptor (UEFI 2.10, 7.2.3). */
  memoryMapGpa: u64,
  memoryMapBytes: u32,
  descriptorBytes: u32,
  /** The GOP frame buffer; 0 bytes when there is none. */
  framebufferGpa: u64,
  framebufferBytes: u64,
  width: u32,
  height: u32,
  /** Pixels from one line to the next. */
  stride: u32,
  reserved: u32,
  reserved2: u64,
});

/** UEFI 2.10, section 7.2.3, EFI_MEMORY_DESCRIPTOR. */
export const EfiMemoryDescriptor = struct('EfiMemoryDescriptor', 40, {
  type: openEnum(u32, {
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
  }),
  padding: u32,
  physicalStart: u64,
  virtualStart: u64,
  pages: u64,
  attribute: u64,
});

/** UEFI 2.10, section 4.3, the fields of EFI_SYSTEM_TABLE that a kernel reads. */
export const EfiSystemTable = struct('EfiSystemTable', 120, {
  signature: u64,
  revision: u32,
  headerSize: u32,
  crc32: u32,
  headerReserved: u32,
  firmwareVendor: u64,
  firmwareRevision: u32,
  padding: u32,
  consoleHandles: bytes(48),
  runtimeServices: u64,
  bootServices: u64,
  tableCount: u64,
  tables: u64,
});

/** UEFI 2.10, section 4.6, EFI_CONFIGURATION_TABLE. */
export const EfiConfigurationTable = struct('EfiConfigurationTable', 24, {
  vendorGuid: guid,
  table: u64,
});
/** "IBI SYST" */
export const EFI_SYSTEM_TABLE_SIGNATURE = 0x5453_5953_2049_4249n;
/** UEFI 2.10, section 4.6.1, EFI_ACPI_20_TABLE_GUID. */
export const EFI_ACPI_20_TABLE_GUID = '8868e871-e4f1-11d3-bc22-0080c73c8881';
