import { characterOf, glyphRows } from './glyphs.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH } from './spec/font.ts';
import { TEXT_PALETTE } from './spec/palette.ts';
import { Surface } from './surface.ts';

/** Scan lines of the default cursor, within a cell. */
const CURSOR_TOP = 14;

/** A text buffer in memory: a character and an attribute byte a cell. */
export interface TextBuffer {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly columns: number;
  readonly rows: number;
}

const words = TEXT_PALETTE.map(
  (rgb) => (0xff00_0000 | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >>> 16)) >>> 0,
);

/**
 * Draws a text buffer.
 * @param target a surface of the right size to draw on again; otherwise a new one is made
 * @param cursor cell that the cursor is in, -1 for none
 */
export function renderTextBuffer(
  { bytes, offset, columns, rows }: TextBuffer,
  target?: Surface,
  cursor = -1,
): Surface {
  const width = columns * GLYPH_WIDTH;
  const height = rows * GLYPH_HEIGHT;
  const fits = target?.width === width && target.height === height;
  const surface = fits ? target : new Surface(width, height);
  const glyphs = glyphRows();
  const pixels = surface.u32;
  for (let cell = 0; cell < columns * rows; cell += 1) {
    const glyph = bytes[offset + cell * 2]! * GLYPH_HEIGHT;
    const attribute = bytes[offset + cell * 2 + 1]!;
    const foreground = words[attribute & 0xf]!;
    const background = words[attribute >>> 4]!;
    const column = cell % columns;
    let to = ((cell - column) / columns) * GLYPH_HEIGHT * width + column * GLYPH_WIDTH;
    for (let row = 0; row < GLYPH_HEIGHT; row += 1) {
      const bits = cell === cursor && row >= CURSOR_TOP ? 0xff : glyphs[glyph + row]!;
      for (let x = 0; x < GLYPH_WIDTH; x += 1) {
        pixels[to + x] = (bits << x) & 0x80 ? foreground : background;
      }
      to += width;
    }
  }
  return surface;
}

/** The text of a buffer, one line a row, without the blanks at the ends of lines. */
export function readTextBuffer({ bytes, offset, columns, rows }: TextBuffer): string[] {
  return Array.from({ length: rows }, (_, row) => {
    let line = '';
    for (let column = 0; column < columns; column += 1) {
      line += characterOf(bytes[offset + (row * columns + column) * 2]!);
    }
    return line.trimEnd();
  });
}
