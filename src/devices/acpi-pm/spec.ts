/** ACPI fixed hardware (ACPI 6.5, section 4.8) at the ports that Hyper-V's FADT names. */

/** First port of the block on both generations; the registers below are offsets into it. */
export const ACPI_PM_PORT = 0x400;
export const ACPI_PM_PORT_COUNT = 0x34;

export const AcpiPmRegister = {
  /** PM1a_EVT: status, two bytes, written ones clear. */
  pm1Status: 0x00,
  /** PM1a_EVT: enable, two bytes. */
  pm1Enable: 0x02,
  /** PM1a_CNT, two bytes. Its high byte doubles as the sleep control register. */
  pm1Control: 0x04,
  /** PM_TMR, four bytes, read-only. */
  timer: 0x08,
  /** GPE0: two bytes of status, then two of enable. */
  gpe0Status: 0x0c,
  gpe0Enable: 0x0e,
  /** RESET_REG, one byte. */
  reset: 0x33,
} as const;

export const RESET_VALUE = 1;

/** Bits of PM1 status and enable. */
export const Pm1Event = {
  timer: 0x0001,
  powerButton: 0x0100,
  sleepButton: 0x0200,
  rtc: 0x0400,
  /** Status only: the machine woke. */
  wake: 0x8000,
} as const;

/** Bits of PM1 control. */
export const Pm1Control = {
  /** ACPI mode is on: always set, as SMI_CMD is 0. */
  sciEnable: 0x0001,
  sleepTypeShift: 10,
  sleepTypeMask: 0x1c00,
  sleepEnable: 0x2000,
} as const;

export const PM_TIMER_HZ = 3_579_545;
