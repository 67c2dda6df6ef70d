import { CP437 } from '../../fb/spec/cp437.ts';
import { DEFAULT_ATTRIBUTE } from '../../fb/spec/palette.ts';

const BACKSPACE = 0x08;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const TAB_COLUMNS = 8;
const FIRST_PRINTABLE = 0x20;
const DELETE = 0x7f;
const SPACE = 0x20;

/** A cell with nothing in it: its ink does not show, so all blanks are this one. */
export const BLANK_CELL = (DEFAULT_ATTRIBUTE << 8) | SPACE;

/** Code page 437 codes of the upper half of Latin-1; a question mark for those without. */
const UPPER_CODES = Uint8Array.from({ length: 0x80 }, (_, index) => {
  const code = CP437.indexOf(String.fromCharCode(0x80 + index));
  return code < 0x80 ? 0x3f : code;
});

/**
 * The text of a terminal, kept apart from any picture of it: code page 437 code and attribute << 8
 * a cell. Rows are a ring, so that a line feed at the bottom moves nothing.
 */
export class TextGrid {
  readonly columns: number;
  readonly rows: number;
  readonly #cells: Uint16Array;
  /** By place in the ring: something was written there since `clean`. */
  readonly #dirty: Uint8Array;
  #top = 0;
  #column = 0;
  #row = 0;
  #scrolled = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.#cells = new Uint16Array(columns * rows).fill(BLANK_CELL);
    this.#dirty = new Uint8Array(rows);
  }

  /** Column of the cell that the cursor is in; it stays in a full row until more is written. */
  get cursorColumn(): number {
    return Math.min(this.#column, this.columns - 1);
  }

  get cursorRow(): number {
    return this.#row;
  }

  /** Rows by which the text has moved up since `clean`. */
  get scrolled(): number {
    return this.#scrolled;
  }

  isDirty(row: number): boolean {
    return this.#dirty[this.#place(row)] !== 0;
  }

  cell(column: number, row: number): number {
    return this.#cells[this.#place(row) * this.columns + column]!;
  }

  /** Somebody has taken in all that changed. */
  clean(): void {
    this.#dirty.fill(0);
    this.#scrolled = 0;
  }

  /** Writes Latin-1 text at the cursor. A line feed begins a new line. */
  write(text: string, attribute: number): void {
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      if (code >= FIRST_PRINTABLE && code !== DELETE) this.#put(code, attribute);
      else this.#control(code);
    }
  }

  #put(character: number, attribute: number): void {
    if (this.#column === this.columns) {
      this.#column = 0;
      this.#lineFeed();
    }
    const place = this.#place(this.#row);
    const code =
      character < 0x80 ? character : character > 0xff ? 0x3f : UPPER_CODES[character - 0x80]!;
    this.#cells[place * this.columns + this.#column] =
      code === SPACE ? BLANK_CELL : (attribute << 8) | code;
    this.#dirty[place] = 1;
    this.#column += 1;
  }

  #control(code: number): void {
    if (code === LINE_FEED) {
      this.#column = 0;
      this.#lineFeed();
    } else if (code === CARRIAGE_RETURN) {
      this.#column = 0;
    } else if (code === BACKSPACE) {
      this.#column = Math.max(0, this.cursorColumn - 1);
    } else if (code === TAB) {
      const next = (Math.floor(this.#column / TAB_COLUMNS) + 1) * TAB_COLUMNS;
      this.#column = Math.min(next, this.columns - 1);
    }
  }

  #lineFeed(): void {
    if (this.#row < this.rows - 1) {
      this.#row += 1;
      return;
    }
    const place = this.#top;
    this.#top = (this.#top + 1) % this.rows;
    this.#scrolled += 1;
    this.#cells.fill(BLANK_CELL, place * this.columns, (place + 1) * this.columns);
    this.#dirty[place] = 1;
  }

  #place(row: number): number {
    const place = this.#top + row;
    return place < this.rows ? place : place - this.rows;
  }
}
