import { describe, expect, it } from 'vitest';
import { BLANK_CELL, TextGrid } from '../../../src/guest/vt/text-grid.ts';

function lines(grid: TextGrid): string[] {
  return Array.from({ length: grid.rows }, (_, row) =>
    Array.from({ length: grid.columns }, (__, column) =>
      String.fromCharCode(grid.cell(column, row) & 0xff),
    )
      .join('')
      .trimEnd(),
  );
}

function written(text: string, columns = 10, rows = 4): TextGrid {
  const grid = new TextGrid(columns, rows);
  grid.write(text, 7);
  return grid;
}

describe('the text of a terminal', () => {
  it.each([
    ['a line feed begins a line', 'one\ntwo', ['one', 'two', '', '']],
    ['so does CR LF', 'one\r\ntwo', ['one', 'two', '', '']],
    ['a carriage return begins the same one again', 'abcd\rX', ['Xbcd', '', '', '']],
    ['a full row waits for one more character', '0123456789', ['0123456789', '', '', '']],
    ['which goes to the next', '0123456789a', ['0123456789', 'a', '', '']],
    ['a line feed after a full row leaves no gap', '0123456789\na', ['0123456789', 'a', '', '']],
    ['a tab goes to the next multiple of eight', 'a\tb', ['a       b', '', '', '']],
    ['a tab stops at the last column', 'a\t\t\tb', ['a        b', '', '', '']],
    ['erasing is backspace, blank, backspace', 'abc\b \b\b \bX', ['aX', '', '', '']],
    ['backspace stays in its row', 'a\n\b\bb', ['a', 'b', '', '']],
    ['other control characters show nothing', 'a\u0007\u001b\u0000\u007fb', ['ab', '', '', '']],
    ['what is above the top is gone', '1\n2\n3\n4\n5\n6', ['3', '4', '5', '6']],
  ])('%s', (_, text, wanted) => {
    expect(lines(written(text))).toEqual(wanted);
  });

  it('has Latin-1 in the codes of code page 437, a question mark for what that lacks', () => {
    const grid = written('\u00e9\u00fc\u00a9\u20ac');
    expect([0, 1, 2, 3].map((column) => grid.cell(column, 0) & 0xff)).toEqual([
      0x82, 0x81, 0x3f, 0x3f,
    ]);
  });

  it('keeps the attribute with the character; blanks have none of their own', () => {
    const grid = new TextGrid(4, 1);
    grid.write('a b', 0x1f);
    expect([0, 1, 2, 3].map((column) => grid.cell(column, 0))).toEqual([
      0x1f61,
      BLANK_CELL,
      0x1f62,
      BLANK_CELL,
    ]);
  });

  it('knows which rows have changed, and by how many all have moved', () => {
    const grid = written('1\n2\n3\n4');
    grid.clean();
    grid.write('x\n5\n6', 7);
    expect(grid.scrolled).toBe(2);
    expect([0, 1, 2, 3].map((row) => grid.isDirty(row))).toEqual([false, true, true, true]);
    grid.clean();
    expect(grid.scrolled).toBe(0);
    expect([0, 1, 2, 3].some((row) => grid.isDirty(row))).toBe(false);
  });

  it('has its cursor in the last column of a full row', () => {
    const grid = written('0123456789');
    expect([grid.cursorColumn, grid.cursorRow]).toEqual([9, 0]);
  });
});
