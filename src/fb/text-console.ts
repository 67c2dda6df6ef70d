import type { PixelBits } from './display.ts';
import { codeOf, glyphRows } from './glyphs.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH } from './spec/font.ts';
import { DEFAULT_ATTRIBUTE, TEXT_PALETTE } from './spec/palette.ts';

const TAB_COLUMNS = 8;

/** Pixels in memory, laid out as video memory is: blue first. */
export interface PixelTarget {
  readonly bytes: Uint8Array;
  /** Byte position of the first pixel. */
  readonly offset: number;
  readonly width: number;
  readonly height: number;
  readonly pitchBytes: number;
  readonly bitsPerPixel: PixelBits;
}

/** Told of every rectangle that a console changes; right and bottom are excluded. */
export type Touch = (left: number, top: number, right: number, bottom: number) => void;

/**
 * A text console on a frame buffer: cells of 8 by 16 from the top left corner, scrolled by copying
 * pixels. It understands line feed, carriage return, backspace, tab and form feed (clear).
 */
export class TextConsole {
  readonly columns: number;
  readonly rows: number;
  readonly #target: PixelTarget;
  readonly #touch: Touch;
  readonly #pixelBytes: number;
  #column = 0;
  #row = 0;
  attribute = DEFAULT_ATTRIBUTE;

  /** Throws for a target that is smaller than one cell. */
  constructor(target: PixelTarget, touch: Touch = () => undefined) {
    this.columns = Math.floor(target.width / GLYPH_WIDTH);
    this.rows = Math.floor(target.height / GLYPH_HEIGHT);
    if (this.columns < 1 || this.rows < 1) {
      throw new Error(`no room for text on ${target.width} by ${target.height} pixels`);
    }
    this.#target = target;
    this.#touch = touch;
    this.#pixelBytes = target.bitsPerPixel / 8;
  }

  get column(): number {
    return this.#column;
  }

  get row(): number {
    return this.#row;
  }

  /** Writes text at the cursor, and moves it on. */
  write(text: string): void {
    for (const character of text) this.#put(character);
  }

  clear(): void {
    const { width, height } = this.#target;
    this.#fillRows(0, height);
    this.#column = 0;
    this.#row = 0;
    this.#touch(0, 0, width, height);
  }

  moveTo(column: number, row: number): void {
    this.#column = Math.min(Math.max(column, 0), this.columns - 1);
    this.#row = Math.min(Math.max(row, 0), this.rows - 1);
  }

  #put(character: string): void {
    switch (character) {
      case '\n':
        this.#column = 0;
        this.#lineFeed();
        return;
      case '\r':
        this.#column = 0;
        return;
      case '\b':
        this.#column = Math.max(this.#column - 1, 0);
        return;
      case '\t':
        this.#column = Math.min(
          (Math.floor(this.#column / TAB_COLUMNS) + 1) * TAB_COLUMNS,
          this.columns - 1,
        );
        return;
      case '\f':
        this.clear();
        return;
      default:
        if (this.#column === this.columns) {
          this.#column = 0;
          this.#lineFeed();
        }
        this.#draw(codeOf(character), this.#column, this.#row);
        this.#column += 1;
    }
  }

  #lineFeed(): void {
    if (this.#row < this.rows - 1) {
      this.#row += 1;
      return;
    }
    const { bytes, offset, pitchBytes, width } = this.#target;
    const kept = (this.rows - 1) * GLYPH_HEIGHT;
    const from = offset + GLYPH_HEIGHT * pitchBytes;
    bytes.copyWithin(offset, from, from + kept * pitchBytes);
    this.#fillRows(kept, kept + GLYPH_HEIGHT);
    this.#touch(0, 0, width, kept + GLYPH_HEIGHT);
  }

  #fillRows(top: number, bottom: number): void {
    const { width } = this.#target;
    const color = this.#color(this.attribute >>> 4);
    for (let y = top; y < bottom; y += 1) {
      for (let x = 0; x < width; x += 1) this.#store(x, y, color);
    }
  }

  #draw(code: number, column: number, row: number): void {
    const glyphs = glyphRows();
    const foreground = this.#color(this.attribute & 0xf);
    const background = this.#color(this.attribute >>> 4);
    const left = column * GLYPH_WIDTH;
    const top = row * GLYPH_HEIGHT;
    for (let y = 0; y < GLYPH_HEIGHT; y += 1) {
      const bits = glyphs[code * GLYPH_HEIGHT + y]!;
      for (let x = 0; x < GLYPH_WIDTH; x += 1) {
        this.#store(left + x, top + y, (bits << x) & 0x80 ? foreground : background);
      }
    }
    this.#touch(left, top, left + GLYPH_WIDTH, top + GLYPH_HEIGHT);
  }

  /** A colour of the palette as video memory has it. */
  #color(index: number): number {
    const rgb = TEXT_PALETTE[index & 0xf]!;
    if (this.#target.bitsPerPixel !== 16) return rgb;
    return ((rgb >>> 8) & 0xf800) | ((rgb >>> 5) & 0x07e0) | ((rgb >>> 3) & 0x1f);
  }

  #store(x: number, y: number, color: number): void {
    const { bytes, offset, pitchBytes } = this.#target;
    const pixelBytes = this.#pixelBytes;
    const at = offset + y * pitchBytes + x * pixelBytes;
    bytes[at] = color & 0xff;
    bytes[at + 1] = (color >>> 8) & 0xff;
    if (pixelBytes > 2) bytes[at + 2] = (color >>> 16) & 0xff;
    if (pixelBytes > 3) bytes[at + 3] = 0;
  }
}
