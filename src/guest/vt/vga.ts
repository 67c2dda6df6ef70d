import { CRTC_PORT, CrtcRegister, CURSOR_OFF } from '../../devices/vga/spec.ts';
import { VGA_TEXT_COLUMNS, VGA_TEXT_GPA, VGA_TEXT_ROWS } from '../../fb/spec/vga-text.ts';
import type { Hardware } from '../kernel/hardware.ts';
import type { Painter } from './painter.ts';
import { BLANK_CELL } from './text-grid.ts';

const CELL_BYTES = 2;
/** Bit 7 of an attribute makes a cell blink, unless the mode says otherwise. */
const NO_BLINK = 0x7fff;

/**
 * vt_vga in text mode, which newer releases choose by themselves in a virtual machine; FreeBSD 10.2
 * is taken to have hw.vga.textmode=1 from its loader.
 */
export class VgaText implements Painter {
  readonly name = 'vga';
  readonly isText = true;
  readonly width = VGA_TEXT_COLUMNS;
  readonly height = VGA_TEXT_ROWS;
  readonly columns = VGA_TEXT_COLUMNS;
  readonly rows = VGA_TEXT_ROWS;
  readonly #hardware: Hardware;
  readonly #cells: Uint16Array;
  readonly #first: number;

  private constructor(hardware: Hardware, first: number) {
    this.#hardware = hardware;
    this.#cells = hardware.memory.u16;
    this.#first = first;
  }

  /** @returns undefined where there is no text buffer */
  static probe(hardware: Hardware): VgaText | undefined {
    const bytes = VGA_TEXT_COLUMNS * VGA_TEXT_ROWS * CELL_BYTES;
    const offset = hardware.memory.resolve(VGA_TEXT_GPA, bytes);
    return offset < 0 ? undefined : new VgaText(hardware, offset / CELL_BYTES);
  }

  /** Shows the start of the buffer, without a cursor: the terminal draws its own. */
  clear(): void {
    this.#setRegister(CrtcRegister.cursorStart, CURSOR_OFF);
    this.#setRegister(CrtcRegister.startAddressHigh, 0);
    this.#setRegister(CrtcRegister.startAddressLow, 0);
    this.#cells.fill(BLANK_CELL, this.#first, this.#first + this.columns * this.rows);
  }

  scroll(rows: number): void {
    const step = rows * this.columns;
    const end = this.#first + this.columns * this.rows;
    this.#cells.copyWithin(this.#first, this.#first + step, end);
    this.#cells.fill(BLANK_CELL, end - step, end);
  }

  draw(column: number, row: number, cell: number): void {
    this.#cells[this.#first + row * this.columns + column] = cell & NO_BLINK;
  }

  #setRegister(register: number, value: number): void {
    this.#hardware.out8(CRTC_PORT, register);
    this.#hardware.out8(CRTC_PORT + 1, value);
  }
}
