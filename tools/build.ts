/**
 * Makes the standalone binary `dist/synthvm`; with `--all`, one for every supported system as
 * `dist/synthvm-SYSTEM-PROCESSOR`. Bun fetches the runtime of another system once, as a package.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

const root = join(import.meta.dir, '..');
const dist = join(root, 'dist');

const TARGETS = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64', 'windows-x64'] as const;

/** The file is there whole or not at all: tests may build it in two workers at once. */
function build(outfile: string, target: string | undefined): void {
  // Bun leaves its scratch file in the working folder when it is stopped; dist/ is ignored.
  const scratch = mkdtempSync(join(dist, 'building-'));
  const made = join(scratch, basename(outfile));
  const compiled = Bun.spawnSync(
    [
      process.execPath,
      'build',
      join(root, 'src/main.ts'),
      '--compile',
      '--minify-syntax',
      '--minify-whitespace',
      // Parsing and compiling the program takes longer than its boot does.
      '--bytecode',
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      ...(target === undefined ? [] : [`--target=bun-${target}`]),
      '--outfile',
      made,
    ],
    { cwd: scratch, stdout: 'pipe', stderr: 'pipe' },
  );
  if (compiled.exitCode === 0) renameSync(made, outfile);
  rmSync(scratch, { recursive: true });
  if (compiled.exitCode !== 0) {
    process.stderr.write(`${compiled.stdout.toString()}${compiled.stderr.toString()}`);
    process.stderr.write(`build: ${outfile} was not made\n`);
    process.exit(1);
  }
  const megabytes = (statSync(outfile).size / 1e6).toFixed(0);
  process.stdout.write(`${outfile.slice(root.length + 1)}  ${megabytes} MB\n`);
}

const flags = process.argv.slice(2);
const unknown = flags.find((flag) => flag !== '--all');
if (unknown !== undefined) {
  process.stderr.write(`build: unknown flag ${unknown}; the only one is --all\n`);
  process.exit(2);
}
mkdirSync(dist, { recursive: true });
const suffix = process.platform === 'win32' ? '.exe' : '';
build(join(dist, `synthvm${suffix}`), undefined);
if (flags.includes('--all')) {
  for (const target of TARGETS) {
    build(join(dist, `synthvm-${target}${target.startsWith('windows') ? '.exe' : ''}`), target);
  }
}
