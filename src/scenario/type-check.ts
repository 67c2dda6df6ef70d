/**
 * Types of scripts, where a TypeScript compiler is within reach: beside the script or the user, or in
 * PATH. Without one a script's syntax and names are checked as it is loaded, and nothing else.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { ExitCode } from '../core/errors.ts';
import { declarationFile } from './declarations.ts';
import type { LoadFailure } from './protocol.ts';

/** What runs on which code: Node's, Bun's and the web's names. */
const TYPE_PACKAGES = ['bun-types', '@types/bun', '@types/node'];
const ERROR = /^(.+?)\((\d+),(\d+)\): error (TS\d+): (.*)$/;
/** Where no types of the runtime are installed, its names are unknown, and that is no error. */
const RUNTIME_NAME = /'(?:node:|bun:|bun'|process|Buffer|Bun|require|module|__dirname|ImportMeta)/;
const NO_OVERLOAD = 'TS2769';
const SYNTAX = /^TS1\d{3}$/;
const UNKNOWN_NAME = new Set([
  'TS2304',
  'TS2307',
  'TS2339',
  'TS2580',
  'TS2591',
  'TS2867',
  'TS2868',
]);

/** Folders from one up to the root. */
function upwards(from: string): string[] {
  const folders = [resolve(from)];
  for (let folder = folders[0]!; dirname(folder) !== folder;) {
    folder = dirname(folder);
    folders.push(folder);
  }
  return folders;
}

export interface Compiler {
  /** The words of its command. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** @returns undefined where none is within reach */
export function findCompiler(files: readonly string[]): Compiler | undefined {
  const folders = [...files.map((file) => dirname(resolve(file))), process.cwd()].flatMap(upwards);
  const script = folders
    .map((folder) => join(folder, 'node_modules/typescript/bin/tsc'))
    .find((path) => existsSync(path));
  if (script !== undefined) {
    // The compiled binary runs other programs' code when it is told to be Bun.
    return { command: [process.execPath, script], environment: { BUN_BE_BUN: '1' } };
  }
  const names = process.platform === 'win32' ? ['tsc.cmd', 'tsc.exe'] : ['tsc'];
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path));
  return found === undefined ? undefined : { command: [found], environment: {} };
}

function project(files: readonly string[], declarations: string): unknown {
  const roots = [...new Set(files.flatMap((file) => upwards(dirname(file))))]
    .map((folder) => join(folder, 'node_modules'))
    .filter((folder) => existsSync(folder));
  const types = TYPE_PACKAGES.filter((name) => roots.some((root) => existsSync(join(root, name))));
  return {
    compilerOptions: {
      noEmit: true,
      strict: true,
      target: 'esnext',
      module: 'preserve',
      moduleResolution: 'bundler',
      lib: ['esnext', 'dom'],
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      resolveJsonModule: true,
      typeRoots: roots,
      types,
    },
    files: [...files, declarations],
  };
}

/** @returns a failure for each error, in the order of the compiler; undefined: it cannot be run */
export async function checkTypes(
  files: readonly string[],
  compiler: Compiler,
): Promise<readonly LoadFailure[] | undefined> {
  const failures = await compile(files, compiler);
  const isSyntax = failures?.some(isSyntaxError);
  const rest = files.filter((file) => !failures?.some((failure) => failure.file === file));
  // The compiler looks at no types while it finds a wrong syntax anywhere.
  if (failures === undefined || isSyntax !== true || rest.length === 0) return failures;
  if (rest.length === files.length) return failures;
  return [...failures, ...((await checkTypes(rest, compiler)) ?? [])];
}

async function compile(
  files: readonly string[],
  compiler: Compiler,
): Promise<readonly LoadFailure[] | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'synthvm-types-'));
  try {
    const declarations = join(folder, 'synthvm.d.ts');
    const config = join(folder, 'tsconfig.json');
    const paths = files.map((file) => resolve(file));
    writeFileSync(declarations, declarationFile());
    writeFileSync(config, JSON.stringify(project(paths, declarations)));
    const compiled = Bun.spawn([...compiler.command, '-p', config, '--pretty', 'false'], {
      cwd: process.cwd(),
      env: { ...process.env, ...compiler.environment },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'ignore',
    });
    const output = await new Response(compiled.stdout).text();
    const exitCode = await compiled.exited;
    if (exitCode !== 0 && !/: error TS\d+: /.test(output)) return undefined;
    const failures = splitErrors(output).flatMap((lines) => failureOf(lines, files) ?? []);
    // What follows a wrong syntax is mostly a consequence of it.
    return failures.filter(
      (failure) =>
        !isSyntaxError(failure) || failures.find(({ file }) => file === failure.file) === failure,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isSyntaxError({ message }: LoadFailure): boolean {
  return message.startsWith('syntax');
}

/** An error's line, with the lines that explain it. */
function splitErrors(output: string): string[][] {
  const errors: string[][] = [];
  for (const line of output.split('\n')) {
    if (ERROR.test(line)) errors.push([line]);
    else if (line.startsWith(' ')) errors.at(-1)?.push(line.trim());
  }
  return errors;
}

function failureOf(
  [line = '', ...reasons]: readonly string[],
  files: readonly string[],
): LoadFailure | undefined {
  const match = ERROR.exec(line);
  if (match === null) return undefined;
  const [, path, row, column, code, summary] = match;
  // "No overload matches this call" says nothing; the reason for the last overload does.
  const text = code === NO_OVERLOAD ? (reasons.at(-1) ?? summary) : summary;
  if (UNKNOWN_NAME.has(code!) && RUNTIME_NAME.test(text!)) return undefined;
  const file = resolve(path!);
  return {
    file: files.find((known) => resolve(known) === file) ?? path!,
    message: `${SYNTAX.test(code!) ? 'syntax' : 'type'} error: ${text} (${code})`,
    place: { file, line: Number(row), column: Number(column) },
    exitCode: ExitCode.usage,
  };
}
