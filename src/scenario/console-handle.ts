import { latin1Text } from '../core/text.ts';
import type { Machine } from '../machine/machine.ts';
import type { Console, Pattern, WaitOptions } from './api.ts';
import type { Pump } from './pump.ts';
import { showPattern, toRegExp, withinNs } from './values.ts';

const CARRIAGE_RETURN = 0x0d;
const NEWLINE = 0x0a;
/** Text that ends here may go on, unless nothing comes for so long: a dozen bytes at 115200 baud. */
const QUIET_NS = 1_000_000;
/** A match may reach back so far from the byte that completes it. */
const WINDOW_CHARACTERS = 8192;
const PROMPT: Pattern = '\n# ';
const LOGIN = 'login: ';
/** Its last character. */
const LOGIN_END = 0x20;

interface Watcher {
  readonly expression: RegExp;
  /** Code of the last character of a plain text; -1 for an expression. */
  readonly lastCode: number;
  /** @param match within what no wait has passed yet */
  readonly found: (match: RegExpMatchArray) => void;
  readonly pollAt: (timeNs: number) => void;
}

/** COM1 as a script sees it: everything that was printed, and a place up to which waits have read. */
export class ConsoleHandle implements Console {
  readonly #machine: Machine;
  readonly #pump: Pump;
  readonly #vm: string;
  readonly #whole: string[] = [];
  /** What no wait has passed, or the end of that. */
  #unread = '';
  #current = '';
  readonly #watchers = new Set<Watcher>();
  readonly #byteWatchers = new Set<(byte: number) => void>();
  readonly #forbidden = new Set<{ readonly expression: RegExp; readonly found: () => void }>();

  constructor(machine: Machine, pump: Pump, vm: string) {
    this.#machine = machine;
    this.#pump = pump;
    this.#vm = vm;
    machine.console.listen((byte) => this.#byte(byte));
  }

  get text(): string {
    return this.#whole.join('') + this.#current;
  }

  lines(pattern?: Pattern): string[] {
    const lines = this.text.split('\n');
    if (pattern === undefined) return lines;
    const expression = toRegExp(pattern);
    return lines.filter((line) => expression.test(line));
  }

  wait(pattern: Pattern, options?: WaitOptions): Promise<RegExpMatchArray> {
    const what = `console text ${showPattern(pattern)}`;
    return this.#waitFor(pattern, what, options, new Error(what));
  }

  type(text: string): Promise<void> {
    const what = `room in the UART for ${JSON.stringify(text)}`;
    return this.#type(text, new Error(what));
  }

  /** Waits for the login prompt, and leaves it to other waits. */
  prompt(options: WaitOptions | undefined, site: Error): Promise<void> {
    return this.#pump.wait<void>(
      {
        what: `console text "${LOGIN}"`,
        vm: this.#vm,
        withinNs: withinNs(options),
        start: (settle) => {
          // To look at the end of a line that is being put together costs its length.
          const watcher = (byte: number): void => {
            if (byte === LOGIN_END && this.#current.endsWith(LOGIN)) settle();
          };
          this.#byteWatchers.add(watcher);
          watcher(LOGIN_END);
          return () => this.#byteWatchers.delete(watcher);
        },
      },
      site,
    );
  }

  async login(options?: WaitOptions): Promise<void> {
    const site = new Error('login');
    await this.#waitFor(LOGIN, `console text "${LOGIN}"`, options, site);
    await this.#type('root\r', site);
    await this.#waitFor('# ', 'the prompt after "root"', options, site);
  }

  async run(
    command: string,
    options: WaitOptions & { readonly prompt?: Pattern } = {},
  ): Promise<string> {
    const site = new Error('run');
    // What stands there already is not this command's.
    this.#unread = '';
    await this.#type(`${command}\r`, site);
    const what = `the prompt after "${command}"`;
    const match = await this.#waitFor(options.prompt ?? PROMPT, what, options, site);
    const printed = (match.input ?? '').slice(0, match.index);
    const echoEnd = printed.indexOf('\n');
    return echoEnd < 0 ? '' : printed.slice(echoEnd + 1);
  }

  /** Calls back when text comes that must not. @returns ends that */
  forbid(pattern: Pattern, found: () => void): () => void {
    const entry = { expression: toRegExp(pattern), found };
    if (this.lines().some((line) => entry.expression.test(line))) found();
    this.#forbidden.add(entry);
    return () => this.#forbidden.delete(entry);
  }

  /** What waits may still pass, for a machine that goes on from this one's present. */
  get unread(): string {
    return this.#unread;
  }

  set unread(unread: string) {
    this.#unread = unread;
  }

  /** A new power cycle begins on a new line, and with nothing that waits could still pass. */
  powerCycled(): void {
    if (this.#current !== '') this.#whole.push(`${this.#current}\n`);
    this.#current = '';
    this.#unread = '';
  }

  #type(text: string, site: Error): Promise<void> {
    return this.#pump.wait<void>(
      {
        what: `room in the UART for ${JSON.stringify(text)}`,
        vm: this.#vm,
        withinNs: withinNs(undefined),
        start: (settle) => {
          const bytes = latin1Text(new TextEncoder().encode(text));
          this.#machine.enter({ kind: 'console', text: bytes }, () => settle());
          return undefined;
        },
      },
      site,
    );
  }

  #waitFor(
    pattern: Pattern,
    what: string,
    options: WaitOptions | undefined,
    site: Error,
  ): Promise<RegExpMatchArray> {
    const expression = toRegExp(pattern);
    const lastCode = typeof pattern === 'string' ? pattern.charCodeAt(pattern.length - 1) : -1;
    return this.#pump.wait<RegExpMatchArray>(
      {
        what,
        vm: this.#vm,
        withinNs: withinNs(options),
        start: (settle, pollAt) => {
          const watcher = { expression, lastCode, found: settle, pollAt };
          this.#watchers.add(watcher);
          this.#look(watcher);
          return () => this.#watchers.delete(watcher);
        },
        poll: () => this.#pass(expression),
      },
      site,
    );
  }

  /** An expression that reaches the end of the text may match more of it in a moment. */
  #look(watcher: Watcher): void {
    const match = watcher.expression.exec(this.#unread);
    if (match === null) return;
    const isAtEnd = match.index + match[0].length === this.#unread.length;
    if (isAtEnd && watcher.lastCode < 0) watcher.pollAt(this.#pump.nowNs + QUIET_NS);
    else watcher.found(this.#pass(watcher.expression)!);
  }

  /** @returns the match, behind which the next wait begins */
  #pass(expression: RegExp): RegExpMatchArray | undefined {
    const match = expression.exec(this.#unread);
    if (match === null) return undefined;
    this.#unread = this.#unread.slice(match.index + match[0].length);
    return match;
  }

  #byte(byte: number): void {
    if (byte === CARRIAGE_RETURN) return;
    const character = String.fromCharCode(byte);
    this.#current += character;
    this.#unread += character;
    if (this.#unread.length > 2 * WINDOW_CHARACTERS) {
      this.#unread = this.#unread.slice(-WINDOW_CHARACTERS);
    }
    for (const watcher of this.#watchers) {
      if (watcher.lastCode < 0 || watcher.lastCode === byte) this.#look(watcher);
    }
    for (const watcher of this.#byteWatchers) watcher(byte);
    if (byte !== NEWLINE) return;
    const line = this.#current;
    this.#whole.push(line);
    this.#current = '';
    for (const { expression, found } of this.#forbidden) if (expression.test(line)) found();
  }
}
