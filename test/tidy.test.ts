/**
 * Holds the shape of the project: which folder may import which, that nothing below machine/ can
 * reach wall clock, chance or the host, and how large a file may grow.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const source = join(root, 'src');

/** From top to bottom: a folder imports itself and what stands below it, as in docs/architecture.md. */
const HOUSE = [
  'main.ts',
  'cli',
  'scenario',
  'machine',
  'boot',
  'uefi',
  'guest',
  'cpu',
  'devices',
  'fb',
  'vmbus',
  'hypervisor',
  'storage',
  'net',
  'core',
];
const MAX_LINES = 600;

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

interface SourceFile {
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function load(path: string): SourceFile {
  const text = readFileSync(path, 'utf8');
  const imports = [...text.matchAll(/^\s*(?:import|export)\b[^'"]*?from\s*'([^']+)'/gm)].map(
    (match) => match[1]!,
  );
  imports.push(...[...text.matchAll(/\bimport\(\s*'([^']+)'/g)].map((match) => match[1]!));
  return { path, folder: relative(source, path).split('/')[0]!, text, imports };
}

const files = filesBelow(source).map(load);
const below = files.filter((file) => HOUSE.indexOf(file.folder) > HOUSE.indexOf('machine'));

function target(file: SourceFile, specifier: string): string {
  return relative(source, resolve(dirname(file.path), specifier));
}

describe('the house', () => {
  it('has the folders of docs/architecture.md and no others', () => {
    const unknown = files.filter((file) => !HOUSE.includes(file.folder)).map((file) => file.path);
    expect(unknown).toEqual([]);
  });

  it('is imported downwards only', () => {
    const upward = files.flatMap((file) =>
      file.imports
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => target(file, specifier))
        .filter((path) => path !== '../package.json')
        .filter((path) => HOUSE.indexOf(path.split('/')[0]!) < HOUSE.indexOf(file.folder))
        .map((path) => `${relative(source, file.path)} imports ${path}`),
    );
    expect(upward).toEqual([]);
  });

  it('gives the model guest no private door to the host', () => {
    const allowed =
      /(^|\/)(spec|spec\.ts)(\/|$)|^vmbus\/ring\.ts$|^hypervisor\/processor\.ts$|^core\/|^guest\//;
    const doors = files
      .filter((file) => file.folder === 'guest')
      .flatMap((file) =>
        file.imports
          .filter((specifier) => specifier.startsWith('.'))
          .map((specifier) => target(file, specifier))
          .filter((path) => !allowed.test(path))
          .map((path) => `${relative(source, file.path)} imports ${path}`),
      );
    expect(doors).toEqual([]);
  });

  it('keeps wall clock, chance and the host out of everything below machine/', () => {
    const forbidden =
      /(?<![.#\w])(Date\b|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|performance\b|process\.|console\.|globalThis|Bun\.|fetch\(|crypto\.)/;
    const found = below.flatMap((file) => {
      const code = file.text
        .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
        .replaceAll(/'[^'\n]*'|`[^`]*`/g, "''");
      const lines = code.split('\n').filter((line) => forbidden.test(line));
      const modules = file.imports.filter((specifier) => !specifier.startsWith('.'));
      return [...lines, ...modules].map((what) => `${relative(source, file.path)}: ${what.trim()}`);
    });
    expect(found).toEqual([]);
  });

  it('holds no behaviour in specification files', () => {
    const allowed = /(^|\/)spec(\/|\.ts$)|^core\/(wire|trace)\.ts$/;
    const impure = files
      .filter((file) => /(^|\/)spec(\/|\.ts$)/.test(relative(source, file.path)))
      .flatMap((file) =>
        file.imports
          .filter((specifier) => specifier.startsWith('.'))
          .map((specifier) => target(file, specifier))
          .filter((path) => !allowed.test(path))
          .map((path) => `${relative(source, file.path)} imports ${path}`),
      );
    expect(impure).toEqual([]);
  });

  it(`keeps every file under ${MAX_LINES} lines`, () => {
    const everything = ['src', 'test', 'bench', 'tools', 'scenarios'].flatMap((folder) =>
      filesBelow(join(root, folder)),
    );
    const long = everything
      .map((path) => ({
        path: relative(root, path),
        lines: readFileSync(path, 'utf8').split('\n').length,
      }))
      .filter(({ lines }) => lines > MAX_LINES);
    expect(long).toEqual([]);
  });

  it('has no file that nothing uses', () => {
    const used = new Set(
      filesBelow(source)
        .concat(
          filesBelow(join(root, 'bench')),
          filesBelow(join(root, 'tools')),
          filesBelow(join(root, 'scenarios')),
        )
        .flatMap((path) => {
          const file = load(path);
          return file.imports
            .filter((specifier) => specifier.startsWith('.'))
            .map((specifier) => resolve(dirname(path), specifier));
        }),
    );
    const dead = files
      .filter((file) => file.folder !== 'main.ts' && !used.has(file.path))
      .map((file) => relative(source, file.path));
    expect(dead).toEqual([]);
  });
});
