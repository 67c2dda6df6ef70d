/**
 * The sixteen colours of the PC's text mode as 0xRRGGBB (IBM VGA Technical Reference, default
 * palette), in the order of attribute bits: blue 1, green 2, red 4, bright 8.
 */
export const TEXT_PALETTE: readonly number[] = [
  0x00_0000, 0x00_00aa, 0x00_aa00, 0x00_aaaa, 0xaa_0000, 0xaa_00aa, 0xaa_5500, 0xaa_aaaa, 0x55_5555,
  0x55_55ff, 0x55_ff55, 0x55_ffff, 0xff_5555, 0xff_55ff, 0xff_ff55, 0xff_ffff,
];

/** Light grey on black: what a console starts with. */
export const DEFAULT_ATTRIBUTE = 0x07;
