/** A script that was compiled into this program, with its images; see `synthvm compile`. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** Under these names a compiled program finds its script, and the script this program's API. */
export const EMBEDDED_SYMBOL = 'synthvm.embedded';
export const API_SYMBOL = 'synthvm.api';

export interface EmbeddedScript {
  /** The script's name, as the user of the program may be shown it. */
  readonly name: string;
  readonly load: () => Promise<unknown>;
  /** Where images are in the program, by the paths that the script names. */
  readonly images: Readonly<Record<string, string>>;
}

const globals = globalThis as unknown as Record<symbol, unknown>;

/** @returns undefined in every program but a compiled script */
export function embeddedScript(): EmbeddedScript | undefined {
  return globals[Symbol.for(EMBEDDED_SYMBOL)] as EmbeddedScript | undefined;
}

export function provideApi(api: object): void {
  globals[Symbol.for(API_SYMBOL)] = api;
}

const unpacked = new Map<string, string>();

/** @returns the path of an image that came with the script, unpacked for this process */
export function embeddedImage(path: string): string | undefined {
  const inside = embeddedScript()?.images[path];
  if (inside === undefined) return undefined;
  const known = unpacked.get(path);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), 'synthvm-image-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, basename(path));
  writeFileSync(file, readFileSync(inside));
  unpacked.set(path, file);
  return file;
}
