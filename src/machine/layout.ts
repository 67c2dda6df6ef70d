/** Where things are in the guest physical address space, as on Hyper-V. */
import type { Framebuffer } from '../uefi/system-table.ts';

const MIB = 1024 * 1024;

/** RAM ends here below 4 GiB; VMBus devices take addresses from here on. */
export const LOW_MMIO_START = 0xf800_0000;
/** I/O APIC, local APICs and firmware flash end the window. */
export const LOW_MMIO_END = 0xfec0_0000;
export const HIGH_MMIO_START = 0xf_e000_0000;
export const HIGH_MMIO_BYTES = 512 * MIB;
export const IO_APIC_GPA = 0xfec0_0000;
export const IO_APIC_BYTES = 0x1000;

/** What is not memory: the low window up to 4 GiB, and the high one. */
export const DEVICE_WINDOWS = [
  { gpa: LOW_MMIO_START, bytes: 128 * MIB },
  { gpa: HIGH_MMIO_START, bytes: HIGH_MMIO_BYTES },
] as const;

/** The frame buffer that Gen-2 firmware sets up, at the start of the low window. */
export const FRAMEBUFFER: Framebuffer = {
  gpa: LOW_MMIO_START,
  bytes: 8 * MIB,
  width: 1024,
  height: 768,
  stride: 1024,
};

export const COM1_PORT = 0x3f8;
export const COM1_IRQ = 4;

/** Ticks of the time-stamp counter and of the local APIC's timer. */
export const TSC_HZ = 3_300_000_000;
export const APIC_HZ = 200_000_000;
