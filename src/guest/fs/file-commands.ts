/** Programs for files: ls, cat, cp, rm, mkdir, rmdir, du, df, md5, sync, cd, pwd, touch. */
import type { ShellCommand, Task } from '../kernel/api.ts';
import { FileErrno, FileError } from './errors.ts';
import { Md5 } from './md5.ts';
import type { Place, Vfs } from './vfs.ts';

/** Bytes that a program reads or writes at once. */
const CHUNK_BYTES = 131_072;
const PROGRAM_NS = 300_000;
/** Directories deeper than this are not followed. */
const MAX_DEPTH = 64;

type Program = (vfs: Vfs, words: readonly string[]) => Task<number | void>;

/** A program that prints what a failed call says, behind its own name and the path. */
export function program(vfs: Vfs, name: string, help: string, run: Program): ShellCommand {
  return {
    name,
    help,
    *run(words): Task<number> {
      yield PROGRAM_NS;
      try {
        return (yield* run(vfs, words)) ?? 0;
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        const about = words.filter((word) => !word.startsWith('-')).at(-1) ?? '';
        vfs.kernel.userland.print(`${name}: ${about}: ${error.message}\n`);
        return 1;
      }
    },
  };
}

function split(words: readonly string[]): {
  readonly flags: string;
  readonly paths: readonly string[];
} {
  const rest = words.slice(1);
  return {
    flags: rest.filter((word) => word.startsWith('-')).join(''),
    paths: rest.filter((word) => !word.startsWith('-')),
  };
}

function* readAll({ mount, node }: Place, take: (bytes: Uint8Array) => void | Task): Task {
  for (let at = 0; at < node.sizeBytes; at += CHUNK_BYTES) {
    const bytes = yield* mount.fileSystem.read(node, at, CHUNK_BYTES);
    yield* take(bytes) ?? none();
  }
}

function* none(): Task {}

/** A pattern of the shell: only `*`, in the last part of a path. */
function matcher(pattern: string): (name: string) => boolean {
  const source = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  const expression = new RegExp(`^${source}$`);
  return (name) => expression.test(name);
}

function* list(vfs: Vfs, words: readonly string[]): Task<number> {
  const { flags, paths } = split(words);
  const path = paths[0] ?? '.';
  const print = (name: string): void => vfs.kernel.userland.print(`${name}\n`);
  if (path === '/dev' || path.startsWith('/dev/')) {
    const pattern = path.slice('/dev/'.length) || '*';
    const matches = matcher(pattern);
    const names = vfs.geom.deviceNames.filter((name) => matches(name));
    for (const name of names) print(path === '/dev' ? name : `/dev/${name}`);
    if (names.length === 0 && path !== '/dev') throw new FileError(FileErrno.ENOENT);
    return 0;
  }
  const { mount, node } = yield* vfs.find(path);
  if (!node.isDirectory) {
    print(path);
    return 0;
  }
  const items = yield* mount.fileSystem.list(node);
  items.sort((left, right) => (left.name < right.name ? -1 : 1));
  for (const { name, node: item } of items) {
    const size = String(item.sizeBytes).padStart(12);
    print(flags.includes('l') ? `${item.isDirectory ? 'd' : '-'} ${size} ${name}` : name);
  }
  return 0;
}

function* concatenate(vfs: Vfs, words: readonly string[]): Task<number> {
  for (const path of split(words).paths) {
    const place = yield* vfs.find(path);
    if (place.node.isDirectory) throw new FileError(FileErrno.EISDIR);
    yield* readAll(place, (bytes) => {
      let text = '';
      for (const byte of bytes) text += String.fromCharCode(byte);
      vfs.kernel.userland.print(text);
    });
  }
  return 0;
}

function* digest(vfs: Vfs, words: readonly string[]): Task<number> {
  const { flags, paths } = split(words);
  for (const path of paths) {
    const place = yield* vfs.find(path);
    if (place.node.isDirectory) throw new FileError(FileErrno.EISDIR);
    const md5 = new Md5();
    yield* readAll(place, (bytes) => md5.update(bytes));
    const text = md5.finish();
    vfs.kernel.userland.print(flags.includes('q') ? `${text}\n` : `MD5 (${path}) = ${text}\n`);
  }
  return 0;
}

function* copyFile(vfs: Vfs, from: Place, to: string): Task {
  const target = yield* vfs.createFile(to);
  let { node } = target;
  yield* readAll(from, function* (bytes: Uint8Array): Task {
    node = yield* target.mount.fileSystem.write(node, node.sizeBytes, bytes);
  });
}

const SUFFIX_FIRST = 'a'.charCodeAt(0);
const SUFFIX_LETTERS = 26;

/** split(1): `-b BYTES FILE PREFIX`; the parts end in aa, ab and so on. */
function* splitFile(vfs: Vfs, words: readonly string[]): Task<number> {
  const [, option, size = '', path, prefix = 'x'] = words;
  const [, number, unit] = /^(\d+)([km]?)$/.exec(size) ?? [];
  if (option !== '-b' || number === undefined || path === undefined) {
    throw new FileError(FileErrno.EINVAL);
  }
  const bytes = Number(number) * { '': 1, k: 1024, m: 1_048_576 }[unit as '' | 'k' | 'm'];
  const { mount, node } = yield* vfs.find(path);
  for (let at = 0, part = 0; at < node.sizeBytes; at += bytes, part += 1) {
    if (part >= SUFFIX_LETTERS ** 2) throw new FileError(FileErrno.EFBIG);
    const suffix = [Math.floor(part / SUFFIX_LETTERS), part % SUFFIX_LETTERS];
    const letters = String.fromCharCode(...suffix.map((letter) => SUFFIX_FIRST + letter));
    const target = yield* vfs.createFile(prefix + letters);
    const content = yield* mount.fileSystem.read(node, at, bytes);
    yield* target.mount.fileSystem.write(target.node, 0, content);
  }
  return 0;
}

function* copyTree(vfs: Vfs, from: Place, to: string, depth: number): Task {
  if (!from.node.isDirectory) {
    yield* copyFile(vfs, from, to);
    return;
  }
  if (depth > MAX_DEPTH) throw new FileError(FileErrno.ENAMETOOLONG);
  yield* makeDirectory(vfs, to, true);
  for (const { name, node } of yield* from.mount.fileSystem.list(from.node)) {
    yield* copyTree(vfs, { mount: from.mount, node }, `${to}/${name}`, depth + 1);
  }
}

function* copy(vfs: Vfs, words: readonly string[]): Task<number> {
  const { flags, paths } = split(words);
  const target = paths.at(-1);
  if (target === undefined || paths.length < 2) throw new FileError(FileErrno.EINVAL);
  let isInto = false;
  try {
    isInto = (yield* vfs.find(target)).node.isDirectory;
  } catch (error) {
    if (!(error instanceof FileError && error.errno === FileErrno.ENOENT)) throw error;
  }
  if (paths.length > 2 && !isInto) throw new FileError(FileErrno.ENOTDIR);
  for (const path of paths.slice(0, -1)) {
    const from = yield* vfs.find(path);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const to = isInto ? `${target}/${name}` : target;
    if (from.node.isDirectory && !/[rR]/.test(flags)) throw new FileError(FileErrno.EISDIR);
    yield* copyTree(vfs, from, to, 0);
  }
  return 0;
}

function* makeDirectory(vfs: Vfs, path: string, isQuiet: boolean): Task {
  const { mount, directory, name } = yield* vfs.findParent(path);
  const there = yield* mount.fileSystem.lookUp(directory, name);
  if (there?.isDirectory === true && isQuiet) return;
  if (there !== undefined) throw new FileError(FileErrno.EEXIST);
  yield* mount.fileSystem.create(directory, name, true);
}

function* makeDirectories(vfs: Vfs, words: readonly string[]): Task<number> {
  const { flags, paths } = split(words);
  for (const path of paths) {
    if (!flags.includes('p')) {
      yield* makeDirectory(vfs, path, false);
      continue;
    }
    const parts = vfs.normalize(path).split('/').slice(1);
    for (let count = 1; count <= parts.length; count += 1) {
      yield* makeDirectory(vfs, `/${parts.slice(0, count).join('/')}`, true);
    }
  }
  return 0;
}

function* removeTree(vfs: Vfs, path: string, isDeep: boolean, depth: number): Task {
  const { mount, directory, name } = yield* vfs.findParent(path);
  const node = yield* mount.fileSystem.lookUp(directory, name);
  if (node === undefined) throw new FileError(FileErrno.ENOENT);
  if (node.isDirectory) {
    if (!isDeep || depth > MAX_DEPTH) throw new FileError(FileErrno.EISDIR);
    for (const item of yield* mount.fileSystem.list(node)) {
      yield* removeTree(vfs, `${path}/${item.name}`, true, depth + 1);
    }
  }
  yield* mount.fileSystem.remove(directory, name);
}

function* remove(vfs: Vfs, words: readonly string[]): Task<number> {
  const { flags, paths } = split(words);
  for (const path of paths) yield* removeTree(vfs, path, /[rR]/.test(flags), 0);
  return 0;
}

function* removeDirectory(vfs: Vfs, words: readonly string[]): Task<number> {
  for (const path of split(words).paths) {
    const { mount, directory, name } = yield* vfs.findParent(path);
    const node = yield* mount.fileSystem.lookUp(directory, name);
    if (node === undefined) throw new FileError(FileErrno.ENOENT);
    if (!node.isDirectory) throw new FileError(FileErrno.ENOTDIR);
    yield* mount.fileSystem.remove(directory, name);
  }
  return 0;
}

interface Usage {
  files: number;
  bytes: number;
}

function* addUsage({ mount, node }: Place, usage: Usage, depth: number): Task {
  if (!node.isDirectory) {
    usage.files += 1;
    usage.bytes += node.sizeBytes;
    return;
  }
  if (depth > MAX_DEPTH) throw new FileError(FileErrno.ENAMETOOLONG);
  for (const item of yield* mount.fileSystem.list(node)) {
    yield* addUsage({ mount, node: item.node }, usage, depth + 1);
  }
}

function* diskUsage(vfs: Vfs, words: readonly string[]): Task<number> {
  for (const path of split(words).paths) {
    const usage: Usage = { files: 0, bytes: 0 };
    yield* addUsage(yield* vfs.find(path), usage, 0);
    vfs.kernel.userland.print(`${usage.bytes} bytes in ${usage.files} files ${path}\n`);
  }
  return 0;
}

function* freeSpace(vfs: Vfs): Task<number> {
  yield* vfs.find('/');
  vfs.kernel.userland.print('Filesystem      1K-blocks        Used       Avail  Mounted on\n');
  for (const { path, range, fileSystem } of vfs.mounts) {
    const { sizeBytes, freeBytes } = fileSystem.space();
    const show = (bytes: number): string => String(Math.floor(bytes / 1024)).padStart(11);
    vfs.kernel.userland.print(
      `${`/dev/${range.name}`.padEnd(14)} ${show(sizeBytes)} ${show(sizeBytes - freeBytes)} ` +
        `${show(freeBytes)}  ${path}\n`,
    );
  }
  return 0;
}

function* touch(vfs: Vfs, words: readonly string[]): Task<number> {
  for (const path of split(words).paths) {
    const { mount, directory, name } = yield* vfs.findParent(path);
    if ((yield* mount.fileSystem.lookUp(directory, name)) === undefined) {
      yield* mount.fileSystem.create(directory, name, false);
    }
  }
  return 0;
}

function* changeDirectory(vfs: Vfs, words: readonly string[]): Task<number> {
  const path = words[1] ?? '/';
  const { node } = yield* vfs.find(path);
  if (!node.isDirectory) throw new FileError(FileErrno.ENOTDIR);
  vfs.directory = vfs.normalize(path);
  return 0;
}

export function fileCommands(vfs: Vfs): ShellCommand[] {
  const make = (name: string, help: string, run: Program): ShellCommand =>
    program(vfs, name, help, run);
  return [
    make('cat', 'FILE ...: the content of files', concatenate),
    make('cd', 'DIRECTORY: where relative paths begin', changeDirectory),
    make('cp', '[-R] FILE ... TARGET: copies files', copy),
    make('df', 'space of the mounted file systems', freeSpace),
    make('du', 'PATH ...: bytes and number of files below it', diskUsage),
    make('ls', '[-l] [PATH]: a directory; /dev/da* too', list),
    make('md5', '[-q] FILE ...: digests', digest),
    make('mkdir', '[-p] PATH ...: makes directories', makeDirectories),
    make('rm', '[-r] PATH ...: removes files', remove),
    make('rmdir', 'PATH ...: removes empty directories', removeDirectory),
    make('split', '-b BYTES FILE PREFIX: cuts a file up', splitFile),
    make('touch', 'PATH ...: makes files', touch),
    make('sync', 'writes back what is only in memory', function* (space): Task {
      yield* space.sync();
    }),
    make('pwd', 'where relative paths begin', function* (space): Task {
      space.kernel.userland.print(`${space.directory}\n`);
      yield 0;
    }),
  ];
}
