/**
 * `npm run guests`: fetches Debian's kernels, its installer and busybox with apt, and makes our
 * initial RAM disks for them, in the cache that `tools/guests/catalog.ts` names. Names fetch only those;
 * what is there already stays unless `--again` is given.
 */
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  GUEST_NAMES,
  type GuestName,
  busyboxPath,
  findGuest,
  guestFolder,
  guestPaths,
} from './guests/catalog.ts';
import { buildInitrd } from './guests/initrd.ts';
import { Missing, requireTools, resolvePackage, unpackPackage } from './guests/packages.ts';

const KERNEL_PACKAGES: Readonly<Record<'cloud' | 'generic', readonly [string, RegExp]>> = {
  cloud: ['linux-image-cloud-amd64', /linux-image-[\d.]+-\d+-cloud-amd64/],
  generic: ['linux-image-amd64', /linux-image-[\d.]+-\d+-amd64/],
};
const INSTALLER_FOLDER = 'usr/lib/debian-installer/images/12';
const INSTALLER_PACKAGES = {
  installer: ['debian-installer-12-netboot-amd64', 'amd64'],
  'installer-i386': ['debian-installer-12-netboot-i386', 'i386'],
} as const;

const workFolder = join(guestFolder(), 'work');

function fetchBusybox(): void {
  const files = unpackPackage('busybox-static', workFolder);
  copyFileSync(join(files, 'bin/busybox'), busyboxPath());
}

function fetchKernel(name: 'cloud' | 'generic'): void {
  const files = unpackPackage(resolvePackage(...KERNEL_PACKAGES[name]), workFolder);
  const kernel = readdirSync(join(files, 'boot')).find((file) => file.startsWith('vmlinuz-'));
  if (kernel === undefined) throw new Missing(`the kernel's package for ${name} has no vmlinuz`);
  const release = kernel.slice('vmlinuz-'.length);
  const modules = ['lib/modules', 'usr/lib/modules']
    .map((folder) => join(files, folder, release))
    .find((folder) => existsSync(folder));
  if (modules === undefined) throw new Missing(`the kernel's package for ${name} has no modules`);
  const initrd = buildInitrd(readFileSync(busyboxPath()), modules, release);
  store(name, join(files, 'boot', kernel), initrd);
}

function fetchInstaller(name: 'installer' | 'installer-i386'): void {
  const [packageName, architecture] = INSTALLER_PACKAGES[name];
  const files = unpackPackage(packageName, workFolder);
  const folder = join(files, INSTALLER_FOLDER, architecture, 'text/debian-installer', architecture);
  store(name, join(folder, 'linux'), readFileSync(join(folder, 'initrd.gz')));
}

/** The kernel last: a guest is there when both files are. */
function store(name: GuestName, kernel: string, initrd: Uint8Array): void {
  const paths = guestPaths(name);
  mkdirSync(join(guestFolder(), name), { recursive: true });
  writeFileSync(paths.initrd, initrd);
  copyFileSync(kernel, paths.kernel);
}

function prepare(name: GuestName): void {
  if (name === 'cloud' || name === 'generic') fetchKernel(name);
  else fetchInstaller(name);
}

function main(words: readonly string[]): number {
  const isAgain = words.includes('--again');
  const wanted = words.filter((word) => word !== '--again');
  const unknown = wanted.find((word) => !GUEST_NAMES.some((name) => name === word));
  if (unknown !== undefined) {
    process.stderr.write(`guests: none is called "${unknown}": ${GUEST_NAMES.join(', ')}\n`);
    return 2;
  }
  const names = GUEST_NAMES.filter((name) => wanted.length === 0 || wanted.includes(name));
  try {
    const missing = names.filter((name) => isAgain || findGuest(name) === undefined);
    if (missing.length > 0) {
      requireTools();
      mkdirSync(guestFolder(), { recursive: true });
      if (isAgain || !existsSync(busyboxPath())) fetchBusybox();
      for (const name of missing) {
        process.stderr.write(`guests: ${name}\n`);
        prepare(name);
      }
    }
    for (const name of names)
      process.stdout.write(`${name.padEnd(16)}${guestPaths(name).kernel}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    process.stderr.write(`guests: ${error.message}\n`);
    return 1;
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
}

process.exitCode = main(process.argv.slice(2));
