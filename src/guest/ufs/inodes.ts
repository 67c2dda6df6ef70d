/** Inodes of a mounted UFS2: where the blocks of a file are, and how a file grows and shrinks. */
import { FileErrno, FileError } from '../fs/errors.ts';
import type { Buffer, BufferCache } from '../fs/buffer-cache.ts';
import type { Task } from '../kernel/api.ts';
import type { Allocator } from './allocation.ts';
import { FRAGMENTS_PER_BLOCK } from './geometry.ts';
import { DEV_BSIZE, DIRECT_BLOCKS, INDIRECT_LEVELS, Inode, ModeType } from './spec.ts';
import type { SuperblockState } from './super.ts';

/** An inode in its buffer. Valid until the next system call. */
export class InodeRef {
  readonly number: number;
  readonly buffer: Buffer;
  readonly at: number;
  readonly fields: ReturnType<typeof Inode.cursor>;

  constructor(number: number, buffer: Buffer, at: number) {
    this.number = number;
    this.buffer = buffer;
    this.at = at;
    this.fields = Inode.cursor(buffer.view).at(at);
  }

  get isDirectory(): boolean {
    return (this.fields.mode & ModeType.mask) === ModeType.directory;
  }

  get sizeBytes(): number {
    return this.fields.sizeBytesHi * 0x1_0000_0000 + this.fields.sizeBytesLo;
  }

  set sizeBytes(bytes: number) {
    this.fields.sizeBytesHi = Math.floor(bytes / 0x1_0000_0000);
    this.fields.sizeBytesLo = bytes >>> 0;
  }

  /** A pointer of the inode: 0 to 11 direct, 12 to 14 indirect. A fragment number. */
  pointer(index: number): number {
    return Number(this.buffer.view.getBigUint64(this.at + Inode.offset.direct + index * 8, true));
  }

  setPointer(index: number, fragment: number): void {
    const at = this.at + Inode.offset.direct + index * 8;
    this.buffer.view.setBigUint64(at, BigInt(fragment), true);
  }
}

export class InodeTable {
  readonly #state: SuperblockState;
  readonly #cache: BufferCache;
  readonly #allocator: Allocator;

  constructor(state: SuperblockState, cache: BufferCache, allocator: Allocator) {
    this.#state = state;
    this.#cache = cache;
    this.#allocator = allocator;
  }

  *get(number: number): Task<InodeRef> {
    const { geometry, inodesPerBlock } = this.#state;
    const group = Math.floor(number / geometry.inodesPerGroup);
    if (!(number >= 0 && group < geometry.groups)) throw new FileError(FileErrno.EIO);
    const within = number % geometry.inodesPerGroup;
    const fragment =
      group * geometry.fragmentsPerGroup +
      geometry.inodesFragment +
      Math.floor(within / inodesPerBlock) * FRAGMENTS_PER_BLOCK;
    const buffer = yield* this.#cache.get(fragment / FRAGMENTS_PER_BLOCK);
    return new InodeRef(number, buffer, (within % inodesPerBlock) * Inode.size);
  }

  groupOf(inode: InodeRef): number {
    return Math.floor(inode.number / this.#state.geometry.inodesPerGroup);
  }

  changed(inode: InodeRef): void {
    this.#cache.change(inode.buffer);
  }

  /** Fragments that a block of a file of this size has: the last direct one may be short. */
  fragmentsOf(block: number, sizeBytes: number): number {
    const { blockBytes, fragmentBytes } = this.#state;
    if (block >= DIRECT_BLOCKS || sizeBytes >= (block + 1) * blockBytes) return FRAGMENTS_PER_BLOCK;
    return Math.max(0, Math.ceil((sizeBytes - block * blockBytes) / fragmentBytes));
  }

  /** @returns the fragment where a block of the file is; 0 for a hole */
  *find(inode: InodeRef, block: number): Task<number> {
    if (block < DIRECT_BLOCKS) return this.#checked(inode.pointer(block));
    const { level, index } = this.#indirectOf(block);
    let fragment = this.#checked(inode.pointer(DIRECT_BLOCKS + level));
    let rest = index;
    for (let depth = level; depth >= 0 && fragment !== 0; depth -= 1) {
      const span = this.#entries ** depth;
      const buffer = yield* this.#cache.get(fragment / FRAGMENTS_PER_BLOCK);
      const at = Math.floor(rest / span) * 8;
      fragment = this.#checked(Number(buffer.view.getBigUint64(at, true)));
      rest %= span;
    }
    return fragment;
  }

  get #entries(): number {
    return this.#state.blockBytes / 8;
  }

  /** What a damaged file system says of its blocks does not lead out of it. */
  #checked(fragment: number): number {
    if (fragment < this.#state.geometry.sizeFragments) return fragment;
    throw new FileError(FileErrno.EIO);
  }

  #indirectOf(block: number): { readonly level: number; readonly index: number } {
    let index = block - DIRECT_BLOCKS;
    for (let level = 0; level < INDIRECT_LEVELS; level += 1) {
      const span = this.#entries ** (level + 1);
      if (index < span) return { level, index };
      index -= span;
    }
    throw new FileError(FileErrno.EFBIG);
  }

  /**
   * Makes room for a block of a file that is to have `sizeBytes`: allocates it, or lets its
   * fragments grow, moving them when they must.
   * @returns where it is
   */
  *provide(inode: InodeRef, block: number, sizeBytes: number): Task<number> {
    const wanted = this.fragmentsOf(block, sizeBytes);
    const there = yield* this.find(inode, block);
    if (there !== 0) {
      const had = this.fragmentsOf(block, inode.sizeBytes);
      if (had >= wanted) return there;
      return yield* this.#grow(inode, block, there, had, wanted);
    }
    const fragment = yield* this.#allocator.fragments(wanted, this.groupOf(inode));
    try {
      yield* this.#enter(inode, block, fragment);
    } catch (error) {
      yield* this.#allocator.release(fragment, wanted);
      throw error;
    }
    this.#count(inode, wanted);
    return fragment;
  }

  *#grow(inode: InodeRef, block: number, old: number, had: number, wanted: number): Task<number> {
    if (yield* this.#allocator.extend(old, had, wanted)) {
      this.#count(inode, wanted - had);
      return old;
    }
    const fragment = yield* this.#allocator.fragments(wanted, this.groupOf(inode));
    const { fragmentBytes } = this.#state;
    const from = yield* this.#cache.get(Math.floor(old / FRAGMENTS_PER_BLOCK));
    const to = yield* this.#cache.get(Math.floor(fragment / FRAGMENTS_PER_BLOCK));
    const start = (old % FRAGMENTS_PER_BLOCK) * fragmentBytes;
    const data = from.bytes.subarray(start, start + had * fragmentBytes);
    to.bytes.set(data, (fragment % FRAGMENTS_PER_BLOCK) * fragmentBytes);
    this.#cache.change(to);
    yield* this.#allocator.release(old, had);
    inode.setPointer(block, fragment);
    this.#count(inode, wanted - had);
    return fragment;
  }

  #count(inode: InodeRef, fragments: number): void {
    const units = (fragments * this.#state.fragmentBytes) / DEV_BSIZE;
    inode.fields.blocksLo += units;
    this.changed(inode);
  }

  /** Notes where a block is, with the indirect blocks that lead to it. */
  *#enter(inode: InodeRef, block: number, fragment: number): Task {
    if (block < DIRECT_BLOCKS) {
      inode.setPointer(block, fragment);
      this.changed(inode);
      return;
    }
    const { level, index } = this.#indirectOf(block);
    let table = inode.pointer(DIRECT_BLOCKS + level);
    if (table === 0) {
      table = yield* this.#newTable(inode);
      inode.setPointer(DIRECT_BLOCKS + level, table);
      this.changed(inode);
    }
    let rest = index;
    for (let depth = level; depth >= 0; depth -= 1) {
      const span = this.#entries ** depth;
      const buffer = yield* this.#cache.get(table / FRAGMENTS_PER_BLOCK);
      const at = Math.floor(rest / span) * 8;
      rest %= span;
      if (depth === 0) {
        buffer.view.setBigUint64(at, BigInt(fragment), true);
        this.#cache.change(buffer);
        return;
      }
      let next = Number(buffer.view.getBigUint64(at, true));
      if (next === 0) {
        next = yield* this.#newTable(inode);
        buffer.view.setBigUint64(at, BigInt(next), true);
        this.#cache.change(buffer);
      }
      table = next;
    }
  }

  *#newTable(inode: InodeRef): Task<number> {
    const fragment = yield* this.#allocator.block(this.groupOf(inode));
    this.#cache.change(yield* this.#cache.fresh(fragment / FRAGMENTS_PER_BLOCK));
    this.#count(inode, FRAGMENTS_PER_BLOCK);
    return fragment;
  }

  /** Every run of fragments that a file has, its indirect blocks after what they lead to. */
  *eachRun(inode: InodeRef, visit: (fragment: number, count: number) => Task): Task {
    for (let block = 0; block < DIRECT_BLOCKS; block += 1) {
      const fragment = inode.pointer(block);
      const count = this.fragmentsOf(block, inode.sizeBytes);
      if (fragment !== 0) yield* visit(this.#checked(fragment), count);
    }
    for (let level = 0; level < INDIRECT_LEVELS; level += 1) {
      const table = inode.pointer(DIRECT_BLOCKS + level);
      if (table !== 0) yield* this.#eachBelow(table, level, visit);
    }
  }

  *#eachBelow(
    table: number,
    level: number,
    visit: (fragment: number, count: number) => Task,
  ): Task {
    const buffer = yield* this.#cache.get(this.#checked(table) / FRAGMENTS_PER_BLOCK);
    const view = new DataView(buffer.bytes.slice().buffer);
    for (let at = 0; at < view.byteLength; at += 8) {
      const entry = this.#checked(Number(view.getBigUint64(at, true)));
      if (entry === 0) continue;
      if (level > 0) yield* this.#eachBelow(entry, level - 1, visit);
      else yield* visit(entry, FRAGMENTS_PER_BLOCK);
    }
    yield* visit(table, FRAGMENTS_PER_BLOCK);
  }

  /** Frees every block of a file, and makes it empty. */
  *truncate(inode: InodeRef): Task {
    const free = (fragment: number, count: number): Task => this.#release(fragment, count);
    yield* this.eachRun(inode, free);
    for (let index = 0; index < DIRECT_BLOCKS + INDIRECT_LEVELS; index += 1) {
      inode.setPointer(index, 0);
    }
    inode.sizeBytes = 0;
    inode.fields.blocks = 0n;
    this.changed(inode);
  }

  *#release(fragment: number, count: number): Task {
    if (count === FRAGMENTS_PER_BLOCK) this.#cache.forget(fragment / FRAGMENTS_PER_BLOCK);
    yield* this.#allocator.release(fragment, count);
  }
}
