/** Loads a script: TypeScript anywhere on the disk, with nothing installed beside it. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ExitCode } from '../core/errors.ts';
import { type EmbeddedScript, embeddedScript, provideApi } from './embedded.ts';
import * as api from './index.ts';
import type { LoadFailure } from './protocol.ts';
import type { ScriptPlace } from './record.ts';
import { takeDeclared, type ScenarioEntry } from './registry.ts';
import { scriptPlace } from './script-place.ts';

/** What Bun throws for a file that it cannot parse or a module that it cannot find. */
interface BunMessage {
  readonly name: string;
  readonly message: string;
  readonly position?: {
    readonly file: string;
    readonly line: number;
    readonly column: number;
  } | null;
}

let isPluginThere = false;

/** Gives scripts this program's own API under the name "synthvm". */
function installPlugin(): void {
  if (isPluginThere) return;
  isPluginThere = true;
  Bun.plugin({
    name: 'synthvm',
    setup(build) {
      build.module('synthvm', () => ({ exports: { ...api }, loader: 'object' }));
    },
  });
}

function findText(file: string, text: string): ScriptPlace | undefined {
  const lines = readFileSync(file, 'utf8').split('\n');
  const index = lines.findIndex((line) => line.includes(text));
  return index < 0 ? undefined : { file, line: index + 1, column: lines[index]!.indexOf(text) + 1 };
}

function describe(error: unknown, file: string): Omit<LoadFailure, 'file'> {
  const failed = (message: string, place: ScriptPlace | undefined): Omit<LoadFailure, 'file'> => ({
    message,
    place: place ?? { file, line: 1, column: 1 },
    exitCode: ExitCode.usage,
  });
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
  const { name = '', message = String(first), position } = (first ?? {}) as Partial<BunMessage>;
  if (name === 'BuildMessage') return failed(`syntax error: ${message}`, position ?? undefined);
  if (name === 'ResolveMessage') {
    const module = /'([^']+)'|"([^"]+)"/.exec(message)?.slice(1).find(Boolean) ?? '';
    return failed(`cannot find "${module}", which is imported here`, findText(file, module));
  }
  const missing = /^Export named '([^']+)' not found in module '([^']+)'/.exec(message);
  if (missing !== null) {
    const [, wanted, module] = missing;
    const shown = module === 'synthvm' ? module : basename(module!);
    return failed(`${shown} exports no "${wanted}"`, findText(file, wanted!));
  }
  const text = first instanceof Error ? `${name}: ${message}` : `threw ${String(first)}`;
  return failed(text.split('\n')[0]!, scriptPlace(first));
}

export type Loaded =
  | { readonly kind: 'scenarios'; readonly entries: readonly ScenarioEntry[] }
  | { readonly kind: 'failed'; readonly failure: LoadFailure };

async function loadEmbedded({ name, load }: EmbeddedScript): Promise<Loaded> {
  provideApi(api);
  takeDeclared();
  try {
    await load();
  } catch (error) {
    const place = scriptPlace(error);
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return {
      kind: 'failed',
      failure: { file: name, message, place, exitCode: ExitCode.usage },
    };
  }
  const entries = takeDeclared();
  loaded.set(resolve(name), entries);
  return { kind: 'scenarios', entries };
}

const loaded = new Map<string, readonly ScenarioEntry[]>();

/** @param file as the user wrote it. Each file is loaded once in a process. */
export async function loadScript(file: string): Promise<Loaded> {
  const path = resolve(file);
  const known = loaded.get(path);
  if (known !== undefined) return { kind: 'scenarios', entries: known };
  const failed = (failure: Omit<LoadFailure, 'file'>): Loaded => ({
    kind: 'failed',
    failure: { file, ...failure },
  });
  const embedded = embeddedScript();
  if (embedded?.name === file) return loadEmbedded(embedded);
  if (!existsSync(path)) {
    return failed({ message: 'no such file', place: undefined, exitCode: ExitCode.failed });
  }
  if (!statSync(path).isFile()) {
    const message = 'is not a file; a script was expected';
    return failed({ message, place: undefined, exitCode: ExitCode.failed });
  }
  installPlugin();
  takeDeclared();
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    return failed(describe(error, path));
  }
  const entries = takeDeclared();
  if (entries.length === 0) {
    const message = 'declares no scenario; a call of scenario(name, machine, body) was expected';
    return failed({ message, place: undefined, exitCode: ExitCode.usage, isEmpty: true });
  }
  loaded.set(path, entries);
  return { kind: 'scenarios', entries };
}
