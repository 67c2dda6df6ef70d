import { spawnSync } from 'node:child_process';
import { createColors } from 'picocolors';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { main } from '../../src/cli/main.ts';

const root = resolve(import.meta.dirname, '../..');
const bun = join(root, 'node_modules/.bin/bun');
const binary = join(root, 'dist', process.platform === 'win32' ? 'synthvm.exe' : 'synthvm');

export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The objects of `--json`. */
  readonly events: () => Record<string, unknown>[];
}

function resultOf(status: number, stdout: string, stderr: string): CliResult {
  const events = (): Record<string, unknown>[] =>
    stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { status, stdout, stderr, events };
}

/**
 * The program in this process, which is warm: a tenth of the time that one of its own takes. A thread has
 * no terminal, so nobody types at a console. Scripts want threads of their own, and those a process.
 */
export async function call(...argv: string[]): Promise<CliResult> {
  let stdout = '';
  let stderr = '';
  const colors = createColors(false);
  const status = await main(argv, {
    out: (text) => {
      stdout += text;
    },
    error: (text) => {
      stderr += text;
    },
    outColors: colors,
    errorColors: colors,
    flush: () => undefined,
  });
  return resultOf(status, stdout, stderr);
}

/** A way to start synthvm: from source, or the standalone binary. */
export interface Program {
  readonly name: string;
  readonly run: (...argv: string[]) => CliResult;
}

function start(command: string, first: readonly string[]): Program['run'] {
  return (...argv) => {
    const { status, signal, stdout, stderr, error } = spawnSync(command, [...first, ...argv], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 300_000,
      maxBuffer: 1 << 28,
      env: { ...process.env, NO_COLOR: '1' },
    });
    if (error !== undefined) throw error;
    if (status === null) throw new Error(`synthvm ${argv.join(' ')} was ended by ${signal}`);
    return resultOf(status, stdout, stderr);
  };
}

export const source: Program = {
  name: 'source',
  run: start(bun, [join(root, 'src/main.ts')]),
};

function newestSourceMs(): number {
  return Math.max(
    ...readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );
}

let isFresh = false;

/** The standalone binary of the source as it is now: made once, if `npm run build` has not made it. */
export function binaryPath(): string {
  isFresh ||= existsSync(binary) && statSync(binary).mtimeMs >= newestSourceMs();
  if (isFresh) return binary;
  const { status, stderr } = spawnSync(bun, [join(root, 'tools/build.ts')], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the binary was not made: ${stderr}`);
  isFresh = true;
  return binary;
}

/** The program that ships; it also starts five times as fast as the source. */
export const compiled: Program = {
  name: 'binary',
  run: (...argv) => start(binaryPath(), [])(...argv),
};
