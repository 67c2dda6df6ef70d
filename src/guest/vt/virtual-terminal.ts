/** vt(4): the console on a screen. Text goes into a grid, a callout shows what has changed. */
import { DEFAULT_ATTRIBUTE } from '../../fb/spec/palette.ts';
import type { FirmwareFacts } from '../boot/firmware.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ScreenConsole } from '../kernel/console.ts';
import { EfiFramebuffer } from './efifb.ts';
import type { Painter } from './painter.ts';
import { BLANK_CELL, TextGrid } from './text-grid.ts';
import { VgaText } from './vga.ts';

/** VT_TIMERFREQ: pictures a second while there is something new to show. */
const TIMER_HZ = 25;
const FLUSH_NS = 1_000_000_000 / TIMER_HZ;
/** The kernel's own messages are bright white (SC_KERNEL_CONS_ATTR). */
const KERNEL_ATTRIBUTE = 0x0f;

/** When a terminal may show what was written. */
export interface FlushTimer {
  /** False before callouts run, and once nothing runs any more. */
  canDefer(): boolean;
  after(delayNs: number, run: () => void): void;
}

export class VirtualTerminal implements ScreenConsole {
  readonly painter: Painter;
  readonly #timer: FlushTimer;
  readonly #grid: TextGrid;
  /** What the painter shows, row by row. */
  readonly #shown: Uint16Array;
  #cursorRow = 0;
  #isTimerArmed = false;
  readonly #expired = (): void => {
    this.#isTimerArmed = false;
    this.flush();
  };

  constructor(painter: Painter, timer: FlushTimer) {
    this.painter = painter;
    this.#timer = timer;
    this.#grid = new TextGrid(painter.columns, painter.rows);
    this.#shown = new Uint16Array(painter.columns * painter.rows).fill(BLANK_CELL);
    painter.clear();
  }

  /** @param isKernel a message of the kernel, which has a colour of its own */
  write(text: string, isKernel: boolean): void {
    this.#grid.write(text, isKernel ? KERNEL_ATTRIBUTE : DEFAULT_ATTRIBUTE);
    if (!this.#timer.canDefer()) {
      this.flush();
    } else if (!this.#isTimerArmed) {
      this.#isTimerArmed = true;
      this.#timer.after(FLUSH_NS, this.#expired);
    }
  }

  /** Shows what has changed. */
  flush(): void {
    const grid = this.#grid;
    this.#scroll(grid.scrolled);
    const { cursorColumn, cursorRow, rows } = grid;
    for (let row = 0; row < rows; row += 1) {
      if (grid.isDirty(row) || row === cursorRow || row === this.#cursorRow) {
        this.#showRow(row, row === cursorRow ? cursorColumn : -1);
      }
    }
    this.#cursorRow = cursorRow;
    grid.clean();
  }

  #scroll(rows: number): void {
    if (rows === 0) return;
    const shown = this.#shown;
    const cells = Math.min(rows, this.#grid.rows) * this.#grid.columns;
    if (rows < this.#grid.rows) this.painter.scroll(rows);
    else this.painter.clear();
    shown.copyWithin(0, cells);
    shown.fill(BLANK_CELL, shown.length - cells);
    this.#cursorRow -= rows;
  }

  /** @param cursor column of the cursor, which swaps ink and paper; -1 for none in this row */
  #showRow(row: number, cursor: number): void {
    const { columns } = this.#grid;
    const shown = this.#shown;
    const first = row * columns;
    for (let column = 0; column < columns; column += 1) {
      let cell = this.#grid.cell(column, row);
      if (column === cursor) {
        const attribute = cell >>> 8;
        cell = (((attribute << 4) | (attribute >>> 4)) & 0xff) * 0x100 + (cell & 0xff);
      }
      if (shown[first + column] === cell) continue;
      shown[first + column] = cell;
      this.painter.draw(column, row, cell);
    }
  }
}

/** @returns the console on the screen that the firmware left, undefined when there is none */
export function createVirtualTerminal(
  kernel: Kernel,
  { generation, framebuffer }: FirmwareFacts,
): VirtualTerminal | undefined {
  const { hw, callouts } = kernel;
  let painter: Painter | undefined;
  if (generation === 1) painter = VgaText.probe(hw);
  else if (framebuffer !== undefined) painter = EfiFramebuffer.probe(hw.memory, framebuffer);
  if (painter === undefined) return undefined;
  return new VirtualTerminal(painter, {
    canDefer: () => callouts.timer !== undefined && !kernel.isHalted,
    after: (delayNs, run) => callouts.schedule(0, delayNs, run),
  });
}
