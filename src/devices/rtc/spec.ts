/** The MC146818 clock and the CMOS memory of a PC (Motorola MC146818A data sheet; PC/AT usage). */

/** Index (bit 7 masks NMI), then data. */
export const RTC_INDEX_PORT = 0x70;
export const RTC_DATA_PORT = 0x71;
export const CMOS_BYTES = 128;

export const RtcRegister = {
  seconds: 0x00,
  secondsAlarm: 0x01,
  minutes: 0x02,
  minutesAlarm: 0x03,
  hours: 0x04,
  hoursAlarm: 0x05,
  dayOfWeek: 0x06,
  dayOfMonth: 0x07,
  month: 0x08,
  year: 0x09,
  statusA: 0x0a,
  statusB: 0x0b,
  statusC: 0x0c,
  statusD: 0x0d,
  century: 0x32,
} as const;

/** Where a PC's firmware leaves what it found. */
export const CmosByte = {
  shutdownStatus: 0x0f,
  floppyType: 0x10,
  equipment: 0x14,
  /** KiB below 1 MiB, two bytes. */
  baseMemory: 0x15,
  /** KiB above 1 MiB, two bytes, at most 64 MiB less 1 KiB. */
  extendedMemory: 0x17,
  /** The same again, as the power-on test found it. */
  extendedMemoryFound: 0x30,
  /** Units of 64 KiB between 16 MiB and 4 GiB, two bytes. */
  memoryAbove16Mib: 0x34,
  /** Units of 64 KiB above 4 GiB, three bytes. */
  memoryAbove4Gib: 0x5b,
} as const;

export const CmosEquipment = { floppy: 0x01, coprocessor: 0x02 } as const;

export const StatusA = {
  /** An update follows within 244 us. */
  updateInProgress: 0x80,
  dividerMask: 0x70,
  /** The divider value that makes the clock run, for a 32.768 kHz crystal. */
  dividerRunning: 0x20,
  rateMask: 0x0f,
} as const;

export const StatusB = {
  daylightSaving: 0x01,
  hours24: 0x02,
  binary: 0x04,
  squareWave: 0x08,
  updateInterrupt: 0x10,
  alarmInterrupt: 0x20,
  periodicInterrupt: 0x40,
  set: 0x80,
} as const;

/** Bits 6:4 stand where StatusB has the enables. */
export const StatusC = {
  update: 0x10,
  alarm: 0x20,
  periodic: 0x40,
  interruptRequest: 0x80,
} as const;

export const STATUS_D_VALID = 0x80;
/** An alarm byte from here on matches every value. */
export const ALARM_ANY = 0xc0;
/** In 12-hour form. */
export const HOUR_PM = 0x80;
export const RTC_CRYSTAL_HZ = 32_768;
export const UPDATE_WARNING_NS = 244_000;

/** 2016-01-01T00:00:00Z: what the clock says at power-on unless told, so that runs repeat. */
export const DEFAULT_EPOCH_SECONDS = 1_451_606_400;
