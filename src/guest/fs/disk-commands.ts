/** Programs for disks: mount, umount, newfs, fsck, growfs, diskinfo, dd. */
import type { ShellCommand, Task } from '../kernel/api.ts';
import { checkFileSystem } from '../ufs/fsck.ts';
import { BLOCK_BYTES, FRAGMENT_BYTES, newFileSystem } from '../ufs/geometry.ts';
import { growFileSystem } from '../ufs/growfs.ts';
import { FileErrno, FileError } from './errors.ts';
import { program } from './file-commands.ts';
import type { Media } from './media.ts';
import type { FileSystemType, Place, Vfs } from './vfs.ts';

const MIB = 1024 * 1024;
const SECTOR_BYTES = 512;

interface Parsed {
  readonly flags: ReadonlyMap<string, string>;
  readonly paths: readonly string[];
}

/** @param valued letters of flags that take the next word */
function parse(words: readonly string[], valued: string): Parsed {
  const flags = new Map<string, string>();
  const paths: string[] = [];
  for (let index = 1; index < words.length; index += 1) {
    const word = words[index]!;
    if (!word.startsWith('-')) paths.push(word);
    else if (word.length === 2 && valued.includes(word[1]!)) {
      index += 1;
      flags.set(word[1]!, words[index] ?? '');
    } else for (const letter of word.slice(1)) flags.set(letter, '');
  }
  return { flags, paths };
}

const TYPES: readonly FileSystemType[] = ['ufs', 'msdosfs', 'cd9660'];

/** @param fixed the file system of mount_msdosfs and mount_cd9660 */
function* mount(vfs: Vfs, words: readonly string[], fixed?: FileSystemType): Task<number> {
  const { flags, paths } = parse(words, 'to');
  const [device, path] = paths;
  const { print } = printerOf(vfs);
  if (device === undefined || path === undefined) {
    yield* vfs.find('/');
    for (const { range, path: at, fileSystem } of vfs.mounts) {
      const mode = fileSystem.isReadOnly ? 'local, read-only' : 'local';
      print(`/dev/${range.name} on ${at} (${fileSystem.type}, ${mode})\n`);
    }
    return 0;
  }
  const type = fixed ?? TYPES.find((known) => known === (flags.get('t') ?? 'ufs'));
  if (type === undefined) throw new FileError(FileErrno.ENODEV);
  const isReadOnly = flags.has('r') || flags.get('o') === 'ro' || type === 'cd9660';
  yield* vfs.mount(device, path, type, isReadOnly);
  return 0;
}

function printerOf(vfs: Vfs): { readonly print: (text: string) => void } {
  return { print: (text) => vfs.kernel.userland.print(text) };
}

/** A device that nothing has mounted. */
function* openIdle(vfs: Vfs, path: string | undefined): Task<Media> {
  if (path === undefined) throw new FileError(FileErrno.EINVAL);
  const media = yield* vfs.openDevice(path);
  if (vfs.geom.isOpen(media.name)) throw new FileError(FileErrno.EBUSY);
  return media;
}

function* newfs(vfs: Vfs, words: readonly string[]): Task<number> {
  const { flags, paths } = parse(words, 'OL');
  const media = yield* openIdle(vfs, paths[0]);
  const { print } = printerOf(vfs);
  const random = vfs.kernel.random(`newfs ${media.name} ${vfs.kernel.uptimeNs()}`);
  const pieces = newFileSystem({
    sizeBytes: media.sizeBytes,
    sectorBytes: media.sectorBytes,
    hasSoftUpdates: flags.has('U'),
    time: vfs.seconds,
    id: [vfs.seconds, random.below(0x1_0000_0000)],
    volumeName: flags.get('L') ?? '',
  });
  let step = pieces.next();
  while (step.done !== true) {
    yield* media.write(step.value.at, step.value.bytes);
    step = pieces.next();
  }
  const geometry = step.value;
  media.close();
  if (geometry === undefined) {
    print(`newfs: /dev/${media.name}: partition is too small\n`);
    return 1;
  }
  yield* media.flush();
  const groupMegabytes = ((geometry.fragmentsPerGroup * FRAGMENT_BYTES) / MIB).toFixed(2);
  print(
    `/dev/${media.name}: ${(media.sizeBytes / MIB).toFixed(1)}MB ` +
      `(${media.sizeBytes / SECTOR_BYTES} sectors) block size ${BLOCK_BYTES}, ` +
      `fragment size ${FRAGMENT_BYTES}\n\tusing ${geometry.groups} cylinder groups of ` +
      `${groupMegabytes}MB, ${geometry.fragmentsPerGroup / 8} blks, ` +
      `${geometry.inodesPerGroup} inodes.\n`,
  );
  return 0;
}

function* fsck(vfs: Vfs, words: readonly string[]): Task<number> {
  const { paths } = parse(words, 't');
  const media = yield* openIdle(vfs, paths[0]);
  const status = yield* checkFileSystem(media, printerOf(vfs).print);
  media.close();
  return status;
}

function* growfs(vfs: Vfs, words: readonly string[]): Task<number> {
  const { paths } = parse(words, 's');
  const media = yield* openIdle(vfs, paths[0]);
  const { print } = printerOf(vfs);
  const growth = yield* growFileSystem(media, vfs.seconds);
  media.close();
  const show = (bytes: number): string => `${Math.floor(bytes / MIB)}MB`;
  if (growth === undefined) {
    print(`growfs: requested size is not larger than the current filesystem size\n`);
    return 1;
  }
  print(
    `super-block backups: ${media.name} has grown from ${show(growth.oldBytes)} ` +
      `to ${show(growth.newBytes)}\n`,
  );
  return 0;
}

function* diskinfo(vfs: Vfs, words: readonly string[]): Task<number> {
  for (const path of parse(words, '').paths) {
    const media = yield* vfs.openDevice(path);
    const { name, sectorBytes, sizeBytes } = media;
    const sectors = sizeBytes / sectorBytes;
    printerOf(vfs).print(`${name}\t${sectorBytes}\t${sizeBytes}\t${sectors}\n`);
  }
  return 0;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: MIB, g: 1024 * MIB };

function sizeOf(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
  if (digits === '') throw new FileError(FileErrno.EINVAL);
  return Number(digits) * UNITS[unit.toLowerCase()]!;
}

/** One end of dd: a device, /dev/zero, or a file. */
interface End {
  read?(position: number, length: number): Task<Uint8Array>;
  write?(position: number, bytes: Uint8Array): Task;
  close?(): void;
}

const MAX_BLOCK_BYTES = MIB;

function* dd(vfs: Vfs, words: readonly string[]): Task<number> {
  const options = new Map(words.slice(1).map((word) => word.split('=', 2) as [string, string]));
  const blockBytes = sizeOf(options.get('bs') ?? '512');
  const count = options.has('count') ? sizeOf(options.get('count')!) : Infinity;
  const skip = sizeOf(options.get('skip') ?? options.get('iseek') ?? '0') * blockBytes;
  const seek = sizeOf(options.get('seek') ?? options.get('oseek') ?? '0') * blockBytes;
  if (blockBytes === 0 || blockBytes > MAX_BLOCK_BYTES) throw new FileError(FileErrno.EINVAL);
  const input = yield* openInput(vfs, options.get('if') ?? '/dev/zero');
  const output = yield* openOutput(vfs, options.get('of') ?? '/dev/null');
  let done = 0;
  let blocks = 0;
  try {
    for (; blocks < count; blocks += 1) {
      const bytes = yield* input.read!(skip + done, blockBytes);
      if (bytes.length === 0) break;
      yield* output.write!(seek + done, bytes);
      done += bytes.length;
    }
  } finally {
    input.close?.();
    output.close?.();
  }
  printerOf(vfs).print(
    `${blocks}+0 records in\n${blocks}+0 records out\n${done} bytes transferred\n`,
  );
  return 0;
}

function* openInput(vfs: Vfs, path: string): Task<End> {
  if (path === '/dev/zero') return { read: (_, length) => zeros(length) };
  if (path === '/dev/random') {
    const random = vfs.kernel.random(`random(4) ${vfs.kernel.uptimeNs()}`);
    return {
      *read(_, length): Task<Uint8Array> {
        const bytes = new Uint8Array(length);
        random.fill(bytes);
        yield length;
        return bytes;
      },
    };
  }
  if (path.startsWith('/dev/')) {
    const media = yield* vfs.openDevice(path);
    return {
      *read(position, length): Task<Uint8Array> {
        const bytes = new Uint8Array(Math.max(0, Math.min(length, media.sizeBytes - position)));
        yield* media.read(position, bytes);
        return bytes;
      },
      close: () => media.close(),
    };
  }
  const { mount: from, node } = yield* vfs.find(path);
  return { read: (position, length) => from.fileSystem.read(node, position, length) };
}

function* zeros(length: number): Task<Uint8Array> {
  yield 0;
  return new Uint8Array(length);
}

function* openOutput(vfs: Vfs, path: string): Task<End> {
  if (path === '/dev/null') return { write: nothing };
  if (path.startsWith('/dev/')) {
    const media = yield* openIdle(vfs, path);
    return {
      *write(position, bytes): Task {
        if (position + bytes.length > media.sizeBytes) throw new FileError(FileErrno.ENOSPC);
        if (bytes.length % media.sectorBytes !== 0) throw new FileError(FileErrno.EINVAL);
        yield* media.write(position, bytes);
      },
      close: () => media.close(),
    };
  }
  const place: Place = yield* vfs.createFile(path);
  let { node } = place;
  return {
    *write(_, bytes): Task {
      node = yield* place.mount.fileSystem.write(node, node.sizeBytes, bytes);
    },
  };
}

function* nothing(): Task {
  yield 0;
}

export function diskCommands(vfs: Vfs): ShellCommand[] {
  return [
    program(vfs, 'mount', '[-t TYPE] [-o ro] DEVICE DIRECTORY; or nothing', (space, words) =>
      mount(space, words),
    ),
    program(vfs, 'mount_msdosfs', 'DEVICE DIRECTORY', (space, words) =>
      mount(space, words, 'msdosfs'),
    ),
    program(vfs, 'mount_cd9660', 'DEVICE DIRECTORY', (space, words) =>
      mount(space, words, 'cd9660'),
    ),
    program(vfs, 'umount', 'DIRECTORY or DEVICE', function* (space, words): Task {
      yield* space.unmount(words[1] ?? '');
    }),
    program(vfs, 'newfs', '[-U] DEVICE: makes a UFS2 file system', newfs),
    program(vfs, 'fsck_ffs', '[-y] DEVICE: checks a UFS2 file system', fsck),
    program(vfs, 'growfs', '[-y] DEVICE: lets a file system fill its partition', growfs),
    program(vfs, 'diskinfo', 'DEVICE: sector size, size in bytes and in sectors', diskinfo),
    program(vfs, 'dd', 'if= of= bs= count= skip= seek=: copies blocks', dd),
  ];
}
