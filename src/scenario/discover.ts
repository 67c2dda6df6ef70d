/** Finds the scripts in files and folders. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../core/errors.ts';

const SCRIPT = /\.[cm]?ts$/;
/** Declarations, and what belongs to a test runner. */
const OTHERS = /\.(?:d|test|spec)\.[cm]?ts$/;
const IMPORT = /\bfrom\s*['"]synthvm['"]/;
/** A file without it is a helper of others, unless a helper declares for it. */
const DECLARATION = /\bscenario\s*[(<]/;
/** Folder of helpers, which are no scripts. */
const HELPERS = 'support';
const HELPED = /\bfrom\s*['"]\.[^'"]*\/support\//;

function isScript(path: string): boolean {
  if (!SCRIPT.test(path) || OTHERS.test(path)) return false;
  const text = readFileSync(path, 'utf8');
  return IMPORT.test(text) && (DECLARATION.test(text) || HELPED.test(text));
}

function scriptsBelow(folder: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name === 'node_modules' || entry.name.startsWith('.')) continue;
    if (entry.name === HELPERS && entry.isDirectory()) continue;
    if (entry.isDirectory()) found.push(...scriptsBelow(path));
    else if (entry.isFile() && isScript(path)) found.push(path);
  }
  return found.sort(inOrder);
}

/** "1.2" before "1.10". */
export function inOrder(left: string, right: string): number {
  return left.localeCompare(right, 'en', { numeric: true });
}

/**
 * @param operands files, which are scripts whatever they hold, and folders
 * @throws InputError for what is not there, and for a folder without a script
 */
export function findScripts(operands: readonly string[]): string[] {
  const found = operands.flatMap((operand) => {
    if (!existsSync(operand)) throw new InputError(operand, 'no such file or folder');
    if (!statSync(operand).isDirectory()) return [operand];
    const scripts = scriptsBelow(operand);
    if (scripts.length > 0) return scripts;
    throw new InputError(operand, 'holds no script: no .ts file that declares a scenario');
  });
  return [...new Set(found)];
}
