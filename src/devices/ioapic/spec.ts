/** The I/O APIC: Intel 82093AA data sheet (290566), section 3. */

export const IOAPIC_BASE = 0xfec0_0000;
export const IOAPIC_BYTES = 0x1000;
export const IOAPIC_PIN_COUNT = 24;

/** Memory-mapped registers, offsets in bytes. */
export const IOREGSEL = 0x00;
export const IOWIN = 0x10;

/** Indirect registers; entry n is at 0x10 + 2n (low) and 0x11 + 2n (high). */
export const IoApicRegister = { id: 0, version: 1, arbitration: 2, redirection: 0x10 } as const;

/** 82093AA, last entry 23. */
export const IOAPIC_VERSION = 0x0017_0011;

/** Redirection entry, low half. */
export const ENTRY_VECTOR = 0xff;
export const ENTRY_MODE_SHIFT = 8;
export const ENTRY_MODE_MASK = 7;
export const ENTRY_LOGICAL = 0x800;
export const ENTRY_REMOTE_IRR = 0x4000;
export const ENTRY_LEVEL = 0x8000;
export const ENTRY_MASKED = 0x1_0000;
/** Delivery status (12) and remote IRR (14) are read-only. */
export const ENTRY_LOW_WRITABLE = 0x1_afff;
/** High half: the destination. */
export const ENTRY_HIGH_WRITABLE = 0xff00_0000;
