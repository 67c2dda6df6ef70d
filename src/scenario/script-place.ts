/** Where in a script something happened, from the stack of an error made there. */
import { basename, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ScriptPlace } from './record.ts';

/** Files of ours: the source tree's, and the compiled binary's. */
const OWN_FOLDER = join(import.meta.dirname, '..');
const BINARY = /[/\\]\$bunfs[/\\]|^[A-Z]:[/\\]~BUN[/\\]/;
const PACKAGE = /[/\\]node_modules[/\\]/;

function isOwn(file: string): boolean {
  return (
    file.startsWith(OWN_FOLDER) ||
    BINARY.test(file) ||
    PACKAGE.test(file) ||
    file.startsWith('node:') ||
    file.startsWith('bun:') ||
    file === 'native' ||
    file === 'unknown' ||
    file === ''
  );
}

function placeOf(line: string): ScriptPlace | undefined {
  const match = /(?:\(|at (?:async )?)((?:file:\/\/)?[^()]+?):(\d+):(\d+)\)?$/.exec(line.trim());
  if (match === null) return undefined;
  const [, path, row, column] = match;
  const file = path!.startsWith('file://') ? fileURLToPath(path!) : path!.replace(/\?.*$/, '');
  return { file, line: Number(row), column: Number(column) };
}

/** @returns the first place in a stack that is not ours */
export function scriptPlace(error: unknown): ScriptPlace | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  for (const line of stack.split('\n')) {
    const place = placeOf(line);
    if (place === undefined || isOwn(place.file)) continue;
    // A compiled script is known by the path that it had, as seen from inside the program.
    return isAbsolute(place.file) ? place : { ...place, file: basename(place.file) };
  }
  return undefined;
}
