import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { characterOf, codeOf, glyphRows } from '../../src/fb/glyphs.ts';
import { CP437 } from '../../src/fb/spec/cp437.ts';
import { GLYPHS } from '../../src/fb/spec/font.ts';
import { fontSource } from '../../tools/draw-font.ts';
import { hasTool } from '../support/tools.ts';

const rows = glyphRows();
const glyph = (character: string): number[] => {
  const code = codeOf(character);
  return Array.from(rows.slice(code * 16, code * 16 + 16));
};
const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));
const boxes = Array.from({ length: 0xda - 0xb3 + 1 }, (_, index) => characterOf(0xb3 + index));

/** Which edges of its cell a box character reaches: up, down, left, right. */
function reaches(character: string): string {
  const cell = glyph(character);
  const sides = [
    cell[0] !== 0,
    cell[15] !== 0,
    cell.some((row) => (row & 0x80) !== 0),
    cell.some((row) => (row & 0x01) !== 0),
  ];
  return sides.map(Number).join('');
}

/** The same from Unicode's names of these characters, by their place in the block. */
const ARMS: Record<string, string> = {
  '│': '1100',
  '┤': '1110',
  '┐': '0110',
  '└': '1001',
  '┴': '1011',
  '┬': '0111',
  '├': '1101',
  '─': '0011',
  '┼': '1111',
  '┘': '1010',
  '┌': '0101',
  '║': '1100',
  '╣': '1110',
  '╗': '0110',
  '╝': '1010',
  '╚': '1001',
  '╔': '0101',
  '╩': '1011',
  '╦': '0111',
  '╠': '1101',
  '═': '0011',
  '╬': '1111',
  '╡': '1110',
  '╢': '1110',
  '╖': '0110',
  '╕': '0110',
  '╜': '1010',
  '╛': '1010',
  '╞': '1101',
  '╟': '1101',
  '╧': '1011',
  '╨': '1011',
  '╤': '0111',
  '╥': '0111',
  '╙': '1001',
  '╘': '1001',
  '╒': '0101',
  '╓': '0101',
  '╫': '1111',
  '╪': '1111',
};

describe('the console font', () => {
  it('is what the tool draws from its strokes', () => {
    const file = readFileSync(join(import.meta.dirname, '../../src/fb/spec/font.ts'), 'utf8');
    expect(file).toBe(fontSource());
  });

  it('has 256 glyphs of 8 by 16', () => {
    expect(GLYPHS.length).toBe(256);
    expect(GLYPHS.every((it) => /^[0-9a-f]{32}$/.test(it))).toBe(true);
    expect(CP437.length).toBe(256);
  });

  it('draws every printable character and every box differently', () => {
    const drawn = [...printable, ...boxes, ...Array.from('░▒▓█▄▌▐▀')].map((it) => glyph(it).join());
    expect(new Set(drawn).size).toBe(drawn.length);
  });

  it('leaves the last column and the top row of letters and digits free', () => {
    for (const character of printable.filter((it) => /[A-Za-z0-9]/.test(it))) {
      const cell = glyph(character);
      expect(cell.every((row) => (row & 1) === 0)).toBe(true);
      expect(cell[0]! | cell[15]!).toBe(0);
      expect(cell.some((row) => row !== 0)).toBe(true);
    }
  });

  it('capitals stand on one line', () => {
    for (const character of 'ABCDEFGHIKLMNOPRSTUVWXYZ0123456789') {
      const cell = glyph(character);
      expect(cell[2]).not.toBe(0);
      expect(cell[11]).not.toBe(0);
      expect(cell.slice(12).every((row) => row === 0)).toBe(true);
    }
  });

  it('boxes reach exactly the edges that their names say', () => {
    expect(boxes.toSorted()).toEqual(Object.keys(ARMS).toSorted());
    for (const [character, arms] of Object.entries(ARMS)) {
      expect([character, reaches(character)]).toEqual([character, arms]);
    }
  });

  it('lines of neighbouring boxes meet', () => {
    const edge = (character: string, bit: number): string =>
      glyph(character)
        .map((row) => Number((row & bit) !== 0))
        .join('');
    expect(edge('─', 0x01)).toBe(edge('┤', 0x80));
    expect(edge('═', 0x01)).toBe(edge('╗', 0x80));
    expect(glyph('│')[15]).toBe(glyph('┴')[0]!);
    expect(glyph('║')[15]).toBe(glyph('╝')[0]!);
  });
});

describe('code page 437', () => {
  it.skipIf(!hasTool('iconv'))('is what iconv says, from 20 on', () => {
    const bytes = Uint8Array.from({ length: 0xff - 0x20 }, (_, index) => 0x20 + index);
    const text = execFileSync('iconv', ['-f', 'CP437', '-t', 'UTF-8'], { input: bytes });
    // A PC draws a house for delete, which is a control code to iconv.
    expect(CP437.slice(0x20, 0xff)).toBe(text.toString().replace('\u007f', '⌂'));
  });

  it('shows "?" for what it lacks', () => {
    expect(codeOf('\u20ac')).toBe(0x3f);
  });

  it('goes there and back for every code but the blanks', () => {
    for (let code = 0; code < 256; code += 1) {
      const character = characterOf(code);
      if (character !== ' ') expect(codeOf(character)).toBe(code);
    }
  });
});
