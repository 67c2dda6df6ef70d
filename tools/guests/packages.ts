import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const TOOLS = ['apt-get', 'apt-cache', 'dpkg-deb'];

/** Something that this computer lacks, said in one line. */
export class Missing extends Error {}

/** @throws Missing when Debian's package tools are not here */
export function requireTools(): void {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const missing = TOOLS.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
  if (missing.length > 0) {
    throw new Missing(
      `guests come from Debian 12's packages; this computer has no ${missing.join(', ')}`,
    );
  }
}

function run(command: string, args: readonly string[], cwd?: string): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** The package with the files of a package that only depends on it. */
export function resolvePackage(name: string, pattern: RegExp): string {
  const depends = run('apt-cache', ['depends', name]);
  const found = pattern.exec(depends)?.[0];
  if (found === undefined) {
    throw new Missing(`apt knows no package "${name}"; "apt-get update" may help, on Debian 12`);
  }
  return found;
}

/**
 * Downloads a package and unpacks it, as any user, without installing anything.
 * @returns the folder with its files
 */
export function unpackPackage(name: string, workFolder: string): string {
  mkdirSync(workFolder, { recursive: true });
  const folder = mkdtempSync(join(workFolder, `${name}-`));
  try {
    // The sandbox's user may not write here.
    run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', name], folder);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    const reason = (stderr ?? String(error)).trim().split('\n').at(-1);
    throw new Missing(`apt cannot download "${name}": ${reason}; "apt-get update" may help`);
  }
  const archive = readdirSync(folder).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw new Missing(`apt downloaded nothing for "${name}"`);
  const files = join(folder, 'files');
  run('dpkg-deb', ['-x', join(folder, archive), files]);
  return files;
}
