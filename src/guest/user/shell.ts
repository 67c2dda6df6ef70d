/** The root shell: a line of programs, their status, and where their output goes. */
import type { KernelApi, ShellCommand, Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** A program that is not there. */
const NOT_FOUND = 127;
/** Room for a program's name in the list of them. */
const NAME_CHARACTERS = 13;

/** One program of a line, and how it hangs on the one before. */
export interface Step {
  readonly words: readonly string[];
  /** When it runs: always, after success, or after a failure. */
  readonly when: ';' | '&&' | '||';
  readonly output?: { readonly path: string; readonly appends: boolean };
}

interface Token {
  readonly text: string;
  /** One of the signs below, not a word. */
  readonly isSign: boolean;
}

/** What stands for itself, longer ones first. */
const SIGNS = ['&&', '||', '>>', ';', '>', '&', '|', '<'] as const;
/** sh(1) has them, this shell does not. */
const MISSING: readonly string[] = ['&', '|', '<'];
const BLANKS = ' \t';
const QUOTES = '"\'';

/** Splits a line at blanks and signs; quotes keep both. @returns what is wrong, or the parts */
function tokens(line: string): readonly Token[] | string {
  const found: Token[] = [];
  let word: string | undefined;
  const finish = (): void => {
    if (word !== undefined) found.push({ text: word, isSign: false });
    word = undefined;
  };
  for (let at = 0; at < line.length;) {
    const character = line[at]!;
    const sign = SIGNS.find((candidate) => line.startsWith(candidate, at));
    if (sign !== undefined) {
      finish();
      found.push({ text: sign, isSign: true });
      at += sign.length;
    } else if (QUOTES.includes(character)) {
      const end = line.indexOf(character, at + 1);
      if (end < 0) return 'Syntax error: Unterminated quoted string';
      word = (word ?? '') + line.slice(at + 1, end);
      at = end + 1;
    } else {
      if (BLANKS.includes(character)) finish();
      else word = (word ?? '') + character;
      at += 1;
    }
  }
  finish();
  return found;
}

/** @returns what is wrong with the line, or its steps */
export function parseLine(line: string): readonly Step[] | string {
  const all = tokens(line);
  if (typeof all === 'string') return all;
  const steps: Step[] = [];
  let words: string[] = [];
  let when: Step['when'] = ';';
  let output: Step['output'];
  const finish = (): void => {
    const step = { words, when, ...(output === undefined ? {} : { output }) };
    if (words.length > 0) steps.push(step);
    words = [];
    output = undefined;
  };
  for (let index = 0; index < all.length; index += 1) {
    const { text, isSign } = all[index]!;
    if (!isSign) {
      words.push(text);
    } else if (MISSING.includes(text)) {
      return `this shell has no "${text}"`;
    } else if (text === '>' || text === '>>') {
      index += 1;
      const target = all[index];
      if (target === undefined) return 'Syntax error: newline unexpected';
      if (target.isSign) return `Syntax error: "${target.text}" unexpected`;
      output = { path: target.text, appends: text === '>>' };
    } else {
      if (words.length === 0) return `Syntax error: "${text}" unexpected`;
      finish();
      when = text as Step['when'];
    }
  }
  // sh(1) would go on with the next line.
  if (words.length === 0 && when !== ';') return 'Syntax error: end of file unexpected';
  finish();
  return steps;
}

export class Shell {
  readonly #kernel: Kernel;
  readonly #commands = new Map<string, ShellCommand>();
  /** Of the last program. */
  status = 0;

  constructor(kernel: Kernel, builtIn: readonly ShellCommand[]) {
    this.#kernel = kernel;
    for (const command of builtIn) this.#commands.set(command.name, command);
  }

  get commands(): ShellCommand[] {
    for (const command of this.#kernel.commands) this.#commands.set(command.name, command);
    return [...this.#commands.values()];
  }

  /** @returns 'exit' when the line asks for the end of the shell */
  *run(line: string): Task<'exit' | undefined> {
    const steps = parseLine(line);
    if (typeof steps === 'string') {
      this.#kernel.print(`${steps}\n`);
      this.status = 2;
      return undefined;
    }
    for (const step of steps) {
      if (step.when === '&&' && this.status !== 0) continue;
      if (step.when === '||' && this.status === 0) continue;
      const [name = ''] = step.words;
      if (name === 'exit' || name === 'logout') return 'exit';
      this.status = yield* this.#step(step);
    }
    return undefined;
  }

  *#step({ words, output }: Step): Task<number> {
    const [name = ''] = words;
    const command = this.commands.find((candidate) => candidate.name === name);
    if (command === undefined && name !== 'help') {
      this.#kernel.print(`${name}: not found\n`);
      return NOT_FOUND;
    }
    const expanded = words.map((word) => word.replaceAll('$?', String(this.status)));
    if (output === undefined) return yield* this.#program(command, expanded);
    const { files } = this.#kernel.userland;
    const target =
      files === undefined
        ? 'No such file or directory'
        : yield* files.open(output.path, output.appends);
    if (typeof target === 'string') {
      this.#kernel.print(`cannot create ${output.path}: ${target}\n`);
      return 2;
    }
    let text = '';
    this.#kernel.redirection = (more) => {
      text += more;
    };
    const status = yield* this.#program(command, expanded);
    this.#kernel.redirection = undefined;
    yield* target(text);
    return status;
  }

  *#program(command: ShellCommand | undefined, words: readonly string[]): Task<number> {
    if (command !== undefined) return (yield* command.run(words)) ?? 0;
    this.#kernel.print(helpText(this.commands));
    return 0;
  }
}

function helpText(commands: readonly ShellCommand[]): string {
  const own = [
    { name: 'exit', help: 'leave the shell' },
    { name: 'help', help: 'this list' },
  ];
  const rows = [...commands, ...own];
  rows.sort((left, right) => (left.name < right.name ? -1 : 1));
  return rows.map(({ name, help }) => `${name.padEnd(NAME_CHARACTERS)} ${help}\n`).join('');
}

/** What programs of the shell print on. */
export function printer({ userland }: Pick<KernelApi, 'userland'>): (text: string) => void {
  return (text) => userland.print(text);
}
