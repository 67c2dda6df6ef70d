import { characterOfRows, patternKey, REPLACEMENT } from './glyphs.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH } from './spec/font.ts';
import type { Surface } from './surface.ts';

/**
 * Reads text off a picture by comparing every cell of 8 by 16 with the console font, pixel by
 * pixel: no guessing. A cell of one colour is a blank, one that matches no glyph is U+FFFD. Either
 * colour of a cell may be the ink; where both would make a glyph, the one that is not the colour of
 * the picture's first pixel is.
 * @param left pixels left of the first column
 * @returns one line a row of cells, without the blanks at the ends of lines
 */
export function readText(surface: Surface, left = 0, top = 0): string[] {
  const columns = Math.floor((surface.width - left) / GLYPH_WIDTH);
  const rows = Math.floor((surface.height - top) / GLYPH_HEIGHT);
  const paper = surface.u32[0]!;
  const lines: string[] = [];
  for (let row = 0; row < rows; row += 1) {
    let line = '';
    const y = top + row * GLYPH_HEIGHT;
    for (let column = 0; column < columns; column += 1) {
      line += readCell(surface, left + column * GLYPH_WIDTH, y, paper);
    }
    lines.push(line.trimEnd());
  }
  return lines;
}

const pattern = new Uint8Array(GLYPH_HEIGHT);
const inverse = new Uint8Array(GLYPH_HEIGHT);

function readCell({ u32, width }: Surface, left: number, top: number, paper: number): string {
  const first = u32[top * width + left]!;
  let second = first;
  for (let y = 0; y < GLYPH_HEIGHT; y += 1) {
    let bits = 0;
    const from = (top + y) * width + left;
    for (let x = 0; x < GLYPH_WIDTH; x += 1) {
      const pixel = u32[from + x]!;
      if (pixel !== first) {
        if (second === first) second = pixel;
        else if (pixel !== second) return REPLACEMENT;
        bits |= 0x80 >>> x;
      }
    }
    pattern[y] = bits;
    inverse[y] = ~bits & 0xff;
  }
  if (second === first) return ' ';
  const [likely, other] = first === paper ? [pattern, inverse] : [inverse, pattern];
  const isPaperThere = first === paper || second === paper;
  const asInk = characterOfRows(patternKey(likely));
  if (isPaperThere) return asInk ?? characterOfRows(patternKey(other)) ?? REPLACEMENT;
  return (
    characterOfRows(patternKey(pattern)) ?? characterOfRows(patternKey(inverse)) ?? REPLACEMENT
  );
}
