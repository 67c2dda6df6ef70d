/** The CRT controller of a colour VGA (IBM VGA Technical Reference, "CRT Controller Registers"). */

/** Index register; the data register is the next port. */
export const CRTC_PORT = 0x3d4;
export const CRTC_PORT_COUNT = 2;
export const CRTC_REGISTERS = 0x19;

export const CrtcRegister = {
  cursorStart: 0x0a,
  cursorEnd: 0x0b,
  startAddressHigh: 0x0c,
  startAddressLow: 0x0d,
  cursorHigh: 0x0e,
  cursorLow: 0x0f,
} as const;

/** In `cursorStart`: no cursor is shown. */
export const CURSOR_OFF = 0x20;

/** What a BIOS sets for 80 by 25 cells of 8 by 16 (mode 3), registers 0 to 18h. */
export const MODE_3_CRTC: readonly number[] = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00,
  0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
];
