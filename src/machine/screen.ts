import { deflateSync } from 'node:zlib';
import type { GuestMemory } from '../core/memory.ts';
import type { Vga } from '../devices/vga/vga.ts';
import type { Display } from '../fb/display.ts';
import { codeOf } from '../fb/glyphs.ts';
import { encodePng } from '../fb/png.ts';
import { readText } from '../fb/read-text.ts';
import { ScanOut } from '../fb/scan-out.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH } from '../fb/spec/font.ts';
import { DEFAULT_ATTRIBUTE } from '../fb/spec/palette.ts';
import {
  VGA_TEXT_BYTES,
  VGA_TEXT_COLUMNS,
  VGA_TEXT_GPA,
  VGA_TEXT_ROWS,
} from '../fb/spec/vga-text.ts';
import { Surface } from '../fb/surface.ts';
import { TextConsole } from '../fb/text-console.ts';
import { readTextBuffer, renderTextBuffer } from '../fb/vga-text.ts';

/** Until a guest's screen shows what the guest has written: FreeBSD draws 25 times a second. */
export const SCREEN_SETTLE_NS = 80_000_000;

const CELL_BYTES = 2;
const CELLS = VGA_TEXT_COLUMNS * VGA_TEXT_ROWS;
const BLANK_CELL = (DEFAULT_ATTRIBUTE << 8) | 0x20;

export interface ScreenOptions {
  readonly memory: GuestMemory;
  /** Where the guest's frame buffer is; its mode is undefined while there is none. */
  readonly display: Display;
  /** Shows its text while there is no frame buffer; Generation 1 only. */
  readonly vga?: Vga | undefined;
}

/** A picture, four bytes a pixel: red, green, blue and an opaque alpha. */
export interface ScreenCapture {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

/** What the machine's monitor shows. */
export class Screen {
  readonly #memory: GuestMemory;
  readonly #display: Display;
  readonly #vga: Vga | undefined;
  readonly #scanOut: ScanOut;
  readonly #textBuffer = new Uint8Array(CELLS * CELL_BYTES);

  constructor({ memory, display, vga }: ScreenOptions) {
    this.#memory = memory;
    this.#display = display;
    this.#vga = vga;
    this.#scanOut = new ScanOut(memory, display);
  }

  /** The picture of this moment. A screen that is off is black. */
  capture(): ScreenCapture {
    const { width, height, u8 } = this.#picture();
    return { width, height, rgba: u8.slice() };
  }

  /** The text on the screen, read by exact match with the console's font; one line a row. */
  text(): string[] {
    if (!this.#showsVga()) return readText(this.#picture());
    return readTextBuffer(this.#readTextBuffer());
  }

  /** The picture as a PNG file. */
  png(): Uint8Array {
    return encodePng(this.#picture(), { deflate: (bytes) => deflateSync(bytes) });
  }

  /** What firmware does at power-on: the guest's memory may still hold an older picture. */
  clear(): void {
    const { u8, u16 } = this.#memory;
    const { vramGpa, vramBytes } = this.#display;
    if (this.#vga === undefined) {
      const from = this.#memory.resolve(vramGpa, vramBytes);
      if (from >= 0) u8.fill(0, from, from + vramBytes);
      return;
    }
    const from = this.#memory.resolve(VGA_TEXT_GPA, VGA_TEXT_BYTES);
    if (from >= 0) u16.fill(BLANK_CELL, from / CELL_BYTES, (from + VGA_TEXT_BYTES) / CELL_BYTES);
  }

  /** Shows a text of the firmware's in place of what was there. */
  print(text: string): void {
    this.clear();
    if (this.#vga !== undefined) this.#printVga(text);
    else this.#printPixels(text);
  }

  #showsVga(): boolean {
    return this.#display.mode === undefined && this.#vga !== undefined;
  }

  #picture(): Surface {
    if (this.#showsVga()) {
      const cursor = this.#vga!.cursorAddress - this.#vga!.startAddress;
      return renderTextBuffer(this.#readTextBuffer(), undefined, cursor);
    }
    this.#scanOut.refresh(true);
    return (
      this.#scanOut.surface ??
      new Surface(VGA_TEXT_COLUMNS * GLYPH_WIDTH, VGA_TEXT_ROWS * GLYPH_HEIGHT)
    );
  }

  /** The cells that are on the screen; addresses wrap in the window, as the hardware's do. */
  #readTextBuffer(): Parameters<typeof readTextBuffer>[0] {
    const bytes = this.#textBuffer;
    const from = this.#memory.resolve(VGA_TEXT_GPA, VGA_TEXT_BYTES);
    const start = this.#vga!.startAddress * CELL_BYTES;
    if (from < 0) throw new Error('a machine without memory at the text buffer');
    for (let index = 0; index < bytes.length; index += 1) {
      bytes[index] = this.#memory.u8[from + ((start + index) % VGA_TEXT_BYTES)]!;
    }
    return { bytes, offset: 0, columns: VGA_TEXT_COLUMNS, rows: VGA_TEXT_ROWS };
  }

  #printVga(text: string): void {
    const from = this.#memory.resolve(VGA_TEXT_GPA, VGA_TEXT_BYTES);
    if (from < 0) return;
    const lines = text.split('\n').flatMap((line) => line.match(/.{1,80}/gu) ?? ['']);
    for (const [row, line] of lines.slice(0, VGA_TEXT_ROWS).entries()) {
      for (const [column, character] of Array.from(line).entries()) {
        const at = from + (row * VGA_TEXT_COLUMNS + column) * CELL_BYTES;
        this.#memory.u8[at] = codeOf(character);
      }
    }
  }

  #printPixels(text: string): void {
    const mode = this.#display.mode;
    const bytes = this.#memory.u8;
    const from = this.#memory.resolve(this.#display.vramGpa, this.#display.vramBytes);
    if (mode === undefined || from < 0) return;
    new TextConsole({ ...mode, bytes, offset: from + mode.offset }).write(text);
  }
}
