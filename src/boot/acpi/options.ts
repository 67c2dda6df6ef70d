import type { AddressWindow } from './resources.ts';

/** What the tables tell a guest about its machine. */
export interface AcpiOptions {
  readonly generation: 1 | 2;
  /** Processors with APIC ids 0 to n - 1. */
  readonly processorCount: number;
  /** RAM in guest physical addresses, for the SRAT. */
  readonly ram: readonly AddressWindow[];
  /** Free addresses below 4 GiB that VMBus devices may take: frame buffer included. */
  readonly lowMmio: AddressWindow;
  /** The same above RAM. */
  readonly highMmio: AddressWindow;
  /** Serial ports by number; Gen-2 machines have none unless they are configured. */
  readonly comPorts: readonly (1 | 2)[];
  /** ISA interrupts in the VMBus device's _CRS: [5] on Gen-2, [5, 7] on Gen-1. */
  readonly vmbusIrqs?: readonly number[];
  /** 64 bytes for the OEM0 table, which guests take as entropy; without them there is no table. */
  readonly entropy?: Uint8Array;
  /** 16 bytes that change when the machine is restored or copied. */
  readonly generationId: Uint8Array;
}

/** The VM generation id lies here in the NVS page, after the FACS. */
export const GENERATION_ID_OFFSET = 0x100;

export interface AcpiPlacement {
  /** On Gen-1 in the BIOS area, a multiple of 16. */
  readonly rsdpGpa: number;
  /** Memory that a guest may reclaim, a multiple of 64; `acpiRun` says how much it takes. */
  readonly tablesGpa: number;
  /** One page that a guest must leave alone (ACPI NVS): FACS and generation id. */
  readonly nvsGpa: number;
}

export const COM_PORTS = {
  1: { port: 0x3f8, irq: 4 },
  2: { port: 0x2f8, irq: 3 },
} as const;
