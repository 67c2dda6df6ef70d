import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Painter } from '../../../src/guest/vt/painter.ts';
import { VirtualTerminal } from '../../../src/guest/vt/virtual-terminal.ts';

const COLUMNS = 8;
const ROWS = 3;
const BLANK = 0x0720;

/** Cells as a screen shows them, and how many were drawn. */
class FakePainter implements Painter {
  readonly name = 'fake';
  readonly isText = true;
  readonly width = COLUMNS;
  readonly height = ROWS;
  readonly columns = COLUMNS;
  readonly rows = ROWS;
  cells: number[] = [];
  drawn = 0;
  scrolls: number[] = [];

  clear(): void {
    this.cells = Array.from({ length: COLUMNS * ROWS }, () => BLANK);
  }

  scroll(rows: number): void {
    this.scrolls.push(rows);
    this.cells.splice(0, rows * COLUMNS);
    while (this.cells.length < COLUMNS * ROWS) this.cells.push(BLANK);
  }

  draw(column: number, row: number, cell: number): void {
    this.drawn += 1;
    this.cells[row * COLUMNS + column] = cell;
  }

  /** Of cells with swapped colours. */
  get cursors(): number[] {
    return this.cells.flatMap((cell, index) => ((cell >>> 8) & 0xf ? [] : [index]));
  }

  get lines(): string[] {
    const codes = this.cells.map((cell) => String.fromCharCode(cell & 0xff)).join('');
    return Array.from({ length: ROWS }, (_, row) =>
      codes.slice(row * COLUMNS, (row + 1) * COLUMNS).trimEnd(),
    );
  }
}

class Rig {
  readonly painter = new FakePainter();
  readonly waiting: { delayNs: number; run: () => void }[] = [];
  canDefer = true;
  readonly terminal = new VirtualTerminal(this.painter, {
    canDefer: () => this.canDefer,
    after: (delayNs, run) => this.waiting.push({ delayNs, run }),
  });

  expire(): void {
    this.waiting.shift()!.run();
  }
}

describe('vt', () => {
  it('shows text 40 ms after the first of it, all at once', () => {
    const { painter, terminal, waiting, ...rig } = new Rig();
    terminal.write('ab', true);
    terminal.write('cd', true);
    expect(painter.lines).toEqual(['', '', '']);
    expect(waiting.map(({ delayNs }) => delayNs)).toEqual([40_000_000]);
    waiting.shift()!.run();
    expect(painter.lines).toEqual(['abcd', '', '']);
    expect(waiting).toEqual([]);
    terminal.write('e', true);
    expect(waiting.length).toBe(1);
    expect(rig.canDefer).toBe(true);
  });

  it('shows text at once where no callout can', () => {
    const rig = new Rig();
    rig.canDefer = false;
    rig.terminal.write('panic', true);
    expect(rig.painter.lines).toEqual(['panic', '', '']);
    expect(rig.waiting).toEqual([]);
  });

  it('draws only the cells that changed: two for a character, with the cursor', () => {
    const rig = new Rig();
    rig.terminal.write('hello', false);
    rig.expire();
    rig.painter.drawn = 0;
    rig.terminal.write('x', false);
    rig.expire();
    expect(rig.painter.drawn).toBe(2);
    expect(rig.painter.cursors).toEqual([6]);
  });

  it('moves the picture once for many lines, and not at all when nothing of it is left', () => {
    const rig = new Rig();
    rig.terminal.write('1\n2\n3\n4\n5', false);
    rig.expire();
    expect(rig.painter.scrolls).toEqual([2]);
    expect(rig.painter.lines).toEqual(['3', '4', '5']);
    rig.terminal.write('\n6\n7\n8', false);
    rig.expire();
    expect(rig.painter.scrolls).toEqual([2]);
    expect(rig.painter.lines).toEqual(['6', '7', '8']);
  });

  it('has bright white for the kernel and light grey for programs', () => {
    const rig = new Rig();
    rig.terminal.write('k', true);
    rig.terminal.write('p', false);
    rig.expire();
    expect(rig.painter.cells.slice(0, 2)).toEqual([0x0f6b, 0x0770]);
  });

  it('shows the same however often it was flushed on the way', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n', '\r', '\b', '\t') });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, fc.boolean())), (writes) => {
        const [often, once] = [new Rig(), new Rig()];
        for (const [piece, isFlushed] of writes) {
          often.terminal.write(piece, false);
          once.terminal.write(piece, false);
          if (isFlushed) often.terminal.flush();
        }
        often.terminal.flush();
        once.terminal.flush();
        expect(often.painter.cells).toEqual(once.painter.cells);
        expect(often.painter.cursors.length).toBe(1);
      }),
    );
  });
});
