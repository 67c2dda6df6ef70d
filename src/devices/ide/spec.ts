/**
 * The emulated disks of Generation 1: ATA/ATAPI-7 (T13/1532D) for the drives, 82371AB (PIIX4) data
 * sheet chapter 5 and "Programming Interface for Bus Master IDE Controller" 1.0 for the controller.
 * What the drives say of themselves is what guests of Hyper-V print of them; OpenVMM has the same.
 */

/** The two channels at their ISA addresses. */
export const IDE_CHANNELS = [
  { command: 0x1f0, control: 0x3f6, irq: 14 },
  { command: 0x170, control: 0x376, irq: 15 },
] as const;
export const COMMAND_BLOCK_PORTS = 8;

/** Command block registers as offsets from its first port. */
export const IdeRegister = {
  data: 0,
  /** Read: error. Written: features. */
  error: 1,
  /** ATAPI: interrupt reason. */
  count: 2,
  lbaLow: 3,
  /** ATAPI: byte count, low. */
  lbaMid: 4,
  /** ATAPI: byte count, high. */
  lbaHigh: 5,
  device: 6,
  /** Read: status. Written: command. */
  status: 7,
} as const;

export const IdeStatus = {
  error: 0x01,
  dataRequest: 0x08,
  /** ATA: seek complete. ATAPI: service. */
  seekComplete: 0x10,
  ready: 0x40,
  busy: 0x80,
} as const;

export const IdeError = {
  /** After a reset or EXECUTE DEVICE DIAGNOSTIC: the drive is sound. */
  diagnosticPassed: 0x01,
  aborted: 0x04,
  idNotFound: 0x10,
  uncorrectable: 0x40,
} as const;

export const IdeControl = { interruptsOff: 0x02, softReset: 0x04, highOrderByte: 0x80 } as const;
export const IdeDeviceBit = { second: 0x10, lba: 0x40 } as const;
/** Bits of the device register that read as ones on old drives. */
export const DEVICE_OBSOLETE_BITS = 0xa0;

export const AtaCommand = {
  nop: 0x00,
  deviceReset: 0x08,
  recalibrate: 0x10,
  readSectors: 0x20,
  readSectorsOnce: 0x21,
  readSectorsExt: 0x24,
  readDmaExt: 0x25,
  readNativeMaxExt: 0x27,
  readMultipleExt: 0x29,
  writeSectors: 0x30,
  writeSectorsOnce: 0x31,
  writeSectorsExt: 0x34,
  writeDmaExt: 0x35,
  writeMultipleExt: 0x39,
  writeDmaFuaExt: 0x3d,
  verify: 0x40,
  verifyOnce: 0x41,
  verifyExt: 0x42,
  seek: 0x70,
  executeDiagnostic: 0x90,
  initializeParameters: 0x91,
  standbyImmediateOld: 0x94,
  packet: 0xa0,
  identifyPacketDevice: 0xa1,
  readMultiple: 0xc4,
  writeMultiple: 0xc5,
  setMultiple: 0xc6,
  readDma: 0xc8,
  readDmaOnce: 0xc9,
  writeDma: 0xca,
  writeDmaOnce: 0xcb,
  writeMultipleFuaExt: 0xce,
  standbyImmediate: 0xe0,
  idleImmediate: 0xe1,
  standby: 0xe2,
  idle: 0xe3,
  checkPowerMode: 0xe5,
  sleep: 0xe6,
  flushCache: 0xe7,
  flushCacheExt: 0xea,
  identifyDevice: 0xec,
  setFeatures: 0xef,
  readNativeMax: 0xf8,
} as const;

/** SET FEATURES: what is in the features register. */
export const AtaFeature = {
  enableWriteCache: 0x02,
  setTransferMode: 0x03,
  disableReadAhead: 0x55,
  disableDefaults: 0x66,
  disableWriteCache: 0x82,
  enableReadAhead: 0xaa,
  enableDefaults: 0xcc,
} as const;

/** ATAPI's interrupt reason: the next bytes are a command packet; they go to the host. */
export const PacketReason = { command: 0x01, toHost: 0x02 } as const;
/** Features of PACKET: the data goes by DMA. */
export const PACKET_DMA = 0x01;
export const PACKET_BYTES = 12;
/** LBA mid and high after a reset: "I am a packet device". */
export const PACKET_SIGNATURE = { mid: 0x14, high: 0xeb } as const;

export const ATA_SECTOR_BYTES = 512;
export const IDENTIFY_BYTES = 512;
/** Sectors of READ MULTIPLE, of one piece of a DMA, and of the drive's buffer. */
export const MULTIPLE_SECTORS = 128;
export const LBA28_SECTORS = 0x0fff_ffff;

/** Configuration registers of the PIIX4's IDE function. */
export const IdeTiming = { primary: 0x40, secondary: 0x42, decode: 0x8000 } as const;
export const SLAVE_TIMING = 0x44;
export const ULTRA_DMA_CONTROL = 0x48;
export const ULTRA_DMA_TIMING = 0x4a;

/** Where Hyper-V's firmware puts the bus master's ports. */
export const BUS_MASTER_PORT = 0xffa0;
export const BUS_MASTER_PORTS = 16;
/** A channel's registers as offsets; the second channel's are eight further. */
export const BusMasterRegister = { command: 0, status: 2, table: 4 } as const;
export const BUS_MASTER_CHANNEL_PORTS = 8;
export const BusMasterCommand = { start: 0x01, toMemory: 0x08 } as const;
export const BusMasterStatus = {
  active: 0x01,
  error: 0x02,
  interrupt: 0x04,
  /** "Drive n can do DMA", for software to keep. */
  drivesCapable: 0x60,
} as const;

/** Physical region descriptor: u32 address, u16 bytes (0 is 64 KiB), u16 flags. */
export const REGION_DESCRIPTOR_BYTES = 8;
export const REGION_LAST = 0x8000;
/** No region, and no table, crosses a boundary of this many bytes. */
export const REGION_MAX_BYTES = 0x1_0000;
