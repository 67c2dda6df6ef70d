/**
 * Intel 82077AA floppy disk controller (data sheet, order number 290166) in AT mode, and the 3.5 inch
 * drive behind it.
 */

export const FLOPPY_PORT = 0x3f0;
/** Up to the FIFO; 3F6h between that and the last register is the IDE channel's. */
export const FLOPPY_PORT_COUNT = 6;
export const FLOPPY_CONTROL_PORT = 0x3f7;
export const FLOPPY_IRQ = 6;
export const FLOPPY_DMA_CHANNEL = 2;
/** Type of drive A: in the high half of CMOS byte 10h: 1.44 MB. */
export const CMOS_FLOPPY_1440K = 0x40;

/** Offsets from the first port. */
export const FloppyRegister = {
  statusA: 0,
  statusB: 1,
  digitalOutput: 2,
  tapeDrive: 3,
  /** Written: data rate select. */
  mainStatus: 4,
  fifo: 5,
  /** Read: digital input. Written: configuration control. */
  control: 7,
} as const;

export const DigitalOutput = {
  driveMask: 0x03,
  /** Low holds the controller in reset. */
  notReset: 0x04,
  /** Lets interrupt and DMA request out. */
  dmaGate: 0x08,
  /** Of drive 0; the others' are above it. */
  motor0: 0x10,
} as const;

export const MainStatus = {
  /** A drive seeks: bit 0 is drive 0. */
  driveBusyMask: 0x0f,
  commandBusy: 0x10,
  nonDma: 0x20,
  /** The controller gives bytes. */
  toHost: 0x40,
  request: 0x80,
} as const;

export const DataRate = { mask: 0x03, softReset: 0x80 } as const;
/** Bits per second by code: 500 kb/s, 300, 250, 1 Mb/s. */
export const RateCode = { kbps500: 0, kbps300: 1, kbps250: 2, mbps1: 3 } as const;
export const DigitalInput = { floating: 0x7f, diskChanged: 0x80 } as const;

export const Status0 = {
  driveMask: 0x03,
  head: 0x04,
  equipmentCheck: 0x10,
  seekEnd: 0x20,
  abnormal: 0x40,
  invalid: 0x80,
  /** The ready line changed: what polling finds after a reset. */
  polled: 0xc0,
} as const;

export const Status1 = {
  missingAddress: 0x01,
  notWritable: 0x02,
  noData: 0x04,
  overrun: 0x10,
  dataError: 0x20,
  endOfCylinder: 0x80,
} as const;

export const Status2 = {
  badCylinder: 0x02,
  scanNotSatisfied: 0x04,
  scanEqual: 0x08,
  wrongCylinder: 0x10,
  dataError: 0x20,
  controlMark: 0x40,
} as const;

export const Status3 = {
  driveMask: 0x03,
  head: 0x04,
  twoSided: 0x08,
  track0: 0x10,
  ready: 0x20,
  writeProtected: 0x40,
} as const;

export const CommandFlag = { multiTrack: 0x80, doubleDensity: 0x40, skipDeleted: 0x20 } as const;

/** What comes as the answer to a byte that is no command, or to a question with nothing to tell. */
export const INVALID_COMMAND = 0x80;
/** VERSION: an enhanced controller. */
export const FLOPPY_VERSION = 0x90;
export const SPECIFY_NON_DMA = 0x01;
/** Second byte of CONFIGURE; the FIFO's threshold is in bits 3:0. */
export const Configure = { noPolling: 0x10, noFifo: 0x20, impliedSeek: 0x40 } as const;
export const LOCK_FLAG = 0x80;
/** First parameter of VERIFY: the last one counts sectors. */
export const VERIFY_COUNTS = 0x80;
/** RELATIVE SEEK: the head goes inwards. */
export const SEEK_INWARDS = 0x40;

/** Rows of the command table: first byte, the bits of it that count, and parameters that follow. */
export const FloppyCommand = {
  readTrack: { code: 0x02, mask: 0x9f, parameters: 8 },
  specify: { code: 0x03, mask: 0xff, parameters: 2 },
  senseDrive: { code: 0x04, mask: 0xff, parameters: 1 },
  writeData: { code: 0x05, mask: 0x3f, parameters: 8 },
  readData: { code: 0x06, mask: 0x1f, parameters: 8 },
  recalibrate: { code: 0x07, mask: 0xff, parameters: 1 },
  senseInterrupt: { code: 0x08, mask: 0xff, parameters: 0 },
  writeDeleted: { code: 0x09, mask: 0x3f, parameters: 8 },
  readId: { code: 0x0a, mask: 0xbf, parameters: 1 },
  readDeleted: { code: 0x0c, mask: 0x1f, parameters: 8 },
  formatTrack: { code: 0x0d, mask: 0xbf, parameters: 5 },
  dumpRegisters: { code: 0x0e, mask: 0xff, parameters: 0 },
  seek: { code: 0x0f, mask: 0xff, parameters: 2 },
  version: { code: 0x10, mask: 0xff, parameters: 0 },
  scanEqual: { code: 0x11, mask: 0x1f, parameters: 8 },
  perpendicular: { code: 0x12, mask: 0xff, parameters: 1 },
  configure: { code: 0x13, mask: 0xff, parameters: 3 },
  lock: { code: 0x14, mask: 0x7f, parameters: 0 },
  verify: { code: 0x16, mask: 0x1f, parameters: 8 },
  scanLow: { code: 0x19, mask: 0x1f, parameters: 8 },
  scanHigh: { code: 0x1d, mask: 0x1f, parameters: 8 },
  relativeSeek: { code: 0x8f, mask: 0xbf, parameters: 2 },
} as const;

export type FloppyCommandName = keyof typeof FloppyCommand;

/** Where the parameters of commands that touch sectors are, the command itself being byte 0. */
export const Parameter = {
  driveAndHead: 1,
  cylinder: 2,
  head: 3,
  sector: 4,
  sizeCode: 5,
  lastSector: 6,
  gap: 7,
  dataLength: 8,
} as const;
/** FORMAT TRACK's: sectors of the track, and what they are filled with. */
export const FormatParameter = { sizeCode: 2, sectors: 3, filler: 5 } as const;

/** All formats of PC diskettes have sectors of 512 bytes: 128 << 2. */
export const FLOPPY_SECTOR_BYTES = 512;
export const FLOPPY_SIZE_CODE = 2;

export interface FloppyFormat {
  readonly name: string;
  readonly sizeBytes: number;
  readonly cylinders: number;
  readonly heads: number;
  /** Of a track. */
  readonly sectors: number;
  /** `RateCode` at which a 3.5 inch drive reads it. */
  readonly rate: number;
}

/** What a drive can tell from an image's size. */
export const FLOPPY_FORMATS: readonly FloppyFormat[] = [
  {
    name: '1.44 MB',
    sizeBytes: 1_474_560,
    cylinders: 80,
    heads: 2,
    sectors: 18,
    rate: RateCode.kbps500,
  },
  {
    name: '720 KB',
    sizeBytes: 737_280,
    cylinders: 80,
    heads: 2,
    sectors: 9,
    rate: RateCode.kbps250,
  },
  {
    name: '1.2 MB',
    sizeBytes: 1_228_800,
    cylinders: 80,
    heads: 2,
    sectors: 15,
    rate: RateCode.kbps500,
  },
  {
    name: '1.68 MB',
    sizeBytes: 1_720_320,
    cylinders: 80,
    heads: 2,
    sectors: 21,
    rate: RateCode.kbps500,
  },
];
/** Where the head of a drive stops. */
export const LAST_CYLINDER = 83;
