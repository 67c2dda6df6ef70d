/** A run's failure as text: what was awaited, what was seen last, and how to see it again. */
import { relative } from 'node:path';
import { formatDuration, quoteWord } from '../core/values.ts';
import type { FailureRecord, MachineRecord, RunRecord, ScriptPlace } from './record.ts';

/** "boot.ts:18:22", as short as the folder that the user is in allows. */
export function showPlace(place: ScriptPlace): string {
  const short = relative(process.cwd(), place.file);
  const file = short.startsWith('..') ? place.file : short;
  return `${file}:${place.line}:${place.column}`;
}

/** The line that says what failed and where. */
export function failureLine({ file }: RunRecord, failure: FailureRecord): string {
  const where = failure.place === undefined ? file : showPlace(failure.place);
  return `${where}: ${failure.message}`;
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(12)} ${text}`;
}

function machineLines(machine: MachineRecord, isOnly: boolean): string[] {
  const { name, generation, host, guest, lastPhase, channels, ending, lastLines } = machine;
  const open = channels.filter(({ state }) => state === 'open');
  const phase =
    lastPhase === undefined ? 'none' : `${lastPhase.name} at ${formatDuration(lastPhase.timeNs)}`;
  return [
    row(isOnly ? 'machine' : `machine ${name}`, `Generation ${generation}, host ${host}, ${guest}`),
    row('last phase', phase),
    ...(ending === undefined ? [] : [row('ended', ending)]),
    row(
      'channels',
      open.length === 0 ? 'none open' : open.map(({ name: on, id }) => `${on} (${id})`).join(', '),
    ),
    ...(lastLines.length === 0 ? [] : ['  console', ...lastLines.map((line) => `    ${line}`)]),
  ];
}

/** Everything below the line of the failure. */
export function evidenceLines(record: RunRecord): string[] {
  const { failure, machines, scenario, seed, virtualNs, replay, notes } = record;
  if (failure === undefined) return [];
  return [
    ...failure.detail.map((line) => `    ${line}`),
    row('scenario', scenario),
    ...(failure.step === undefined ? [] : [row('step', failure.step)]),
    ...(failure.awaited === undefined ? [] : [row('awaited', failure.awaited)]),
    ...notes.map(({ label, value }) => row('note', `${label}: ${value}`)),
    ...machines.flatMap((machine) => machineLines(machine, machines.length === 1)),
    row('stopped at', `${formatDuration(virtualNs)} of virtual time`),
    row('seed', String(seed)),
    ...(replay.length === 0 ? [] : [row('again', replay.map(quoteWord).join(' '))]),
  ];
}
