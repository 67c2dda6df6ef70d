/**
 * What the firmware's loader leaves in guest memory for the model guest: the answers that a real
 * loader gets from INT 15h (Gen-1) or from EFI boot services (Gen-2), which the model cannot call.
 */
import { openEnum, struct, u32, u64 } from '../core/wire.ts';

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
