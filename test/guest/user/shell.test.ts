import { describe, expect, it } from 'vitest';
import type { ShellCommand, Task } from '../../../src/guest/kernel/api.ts';
import type { Kernel } from '../../../src/guest/kernel/kernel.ts';
import { parseLine, Shell } from '../../../src/guest/user/shell.ts';

/** A line as its steps: "&& cat x >> file". */
function steps(line: string): string[] | string {
  const parsed = parseLine(line);
  if (typeof parsed === 'string') return parsed;
  return parsed.map(({ words, when, output }) => {
    const target = output === undefined ? [] : [output.appends ? '>>' : '>', output.path];
    return [when, ...words.map((word) => JSON.stringify(word)), ...target].join(' ');
  });
}

describe('a line of the shell', () => {
  it('is words between blanks, and quotes keep blanks and signs', () => {
    expect(steps('  echo  one two ')).toEqual(['; "echo" "one" "two"']);
    expect(steps(`echo "one  two" '; "x" &&' ""`)).toEqual([
      '; "echo" "one  two" "; \\"x\\" &&" ""',
    ]);
    expect(steps(`a=/"b c"/d' 'e`)).toEqual(['; "a=/b c/d e"']);
    expect(steps('')).toEqual([]);
  });

  it('is programs one after the other, after success, or after a failure', () => {
    expect(steps('a;b && c||d')).toEqual(['; "a"', '; "b"', '&& "c"', '|| "d"']);
    expect(steps('a;')).toEqual(['; "a"']);
  });

  it('says where output goes', () => {
    expect(steps('a x>f')).toEqual(['; "a" "x" > f']);
    expect(steps('a >> "my file" x; b')).toEqual(['; "a" "x" >> my file', '; "b"']);
  });

  it('is refused where sh(1) would wait for more, or does what this one cannot', () => {
    expect(steps('; a')).toBe('Syntax error: ";" unexpected');
    expect(steps('a && && b')).toBe('Syntax error: "&&" unexpected');
    expect(steps('a >')).toBe('Syntax error: newline unexpected');
    expect(steps('a > ; b')).toBe('Syntax error: ";" unexpected');
    expect(steps('a ||')).toBe('Syntax error: end of file unexpected');
    expect(steps('echo "a')).toBe('Syntax error: Unterminated quoted string');
    expect(steps('a | b')).toBe('this shell has no "|"');
    expect(steps('a &')).toBe('this shell has no "&"');
    expect(steps('a < b')).toBe('this shell has no "<"');
  });
});

class Bench {
  text = '';
  readonly files = new Map<string, string>();
  readonly #shell: Shell;
  readonly kernel = { commands: [], redirection: undefined } as unknown as Kernel;

  constructor() {
    const print = (text: string): void => {
      if (this.kernel.redirection === undefined) this.text += text;
      else this.kernel.redirection(text);
    };
    const { files } = this;
    const userland = {
      files: {
        *open(path: string, appends: boolean): Task<string | ((text: string) => Task)> {
          yield 0;
          if (path === '/none/file') return 'No such file or directory';
          return function* (text: string): Task {
            files.set(path, (appends ? (files.get(path) ?? '') : '') + text);
            yield 0;
          };
        },
      },
    };
    Object.assign(this.kernel, { print, userland });
    const echo: ShellCommand = {
      name: 'echo',
      help: 'write words',
      *run(words): Task {
        print(`${words.slice(1).join(' ')}\n`);
        yield 0;
      },
    };
    const fail: ShellCommand = {
      name: 'fail',
      help: 'ends with 3',
      *run(): Task<number> {
        yield 0;
        return 3;
      },
    };
    this.#shell = new Shell(this.kernel, [echo, fail]);
  }

  sh(line: string): string {
    this.text = '';
    const task = this.#shell.run(line);
    let next = task.next();
    while (next.done !== true) next = task.next();
    return next.value === 'exit' ? `${this.text}(exit)` : this.text;
  }
}

describe('the shell', () => {
  it('goes on by the status of the program before, which $? has', () => {
    const bench = new Bench();
    expect(bench.sh('fail; echo $?')).toBe('3\n');
    expect(bench.sh('fail && echo no || echo yes')).toBe('yes\n');
    expect(bench.sh('echo one || echo two; echo three')).toBe('one\nthree\n');
    expect(bench.sh('nothing; echo $?')).toBe('nothing: not found\n127\n');
    expect(bench.sh('; a')).toContain('Syntax error');
    expect(bench.sh('echo $?')).toBe('2\n');
  });

  it('puts output into files, and behind what they have', () => {
    const bench = new Bench();
    expect(bench.sh('echo one > /f; echo two >> /f; echo three')).toBe('three\n');
    expect(bench.files.get('/f')).toBe('one\ntwo\n');
    expect(bench.sh('echo x > /none/file || echo $?')).toBe(
      'cannot create /none/file: No such file or directory\n2\n',
    );
  });

  it('ends at exit, and shows its programs at help', () => {
    const bench = new Bench();
    expect(bench.sh('echo bye; exit; echo no')).toBe('bye\n(exit)');
    expect(bench.sh('help')).toBe(
      [
        'echo          write words\n',
        'exit          leave the shell\n',
        'fail          ends with 3\n',
        'help          this list\n',
      ].join(''),
    );
  });
});
