import { describe, expect, it } from 'vitest';
import { COMMANDS, GLOBAL_OPTIONS } from '../../src/cli/options.ts';
import { parseCommandLine } from '../../src/cli/parse.ts';
import { InputError } from '../../src/core/errors.ts';

function failure(...argv: string[]): string {
  try {
    parseCommandLine(argv);
  } catch (error) {
    if (error instanceof InputError) return `${error.exitCode} ${error.where}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('the command line', () => {
  it('keeps values as they were typed, whatever they look like', () => {
    for (const seed of ['18446744073709551615', '-1', '0x10', '007', '1e3']) {
      for (const argv of [
        ['boot', '--seed', seed],
        ['boot', `--seed=${seed}`],
      ]) {
        expect(parseCommandLine(argv).values.get('seed')).toEqual([seed]);
      }
    }
    const { operands } = parseCommandLine(['disk', 'create', '007.raw', '1234']);
    expect(operands).toEqual(['create', '007.raw', '1234']);
  });

  it('takes a file for `boot`, and a flag before everything too', () => {
    expect(parseCommandLine(['./disk.vhdx']).command.name).toBe('boot');
    expect(parseCommandLine(['--host', 'ws2016', 'disk.vhdx']).operands).toEqual(['disk.vhdx']);
    expect(parseCommandLine([]).command.name).toBe('help');
    expect(parseCommandLine(['boot', '--', '-odd-name']).operands).toEqual(['-odd-name']);
  });

  it('gives a switch no operand for its value', () => {
    const { operands, values } = parseCommandLine(['test', '--skip-check', 'a.ts', 'b.ts', '-q']);
    expect(operands).toEqual(['a.ts', 'b.ts']);
    expect([...values.keys()]).toEqual(['skip-check', 'quiet']);
    expect(parseCommandLine(['boot', '--verbose-boot', 'a.img']).operands).toEqual(['a.img']);
  });

  it('repeats only what may repeat', () => {
    expect(parseCommandLine(['boot', '--dvd', 'a', '--dvd=b']).values.get('dvd')).toEqual([
      'a',
      'b',
    ]);
    expect(failure('boot', '--seed', '1', '--seed', '2')).toBe('2 --seed: given more than once');
  });

  it.each([
    [['boot', '--memroy', '3'], '2 --memroy: unknown flag; did you mean --memory?'],
    [['boot', '--zzzzzz'], '2 --zzzzzz: unknown flag'],
    [['bot'], '2 bot: unknown command; did you mean boot?'],
    [
      ['frobnicate'],
      '2 frobnicate: unknown command; the commands are boot, run, test, explore, compile, types, replay, disk, hosts, help',
    ],
    [['boot', '--seed'], '2 --seed: needs a value: --seed N'],
    [['boot', '--seed='], '2 --seed: needs a value: --seed N'],
    [['boot', '--seed', '--json'], '2 --seed: needs a value: --seed N, and --json is a flag'],
    [['boot', '--json=yes'], '2 --json: takes no value'],
    [['hosts', '--seed', '1'], '2 --seed: unknown flag'],
  ])('answers %j in one line', (argv, expected) => {
    expect(failure(...argv)).toBe(expected);
  });

  it('accepts every flag of every command, long and short', () => {
    for (const command of COMMANDS) {
      for (const option of [...command.options, ...GLOBAL_OPTIONS]) {
        const value = option.value === undefined ? [] : ['x'];
        const flags = [
          `--${option.name}`,
          ...(option.short === undefined ? [] : [`-${option.short}`]),
        ];
        for (const flag of flags) {
          const { values } = parseCommandLine([command.name, flag, ...value]);
          expect(values.get(option.name), `${command.name} ${flag}`).toEqual(
            option.value === undefined ? [''] : ['x'],
          );
        }
      }
    }
  });
});
