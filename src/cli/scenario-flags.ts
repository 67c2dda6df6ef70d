/** What the commands about scenarios read from their flags. */
import { ExitCode, InputError } from '../core/errors.ts';
import { parseChoice, parseDuration, parseSeed } from '../core/values.ts';
import { parseSwitches, type Switches } from '../guest/switches.ts';
import { HOST_NAMES, type HostName } from '../machine/profiles.ts';
import type { Task } from '../scenario/protocol.ts';
import type { Invocation } from './parse.ts';

/** @returns undefined without the flag */
export function readHosts({ values }: Invocation): readonly HostName[] | 'all' | undefined {
  const text = values.get('host')?.[0];
  if (text === undefined || text === 'all') return text;
  return text.split(',').map((name) => parseChoice('--host', name.trim(), HOST_NAMES));
}

export function readSeed({ values }: Invocation): bigint | undefined {
  const text = values.get('seed')?.[0];
  return text === undefined ? undefined : parseSeed('--seed', text);
}

/** The part of a task that all commands share. */
export function readTask(invocation: Invocation): Omit<Task, 'file'> {
  const { values } = invocation;
  const switches: Partial<Switches> = {};
  const settings = values.get('set') ?? [];
  for (const text of settings) Object.assign(switches, parseSwitches(text));
  const limit = values.get('wall-limit')?.[0];
  const isPerturbed = values.has('perturb');
  return {
    only: values.get('only')?.[0],
    hosts: readHosts(invocation),
    switches,
    isPerturbed,
    wallLimitMs: limit === undefined ? undefined : parseDuration('--wall-limit', limit) / 1e6,
    replayFlags: [
      ...settings.flatMap((text) => ['--set', text]),
      ...(isPerturbed ? ['--perturb'] : []),
    ],
  };
}

/** The one script of a command. */
export function readScript({ command, operands }: Invocation): string {
  const [script, ...rest] = operands;
  if (script === undefined) {
    throw new InputError(command.name, 'needs a script: a .ts file', ExitCode.usage);
  }
  if (rest.length > 0) {
    throw new InputError(rest[0]!, `${command.name} takes one script`, ExitCode.usage);
  }
  return script;
}
