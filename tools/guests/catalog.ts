/**
 * The unmodified systems that tests and benchmarks boot, and where `npm run guests` puts them: a
 * cache outside the repository, since nothing of them belongs into it.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const GUEST_NAMES = ['cloud', 'generic', 'installer', 'installer-i386'] as const;
export type GuestName = (typeof GUEST_NAMES)[number];

/** Files of one guest, both complete. */
export interface GuestFiles {
  readonly kernel: string;
  /** Ours, with busybox and `/init`; the installer's own for the installers. */
  readonly initrd: string;
}

export function guestFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return process.env['SYNTHVM_GUESTS'] || join(cache, 'synthvm-guests');
}

export function guestPaths(name: GuestName): GuestFiles {
  const folder = join(guestFolder(), name);
  return { kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd') };
}

/** @returns undefined when `npm run guests` has not prepared it */
export function findGuest(name: GuestName): GuestFiles | undefined {
  const files = guestPaths(name);
  return existsSync(files.kernel) && existsSync(files.initrd) ? files : undefined;
}

/** busybox for this host, the same file that is in our initial RAM disks. */
export function busyboxPath(): string {
  return join(guestFolder(), 'busybox');
}
