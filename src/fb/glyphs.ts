import { CP437 } from './spec/cp437.ts';
import { GLYPH_HEIGHT, GLYPHS } from './spec/font.ts';

export const REPLACEMENT = '\ufffd';

let rows: Uint8Array | undefined;

/** All glyphs by code, `GLYPH_HEIGHT` bytes each: one row a byte, the leftmost pixel in bit 7. */
export function glyphRows(): Uint8Array {
  if (rows === undefined) {
    rows = new Uint8Array(GLYPHS.length * GLYPH_HEIGHT);
    for (const [code, glyph] of GLYPHS.entries()) {
      for (let row = 0; row < GLYPH_HEIGHT; row += 1) {
        rows[code * GLYPH_HEIGHT + row] = Number.parseInt(glyph.slice(row * 2, row * 2 + 2), 16);
      }
    }
  }
  return rows;
}

const codes = new Map<string, number>();
for (const [code, character] of Array.from(CP437).entries()) {
  if (!codes.has(character) || code >= 0x20) codes.set(character, code);
}
codes.set(' ', 0x20);

const UNKNOWN_CODE = codes.get('?')!;

/** The code page 437 code that shows a character; that of "?" for one that has none. */
export function codeOf(character: string): number {
  return codes.get(character) ?? UNKNOWN_CODE;
}

/** The character of a code; blanks are spaces. */
export function characterOf(code: number): string {
  return code === 0xff ? ' ' : CP437[code & 0xff]!;
}

let characters: Map<string, string> | undefined;

/** Key of a pattern in `characterOfRows`: its rows as characters. */
export function patternKey(patternRows: Uint8Array): string {
  return String.fromCharCode(...patternRows);
}

/**
 * The character that is drawn by exactly these rows. Patterns that several characters share are
 * the first ASCII one among them, or U+FFFD for the hollow box; an unknown one is undefined.
 */
export function characterOfRows(key: string): string | undefined {
  characters ??= indexPatterns();
  return characters.get(key);
}

function indexPatterns(): Map<string, string> {
  const all = glyphRows();
  const found = new Map<string, string>();
  const shared = new Set<string>();
  for (let code = 0; code < GLYPHS.length; code += 1) {
    const key = patternKey(all.subarray(code * GLYPH_HEIGHT, (code + 1) * GLYPH_HEIGHT));
    if (found.has(key)) shared.add(key);
    else found.set(key, characterOf(code));
  }
  for (const key of shared) if (found.get(key) !== ' ') found.set(key, REPLACEMENT);
  return found;
}
