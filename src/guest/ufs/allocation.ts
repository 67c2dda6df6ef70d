/** Cylinder groups: which blocks, fragments and inodes are free (ufs/ffs/ffs_alloc.c). */
import { FileErrno, FileError } from '../fs/errors.ts';
import type { Buffer, BufferCache } from '../fs/buffer-cache.ts';
import type { Task } from '../kernel/api.ts';
import { countFree, FRAGMENTS_PER_BLOCK } from './geometry.ts';
import { CYLINDER_GROUP_MAGIC, CylinderGroup } from './spec.ts';
import type { SuperblockState } from './super.ts';

const WHOLE_BLOCK = 0xff;

type GroupFields = ReturnType<typeof CylinderGroup.cursor>;

/** One group, in its buffer. */
interface Group {
  readonly index: number;
  readonly buffer: Buffer;
  readonly fields: GroupFields;
}

/** @returns where a run of `count` set bits begins in a byte, or -1 */
function findRun(byte: number, count: number): number {
  const run = (1 << count) - 1;
  for (let shift = 0; shift + count <= FRAGMENTS_PER_BLOCK; shift += 1) {
    if (((byte >>> shift) & run) === run) return shift;
  }
  return -1;
}

export class Allocator {
  readonly #state: SuperblockState;
  readonly #cache: BufferCache;

  constructor(state: SuperblockState, cache: BufferCache) {
    this.#state = state;
    this.#cache = cache;
  }

  *#group(index: number): Task<Group> {
    const { fragmentsPerGroup, cylinderGroupFragment } = this.#state.geometry;
    const fragment = index * fragmentsPerGroup + cylinderGroupFragment;
    const buffer = yield* this.#cache.get(fragment / FRAGMENTS_PER_BLOCK);
    const fields = CylinderGroup.cursor(buffer.view).at(0);
    const isSound =
      fields.magic === CYLINDER_GROUP_MAGIC &&
      fields.index === index &&
      fields.inodesUsedAt < buffer.bytes.length &&
      fields.fragmentsFreeAt < buffer.bytes.length;
    if (!isSound) throw new FileError(FileErrno.EIO);
    return { index, buffer, fields };
  }

  /** Groups from the preferred one on, once around. */
  *#groupsFrom(preferred: number): Generator<number, void, unknown> {
    const { groups } = this.#state.geometry;
    for (let step = 0; step < groups; step += 1) yield (preferred + step) % groups;
  }

  /** @returns the fragment number of a whole free block */
  *block(preferred: number): Task<number> {
    for (const index of this.#groupsFrom(preferred)) {
      if (this.#state.summaries[index]!.freeBlocks === 0) continue;
      const group = yield* this.#group(index);
      const byte = this.#findByte(group, (value) => value === WHOLE_BLOCK);
      if (byte < 0) continue;
      this.#change(group, byte, 0);
      group.fields.blockRotor = byte * FRAGMENTS_PER_BLOCK;
      return this.#fragmentOf(index, byte);
    }
    throw new FileError(FileErrno.ENOSPC);
  }

  /** @returns the number of the first of `count` adjacent free fragments of one block */
  *fragments(count: number, preferred: number): Task<number> {
    if (count === FRAGMENTS_PER_BLOCK) return yield* this.block(preferred);
    for (const index of this.#groupsFrom(preferred)) {
      const { freeFragments, freeBlocks } = this.#state.summaries[index]!;
      if (freeFragments < count && freeBlocks === 0) continue;
      const group = yield* this.#group(index);
      let byte = this.#findByte(
        group,
        (value) => value !== WHOLE_BLOCK && findRun(value, count) >= 0,
      );
      if (byte < 0) byte = this.#findByte(group, (value) => value === WHOLE_BLOCK);
      if (byte < 0) continue;
      const old = this.#free(group)[byte]!;
      const shift = findRun(old, count);
      this.#change(group, byte, old & ~(((1 << count) - 1) << shift));
      return this.#fragmentOf(index, byte) + shift;
    }
    throw new FileError(FileErrno.ENOSPC);
  }

  /** Takes the fragments behind a run when they are free. @returns whether they were */
  *extend(first: number, count: number, wanted: number): Task<boolean> {
    const shift = first % FRAGMENTS_PER_BLOCK;
    if (shift + wanted > FRAGMENTS_PER_BLOCK) return false;
    const { group, byte } = yield* this.#placeOf(first);
    const more = ((1 << (wanted - count)) - 1) << (shift + count);
    const old = this.#free(group)[byte]!;
    if ((old & more) !== more) return false;
    this.#change(group, byte, old & ~more);
    return true;
  }

  /** Fragments of one block. */
  *release(first: number, count: number): Task {
    const { group, byte } = yield* this.#placeOf(first);
    const bits = ((1 << count) - 1) << (first % FRAGMENTS_PER_BLOCK);
    const old = this.#free(group)[byte]!;
    // A fragment that is free already means that the file system is damaged.
    if ((old & bits) !== 0) throw new FileError(FileErrno.EIO);
    this.#change(group, byte, old | bits);
  }

  *inode(preferred: number, isDirectory: boolean): Task<number> {
    const { inodesPerGroup, fragmentsPerGroup, inodesFragment } = this.#state.geometry;
    const { inodesPerBlock } = this.#state;
    for (const index of this.#groupsFrom(preferred)) {
      if (this.#state.summaries[index]!.freeInodes === 0) continue;
      const group = yield* this.#group(index);
      const { fields, buffer } = group;
      const used = buffer.bytes.subarray(fields.inodesUsedAt);
      let number = 0;
      while (number < inodesPerGroup && ((used[number >>> 3]! >>> (number & 7)) & 1) !== 0) {
        number += used[number >>> 3] === 0xff ? 8 - (number & 7) : 1;
      }
      if (number >= inodesPerGroup) continue;
      used[number >>> 3]! |= 1 << (number & 7);
      this.#countInode(group, -1, isDirectory ? 1 : 0);
      // Inode blocks behind the first ones have never been written.
      while (fields.initializedInodes <= number) {
        const fragment =
          index * fragmentsPerGroup +
          inodesFragment +
          (fields.initializedInodes / inodesPerBlock) * FRAGMENTS_PER_BLOCK;
        this.#cache.change(yield* this.#cache.fresh(fragment / FRAGMENTS_PER_BLOCK));
        fields.initializedInodes += inodesPerBlock;
      }
      this.#cache.change(buffer);
      return index * inodesPerGroup + number;
    }
    throw new FileError(FileErrno.ENOSPC);
  }

  *releaseInode(inode: number, isDirectory: boolean): Task {
    const { inodesPerGroup } = this.#state.geometry;
    const group = yield* this.#group(Math.floor(inode / inodesPerGroup));
    const number = inode % inodesPerGroup;
    group.buffer.bytes[group.fields.inodesUsedAt + (number >>> 3)]! &= ~(1 << (number & 7));
    this.#countInode(group, 1, isDirectory ? -1 : 0);
    this.#cache.change(group.buffer);
  }

  #countInode({ index, fields }: Group, free: number, directories: number): void {
    const { totals, summaries } = this.#state;
    for (const counts of [fields, summaries[index]!, totals]) {
      counts.freeInodes += free;
      counts.directories += directories;
    }
  }

  *#placeOf(fragment: number): Task<{ readonly group: Group; readonly byte: number }> {
    const { fragmentsPerGroup, groups } = this.#state.geometry;
    const index = Math.floor(fragment / fragmentsPerGroup);
    if (!(index >= 0 && index < groups)) throw new FileError(FileErrno.EIO);
    const group = yield* this.#group(index);
    return { group, byte: (fragment - index * fragmentsPerGroup) >>> 3 };
  }

  #free({ buffer, fields }: Group): Uint8Array {
    return buffer.bytes.subarray(fields.fragmentsFreeAt);
  }

  #fragmentOf(group: number, byte: number): number {
    return group * this.#state.geometry.fragmentsPerGroup + byte * FRAGMENTS_PER_BLOCK;
  }

  /** From the rotor on, once around. @returns the index of a byte of the free map, or -1 */
  #findByte(group: Group, isGood: (byte: number) => boolean): number {
    const free = this.#free(group);
    const count = Math.ceil(group.fields.fragments / FRAGMENTS_PER_BLOCK);
    const start = Math.min(count - 1, group.fields.blockRotor >>> 3);
    for (let step = 0; step < count; step += 1) {
      const byte = (start + step) % count;
      if (free[byte] !== 0 && isGood(free[byte]!)) return byte;
    }
    return -1;
  }

  /** Sets a byte of the free map, and everything that counts what it shows. */
  #change(group: Group, byte: number, value: number): void {
    const { buffer, fields, index } = group;
    const free = this.#free(group);
    const runs = new Uint32Array(FRAGMENTS_PER_BLOCK);
    const before = countFree(free.subarray(byte), FRAGMENTS_PER_BLOCK, runs);
    const runsBefore = runs.slice();
    runs.fill(0);
    free[byte] = value;
    const after = countFree(free.subarray(byte), FRAGMENTS_PER_BLOCK, runs);
    const blocks = after.freeBlocks - before.freeBlocks;
    const fragments = after.freeFragments - before.freeFragments;
    for (const counts of [fields, this.#state.summaries[index]!, this.#state.totals]) {
      counts.freeBlocks += blocks;
      counts.freeFragments += fragments;
    }
    for (let length = 1; length < FRAGMENTS_PER_BLOCK; length += 1) {
      const at = CylinderGroup.offset.fragmentRuns + length * 4;
      const shown = buffer.view.getUint32(at, true);
      buffer.view.setUint32(at, shown + runs[length]! - runsBefore[length]!, true);
    }
    this.#cache.change(buffer);
  }
}
