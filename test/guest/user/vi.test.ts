import { describe, expect, it } from 'vitest';
import { TextBuffer } from '../../../src/guest/user/vi.ts';
import { Run } from '../../support/run.ts';

function typed(text: string): TextBuffer {
  const buffer = new TextBuffer();
  for (const character of text) {
    if (character === '\n') buffer.breakLine();
    else buffer.insert(character);
  }
  return buffer;
}

describe('a text under edit', () => {
  it('takes characters and lines where the cursor is', () => {
    const buffer = typed('one\nthree');
    buffer.move('A');
    buffer.move('F');
    buffer.breakLine();
    for (const character of 'two') buffer.insert(character);
    expect(buffer.lines).toEqual(['one', 'two', 'three']);
    expect([buffer.row, buffer.column]).toEqual([1, 3]);
    buffer.move('H');
    buffer.insert('>');
    expect(buffer.lines[1]).toBe('>two');
  });

  it('keeps the cursor in the text', () => {
    const buffer = typed('long line\nx');
    for (const letter of 'BBCCC') buffer.move(letter);
    expect([buffer.row, buffer.column]).toEqual([1, 1]);
    buffer.move('A');
    for (let count = 0; count < 20; count += 1) buffer.move('C');
    expect(buffer.column).toBe(9);
    // A shorter line has no such column.
    buffer.move('B');
    expect([buffer.row, buffer.column]).toEqual([1, 1]);
    for (const letter of 'DDDAAA') buffer.move(letter);
    expect([buffer.row, buffer.column]).toEqual([0, 0]);
  });

  it('loses the character under the cursor, before it, and the end of a line', () => {
    const buffer = typed('abc\ndef');
    buffer.move('H');
    buffer.delete();
    buffer.erase();
    expect(buffer.lines).toEqual(['abc', 'ef']);
    buffer.move('A');
    buffer.move('F');
    buffer.erase();
    buffer.delete();
    expect(buffer.lines).toEqual(['abef']);
    buffer.move('F');
    buffer.delete();
    expect(buffer.lines).toEqual(['abef']);
  });
});

const ESCAPE = '\x1B';

/** Keys, each sequence long after the one before. */
function press(run: Run, ...sequences: string[]): void {
  for (const keys of sequences) {
    run.machine.console.type(new TextEncoder().encode(keys));
    run.forSeconds(0.02);
  }
}

describe('vi', () => {
  it('writes what was typed, with arrow keys, and leaves it with :q!', () => {
    const run = new Run().boot().login();
    expect(run.type('vi /note', 'line 1\n')).toContain('/note: new file: line 1');
    const left = `${ESCAPE}[D`;
    press(run, 'ihello\rwrld', left + left + left, 'o', ESCAPE);
    expect(run.type(':x')).toContain('/note: 2 lines, 12 characters\n');
    expect(run.type('cat /note')).toContain('hello\nworld\n');
    run.type('vi /other', 'line 1\n');
    press(run, 'ix', ESCAPE);
    run.type(':q!');
    expect(run.type('cat /other')).toContain('cat: /other: No such file or directory');
    expect(run.type('vi')).toContain('usage: vi FILE');
  });
});
