/**
 * What a PC BIOS leaves in the first megabyte (IBM PC/AT Technical Reference, "BIOS data area";
 * Phoenix "System BIOS for IBM PCs"), and the memory map that INT 15h E820h tells.
 */
import { bytes, struct, u8, u16, u32 } from '../core/wire.ts';

export const IVT_VECTORS = 256;
export const BDA_GPA = 0x400;
export const BOOT_SECTOR_GPA = 0x7c00;
/** Where the code of a master boot record moves itself before it loads a boot sector. */
export const RELOCATED_MBR_GPA = 0x600;
export const EBDA_GPA = 0x9_fc00;
export const EBDA_BYTES = 0x400;
/** In the EBDA, where no boot sector writes. */
export const E820_OFFSET = 0x100;
export const BIOS_GPA = 0xe_0000;
export const BIOS_BYTES = 0x2_0000;
export const BIOS_SEGMENT = 0xf000;

/**
 * Every interrupt vector leads to its own stub of this many bytes: OUT 0B2h, AL; IRET; NOP. A write
 * to that port (the APM/SMI command port) is where the processor hands over to us; which vector it
 * was follows from the instruction's address.
 */
export const VECTOR_STUB_BYTES = 4;
export const VECTOR_STUBS_OFFSET = 0xd000;
export const VECTOR_STUB = [0xe6, 0xb2, 0xcf, 0x90] as const;

/** Power-on entry and the BIOS date at the top of the segment. */
export const RESET_VECTOR_OFFSET = 0xfff0;
export const BIOS_DATE_OFFSET = 0xfff5;
export const MODEL_OFFSET = 0xfffe;
export const MODEL_AT = 0xfc;
/** The vector that leads to no code but to the parameters of a diskette, and where they always are. */
export const DISKETTE_VECTOR = 0x1e;
export const DISKETTE_TABLE_OFFSET = 0xefc7;
/** Of 1.44 MB: step rates, motor off after 37 ticks, 512 bytes, 18 sectors, gaps, filler, settling. */
export const DISKETTE_TABLE = [
  0xaf, 0x02, 0x25, 0x02, 0x12, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08,
] as const;

export const BiosDataArea = struct(
  'BiosDataArea',
  0xa8,
  {
    comPorts: bytes(8),
    lptPorts: bytes(6),
    ebdaSegment: u16,
    equipment: u16,
    manufacturing: u8,
    baseMemoryKib: u16,
    reserved: u16,
    keyboardFlags: u16,
    altInput: u8,
    keyboardHead: u16,
    keyboardTail: u16,
    keyboardBuffer: bytes(32),
    diskette: bytes(11),
    videoMode: u8,
    videoColumns: u16,
    videoPageBytes: u16,
    videoPageStart: u16,
    cursors: bytes(16),
    cursorShape: u16,
    activePage: u8,
    crtcPort: u16,
    videoModeControl: u8,
    palette: u8,
    reserved2: bytes(5),
    timerTicks: u32,
    midnight: u8,
    breakFlag: u8,
    warmBoot: u16,
    diskStatus: u8,
    hardDiskCount: u8,
    diskControl: u16,
    timeouts: bytes(8),
    keyboardStart: u16,
    keyboardEnd: u16,
    videoRowsLessOne: u8,
    characterHeight: u16,
    videoControl: u8,
    videoSwitches: u8,
    rest: bytes(0x1f),
  },
  { packed: true },
);

/** Equipment word: a floppy drive, FPU, PS/2 mouse absent, 80x25 colour, two serial ports. */
export const EQUIPMENT = 0x0423;
export const TEXT_MODE_80X25 = 3;
