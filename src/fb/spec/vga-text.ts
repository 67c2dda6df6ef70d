/** The text buffer of a colour VGA (IBM VGA Technical Reference): a code and an attribute a cell. */

/** Guest physical address of the first cell, and the bytes of the window behind it. */
export const VGA_TEXT_GPA = 0xb8000;
export const VGA_TEXT_BYTES = 0x8000;
/** Cells of mode 3, the BIOS's default. */
export const VGA_TEXT_COLUMNS = 80;
export const VGA_TEXT_ROWS = 25;
