// Installs the packages of package-lock.json when they are missing or older than the lock file,
// so that `npm start` and `npm test` work on a machine that has only Node and npm.
// Runs under Node, before Bun is there; needs no network once the packages are in place.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
const stamp = join(root, 'node_modules', '.synthvm-lock');

const installed = existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;
if (!installed) {
  process.stderr.write('synthvm: installing packages (npm ci), once\n');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) {
    process.stderr.write('synthvm: npm ci failed; the lines above say why\n');
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}
