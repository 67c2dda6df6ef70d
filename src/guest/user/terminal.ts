import type { Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';

const CONTROL_C = 0x03;
const CONTROL_D = 0x04;
const BACKSPACE = 0x08;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const CONTROL_U = 0x15;
const DELETE = 0x7f;
const ESCAPE = 0x1b;
const SEQUENCE_START = 0x5b;
/** Longer than the rest of a key's sequence takes to come. */
const SEQUENCE_NS = 1_000_000;
const MAX_LINE = 1024;
const MAX_QUEUE = 4096;

/** What a reader gets: a line without its end, or why there is none. */
export type TerminalInput = string | { readonly interrupted: true } | { readonly ended: true };

/** The line discipline of the console: echo, erase, kill, interrupt. */
export class Terminal {
  readonly #kernel: Kernel;
  readonly #queue: number[] = [];
  #head = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** In interrupt context. */
  receive(byte: number): void {
    if (this.#queue.length - this.#head >= MAX_QUEUE) return;
    this.#queue.push(byte);
    this.#kernel.wakeup(this.#queue);
  }

  *#next(): Task<number> {
    while (this.#head >= this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
      yield* this.#kernel.tsleep(this.#queue, Infinity);
    }
    const byte = this.#queue[this.#head]!;
    this.#head += 1;
    return byte;
  }

  /** One byte, without echo: a program has the terminal in raw mode. */
  *readByte(): Task<number> {
    return yield* this.#next();
  }

  /** @returns undefined when none came in that time */
  *readByteWithin(timeNs: number): Task<number | undefined> {
    if (this.#head >= this.#queue.length) yield* this.#kernel.tsleep(this.#queue, timeNs);
    return this.#head < this.#queue.length ? yield* this.#next() : undefined;
  }

  *readLine(prompt: string): Task<TerminalInput> {
    this.#kernel.print(prompt);
    let line = '';
    for (;;) {
      const byte = yield* this.#next();
      yield 2_000;
      if (byte === CARRIAGE_RETURN || byte === LINE_FEED) {
        this.#kernel.print('\n');
        return line;
      }
      if (byte === CONTROL_C) {
        this.#kernel.print('^C\n');
        return { interrupted: true };
      }
      if (byte === CONTROL_D && line === '') return { ended: true };
      if (byte === ESCAPE) {
        // Keys that send sequences have no meaning in a line.
        if ((yield* this.readByteWithin(SEQUENCE_NS)) === SEQUENCE_START) yield* this.#next();
        continue;
      }
      line = this.#edit(line, byte);
    }
  }

  #edit(line: string, byte: number): string {
    if (byte === BACKSPACE || byte === DELETE) {
      if (line === '') return line;
      this.#kernel.print('\b \b');
      return line.slice(0, -1);
    }
    if (byte === CONTROL_U) {
      this.#kernel.print('\b \b'.repeat(line.length));
      return '';
    }
    if (byte < 0x20 || line.length >= MAX_LINE) return line;
    const character = String.fromCharCode(byte);
    this.#kernel.print(character);
    return line + character;
  }
}
