/** What the commands about scenarios read from their flags. */
import { ExitCode, InputError } from '../core/errors.ts';
import { parseChoice, parseDuration, parseSeed } from '../core/values.ts';
import { parseSwitches, type Switches } from '../guest/switches.ts';
import { ALL_DECISIONS, type Decisions } from '../machine/perturbation.ts';
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

/** "all", or decisions by number as "120,125-130,140-": ranges end before their last number. */
function parseDecisions(text: string): Decisions {
  if (text === 'all') return ALL_DECISIONS;
  const ranges = text.split(',').map((part) => {
    const match = /^(\d{1,15})(?:(-)(\d{1,15})?)?$/.exec(part);
    if (match === null) throw wrongDecisions(text);
    const [, first, isRange, end] = match;
    if (isRange === undefined) return { first: Number(first), end: Number(first) + 1 };
    return { first: Number(first), end: end === undefined ? Infinity : Number(end) };
  });
  const isAscending = ranges.every(
    ({ first, end }, index) => end > first && first >= (ranges[index - 1]?.end ?? 0),
  );
  if (!isAscending) throw wrongDecisions(text);
  return ranges;
}

function wrongDecisions(text: string): InputError {
  const expected = 'neither all nor ascending numbers and ranges as 120,125-130,140-';
  return new InputError('--perturb', `"${text}" is ${expected}`, ExitCode.usage);
}

/** How decisions are written in `--perturb`. */
export function showDecisions(decisions: Decisions): string {
  const parts = decisions.map(({ first, end }) => {
    if (end === first + 1) return String(first);
    return `${first}-${end === Infinity ? '' : end}`;
  });
  return parts.join() === '0-' ? 'all' : parts.join();
}

/** The part of a task that all commands share. */
export function readTask(invocation: Invocation): Omit<Task, 'file'> {
  const { values } = invocation;
  const switches: Partial<Switches> = {};
  const settings = values.get('set') ?? [];
  for (const text of settings) Object.assign(switches, parseSwitches(text));
  const limit = values.get('wall-limit')?.[0];
  const perturb = values.get('perturb')?.[0];
  return {
    only: values.get('only')?.[0],
    hosts: readHosts(invocation),
    switches,
    perturb: perturb === undefined ? undefined : parseDecisions(perturb),
    outFolder: values.get('out')?.[0],
    wallLimitMs: limit === undefined ? undefined : parseDuration('--wall-limit', limit) / 1e6,
    replayFlags: [
      ...settings.flatMap((text) => ['--set', text]),
      ...(perturb === undefined ? [] : ['--perturb', perturb]),
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
