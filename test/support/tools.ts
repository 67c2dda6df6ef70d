import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const PATH = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];

/**
 * Whether an external tool that a test compares with is here. Under CI a missing one is an error, so
 * that no comparison is skipped unseen.
 */
export function hasTool(name: string): boolean {
  const found = PATH.some((folder) => folder !== '' && existsSync(join(folder, name)));
  if (!found && process.env['CI'] === 'true') throw new Error(`CI lacks the tool ${name}`);
  return found;
}

/** Runs a tool. @returns what it printed; throws with its output when it fails */
export function run(name: string, args: readonly string[], input?: string): string {
  return execFileSync(name, args, {
    encoding: 'utf8',
    env: { ...process.env, PATH: PATH.join(delimiter), MTOOLS_SKIP_CHECK: '1', TZ: 'UTC' },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
  });
}

/** Gives a folder that is gone afterwards, once a promise that comes of it is settled. */
export function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'synthvm-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  let isPromise = false;
  try {
    const result = use(folder);
    isPromise = result instanceof Promise;
    return result instanceof Promise ? (result.finally(remove) as T) : result;
  } finally {
    if (!isPromise) remove();
  }
}
