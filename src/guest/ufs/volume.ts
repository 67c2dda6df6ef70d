/** A mounted UFS2: files and directories by their inodes (ufs/ffs/ffs_vnops.c, ufs/ufs). */
import { BufferCache } from '../fs/buffer-cache.ts';
import { FileErrno, FileError } from '../fs/errors.ts';
import type { DirectoryItem, FileNode, FileSystem, FileSystemSpace } from '../fs/file-system.ts';
import type { Media } from '../fs/media.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { Allocator } from './allocation.ts';
import { eachEntry, insertEntry, removeEntry } from './directory.ts';
import { DirectoryEntryType, emptyDirectory, FRAGMENTS_PER_BLOCK } from './geometry.ts';
import { type InodeRef, InodeTable } from './inodes.ts';
import { DIRECTORY_BLOCK, MAX_NAME, ModeType, ROOT_INODE } from './spec.ts';
import { SuperblockState } from './super.ts';

const US_PER_SECOND = 1_000_000;
const MAX_LINKS = 32_767;

export interface UfsMountOptions {
  readonly isReadOnly?: boolean;
  /** Mounts one that was not unmounted properly, too. */
  readonly isForced?: boolean;
}

export class UfsVolume implements FileSystem {
  readonly type = 'ufs';
  readonly isReadOnly: boolean;
  readonly root: FileNode = { id: ROOT_INODE, isDirectory: true, sizeBytes: 0 };
  readonly state: SuperblockState;
  readonly #kernel: KernelApi;
  readonly #media: Media;
  readonly #cache: BufferCache;
  readonly #allocator: Allocator;
  readonly #inodes: InodeTable;

  private constructor(
    kernel: KernelApi,
    media: Media,
    state: SuperblockState,
    isReadOnly: boolean,
  ) {
    this.#kernel = kernel;
    this.#media = media;
    this.state = state;
    this.isReadOnly = isReadOnly;
    this.#cache = new BufferCache(media, state.blockBytes);
    this.#allocator = new Allocator(state, this.#cache);
    this.#inodes = new InodeTable(state, this.#cache, this.#allocator);
  }

  /** Throws `FileError`: EINVAL for no UFS2, EPERM for a write mount of one that is not clean. */
  static *mount(kernel: KernelApi, media: Media, options: UfsMountOptions = {}): Task<UfsVolume> {
    const state = yield* SuperblockState.read(media);
    const isReadOnly = options.isReadOnly === true || !state.canWrite;
    const isDirty = state.fields.isClean === 0;
    if (!isReadOnly && isDirty && options.isForced !== true) throw new FileError(FileErrno.EPERM);
    const volume = new UfsVolume(kernel, media, state, isReadOnly);
    if (!isReadOnly) {
      state.fields.isClean = 0;
      yield* state.write(media);
    }
    return volume;
  }

  get #seconds(): bigint {
    return BigInt(Math.floor(this.#kernel.wallClockUs() / US_PER_SECOND));
  }

  #mustWrite(): void {
    if (this.isReadOnly) throw new FileError(FileErrno.EROFS);
  }

  #node(inode: InodeRef): FileNode {
    return { id: inode.number, isDirectory: inode.isDirectory, sizeBytes: inode.sizeBytes };
  }

  *#directory(node: FileNode): Task<InodeRef> {
    const inode = yield* this.#inodes.get(node.id);
    if (!inode.isDirectory) throw new FileError(FileErrno.ENOTDIR);
    return inode;
  }

  /** A directory's bytes, a fresh copy. */
  *#content(inode: InodeRef): Task<Uint8Array> {
    return yield* this.#read(inode, 0, inode.sizeBytes);
  }

  *lookUp(directory: FileNode, name: string): Task<FileNode | undefined> {
    const inode = yield* this.#directory(directory);
    const content = yield* this.#content(inode);
    for (const entry of eachEntry(content)) {
      if (entry.name === name) return this.#node(yield* this.#inodes.get(entry.inode));
    }
    return undefined;
  }

  *list(directory: FileNode): Task<DirectoryItem[]> {
    const inode = yield* this.#directory(directory);
    const content = yield* this.#content(inode);
    const items: DirectoryItem[] = [];
    for (const entry of eachEntry(content)) {
      if (entry.name === '.' || entry.name === '..') continue;
      items.push({ name: entry.name, node: this.#node(yield* this.#inodes.get(entry.inode)) });
    }
    return items;
  }

  *read(file: FileNode, position: number, length: number): Task<Uint8Array> {
    return yield* this.#read(yield* this.#inodes.get(file.id), position, length);
  }

  *#read(inode: InodeRef, position: number, length: number): Task<Uint8Array> {
    const { blockBytes, fragmentBytes } = this.state;
    const end = Math.min(position + length, inode.sizeBytes);
    const target = new Uint8Array(Math.max(0, end - position));
    for (let at = position; at < end;) {
      const block = Math.floor(at / blockBytes);
      const within = at - block * blockBytes;
      const run = Math.min(blockBytes - within, end - at);
      const fragment = yield* this.#inodes.find(inode, block);
      if (fragment !== 0) {
        const buffer = yield* this.#cache.get(Math.floor(fragment / FRAGMENTS_PER_BLOCK));
        const start = (fragment % FRAGMENTS_PER_BLOCK) * fragmentBytes + within;
        target.set(buffer.bytes.subarray(start, start + run), at - position);
      }
      at += run;
    }
    return target;
  }

  *write(file: FileNode, position: number, bytes: Uint8Array): Task<FileNode> {
    this.#mustWrite();
    const inode = yield* this.#inodes.get(file.id);
    yield* this.#write(inode, position, bytes);
    return this.#node(inode);
  }

  /** Whole blocks go past the cache, the ends of a run through it. */
  *#write(inode: InodeRef, position: number, bytes: Uint8Array): Task {
    const { blockBytes, fragmentBytes } = this.state;
    if (position > inode.sizeBytes) throw new FileError(FileErrno.EINVAL);
    for (let done = 0; done < bytes.length;) {
      const at = position + done;
      const block = Math.floor(at / blockBytes);
      const within = at - block * blockBytes;
      const run = Math.min(blockBytes - within, bytes.length - done);
      const size = Math.max(inode.sizeBytes, at + run);
      const fragment = yield* this.#inodes.provide(inode, block, size);
      const place = Math.floor(fragment / FRAGMENTS_PER_BLOCK);
      if (run === blockBytes) {
        this.#cache.forget(place);
        yield* this.#media.write(place * blockBytes, bytes.subarray(done, done + run));
      } else {
        const buffer = yield* this.#cache.get(place);
        const start = (fragment % FRAGMENTS_PER_BLOCK) * fragmentBytes;
        // What the file grows by reads as zeros, whoever had it before.
        const oldEnd = Math.max(0, inode.sizeBytes - block * blockBytes);
        if (size > inode.sizeBytes && oldEnd < blockBytes) {
          const end = start + this.#inodes.fragmentsOf(block, size) * fragmentBytes;
          buffer.bytes.fill(0, start + oldEnd, end);
        }
        buffer.bytes.set(bytes.subarray(done, done + run), start + within);
        this.#cache.change(buffer);
      }
      inode.sizeBytes = size;
      done += run;
    }
    inode.fields.modifyTime = this.#seconds;
    this.#inodes.changed(inode);
  }

  *create(directory: FileNode, name: string, isDirectory: boolean): Task<FileNode> {
    this.#mustWrite();
    if (name === '' || name.length > MAX_NAME) throw new FileError(FileErrno.ENAMETOOLONG);
    if ((yield* this.lookUp(directory, name)) !== undefined) throw new FileError(FileErrno.EEXIST);
    const parent = yield* this.#directory(directory);
    if (isDirectory && parent.fields.links >= MAX_LINKS) throw new FileError(FileErrno.ENOSPC);
    const group = this.#inodes.groupOf(parent);
    const number = yield* this.#allocator.inode(group, isDirectory);
    const inode = yield* this.#inodes.get(number);
    this.#initialize(inode, isDirectory);
    try {
      if (isDirectory) yield* this.#write(inode, 0, emptyDirectory(number, parent.number));
      yield* this.#enter(parent, name, number, isDirectory);
    } catch (error) {
      yield* this.#free(inode);
      throw error;
    }
    if (isDirectory) parent.fields.links += 1;
    this.#inodes.changed(parent);
    return this.#node(inode);
  }

  #initialize(inode: InodeRef, isDirectory: boolean): void {
    const { buffer, at, fields } = inode;
    const generation = fields.generation + 1;
    buffer.bytes.fill(0, at, at + 256);
    const time = this.#seconds;
    Object.assign(fields, {
      mode: isDirectory ? ModeType.directory | 0o755 : ModeType.file | 0o644,
      links: isDirectory ? 2 : 1,
      blockBytes: this.state.blockBytes,
      accessTime: time,
      modifyTime: time,
      changeTime: time,
      birthTime: time,
      generation,
    });
    this.#inodes.changed(inode);
  }

  *#enter(parent: InodeRef, name: string, number: number, isDirectory: boolean): Task {
    const content = yield* this.#content(parent);
    const type = isDirectory ? DirectoryEntryType.directory : DirectoryEntryType.file;
    const at = insertEntry(content, name, number, type);
    if (at >= 0) {
      yield* this.#write(parent, at, content.subarray(at, at + DIRECTORY_BLOCK));
      return;
    }
    const block = new Uint8Array(DIRECTORY_BLOCK);
    new DataView(block.buffer).setUint16(4, DIRECTORY_BLOCK, true);
    insertEntry(block, name, number, type);
    yield* this.#write(parent, parent.sizeBytes, block);
  }

  *remove(directory: FileNode, name: string): Task {
    this.#mustWrite();
    if (name === '.' || name === '..') throw new FileError(FileErrno.EINVAL);
    const parent = yield* this.#directory(directory);
    const content = yield* this.#content(parent);
    const found = [...eachEntry(content)].find((entry) => entry.name === name);
    if (found === undefined) throw new FileError(FileErrno.ENOENT);
    const inode = yield* this.#inodes.get(found.inode);
    const { isDirectory } = inode;
    if (isDirectory) {
      const own = [...eachEntry(yield* this.#content(inode))];
      if (own.some((entry) => entry.name !== '.' && entry.name !== '..')) {
        throw new FileError(FileErrno.ENOTEMPTY);
      }
    }
    const at = removeEntry(content, found.at);
    yield* this.#write(parent, at, content.subarray(at, at + DIRECTORY_BLOCK));
    if (isDirectory) parent.fields.links -= 1;
    this.#inodes.changed(parent);
    inode.fields.links -= isDirectory ? 2 : 1;
    if (inode.fields.links === 0) yield* this.#free(inode);
    this.#inodes.changed(inode);
  }

  *#free(inode: InodeRef): Task {
    const { isDirectory } = inode;
    yield* this.#inodes.truncate(inode);
    inode.fields.mode = 0;
    inode.fields.links = 0;
    this.#inodes.changed(inode);
    yield* this.#allocator.releaseInode(inode.number, isDirectory);
  }

  *truncate(file: FileNode): Task<FileNode> {
    this.#mustWrite();
    const inode = yield* this.#inodes.get(file.id);
    yield* this.#inodes.truncate(inode);
    return this.#node(inode);
  }

  space(): FileSystemSpace {
    const { geometry, fragmentBytes, totals } = this.state;
    const free = totals.freeBlocks * FRAGMENTS_PER_BLOCK + totals.freeFragments;
    return {
      sizeBytes: geometry.sizeFragments * fragmentBytes,
      freeBytes: free * fragmentBytes,
    };
  }

  *sync(): Task {
    if (this.isReadOnly) return;
    yield* this.#cache.flush();
    this.state.fields.time = this.#seconds;
    yield* this.state.write(this.#media);
    yield* this.#media.flush();
  }

  *unmount(): Task {
    if (!this.isReadOnly) {
      this.state.fields.isClean = 1;
      yield* this.sync();
    }
    this.#media.close();
  }
}
