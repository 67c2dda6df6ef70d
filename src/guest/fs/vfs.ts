/** The tree of files: what is mounted where, and paths through it. */
import { latin1 } from '../../core/text.ts';
import type { Geom } from '../geom/geom.ts';
import type { RootMount } from '../geom/mountroot.ts';
import type { FileSpace, KernelApi, ReadableFile, Task } from '../kernel/api.ts';
import { UfsVolume } from '../ufs/volume.ts';
import { CdVolume } from './cd9660.ts';
import { FileErrno, FileError } from './errors.ts';
import type { FileNode, FileSystem } from './file-system.ts';
import { Media, type MediaRange } from './media.ts';
import { FatVolume } from './msdosfs.ts';

export interface Mount {
  /** "/mnt", "/" for the root. */
  readonly path: string;
  readonly range: MediaRange;
  readonly fileSystem: FileSystem;
}

export interface Place {
  readonly mount: Mount;
  readonly node: FileNode;
}

export interface ParentPlace {
  readonly mount: Mount;
  readonly directory: FileNode;
  /** The last part of the path. */
  readonly name: string;
}

export type FileSystemType = 'ufs' | 'msdosfs' | 'cd9660';

const US_PER_SECOND = 1_000_000;

/** Failures are `FileError`s. One program at a time is in here. */
export class Vfs implements FileSpace {
  readonly kernel: KernelApi;
  readonly geom: Geom;
  readonly #root: () => RootMount | undefined;
  readonly #mounts: Mount[] = [];
  /** Where relative paths begin. */
  directory = '/';

  /** @param root what the kernel mounted; its files are looked at when somebody asks for them */
  constructor(kernel: KernelApi, geom: Geom, root: () => RootMount | undefined) {
    this.kernel = kernel;
    this.geom = geom;
    this.#root = root;
  }

  get seconds(): number {
    return Math.floor(this.kernel.wallClockUs() / US_PER_SECOND);
  }

  get mounts(): readonly Mount[] {
    return this.#mounts;
  }

  /** Absolute, without "." and "..". */
  normalize(path: string): string {
    const parts: string[] = [];
    const whole = path.startsWith('/') ? path : `${this.directory}/${path}`;
    for (const part of whole.split('/')) {
      if (part === '..') parts.pop();
      else if (part !== '' && part !== '.') parts.push(part);
    }
    return `/${parts.join('/')}`;
  }

  /** @param path "/dev/da1p1" or "da1p1" */
  device(path: string): MediaRange {
    const range = this.geom.device(path.replace(/^\/dev\//, ''));
    if (range === undefined) throw new FileError(FileErrno.ENOENT);
    return range;
  }

  /** Opens a device as a program does. */
  *openDevice(path: string): Task<Media> {
    const { name, disk } = this.device(path);
    const error = yield* disk.open();
    if (error !== 0) throw new FileError(error);
    // Its partitions may have changed with its size.
    return new Media(this.kernel, this.device(name));
  }

  /** The root's file system, read when it is first needed. */
  *#rootMount(): Task<Mount> {
    const there = this.#mounts.find(({ path }) => path === '/');
    if (there !== undefined) return there;
    const root = this.#root();
    if (root === undefined || root.fileSystem !== 'ufs') throw new FileError(FileErrno.ENODEV);
    const { device: name, disk, firstLba, sectors } = root;
    const range = { name, disk, firstLba, sectors };
    const media = new Media(this.kernel, range);
    const isReadOnly = root.options === 'ro';
    const fileSystem = yield* UfsVolume.mount(this.kernel, media, {
      isReadOnly,
      isForced: true,
    });
    const mount = { path: '/', range, fileSystem };
    this.#mounts.unshift(mount);
    return mount;
  }

  *mount(device: string, at: string, type: FileSystemType, isReadOnly: boolean): Task {
    const path = this.normalize(at);
    const media = yield* this.openDevice(device);
    if (this.geom.isOpen(media.name)) throw new FileError(FileErrno.EBUSY);
    const { node } = yield* this.find(path);
    if (!node.isDirectory) throw new FileError(FileErrno.ENOTDIR);
    const range = this.device(media.name);
    let fileSystem: FileSystem;
    if (type === 'ufs') {
      fileSystem = yield* UfsVolume.mount(this.kernel, media, { isReadOnly });
    } else if (type === 'cd9660') {
      fileSystem = yield* CdVolume.mount(media);
    } else {
      fileSystem = yield* FatVolume.mount(media, isReadOnly);
    }
    this.geom.count(range, 1);
    this.#mounts.push({ path, range, fileSystem });
  }

  *unmount(pathOrDevice: string): Task {
    const path = this.normalize(pathOrDevice);
    const device = pathOrDevice.replace(/^\/dev\//, '');
    const index = this.#mounts.findLastIndex(
      (mount) => mount.path === path || mount.range.name === device,
    );
    const mount = this.#mounts[index];
    if (mount === undefined) throw new FileError(FileErrno.EINVAL);
    const isBelow = (other: Mount): boolean => other.path.startsWith(`${mount.path}/`);
    if (mount.path === '/' || this.#mounts.some(isBelow)) throw new FileError(FileErrno.EBUSY);
    yield* mount.fileSystem.unmount();
    this.geom.count(mount.range, -1);
    this.#mounts.splice(index, 1);
  }

  *unmountAll(): Task {
    for (const { fileSystem, range } of this.#mounts.splice(0).reverse()) {
      if (range.disk.isInvalid) continue;
      try {
        yield* fileSystem.unmount();
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        this.kernel.printf(`unmount of /dev/${range.name} failed (${error.errno})\n`);
      }
    }
  }

  *sync(): Task {
    for (const { fileSystem } of this.#mounts) yield* fileSystem.sync();
  }

  *#mountOf(path: string): Task<Mount> {
    let best = yield* this.#rootMount();
    for (const mount of this.#mounts) {
      const isOn = path === mount.path || path.startsWith(`${mount.path}/`);
      if (isOn && mount.path.length > best.path.length) best = mount;
      else if (isOn && mount.path === best.path) best = mount;
    }
    return best;
  }

  *find(path: string): Task<Place> {
    const whole = this.normalize(path);
    const mount = yield* this.#mountOf(whole);
    let node = mount.fileSystem.root;
    for (const part of whole.slice(mount.path.length).split('/')) {
      if (part === '') continue;
      const next = yield* mount.fileSystem.lookUp(node, part);
      if (next === undefined) throw new FileError(FileErrno.ENOENT);
      node = next;
    }
    return { mount, node };
  }

  /** The directory of a path whose last part need not be there. */
  *findParent(path: string): Task<ParentPlace> {
    const whole = this.normalize(path);
    const slash = whole.lastIndexOf('/');
    const name = whole.slice(slash + 1);
    if (name === '') throw new FileError(FileErrno.EISDIR);
    const { mount, node } = yield* this.find(whole.slice(0, slash) || '/');
    if (!node.isDirectory) throw new FileError(FileErrno.ENOTDIR);
    return { mount, directory: node, name };
  }

  /** Makes a file, or empties the one that is there. */
  *createFile(path: string): Task<Place> {
    const { mount, directory, name } = yield* this.findParent(path);
    const { fileSystem } = mount;
    const there = yield* fileSystem.lookUp(directory, name);
    if (there === undefined) {
      return { mount, node: yield* fileSystem.create(directory, name, false) };
    }
    if (there.isDirectory) throw new FileError(FileErrno.EISDIR);
    return { mount, node: yield* fileSystem.truncate(there) };
  }

  *open(path: string, appends: boolean): Task<((text: string) => Task) | string> {
    try {
      const place = appends ? yield* this.#appendable(path) : yield* this.createFile(path);
      return (text) => this.#append(place, text);
    } catch (error) {
      if (error instanceof FileError) return error.message;
      throw error;
    }
  }

  *openToRead(path: string): Task<ReadableFile> {
    const { mount, node } = yield* this.find(path);
    if (node.isDirectory) throw new FileError(FileErrno.EISDIR);
    return {
      sizeBytes: node.sizeBytes,
      read: (position, length) => mount.fileSystem.read(node, position, length),
    };
  }

  *list(path: string): Task<readonly string[] | undefined> {
    const { mount, node } = yield* this.find(path);
    if (!node.isDirectory) return undefined;
    const items = yield* mount.fileSystem.list(node);
    return items.map(({ name, node: item }) => (item.isDirectory ? `${name}/` : name)).sort();
  }

  *makeDirectory(path: string): Task {
    const { mount, directory, name } = yield* this.findParent(path);
    const there = yield* mount.fileSystem.lookUp(directory, name);
    if (there === undefined) yield* mount.fileSystem.create(directory, name, true);
    else if (!there.isDirectory) throw new FileError(FileErrno.EEXIST);
  }

  *openToWrite(path: string): Task<(bytes: Uint8Array) => Task> {
    const { mount, node } = yield* this.createFile(path);
    let file = node;
    return function* (bytes: Uint8Array): Task {
      file = yield* mount.fileSystem.write(file, file.sizeBytes, bytes);
    };
  }

  *#appendable(path: string): Task<Place> {
    const { mount, directory, name } = yield* this.findParent(path);
    const there = yield* mount.fileSystem.lookUp(directory, name);
    if (there === undefined) return yield* this.createFile(path);
    if (there.isDirectory) throw new FileError(FileErrno.EISDIR);
    return { mount, node: there };
  }

  *#append({ mount, node }: Place, text: string): Task {
    const bytes = latin1(text);
    try {
      yield* mount.fileSystem.write(node, node.sizeBytes, bytes);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.kernel.userland.print(`${error.message}\n`);
    }
  }
}
