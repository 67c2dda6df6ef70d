import { ExitCode, InputError } from '../core/errors.ts';
import { embeddedScript } from '../scenario/embedded.ts';
import { bootCommand } from './boot.ts';
import { diskCommand } from './disk.ts';
import { commandHelp, programHelp } from './help.ts';
import { hostsCommand } from './hosts.ts';
import type { Command } from './flags.ts';
import { BOOT, COMMANDS, DISK, HELP, HOSTS, REPLAY } from './options.ts';
import { replayCommand } from './replay.ts';
import { ProcessOutput, type Output } from './output.ts';
import { parseCommandLine, type Invocation } from './parse.ts';
import { COMPILE, EXPLORE, RUN, TEST, TYPES } from './scenario-options.ts';
import { VERSION } from '../machine/version.ts';

/** Carries out one command. @returns its exit code */
type CommandHandler = (invocation: Invocation, output: Output) => Promise<number> | number;

const HANDLERS = new Map<Command, CommandHandler>([
  [BOOT, bootCommand],
  [REPLAY, replayCommand],
  [DISK, diskCommand],
  [HOSTS, hostsCommand],
  [HELP, helpCommand],
  // What only scripts need is loaded for them alone.
  [RUN, async (...call) => (await import('./run.ts')).runCommand(...call)],
  [TEST, async (...call) => (await import('./test.ts')).testCommand(...call)],
  [EXPLORE, async (...call) => (await import('./explore.ts')).exploreCommand(...call)],
  [COMPILE, async (...call) => (await import('./compile.ts')).compileCommand(...call)],
  [TYPES, async (...call) => (await import('./types.ts')).typesCommand(...call)],
]);

function helpCommand({ operands }: Invocation, output: Output): ExitCode {
  const [name] = operands;
  if (name === undefined) {
    output.out(programHelp(VERSION, output.outColors));
    return ExitCode.ok;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const names = COMMANDS.map((candidate) => candidate.name).join(', ');
    throw new InputError('help', `no command is called "${name}": ${names}`, ExitCode.usage);
  }
  output.out(commandHelp(command, output.outColors));
  return ExitCode.ok;
}

async function dispatch(words: readonly string[], output: Output): Promise<number> {
  const script = embeddedScript();
  // A compiled script is `synthvm run` of itself.
  const argv = script === undefined ? words : ['run', script.name, '--skip-check', ...words];
  const invocation = parseCommandLine(argv);
  if (invocation.values.has('version')) {
    output.out(`synthvm ${VERSION}\n`);
    return ExitCode.ok;
  }
  if (invocation.values.has('help') && invocation.command !== HELP) {
    output.out(commandHelp(invocation.command, output.outColors));
    return ExitCode.ok;
  }
  return HANDLERS.get(invocation.command)!(invocation, output);
}

/** One line for what the user can mend; our own faults say that they are ours. */
function report(error: unknown, argv: readonly string[], output: Output): ExitCode {
  const { red } = output.errorColors;
  if (error instanceof InputError) {
    output.error(`${red('error:')} ${error.where}: ${error.message}\n`);
    return error.exitCode;
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  output.error(
    `${red('internal error:')} this is a fault of synthvm ${VERSION} (${process.platform} ${process.arch}), ` +
      `not of yours\ncommand: synthvm ${argv.join(' ')}\n${detail}\n`,
  );
  return ExitCode.internal;
}

/** Runs the program. @returns the exit code of the process */
export async function main(
  argv: readonly string[],
  output: Output = new ProcessOutput(),
): Promise<number> {
  try {
    return await dispatch(argv, output);
  } catch (error) {
    return report(error, argv, output);
  } finally {
    output.flush();
  }
}
