/** The registers of a colour VGA (IBM VGA Technical Reference; "Hardware Level VGA", FreeVGA). */

/** Attribute controller: index and data by turns. Read: the index; the data from the next port. */
export const ATTRIBUTE_PORT = 0x3c0;
export const ATTRIBUTE_READ_PORT = 0x3c1;
/** Written: miscellaneous output. Read: input status 0. */
export const MISCELLANEOUS_PORT = 0x3c2;
export const SEQUENCER_PORT = 0x3c4;
export const DAC_MASK_PORT = 0x3c6;
/** Written: the entry to read from. Read: the DAC's state. */
export const DAC_READ_PORT = 0x3c7;
export const DAC_WRITE_PORT = 0x3c8;
export const DAC_DATA_PORT = 0x3c9;
export const FEATURE_READ_PORT = 0x3ca;
export const MISCELLANEOUS_READ_PORT = 0x3cc;
export const GRAPHICS_PORT = 0x3ce;
/** The ports from the attribute controller's to the graphics controller's. */
export const COMMON_PORT = 0x3c0;
export const COMMON_PORT_COUNT = 0x10;

/** Index register of the CRT controller; the data register is the next port. */
export const CRTC_PORT = 0x3d4;
export const CRTC_PORT_COUNT = 2;
export const CRTC_REGISTERS = 0x19;
/** Read: input status 1, which makes the attribute controller's next write an index. */
export const STATUS_PORT = 0x3da;

export const CrtcRegister = {
  cursorStart: 0x0a,
  cursorEnd: 0x0b,
  startAddressHigh: 0x0c,
  startAddressLow: 0x0d,
  cursorHigh: 0x0e,
  cursorLow: 0x0f,
  verticalRetraceEnd: 0x11,
} as const;

/** In `cursorStart`: no cursor is shown. */
export const CURSOR_OFF = 0x20;
/** In `verticalRetraceEnd`: registers 0 to 7 are protected, but for one bit of register 7. */
export const CRTC_PROTECT = 0x80;
export const CRTC_OVERFLOW = 0x07;
export const CRTC_OVERFLOW_FREE = 0x10;
/** Input status 1: no display now; vertical retrace. */
export const StatusBit = { displayOff: 0x01, retrace: 0x08 } as const;
/** DAC state: the last index was for reading. */
export const DAC_READING = 0x03;
export const DAC_ENTRIES = 256;

/** What a BIOS sets for 80 by 25 cells of 8 by 16 (mode 3). */
export const MODE_3_CRTC: readonly number[] = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00,
  0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
];
export const MODE_3_MISCELLANEOUS = 0x67;
export const MODE_3_SEQUENCER: readonly number[] = [0x03, 0x00, 0x03, 0x00, 0x02];
export const MODE_3_GRAPHICS: readonly number[] = [
  0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff,
];
export const MODE_3_ATTRIBUTES: readonly number[] = [
  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
  0x0c, 0x00, 0x0f, 0x08, 0x00,
];
