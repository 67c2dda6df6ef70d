/**
 * DECchip 21140A PCI Fast Ethernet LAN controller (hardware reference manual, EC-QN7NC-TE), as the
 * "Intel 21140-Based PCI Fast Ethernet Adapter (Emulated)" of a Generation-1 machine has it: its legacy
 * network adapter.
 */
import { struct, u32 } from '../../core/wire.ts';

export const TULIP_VENDOR_ID = 0x1011;
export const TULIP_DEVICE_ID = 0x0009;
/** Pass 2.0 of the 21140A. */
export const TULIP_REVISION = 0x20;
export const TULIP_SUBSYSTEM_VENDOR = 0x0a00;
export const TULIP_SUBSYSTEM = 0x2114;
/** Configuration driver area: two power-saving bits, and a byte for software. */
export const TULIP_DRIVER_AREA = 0x40;
export const TULIP_DRIVER_AREA_MASK = 0xc000_ff00;
export const TULIP_MIN_GRANT = 0x14;
export const TULIP_MAX_LATENCY = 0x28;
export const TULIP_IO_BYTES = 0x80;
export const TULIP_MEMORY_BYTES = 0x1000;
/** Where firmware puts the first adapter; further ones stand below it. */
export const TULIP_IO_PORT = 0xec00;
export const TULIP_MEMORY_GPA = 0xfebf_f000;
/** As many as Hyper-V takes, in PCI slots 10 to 13. */
export const TULIP_ADAPTERS = 4;
export const TULIP_FIRST_SLOT = 10;

/** Registers are double words, eight bytes apart. */
export const CSR_COUNT = 16;
export const CSR_STRIDE = 8;

export const Csr = {
  busMode: 0,
  transmitPoll: 1,
  receivePoll: 2,
  receiveList: 3,
  transmitList: 4,
  status: 5,
  mode: 6,
  interruptEnable: 7,
  missedFrames: 8,
  serial: 9,
  bootRomAddress: 10,
  timer: 11,
  generalPurpose: 12,
  watchdog: 15,
} as const;

/** What registers hold after a reset; those that are not here read as all ones. */
export const CSR_RESET: Readonly<Record<number, number>> = {
  [Csr.busMode]: 0xfe00_0000,
  [Csr.receiveList]: 0,
  [Csr.transmitList]: 0,
  [Csr.status]: 0xfc00_0000,
  [Csr.mode]: 0x3200_0040,
  [Csr.interruptEnable]: 0xfffe_0000,
  [Csr.missedFrames]: 0xe000_0000,
  [Csr.serial]: 0xfff4_83ff,
  [Csr.bootRomAddress]: 0,
  [Csr.timer]: 0xfffe_0000,
  [Csr.generalPurpose]: 0xffff_fe00,
  [Csr.watchdog]: 0xffff_fec8,
};

export const BusMode = { softwareReset: 0x01, skipShift: 2, skipMask: 0x1f } as const;

export const TulipStatus = {
  transmitInterrupt: 0x0000_0001,
  transmitStopped: 0x0000_0002,
  transmitUnavailable: 0x0000_0004,
  transmitJabber: 0x0000_0008,
  transmitUnderflow: 0x0000_0020,
  receiveInterrupt: 0x0000_0040,
  receiveUnavailable: 0x0000_0080,
  receiveStopped: 0x0000_0100,
  receiveWatchdog: 0x0000_0200,
  timerExpired: 0x0000_0800,
  fatalBusError: 0x0000_2000,
  abnormalSummary: 0x0000_8000,
  normalSummary: 0x0001_0000,
  /** Cleared by writing ones. */
  events: 0x0000_2bef,
  normal: 0x0000_0045,
  abnormal: 0x0000_2baa,
  receiveStateShift: 17,
  transmitStateShift: 20,
  reserved: 0xfc00_0000,
} as const;

/** Process states in the status register. */
export const ReceiveState = { stopped: 0, waiting: 3, suspended: 4 } as const;
export const TransmitState = { stopped: 0, reading: 3, suspended: 6 } as const;

export const OperationMode = {
  hashFilter: 0x0000_0001,
  startReceive: 0x0000_0002,
  hashOnly: 0x0000_0004,
  inverseFilter: 0x0000_0010,
  promiscuous: 0x0000_0040,
  passAllMulticast: 0x0000_0080,
  fullDuplex: 0x0000_0200,
  loopbackMask: 0x0000_0c00,
  startTransmit: 0x0000_2000,
  portSelect: 0x0004_0000,
  /** 10 Mb/s. */
  thresholdMode: 0x0040_0000,
  mustBeOne: 0x0200_0000,
  receiveAll: 0x4000_0000,
  /** Filter bits, which setup frames set and the host only reads. */
  filterMask: 0x0000_0015,
} as const;

export const SerialBit = {
  romSelect: 0x0000_0001,
  romClock: 0x0000_0002,
  romDataIn: 0x0000_0004,
  /** From the serial ROM. */
  romDataOut: 0x0000_0008,
  romEnable: 0x0000_0800,
  write: 0x0000_2000,
  read: 0x0000_4000,
  miiClock: 0x0001_0000,
  miiDataOut: 0x0002_0000,
  /** The transceiver drives the line. */
  miiInput: 0x0004_0000,
  /** From the transceiver. */
  miiDataIn: 0x0008_0000,
} as const;

export const TimerBit = { countMask: 0xffff, continuous: 0x1_0000 } as const;
/** A count of the timer, by the port and speed that are selected. */
export const TIMER_NS = { serial: 204_800, mii10: 819_200, mii100: 81_920 } as const;

/** Receive and transmit descriptors have one form: status, control, two addresses. */
export const TulipDescriptor = struct('TulipDescriptor', 16, {
  status: u32,
  control: u32,
  address1: u32,
  address2: u32,
});

export const DESCRIPTOR_OWN = 0x8000_0000;

export const DescriptorControl = {
  size1Mask: 0x7ff,
  size2Shift: 11,
  /** The second address is that of the next descriptor. */
  chained: 0x0100_0000,
  endOfRing: 0x0200_0000,
} as const;

export const TransmitControl = {
  noPadding: 0x0080_0000,
  filterType0: 0x0040_0000,
  setup: 0x0800_0000,
  filterType1: 0x1000_0000,
  first: 0x2000_0000,
  last: 0x4000_0000,
  interrupt: 0x8000_0000,
} as const;

/** Status that is left in a setup frame's descriptor. */
export const SETUP_DONE = 0x7fff_ffff;
export const TransmitError = { jabber: 0x4000, summary: 0x8000 } as const;

export const ReceiveStatus = {
  tooLong: 0x0080,
  last: 0x0100,
  first: 0x0200,
  multicast: 0x0400,
  descriptorError: 0x4000,
  errorSummary: 0x8000,
  /** Of a frame with a type, not a length. */
  typed: 0x0020,
  filteringFailed: 0x4000_0000,
  lengthShift: 16,
} as const;

/** A setup frame: 48 double words whose low halves count. */
export const SETUP_BYTES = 192;
export const SETUP_ADDRESSES = 16;
/** In hash filtering the one physical address stands here. */
export const SETUP_HASH_ADDRESS_AT = 156;
export const HASH_BITS = 512;

export const FRAME_CHECK_BYTES = 4;
export const LEAST_FRAME_BYTES = 60;
/** Frames of more than this many bytes stop the transmitter. */
export const JABBER_BYTES = 2048;
/** With its check sequence a longer one is marked. */
export const LONG_FRAME_BYTES = 1518;

/** The serial ROM: a 93C46 of 64 words, in the layout of Digital's SROM format 3. */
export const SROM_WORDS = 64;
export const SROM_ADDRESS_BITS = 6;
export const SROM_READ = 2;
export const SromOffset = {
  subsystemVendor: 0x00,
  subsystem: 0x02,
  version: 0x12,
  controllers: 0x13,
  address: 0x14,
  device: 0x1a,
  leaf: 0x1b,
  checksum: 0x7e,
} as const;
export const SROM_VERSION = 3;
export const SROM_AUTOSENSE = 0x0800;
/** An extended block with the transceiver of a 21140 on MII. */
export const SROM_EXTENDED_BLOCK = 0x80;
export const SROM_MII_BLOCK = 1;

/** IEEE 802.3, 22.2.4: the registers of a transceiver. */
export const Mii = {
  control: 0,
  status: 1,
  id1: 2,
  id2: 3,
  advertisement: 4,
  partner: 5,
  expansion: 6,
} as const;
export const MII_REGISTERS = 32;
export const MII_ADDRESS = 1;
export const MiiControl = {
  reset: 0x8000,
  negotiate: 0x1000,
  restart: 0x0200,
  stored: 0x3d00,
} as const;
export const MiiStatus = { abilities: 0x7809, linkUp: 0x0004, negotiated: 0x0020 } as const;
/** 10 and 100 Mb/s, half and full duplex, and the selector of 802.3. */
export const MII_ABILITIES = 0x01e1;
export const MII_ACKNOWLEDGE = 0x4000;
export const MiiOperation = { write: 1, read: 2 } as const;
