/** Disk images in the host's file system: the only place where storage/ meets it. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { InputError } from '../core/errors.ts';
import type { ByteStore } from '../storage/block.ts';

class HostFile implements ByteStore {
  readonly name: string;
  readonly readOnly: boolean;
  readonly modifiedMs: number;
  #descriptor: number;
  #sizeBytes: number;

  constructor(name: string, descriptor: number, readOnly: boolean) {
    const status = fstatSync(descriptor);
    this.name = name;
    this.readOnly = readOnly;
    this.modifiedMs = status.mtimeMs;
    this.#descriptor = descriptor;
    this.#sizeBytes = status.size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(position: number, target: Uint8Array, start: number, length: number): void {
    if (position < 0 || position + length > this.#sizeBytes) {
      throw new RangeError(
        `${this.name}: ${length} bytes at ${position} are not inside its ${this.#sizeBytes} bytes`,
      );
    }
    let done = 0;
    while (done < length) {
      const count = readSync(
        this.#descriptor,
        target,
        start + done,
        length - done,
        position + done,
      );
      if (count === 0) throw new Error(`${this.name} became shorter while it was in use`);
      done += count;
    }
  }

  write(position: number, source: Uint8Array, start: number, length: number): void {
    if (this.readOnly) throw new Error(`${this.name} is open for reading only`);
    let done = 0;
    while (done < length) {
      done += writeSync(this.#descriptor, source, start + done, length - done, position + done);
    }
    if (position + length > this.#sizeBytes) this.#sizeBytes = position + length;
  }

  resize(sizeBytes: number): void {
    if (this.readOnly) throw new Error(`${this.name} is open for reading only`);
    ftruncateSync(this.#descriptor, sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  flush(): void {
    if (!this.readOnly) fsyncSync(this.#descriptor);
  }

  close(): void {
    if (this.#descriptor < 0) return;
    closeSync(this.#descriptor);
    this.#descriptor = -1;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'is on a read-only file system',
  EEXIST: 'exists already; remove it first or choose another name',
  ENOSPC: 'there is no space left for it',
  EMFILE: 'too many files are open',
  ELOOP: 'its symbolic links form a loop',
  ENAMETOOLONG: 'the name is too long',
  ETXTBSY: 'is in use by another program',
};

function refused(path: string, error: unknown): InputError {
  const code = (error as { code?: string }).code ?? '';
  return new InputError(path, reasons[code] ?? `cannot be opened (${code || String(error)})`);
}

/**
 * Opens a file of the host.
 * @param path as the user wrote it; it names the store in messages
 * @param expected what messages say that it should be
 * @throws InputError when it is missing, no regular file, empty, or may not be opened like this
 */
export function openHostFile(
  path: string,
  options: { readonly readOnly: boolean },
  expected = 'a disk image',
): ByteStore {
  let descriptor: number;
  try {
    // A pipe would block here until someone writes to it.
    const mode = options.readOnly ? constants.O_RDONLY : constants.O_RDWR;
    descriptor = openSync(path, mode | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (!options.readOnly && (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')) {
      throw new InputError(path, `may not be written to (${reasons[code]})`);
    }
    throw refused(path, error);
  }
  try {
    const status = fstatSync(descriptor);
    if (status.isDirectory()) {
      throw new InputError(path, `is a directory; ${expected} was expected`);
    }
    if (!status.isFile()) {
      throw new InputError(path, `is not a regular file; ${expected} was expected`);
    }
    if (status.size === 0) {
      throw new InputError(path, `is empty (0 bytes); ${expected} was expected`);
    }
    return new HostFile(path, descriptor, options.readOnly);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/**
 * Reads a whole file of the host into memory.
 * @param expected what messages say that it should be
 * @throws InputError as `openHostFile` does
 */
export function readHostFile(path: string, expected: string): Uint8Array {
  const file = openHostFile(path, { readOnly: true }, expected);
  try {
    const bytes = new Uint8Array(file.sizeBytes);
    file.read(0, bytes, 0, bytes.length);
    return bytes;
  } finally {
    file.close();
  }
}

/**
 * Makes a new, empty file for an image.
 * @param options.replace whether a file that is there may be overwritten
 * @throws InputError when it exists already or cannot be made
 */
export function createHostFile(
  path: string,
  options: { readonly replace?: boolean } = {},
): ByteStore {
  try {
    return new HostFile(path, openSync(path, options.replace === true ? 'w+' : 'wx+'), false);
  } catch (error) {
    throw refused(path, error);
  }
}

/**
 * Finds a differencing image's parent: each recorded path as it stands, then from the child's
 * folder, and at last by its name beside the child. Windows paths lose their drive and turn their
 * backslashes where the host has other ones.
 */
export function openHostParent(
  candidates: readonly string[],
  childName: string,
): ByteStore | undefined {
  const folder = dirname(childName);
  const places = candidates.flatMap((candidate) => hostPaths(candidate, folder));
  places.push(...candidates.map((candidate) => join(folder, basename(forward(candidate)))));
  for (const path of new Set(places)) {
    // A child that names itself is reported as a loop by whoever opens the chain.
    try {
      return openHostFile(path, { readOnly: true });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  return undefined;
}

function forward(path: string): string {
  return path.replaceAll('\\', '/');
}

function hostPaths(candidate: string, folder: string): string[] {
  const path = forward(candidate.replace(/^\\\\\?\\/, ''));
  if (isAbsolute(candidate)) return [candidate];
  // A drive or volume of the Windows that made the image is no place on this host.
  if (/^([a-z]:|\/|volume\{)/i.test(path)) return isAbsolute(path) ? [path] : [];
  return [resolve(folder) === resolve('.') ? path.replace(/^\.\//, '') : join(folder, path)];
}
