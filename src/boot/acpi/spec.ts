/**
 * ACPI Specification 6.5, chapter 5, and Microsoft's Windows ACPI Emulated Devices Table. The
 * values are those of Hyper-V's own tables, as its guests print them at boot.
 */
import { bytes, flags, openEnum, struct, u8, u16, u32, u64 } from '../../core/wire.ts';

/** 5.2.6: the header of every table but RSDP and FACS. */
export const TableHeader = struct('TableHeader', 36, {
  signature: bytes(4),
  length: u32,
  revision: u8,
  /** All bytes of the table add up to 0. */
  checksum: u8,
  oemId: bytes(6),
  oemTableId: bytes(8),
  oemRevision: u32,
  creatorId: bytes(4),
  creatorRevision: u32,
});

/** 5.2.5.3. The first 20 bytes are all of ACPI 1.0's, with a checksum of their own. */
export const Rsdp = struct('Rsdp', 36, {
  signature: bytes(8),
  checksum: u8,
  oemId: bytes(6),
  revision: u8,
  rsdtGpa: u32,
  length: u32,
  xsdtGpa: u64,
  extendedChecksum: u8,
  reserved: bytes(3),
});

export const RSDP_BYTES_V1 = 20;

/** 5.2.3.2. */
export const GenericAddress = struct('GenericAddress', 12, {
  space: openEnum(u8, { memory: 0, io: 1 }),
  bitWidth: u8,
  bitOffset: u8,
  accessSize: openEnum(u8, { undefined: 0, byte: 1, word: 2, dword: 3, qword: 4 }),
  addressLo: u32,
  addressHi: u32,
});

/** Table 5.10. Names as there: in this table a set PWR_BUTTON says that there is no fixed button. */
export const FadtFlags = flags(u32, {
  WBINVD: 1 << 0,
  PROC_C1: 1 << 2,
  PWR_BUTTON: 1 << 4,
  SLP_BUTTON: 1 << 5,
  FIX_RTC: 1 << 6,
  RTC_S4: 1 << 7,
  TMR_VAL_EXT: 1 << 8,
  RESET_REG_SUP: 1 << 10,
  USE_PLATFORM_CLOCK: 1 << 15,
});

/** Table 5.11, IAPC_BOOT_ARCH. */
export const BootArchitecture = flags(u16, {
  LEGACY_DEVICES: 1 << 0,
  I8042: 1 << 1,
  VGA_NOT_PRESENT: 1 << 2,
  CMOS_RTC_NOT_PRESENT: 1 << 5,
});

/** 5.2.9. ACPI 2.0's ends with `resetValue`, at 129 bytes. */
export const Fadt = struct(
  'Fadt',
  276,
  {
    header: bytes(TableHeader.size),
    facsGpa: u32,
    dsdtGpa: u32,
    reserved: u8,
    preferredPmProfile: u8,
    sciInterrupt: u16,
    smiCommandPort: u32,
    acpiEnable: u8,
    acpiDisable: u8,
    s4BiosRequest: u8,
    pstateControl: u8,
    pm1aEventPort: u32,
    pm1bEventPort: u32,
    pm1aControlPort: u32,
    pm1bControlPort: u32,
    pm2ControlPort: u32,
    pmTimerPort: u32,
    gpe0Port: u32,
    gpe1Port: u32,
    pm1EventBytes: u8,
    pm1ControlBytes: u8,
    pm2ControlBytes: u8,
    pmTimerBytes: u8,
    gpe0Bytes: u8,
    gpe1Bytes: u8,
    gpe1Base: u8,
    cstateControl: u8,
    /** Microseconds; above 100 there is no C2. */
    c2LatencyUs: u16,
    /** Above 1000 there is no C3. */
    c3LatencyUs: u16,
    flushSize: u16,
    flushStride: u16,
    dutyOffset: u8,
    dutyWidth: u8,
    dayAlarm: u8,
    monthAlarm: u8,
    centuryRegister: u8,
    bootArchitecture: BootArchitecture,
    reserved1: u8,
    flags: FadtFlags,
    resetRegister: bytes(12),
    resetValue: u8,
    armBootArchitecture: u16,
    minorVersion: u8,
    xFacsGpa: u64,
    xDsdtGpa: u64,
    xPm1aEvent: bytes(12),
    xPm1bEvent: bytes(12),
    xPm1aControl: bytes(12),
    xPm1bControl: bytes(12),
    xPm2Control: bytes(12),
    xPmTimer: bytes(12),
    xGpe0: bytes(12),
    xGpe1: bytes(12),
    sleepControl: bytes(12),
    sleepStatus: bytes(12),
    hypervisorVendor: bytes(8),
  },
  { packed: true },
);

export const FADT_BYTES_V2 = 129;

/** 5.2.10. Its address is a multiple of 64. */
export const Facs = struct('Facs', 64, {
  signature: bytes(4),
  length: u32,
  hardwareSignature: u32,
  wakingVector: u32,
  globalLock: u32,
  flags: u32,
  xWakingVectorLo: u32,
  xWakingVectorHi: u32,
  version: u8,
  reserved: bytes(31),
});

/** 5.2.12, without the structures that follow. */
export const Madt = struct('Madt', 44, {
  header: bytes(TableHeader.size),
  localApicGpa: u32,
  flags: flags(u32, { PCAT_COMPAT: 1 }),
});

/** 5.2.12.2. */
export const MadtLocalApic = struct('MadtLocalApic', 8, {
  type: u8,
  length: u8,
  processorUid: u8,
  apicId: u8,
  flags: flags(u32, { ENABLED: 1 }),
});

/** 5.2.12.12, for APIC ids from 255. */
export const MadtLocalX2Apic = struct('MadtLocalX2Apic', 16, {
  type: u8,
  length: u8,
  reserved: u16,
  apicId: u32,
  flags: flags(u32, { ENABLED: 1 }),
  processorUid: u32,
});

/** 5.2.12.3. */
export const MadtIoApic = struct('MadtIoApic', 12, {
  type: u8,
  length: u8,
  id: u8,
  reserved: u8,
  gpa: u32,
  firstInterrupt: u32,
});

/** 5.2.12.5. Flags: polarity in bits 1:0 (1 high), trigger mode in bits 3:2 (3 level). */
export const MadtOverride = struct(
  'MadtOverride',
  10,
  { type: u8, length: u8, bus: u8, irq: u8, globalInterrupt: u32, flags: u16 },
  { packed: true },
);

/** 5.2.12.7. */
export const MadtLocalApicNmi = struct(
  'MadtLocalApicNmi',
  6,
  { type: u8, length: u8, processorUid: u8, flags: u16, lint: u8 },
  { packed: true },
);

export const MadtType = {
  localApic: 0,
  ioApic: 1,
  override: 2,
  localApicNmi: 4,
  localX2Apic: 9,
} as const;

export const MADT_LEVEL_HIGH = 0x000d;
export const MADT_ALL_PROCESSORS = 0xff;

/** 5.2.16, without the structures that follow. */
export const Srat = struct('Srat', 48, {
  header: bytes(TableHeader.size),
  /** 1. */
  tableRevision: u32,
  reserved: bytes(8),
});

/** 5.2.16.1. */
export const SratProcessor = struct('SratProcessor', 16, {
  type: u8,
  length: u8,
  domainLow: u8,
  apicId: u8,
  flags: flags(u32, { ENABLED: 1 }),
  sapicEid: u8,
  domainHigh: bytes(3),
  clockDomain: u32,
});

/** 5.2.16.2. */
export const SratMemory = struct(
  'SratMemory',
  40,
  {
    type: u8,
    length: u8,
    domain: u32,
    reserved: u16,
    base: u64,
    bytes: u64,
    reserved1: u32,
    flags: flags(u32, { ENABLED: 1, HOT_PLUGGABLE: 2 }),
    reserved2: bytes(8),
  },
  { packed: true },
);

/** 5.2.16.3. */
export const SratX2Apic = struct('SratX2Apic', 24, {
  type: u8,
  length: u8,
  reserved: u16,
  domain: u32,
  apicId: u32,
  flags: flags(u32, { ENABLED: 1 }),
  clockDomain: u32,
  reserved1: u32,
});

export const SratType = { processor: 0, memory: 1, x2Apic: 2 } as const;

/** Windows ACPI Emulated Devices Table: what of the emulated hardware needs no work-around. */
export const Waet = struct('Waet', 40, {
  header: bytes(TableHeader.size),
  flags: flags(u32, { RTC_GOOD: 1, ACPI_PM_TIMER_GOOD: 2 }),
});

export const LOCAL_APIC_GPA = 0xfee0_0000;
export const IO_APIC_GPA = 0xfec0_0000;
/** APIC ids above this need the x2APIC structures. */
export const MAX_XAPIC_ID = 254;
/** The interrupt of the ACPI fixed hardware. */
export const SCI_INTERRUPT = 9;
/** Microsoft's VM generation counter notifies through this general-purpose event. */
export const GENERATION_GPE = 0;
