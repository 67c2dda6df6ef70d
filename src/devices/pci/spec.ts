/**
 * PCI Local Bus Specification 2.2: configuration mechanism #1 (3.2.2.3.2) and the type 0 header
 * (6.1). What a Generation-1 board has on bus 0 is as its guests' boot logs and `lspci` show it.
 */

export const PCI_ADDRESS_PORT = 0xcf8;
export const PCI_DATA_PORT = 0xcfc;
export const PCI_PORT_COUNT = 4;
/** The PIIX4's reset control register, a byte among the bytes of the address port. */
export const RESET_CONTROL_PORT = 0xcf9;
/** SRST: the reset is a hard one. RCPU: its rising edge resets. */
export const ResetControl = { hard: 0x02, resetProcessor: 0x04 } as const;

export const PCI_ADDRESS_ENABLE = 0x8000_0000;
export const PCI_CONFIGURATION_BYTES = 256;

/** Offsets in the type 0 header. */
export const PciRegister = {
  vendorId: 0x00,
  deviceId: 0x02,
  command: 0x04,
  status: 0x06,
  revision: 0x08,
  classCode: 0x09,
  headerType: 0x0e,
  bar0: 0x10,
  bar4: 0x20,
  subsystemVendor: 0x2c,
  subsystem: 0x2e,
  interruptLine: 0x3c,
  interruptPin: 0x3d,
  minGrant: 0x3e,
  maxLatency: 0x3f,
} as const;

export const PciCommand = { io: 0x0001, memory: 0x0002, busMaster: 0x0004 } as const;
/** Status: DEVSEL# medium, and back-to-back transfers. */
export const PCI_STATUS_MEDIUM = 0x0280;
export const PCI_HEADER_MULTI_FUNCTION = 0x80;
/** Bit 0 of a base address: it is of ports. */
export const PCI_BAR_IO = 1;

export const PciVendor = { intel: 0x8086, microsoft: 0x1414 } as const;

/** Base class, sub-class and programming interface. */
export const PciClass = {
  /** PCI-only mode is not there: both channels stay at their ISA ports; bus master. */
  ide: 0x01_01_80,
  ethernet: 0x02_00_00,
  vga: 0x03_00_00,
  hostBridge: 0x06_00_00,
  isaBridge: 0x06_01_00,
  otherBridge: 0x06_80_00,
} as const;

/** Device and function of what is on bus 0. */
export const BoardSlot = {
  hostBridge: { device: 0, function: 0 },
  isaBridge: { device: 7, function: 0 },
  ide: { device: 7, function: 1 },
  powerManagement: { device: 7, function: 3 },
  video: { device: 8, function: 0 },
} as const;

/** 82443BX, AGP disabled. */
export const HOST_BRIDGE_ID = 0x7192;
export const HOST_BRIDGE_REVISION = 3;
/** 82371AB (PIIX4). */
export const PIIX4_ISA_ID = 0x7110;
export const PIIX4_IDE_ID = 0x7111;
export const PIIX4_POWER_MANAGEMENT_ID = 0x7113;
export const PIIX4_REVISION = 1;
/** Below 3: guests read the timer three times over, for a fault of the real chip. */
export const PIIX4_POWER_MANAGEMENT_REVISION = 2;
/** "Hyper-V virtual VGA". */
export const HYPERV_VGA_ID = 0x5353;
/** The interrupt that INTA# of every slot is routed to. */
export const PCI_INTERRUPT = 11;
