/** vi(1) as far as filling a new file goes: insert mode, movement by keys, deletion, saving. */
import { latin1 } from '../../core/text.ts';
import { FileError } from '../fs/errors.ts';
import type { ShellCommand, Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Terminal } from './terminal.ts';

const ESCAPE = 0x1b;
const DELETE = 0x7f;
const BACKSPACE = 0x08;
const CARRIAGE_RETURN = 0x0d;
const MAX_LINES = 10_000;
/** Longer than the rest of a key's sequence takes to come. */
const SEQUENCE_NS = 1_000_000;

/** Lines, and a cursor on one of them. */
export class TextBuffer {
  readonly lines: string[] = [''];
  row = 0;
  column = 0;

  insert(character: string): void {
    const line = this.lines[this.row]!;
    this.lines[this.row] = line.slice(0, this.column) + character + line.slice(this.column);
    this.column += 1;
  }

  breakLine(): void {
    if (this.lines.length >= MAX_LINES) return;
    const line = this.lines[this.row]!;
    this.lines[this.row] = line.slice(0, this.column);
    this.lines.splice(this.row + 1, 0, line.slice(this.column));
    this.row += 1;
    this.column = 0;
  }

  /** The character under the cursor; at the end of a line the next one comes up. */
  delete(): void {
    const line = this.lines[this.row]!;
    if (this.column < line.length) {
      this.lines[this.row] = line.slice(0, this.column) + line.slice(this.column + 1);
    } else if (this.row + 1 < this.lines.length) {
      this.lines.splice(this.row, 2, line + this.lines[this.row + 1]!);
    }
  }

  erase(): void {
    if (this.column === 0) return;
    this.column -= 1;
    this.delete();
  }

  /** @param letter the last one of a key's sequence */
  move(letter: string): void {
    if (letter === 'H') this.column = 0;
    else if (letter === 'F') this.column = this.lines[this.row]!.length;
    else if (letter === 'A') this.row = Math.max(0, this.row - 1);
    else if (letter === 'B') this.row = Math.min(this.lines.length - 1, this.row + 1);
    else if (letter === 'D') this.column = Math.max(0, this.column - 1);
    else if (letter === 'C') this.column += 1;
    this.column = Math.min(this.column, this.lines[this.row]!.length);
  }
}

export function editorCommand(kernel: Kernel, terminal: Terminal): ShellCommand {
  return {
    name: 'vi',
    help: 'FILE: writes a new file; i or Insert, keys, Escape, then :x or :q!',
    *run(words): Task<number> {
      const path = words[1];
      const { files } = kernel.userland;
      if (path === undefined || files === undefined) {
        kernel.print('usage: vi FILE\n');
        return 1;
      }
      kernel.print(`~\n~\n${path}: new file: line 1\n`);
      const text = yield* edit(kernel, terminal);
      if (text === undefined) return 0;
      try {
        const write = yield* files.openToWrite(path);
        yield* write(latin1(text));
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        kernel.print(`${path}: ${error.message}\n`);
        return 1;
      }
      kernel.print(`${path}: ${text.split('\n').length - 1} lines, ${text.length} characters\n`);
      return 0;
    },
  };
}

/** @returns what is to be written, or undefined for `:q!` */
function* edit(kernel: Kernel, terminal: Terminal): Task<string | undefined> {
  const buffer = new TextBuffer();
  let isInserting = false;
  let command: string | undefined;
  for (;;) {
    const byte = yield* terminal.readByte();
    yield 2_000;
    if (byte === ESCAPE) {
      const letter = yield* readSequence(terminal);
      if (letter === '') isInserting = false;
      else if (letter === 'L') isInserting = true;
      else buffer.move(letter);
      command = undefined;
    } else if (isInserting) {
      insertByte(buffer, byte);
    } else if (command !== undefined) {
      if (byte !== CARRIAGE_RETURN) {
        command += String.fromCharCode(byte);
        continue;
      }
      kernel.print(`:${command}\n`);
      if (command === 'x' || command === 'wq') return `${buffer.lines.join('\n')}\n`;
      if (command === 'q!') return undefined;
      command = undefined;
    } else if (byte === 0x3a) {
      command = '';
    } else if (byte === 0x69) {
      isInserting = true;
    } else if (byte === DELETE || byte === 0x78) {
      buffer.delete();
    }
  }
}

function insertByte(buffer: TextBuffer, byte: number): void {
  if (byte === CARRIAGE_RETURN) buffer.breakLine();
  else if (byte === DELETE) buffer.delete();
  else if (byte === BACKSPACE) buffer.erase();
  else if (byte >= 0x20) buffer.insert(String.fromCharCode(byte));
}

/** What follows an Escape at once is a key's sequence. @returns its letter, '' for the key itself */
function* readSequence(terminal: Terminal): Task<string> {
  const second = yield* terminal.readByteWithin(SEQUENCE_NS);
  if (second === undefined) return '';
  const third = yield* terminal.readByte();
  return String.fromCharCode(third);
}
