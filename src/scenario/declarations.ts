/**
 * types/synthvm.d.ts: what scripts import, in one file that needs no other. The files of the API are
 * its source; what they take from the machine is written out as the literals that it is.
 */
/* oxlint-disable import/default -- the texts of files have one */
import { presetNames, switchNames, switchTable } from '../guest/switches.ts';
import { HOST_NAMES } from '../machine/profiles.ts';
import { PHASES } from '../machine/watch.ts';
// @ts-expect-error TypeScript knows no text modules; Bun puts the file's text into the program.
import expectText from './api-expect.ts' with { type: 'text' };
// @ts-expect-error as above
import hostText from './api-host.ts' with { type: 'text' };
// @ts-expect-error as above
import apiText from './api.ts' with { type: 'text' };

const API = [apiText, hostText, expectText] as readonly string[];

function union(values: readonly (string | number | boolean)[]): string {
  return values.map((value) => (typeof value === 'string' ? `'${value}'` : value)).join(' | ');
}

function switches(): string {
  const rows = switchNames.map((name) => {
    const { help } = switchTable[name];
    const values: readonly (string | number | boolean)[] | 'integer' = switchTable[name].values;
    const choices = values === 'integer' ? 'number' : union(values);
    const type = values !== 'integer' && typeof values[0] === 'boolean' ? 'boolean' : choices;
    return `  /** ${help} */\n  readonly ${name}: ${type};`;
  });
  return `/** Historical behaviours of FreeBSD's drivers. */\nexport interface Switches {\n${rows.join('\n')}\n}`;
}

/** A file of the API without its imports and re-exports. */
function declarationsOf(text: string): string {
  return text
    .replaceAll(/^import type [\s\S]*?from '[^']+';\n/gm, '')
    .replaceAll(/^export type \* from .*\n/gm, '')
    .replaceAll(/^export type \{[^}]*\};\n/gm, '')
    .trim();
}

/** The text of types/synthvm.d.ts. */
export function declarationFile(): string {
  const body = [
    `export type HostName = ${union(HOST_NAMES)};`,
    `export type PresetName = ${union(presetNames)};`,
    `/** Of a boot, in order. */\nexport type Phase = ${union(PHASES)};`,
    switches(),
    ...API.map((text) => declarationsOf(text)),
    'export const scenario: DeclareScenario;',
    'export const never: Never;',
    '/** For helpers outside a body. */\nexport const expect: Expect;',
  ].join('\n\n');
  return (
    '// What a script imports from "synthvm". Written by `synthvm types`.\n\n' +
    `declare module 'synthvm' {\n${body.replaceAll(/^(?=.)/gm, '  ')}\n}\n`
  );
}
