/** The root shell: a line of programs, their status, and where their output goes. */
import type { KernelApi, ShellCommand, Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** A program that is not there. */
const NOT_FOUND = 127;

/** One program of a line, and how it hangs on the one before. */
export interface Step {
  readonly words: readonly string[];
  /** When it runs: always, after success, or after a failure. */
  readonly when: ';' | '&&' | '||';
  readonly output?: { readonly path: string; readonly appends: boolean };
}

/** Splits a line at blanks; quotes keep them, `;`, `&&`, `||`, `>` and `>>` stand for themselves. */
function tokens(line: string): { readonly text: string; readonly isQuoted: boolean }[] {
  const found: { readonly text: string; readonly isQuoted: boolean }[] = [];
  const pattern = /"([^"]*)"|'([^']*)'|&&|\|\||>>|[;>]|[^\s;>&|"']+/g;
  for (const match of line.matchAll(pattern)) {
    const quoted = match[1] ?? match[2];
    found.push({ text: quoted ?? match[0], isQuoted: quoted !== undefined });
  }
  return found;
}

/** @returns what is wrong with the line, or its steps */
export function parseLine(line: string): readonly Step[] | string {
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
  const all = tokens(line);
  for (let index = 0; index < all.length; index += 1) {
    const { text, isQuoted } = all[index]!;
    if (!isQuoted && (text === ';' || text === '&&' || text === '||')) {
      if (words.length === 0) return `Syntax error: "${text}" unexpected`;
      finish();
      when = text;
    } else if (!isQuoted && (text === '>' || text === '>>')) {
      index += 1;
      const path = all[index]?.text;
      if (path === undefined) return 'Syntax error: newline unexpected';
      output = { path, appends: text === '>>' };
    } else {
      words.push(text);
    }
  }
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
  const rows = [...commands, { name: 'exit', help: 'leave the shell' }];
  rows.sort((left, right) => (left.name < right.name ? -1 : 1));
  return rows.map(({ name, help }) => `${name.padEnd(12)} ${help}\n`).join('');
}

/** What programs of the shell print on. */
export function printer({ userland }: Pick<KernelApi, 'userland'>): (text: string) => void {
  return (text) => userland.print(text);
}
