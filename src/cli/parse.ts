import { cac } from 'cac';
import { ExitCode, InputError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Command, Option } from './flags.ts';
import { BOOT, COMMANDS, GLOBAL_OPTIONS, HELP } from './options.ts';

/** A command line, taken apart: every value is text as the user wrote it. */
export interface Invocation {
  readonly command: Command;
  readonly operands: readonly string[];
  /** Values by option name; a switch that is set has ['']. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/**
 * cac turns values that look like numbers into numbers and so damages seeds and sizes. This mark
 * before each value keeps it text; it is taken off again below.
 */
const MARK = '\u2060';

function usage(where: string, message: string): InputError {
  return new InputError(where, message, ExitCode.usage);
}

/**
 * Joins each flag to its value and marks it, checks that every flag exists, has a value if it needs
 * one, and is given once unless it may repeat.
 */
function protect(argv: readonly string[], options: readonly Option[]): string[] {
  const byFlag = new Map<string, Option>();
  for (const option of options) {
    byFlag.set(`--${option.name}`, option);
    if (option.short !== undefined) byFlag.set(`-${option.short}`, option);
  }
  const seen = new Set<Option>();
  const result: string[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index]!;
    if (word === '--') {
      result.push(...argv.slice(index));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      result.push(MARK + word);
      continue;
    }
    const equals = word.indexOf('=');
    const flag = equals < 0 ? word : word.slice(0, equals);
    const option = byFlag.get(flag);
    if (option === undefined) {
      const near = nearest(flag, [...byFlag.keys()]);
      throw usage(flag, `unknown flag${near === undefined ? '' : `; did you mean ${near}?`}`);
    }
    if (seen.has(option) && option.many !== true) throw usage(flag, 'given more than once');
    seen.add(option);
    if (option.value === undefined) {
      if (equals >= 0) throw usage(flag, 'takes no value');
      // With a value of its own it takes no operand for one, as cac has it for names with a hyphen.
      result.push(`--${option.name}=${MARK}`);
      continue;
    }
    let value = equals < 0 ? argv[(index += 1)] : word.slice(equals + 1);
    if (value === undefined || value === '')
      throw usage(flag, `needs a value: ${flag} ${option.value}`);
    if (equals < 0 && byFlag.has(value)) {
      throw usage(flag, `needs a value: ${flag} ${option.value}, and ${value} is a flag`);
    }
    value = MARK + value;
    result.push(`--${option.name}=${value}`);
  }
  return result;
}

const unmark = (value: unknown): string => String(value).replaceAll(MARK, '');

/** The first word names the command; a file, or a flag other than help and version, means boot. */
function findCommand(argv: readonly string[]): { command: Command; rest: readonly string[] } {
  const word = argv[0];
  if (word === undefined || ['-h', '--help', '-v', '--version'].includes(word)) {
    return { command: HELP, rest: argv };
  }
  const command = COMMANDS.find(({ name }) => name === word);
  if (command !== undefined) return { command, rest: argv.slice(1) };
  if (word.startsWith('-') || /[./\\]/.test(word)) return { command: BOOT, rest: argv };
  const names = COMMANDS.map(({ name }) => name);
  const near = nearest(word, names);
  const tip = near === undefined ? `the commands are ${names.join(', ')}` : `did you mean ${near}?`;
  throw usage(word, `unknown command; ${tip}`);
}

/** @param argv without the program's own name; throws `InputError` with exit code 2 */
export function parseCommandLine(argv: readonly string[]): Invocation {
  const { command, rest } = findCommand(argv);
  const options = [...command.options, ...GLOBAL_OPTIONS];
  const parser = cac('synthvm');
  for (const { name, help } of options) parser.option(`--${name} <value>`, help);
  const parsed = parser.parse(['', 'synthvm', ...protect(rest, options)], { run: false });
  const values = new Map<string, readonly string[]>();
  for (const option of options) {
    const camel = option.name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    const value: unknown = parsed.options[camel];
    if (value === undefined || value === false) continue;
    values.set(
      option.name,
      value === true ? [''] : Array.isArray(value) ? value.map(unmark) : [unmark(value)],
    );
  }
  return {
    command,
    operands: [...parsed.args, ...((parsed.options['--'] as string[]) ?? [])].map(unmark),
    values,
  };
}
