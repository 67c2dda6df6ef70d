/** fsck_ffs(8): compares what directories, inodes and cylinder groups say of each other. */
import { BufferCache } from '../fs/buffer-cache.ts';
import { FileError } from '../fs/errors.ts';
import type { Media } from '../fs/media.ts';
import type { Task } from '../kernel/api.ts';
import { Allocator } from './allocation.ts';
import { eachEntry } from './directory.ts';
import { type Counts, countFree, fragmentsIn, FRAGMENTS_PER_BLOCK, setBits } from './geometry.ts';
import { type InodeRef, InodeTable } from './inodes.ts';
import { CYLINDER_GROUP_MAGIC, CylinderGroup, ROOT_INODE } from './spec.ts';
import { SuperblockState } from './super.ts';

/** More complaints than this are counted, not printed. */
const MAX_COMPLAINTS = 20;
/** Directories deeper than this are a loop. */
const MAX_DEPTH = 256;

interface Found {
  readonly inode: number;
  readonly isDirectory: boolean;
  readonly links: number;
  /** Names that lead to it, "." and ".." included. */
  seen: number;
}

/** @returns 0 when the file system is sound, 8 when it is not */
export function* checkFileSystem(media: Media, print: (text: string) => void): Task<number> {
  print(`** /dev/${media.name}\n`);
  let check: Check;
  try {
    check = new Check(media, yield* SuperblockState.read(media), print);
    yield* check.run();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    print(`/dev/${media.name}: CANNOT READ: ${error.message}\n`);
    return 8;
  }
  return check.complaints === 0 ? 0 : 8;
}

class Check {
  complaints = 0;
  readonly #media: Media;
  readonly #state: SuperblockState;
  readonly #print: (text: string) => void;
  readonly #cache: BufferCache;
  readonly #inodes: InodeTable;
  readonly #found = new Map<number, Found>();
  /** By group: the fragments that are not free, as the files say. */
  readonly #used: Uint8Array[] = [];

  constructor(media: Media, state: SuperblockState, print: (text: string) => void) {
    this.#media = media;
    this.#state = state;
    this.#print = print;
    this.#cache = new BufferCache(media, state.blockBytes);
    this.#inodes = new InodeTable(state, this.#cache, new Allocator(state, this.#cache));
  }

  #complain(text: string): void {
    this.complaints += 1;
    if (this.complaints <= MAX_COMPLAINTS) this.#print(`${text}\n`);
  }

  *run(): Task {
    const { geometry, fields, totals } = this.#state;
    for (let group = 0; group < geometry.groups; group += 1) this.#reserve(group);
    this.#print('** Phase 1 - Check Blocks and Sizes\n');
    for (let group = 0; group < geometry.groups; group += 1) yield* this.#inodesOf(group);
    this.#print('** Phase 2 - Check Pathnames\n');
    yield* this.#walk(ROOT_INODE, ROOT_INODE, '/', 0);
    this.#print('** Phase 3 - Check Connectivity\n');
    this.#print('** Phase 4 - Check Reference Counts\n');
    for (const { inode, links, seen } of this.#found.values()) {
      if (links !== seen) this.#complain(`LINK COUNT I=${inode}: ${links} SHOULD BE ${seen}`);
    }
    this.#print('** Phase 5 - Check Cyl groups\n');
    const counted: Counts = { directories: 0, freeBlocks: 0, freeInodes: 0, freeFragments: 0 };
    for (let group = 0; group < geometry.groups; group += 1) yield* this.#group(group, counted);
    for (const [name, value] of Object.entries(counted)) {
      if (totals[name as keyof Counts] !== value) this.#complain(`SUPERBLOCK: WRONG ${name}`);
    }
    const free = counted.freeBlocks * FRAGMENTS_PER_BLOCK + counted.freeFragments;
    const files = this.#found.size;
    this.#print(
      `${files} files, ${geometry.sizeFragments - free} used, ${free} free ` +
        `(${counted.freeFragments} frags, ${counted.freeBlocks} blocks)\n`,
    );
    if (this.complaints > 0) {
      this.#print('\n***** FILE SYSTEM STILL DIRTY *****\n');
      return;
    }
    if (fields.isClean === 0) {
      fields.isClean = 1;
      yield* this.#state.write(this.#media);
      yield* this.#media.flush();
    }
    this.#print('\n***** FILE SYSTEM IS CLEAN *****\n');
  }

  /** What a group keeps for itself. */
  #reserve(group: number): void {
    const { geometry, fragmentBytes, fields } = this.#state;
    const { superblockFragment, dataFragment, fragmentsPerGroup } = geometry;
    const map = new Uint8Array(Math.ceil(fragmentsPerGroup / 8));
    const first = group === 0 ? 0 : superblockFragment;
    setBits(map, first, dataFragment - first);
    this.#used.push(map);
    const summaryAt = Number(fields.summaryAt);
    if (group > 0) return;
    setBits(map, summaryAt, Math.ceil(fields.summaryBytes / fragmentBytes));
  }

  *#inodesOf(group: number): Task {
    const { geometry } = this.#state;
    const base = group * geometry.inodesPerGroup;
    const buffer = yield* this.#cache.get(this.#blockOf(group));
    const { magic, initializedInodes } = CylinderGroup.cursor(buffer.view).at(0);
    if (magic !== CYLINDER_GROUP_MAGIC) {
      this.#complain(`CG ${group}: BAD MAGIC NUMBER`);
      return;
    }
    const end = Math.min(initializedInodes, geometry.inodesPerGroup);
    for (let number = 0; number < end; number += 1) {
      const inode = yield* this.#inodes.get(base + number);
      if (inode.fields.mode !== 0) yield* this.#take(inode);
    }
  }

  *#take(inode: InodeRef): Task {
    const { isDirectory, number } = inode;
    const { links, blocksLo } = inode.fields;
    this.#found.set(number, { inode: number, isDirectory, links, seen: 0 });
    let fragments = 0;
    const claim = (first: number, count: number): Task => {
      fragments += count;
      return this.#claim(number, first, count);
    };
    yield* this.#inodes.eachRun(inode, claim);
    const units = (fragments * this.#state.fragmentBytes) / 512;
    if (units !== blocksLo) {
      this.#complain(`INCORRECT BLOCK COUNT I=${number} (${blocksLo} should be ${units})`);
    }
  }

  *#claim(inode: number, first: number, count: number): Task {
    const { fragmentsPerGroup } = this.#state.geometry;
    const map = this.#used[Math.floor(first / fragmentsPerGroup)]!;
    for (let index = 0; index < count; index += 1) {
      const bit = (first + index) % fragmentsPerGroup;
      if (((map[bit >>> 3]! >>> (bit & 7)) & 1) !== 0) {
        this.#complain(`${first + index} DUP I=${inode}`);
      }
      map[bit >>> 3]! |= 1 << (bit & 7);
    }
    yield 0;
  }

  *#walk(number: number, parent: number, path: string, depth: number): Task {
    if (this.#found.get(number)?.isDirectory !== true || depth > MAX_DEPTH) {
      this.#complain(`I=${number} AT ${path} IS NO DIRECTORY`);
      return;
    }
    const content = yield* this.#contentOf(yield* this.#inodes.get(number));
    const below: { readonly inode: number; readonly name: string }[] = [];
    for (const { name, inode } of eachEntry(content)) {
      const target = this.#found.get(inode);
      if (target === undefined) {
        this.#complain(`UNALLOCATED I=${inode} NAME=${path}${name}`);
        continue;
      }
      target.seen += 1;
      if (name === '.' && inode !== number) this.#complain(`BAD . IN ${path}`);
      if (name === '..' && inode !== parent) this.#complain(`BAD .. IN ${path}`);
      const isOwn = name === '.' || name === '..';
      if (!isOwn && target.isDirectory) below.push({ inode, name });
    }
    for (const { inode, name } of below) {
      yield* this.#walk(inode, number, `${path}${name}/`, depth + 1);
    }
  }

  *#contentOf(inode: InodeRef): Task<Uint8Array> {
    const { blockBytes, fragmentBytes } = this.#state;
    const content = new Uint8Array(inode.sizeBytes);
    for (let at = 0; at < content.length; at += blockBytes) {
      const fragment = yield* this.#inodes.find(inode, at / blockBytes);
      const buffer = yield* this.#cache.get(Math.floor(fragment / FRAGMENTS_PER_BLOCK));
      const start = (fragment % FRAGMENTS_PER_BLOCK) * fragmentBytes;
      const length = Math.min(blockBytes - start, content.length - at);
      content.set(buffer.bytes.subarray(start, start + length), at);
    }
    return content;
  }

  #blockOf(group: number): number {
    const { fragmentsPerGroup, cylinderGroupFragment } = this.#state.geometry;
    return (group * fragmentsPerGroup + cylinderGroupFragment) / FRAGMENTS_PER_BLOCK;
  }

  *#group(group: number, sum: Counts): Task {
    const { geometry, summaries } = this.#state;
    const buffer = yield* this.#cache.get(this.#blockOf(group));
    const fields = CylinderGroup.cursor(buffer.view).at(0);
    if (fields.magic !== CYLINDER_GROUP_MAGIC) return;
    const fragments = fragmentsIn(geometry, group);
    const free = buffer.bytes.subarray(fields.fragmentsFreeAt, fields.nextFree);
    const used = this.#used[group]!;
    for (let first = 0; first < fragments; first += 8) {
      const mask = (1 << Math.min(8, fragments - first)) - 1;
      if (((free[first >>> 3]! ^ used[first >>> 3]!) & mask) !== mask) {
        this.#complain(`CG ${group}: BLOCK MAP WRONG AT ${first}`);
        break;
      }
    }
    const base = group * geometry.inodesPerGroup;
    let freeInodes = 0;
    let directories = 0;
    for (let number = 0; number < geometry.inodesPerGroup; number += 1) {
      const bit = buffer.bytes[fields.inodesUsedAt + (number >>> 3)]! >>> (number & 7);
      const found = this.#found.get(base + number);
      const isTaken = (bit & 1) === 1;
      const shouldBe = base + number < ROOT_INODE || found !== undefined;
      if (found?.isDirectory === true) directories += 1;
      if (!isTaken) freeInodes += 1;
      if (isTaken !== shouldBe) {
        this.#complain(`CG ${group}: INODE MAP WRONG AT ${base + number}`);
      }
    }
    const counts = { directories, freeInodes, ...countFree(free, fragments, new Uint32Array(8)) };
    for (const key of Object.keys(sum) as (keyof Counts)[]) {
      sum[key] += counts[key];
      if (counts[key] === fields[key] && counts[key] === summaries[group]![key]) continue;
      this.#complain(`CG ${group}: WRONG ${key}`);
    }
  }
}
