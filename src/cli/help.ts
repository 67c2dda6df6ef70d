import type { Output } from './output.ts';
import type { Command, Option } from './flags.ts';
import { BOOT, COMMANDS, EXIT_CODES, GLOBAL_OPTIONS } from './options.ts';

type Colors = Output['outColors'];

const EXAMPLES: readonly (readonly [string, string])[] = [
  ['synthvm boot', 'a Generation-2 machine from a disk built in memory'],
  ['synthvm boot freebsd.vhdx --host ws2016tp --guest bis:10.2', 'an old driver on an old host'],
  ['synthvm disk convert disk.raw disk.vhdx', 'between raw, VHD and VHDX'],
];

function columns(rows: readonly (readonly [string, string])[], colors: Colors): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${colors.cyan(left.padEnd(width))}  ${right}\n`).join('');
}

function optionRow(option: Option): readonly [string, string] {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  const value = option.value === undefined ? '' : ` ${option.value}`;
  return [`${short}--${option.name}${value}`, option.help];
}

/** The help of the whole program. */
export function programHelp(version: string, colors: Colors): string {
  return (
    `synthvm ${version}: Hyper-V in one binary. Boots Generation-1 and Generation-2 virtual machines\n` +
    'with no hypervisor; the same seed gives the same run.\n\n' +
    `${colors.bold('Examples')}\n${columns(EXAMPLES, colors)}\n` +
    `${colors.bold('Commands')}\n` +
    `${columns(
      COMMANDS.map(
        (command) => [`${command.name} ${command.operands}`.trim(), command.summary] as const,
      ),
      colors,
    )}\n` +
    `${colors.bold('Flags of boot')}\n${columns(BOOT.options.map(optionRow), colors)}` +
    `${columns(GLOBAL_OPTIONS.map(optionRow), colors)}\n` +
    `${colors.bold('Exit codes')}\n${columns(EXIT_CODES, colors)}\n` +
    'Environment: NO_COLOR and FORCE_COLOR decide colours.\n' +
    'More: synthvm help boot, synthvm help disk.\n'
  );
}

/** The help of one command. */
export function commandHelp(command: Command, colors: Colors): string {
  const rows = [...command.options, ...GLOBAL_OPTIONS].map(optionRow);
  const notes = command.notes === undefined ? '' : `\n${command.notes.join('\n')}\n`;
  return (
    `synthvm ${command.name} ${command.operands}`.trimEnd() +
    `\n${command.summary}\n\n${colors.bold('Flags')}\n${columns(rows, colors)}${notes}`
  );
}
