/** The local APIC: Intel SDM volume 3, chapter 11 (Advanced Programmable Interrupt Controller). */

export const APIC_DEFAULT_BASE = 0xfee0_0000;
export const APIC_PAGE_BYTES = 4096;

/** IA32_APIC_BASE, low half. */
export const APIC_BASE_BSP = 0x100;
export const APIC_BASE_X2APIC = 0x400;
export const APIC_BASE_ENABLE = 0x800;
export const APIC_BASE_RESERVED = 0x2ff;

/** Registers by MMIO offset divided by 16, which is also their x2APIC number less 0x800. */
export const ApicRegister = {
  id: 0x02,
  version: 0x03,
  taskPriority: 0x08,
  arbitrationPriority: 0x09,
  processorPriority: 0x0a,
  endOfInterrupt: 0x0b,
  remoteRead: 0x0c,
  logicalDestination: 0x0d,
  destinationFormat: 0x0e,
  spuriousVector: 0x0f,
  inService: 0x10,
  triggerMode: 0x18,
  interruptRequest: 0x20,
  errorStatus: 0x28,
  commandLow: 0x30,
  commandHigh: 0x31,
  lvtTimer: 0x32,
  lvtThermal: 0x33,
  lvtPerformance: 0x34,
  lvtLint0: 0x35,
  lvtLint1: 0x36,
  lvtError: 0x37,
  timerInitialCount: 0x38,
  timerCurrentCount: 0x39,
  timerDivide: 0x3e,
  selfIpi: 0x3f,
} as const;

/** Version 0x14 with local vector entries 0 to 5. */
export const APIC_VERSION = 0x0005_0014;

export const SPURIOUS_ENABLE = 0x100;
export const SPURIOUS_MASK = 0x1ff;
export const SPURIOUS_AT_RESET = 0xff;

/** Local vector table and command register, bits in common. */
export const VECTOR_MASK = 0xff;
export const DELIVERY_SHIFT = 8;
export const DELIVERY_MASK = 7;
export const LVT_MASKED = 0x1_0000;
export const LVT_TIMER_MODE_SHIFT = 17;
export const LVT_TIMER_MODE_MASK = 3;
/** What each entry keeps of a write: timer, thermal, performance, LINT0, LINT1, error. */
export const lvtWritable: readonly number[] = [
  0x7_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff,
];
export const LVT_COUNT = 6;
export const LVT_TIMER = 0;
export const LVT_LINT0 = 3;
export const LVT_ERROR = 5;

export const TimerMode = { oneShot: 0, periodic: 1, tscDeadline: 2 } as const;

export const DeliveryMode = {
  fixed: 0,
  lowestPriority: 1,
  smi: 2,
  nmi: 4,
  init: 5,
  startup: 6,
  external: 7,
} as const;

/** Interrupt command register, low half. */
export const COMMAND_LOGICAL = 0x800;
export const COMMAND_ASSERT = 0x4000;
export const COMMAND_LEVEL = 0x8000;
export const COMMAND_SHORTHAND_SHIFT = 18;
export const COMMAND_LOW_MASK = 0xc_cfff;
export const Shorthand = { none: 0, self: 1, all: 2, others: 3 } as const;

/** Error status register. */
export const ERROR_SEND_ILLEGAL_VECTOR = 0x20;
export const ERROR_RECEIVE_ILLEGAL_VECTOR = 0x40;
export const ERROR_ILLEGAL_REGISTER = 0x80;

export const DESTINATION_FORMAT_FLAT = 0xffff_ffff;

/** MSI address and data: SDM "Message Signalled Interrupts". */
export const MSI_ADDRESS_FIRST = 0xfee0_0000;
export const MSI_ADDRESS_LOGICAL = 0x4;
export const MSI_DATA_LEVEL = 0x8000;
