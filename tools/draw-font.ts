/**
 * Draws the console font and writes src/fb/spec/font.ts: `bun tools/draw-font.ts`. A test holds that
 * the file is what this draws.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CP437 } from '../src/fb/spec/cp437.ts';
import { BOXES, MARKED, MARKS, STROKES } from './font-strokes.ts';

const WIDTH = 8;
const HEIGHT = 16;
const FIRST_BOX = 0xb3;
/** Pixels of single and double lines. */
const SINGLE = { columns: [3, 4], rows: [7, 7] } as const;
const DOUBLE = { columns: [2, 5], rows: [6, 8] } as const;

type Cell = boolean[][];

function emptyCell(): Cell {
  return Array.from({ length: HEIGHT }, () => Array.from({ length: WIDTH }, () => false));
}

function fill(
  cell: Cell,
  left: number,
  top: number,
  right: number,
  bottom: number,
  on = true,
): void {
  for (let row = top; row <= bottom; row += 1) {
    for (let column = left; column <= right; column += 1) {
      if (cell[row]?.[column] !== undefined) cell[row]![column] = on;
    }
  }
}

function line(cell: Cell, from: string, to: string, pen: number, up: number): void {
  const [x0, y0, x1, y1] = [from[0], from[1], to[0], to[1]].map((digit) =>
    Number.parseInt(digit!, 16),
  ) as [number, number, number, number];
  const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
  for (let step = 0; step <= steps; step += 1) {
    const x = Math.round(x0 + ((x1 - x0) * step) / steps);
    const y = Math.round(y0 + ((y1 - y0) * step) / steps) - up;
    fill(cell, x, y, x + pen - 1, y);
  }
}

function draw(cell: Cell, strokes: string, up = 0): void {
  for (const stroke of strokes.split(' ')) {
    const pen = stroke.startsWith('t') ? 1 : 2;
    const points = stroke.replace('t', '').split('-');
    for (let index = 0; index + 1 < points.length; index += 1) {
      line(cell, points[index]!, points[index + 1]!, pen, up);
    }
  }
}

/** Lines from the middle of the cell to its edges; the gap of a double line is cut out afterwards. */
function drawBox(cell: Cell, weights: string): void {
  const [up, down, left, right] = Array.from(weights, Number) as [number, number, number, number];
  const vertical = Math.max(up, down) === 2 ? DOUBLE : SINGLE;
  const horizontal = Math.max(left, right) === 2 ? DOUBLE : SINGLE;
  const [firstColumn, lastColumn] = vertical.columns;
  const [firstRow, lastRow] = horizontal.rows;
  if (up > 0) fill(cell, firstColumn, 0, lastColumn, lastRow);
  if (down > 0) fill(cell, firstColumn, firstRow, lastColumn, HEIGHT - 1);
  if (left > 0) fill(cell, 0, firstRow, lastColumn, lastRow);
  if (right > 0) fill(cell, firstColumn, firstRow, WIDTH - 1, lastRow);
  const sides = Math.sign(left) + Math.sign(right);
  const keepsRow = horizontal === SINGLE && sides > 0 && !(up === 2 && down === 2 && sides === 1);
  const ends = Math.sign(up) + Math.sign(down);
  const keepsColumns =
    vertical === SINGLE && ends > 0 && !(left === 2 && right === 2 && ends === 1);
  const [column, lastGap] = SINGLE.columns;
  const row = SINGLE.rows[0];
  if (up === 2) fill(cell, column, 0, lastGap, keepsRow ? row - 1 : row, false);
  if (down === 2) fill(cell, column, keepsRow ? row + 1 : row, lastGap, HEIGHT - 1, false);
  if (left === 2) fill(cell, 0, row, keepsColumns ? column - 1 : lastGap, row, false);
  if (right === 2) fill(cell, keepsColumns ? lastGap + 1 : column, row, WIDTH - 1, row, false);
}

/** Shades are dots on a grid of four by two. */
function drawShade(cell: Cell, isOn: (place: number) => boolean): void {
  for (const [y, row] of cell.entries()) {
    for (let x = 0; x < WIDTH; x += 1) row[x] = isOn((x + (y % 2) * 2) % 4);
  }
}

const BLOCKS: Readonly<Record<string, (cell: Cell) => void>> = {
  '░': (cell) => drawShade(cell, (place) => place === 0),
  '▒': (cell) => drawShade(cell, (place) => place === 0 || place === 1),
  '▓': (cell) => drawShade(cell, (place) => place !== 0),
  '█': (cell) => fill(cell, 0, 0, 7, 15),
  '▄': (cell) => fill(cell, 0, 8, 7, 15),
  '▌': (cell) => fill(cell, 0, 0, 3, 15),
  '▐': (cell) => fill(cell, 4, 0, 7, 15),
  '▀': (cell) => fill(cell, 0, 0, 7, 7),
};

function isBlank(character: string): boolean {
  return character === ' ' || character === '\u00a0';
}

function drawGlyph(code: number, character: string): Cell {
  const cell = emptyCell();
  const box = BOXES.split(' ')[code - FIRST_BOX];
  const marked = MARKED[character];
  const strokes = STROKES[character];
  if (BLOCKS[character] !== undefined) BLOCKS[character](cell);
  else if (code >= FIRST_BOX && box !== undefined) drawBox(cell, box);
  else if (marked !== undefined) {
    const [base, mark] = marked;
    const isCapital = base !== base.toLowerCase();
    draw(cell, STROKES[base]!);
    draw(cell, MARKS[mark]!, isCapital && mark !== 'cedilla' ? 2 : 0);
  } else if (strokes !== undefined) draw(cell, strokes);
  else if (!isBlank(character)) draw(cell, '13-53-5b-1b-13');
  return cell;
}

/** 32 hexadecimal digits: sixteen rows of eight pixels, the leftmost in the high bit. */
function rowsOf(cell: Cell): string {
  return cell
    .map((row) => Number.parseInt(row.map(Number).join(''), 2).toString(16).padStart(2, '0'))
    .join('');
}

/** The whole text of src/fb/spec/font.ts. */
export function fontSource(): string {
  const lines = Array.from(CP437, (character, code) => {
    const glyph = rowsOf(drawGlyph(code, character));
    const name = code < 0x20 ? '' : ` // ${isBlank(character) ? 'blank' : character}`;
    return `  '${glyph}',${name}`;
  });
  return `/**
 * The console font: drawn by tools/draw-font.ts from the strokes in tools/font-strokes.ts. Characters
 * of code page 437 that it does not draw are a hollow box.
 */

export const GLYPH_WIDTH = ${WIDTH};
export const GLYPH_HEIGHT = ${HEIGHT};

/** By code: 32 hexadecimal digits, sixteen rows of eight pixels, the leftmost in the high bit. */
export const GLYPHS: readonly string[] = [
${lines.join('\n')}
];
`;
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, '../src/fb/spec/font.ts'), fontSource());
}
