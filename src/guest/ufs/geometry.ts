/** How newfs(8) lays a UFS2 file system out, and the bytes of what it writes. */
import { latin1 } from '../../core/text.ts';
import { viewOf } from '../../core/wire.ts';
import {
  CYLINDER_GROUP_MAGIC,
  CylinderGroup,
  DIRECT_BLOCKS,
  DIRECTORY_BLOCK,
  DirectoryEntry,
  FS_44INODEFMT,
  FS_DOSOFTDEP,
  FS_DYNAMICPOSTBLFMT,
  GroupSummary,
  Inode,
  ModeType,
  ROOT_INODE,
  Superblock,
  SUPERBLOCK_AT,
  SUPERBLOCK_ROOM,
  UFS2_MAGIC,
} from './spec.ts';

export const BLOCK_BYTES = 32_768;
export const FRAGMENT_BYTES = 4_096;
export const FRAGMENTS_PER_BLOCK = BLOCK_BYTES / FRAGMENT_BYTES;
const INODES_PER_BLOCK = BLOCK_BYTES / Inode.size;
const INODES_PER_FRAGMENT = FRAGMENT_BYTES / Inode.size;
const MINIMUM_FREE_PERCENT = 8;
/** One inode for so many fragments: newfs's NFPI. */
const FRAGMENTS_PER_INODE = 2;
/** CG bytes that are no bitmap: the header, and a word that padded the old tables. */
const GROUP_FIXED_BYTES = CylinderGroup.size + 4;
/** Inode blocks that newfs writes in each group; the others are written when they are needed. */
const INITIAL_INODE_BLOCKS = 2;

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/** Places and sizes; positions in fragments from the start of the file system or of a group. */
export interface Geometry {
  /** Whole fragments of the partition. */
  readonly sizeFragments: number;
  readonly groups: number;
  readonly fragmentsPerGroup: number;
  readonly inodesPerGroup: number;
  readonly superblockFragment: number;
  readonly cylinderGroupFragment: number;
  readonly inodesFragment: number;
  readonly dataFragment: number;
  readonly cylinderGroupBytes: number;
  readonly summaryBytes: number;
}

export interface NewfsOptions {
  /** Of the partition. */
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly hasSoftUpdates: boolean;
  /** Seconds since 1970. */
  readonly time: number;
  /** Two words that name this file system. */
  readonly id: readonly [number, number];
  readonly volumeName?: string;
}

/** One thing that newfs writes. */
export interface Piece {
  /** Bytes from the start of the partition. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

function groupBytes(fragmentsPerGroup: number, inodesPerGroup: number): number {
  return GROUP_FIXED_BYTES + Math.ceil(inodesPerGroup / 8) + Math.ceil(fragmentsPerGroup / 8);
}

function inodesFor(fragments: number): number {
  return roundUp(Math.ceil(fragments / FRAGMENTS_PER_INODE), INODES_PER_BLOCK);
}

/** @returns undefined for a partition that is too small to hold a file system */
export function planGeometry(sizeBytes: number): Geometry | undefined {
  const sizeFragments = Math.floor(sizeBytes / FRAGMENT_BYTES);
  const superblockFragment = roundUp(
    (SUPERBLOCK_AT + SUPERBLOCK_ROOM) / FRAGMENT_BYTES,
    FRAGMENTS_PER_BLOCK,
  );
  const cylinderGroupFragment =
    superblockFragment + roundUp(SUPERBLOCK_ROOM / FRAGMENT_BYTES, FRAGMENTS_PER_BLOCK);
  const inodesFragment = cylinderGroupFragment + FRAGMENTS_PER_BLOCK;
  // As many fragments as a group's bitmaps in one block can describe.
  let fragmentsPerGroup = Math.min(
    roundUp(sizeFragments, FRAGMENTS_PER_BLOCK),
    Math.floor(((BLOCK_BYTES - GROUP_FIXED_BYTES - INODES_PER_BLOCK) * 8) / 1.5 / 8) * 8,
  );
  let inodesPerGroup = inodesFor(fragmentsPerGroup);
  while (groupBytes(fragmentsPerGroup, inodesPerGroup) > BLOCK_BYTES) {
    fragmentsPerGroup -= FRAGMENTS_PER_BLOCK;
    inodesPerGroup = inodesFor(fragmentsPerGroup);
  }
  const dataFragment = inodesFragment + inodesPerGroup / INODES_PER_FRAGMENT;
  let groups = Math.ceil(sizeFragments / fragmentsPerGroup);
  // A last group without room for data is left out.
  const rest = sizeFragments - (groups - 1) * fragmentsPerGroup;
  let size = sizeFragments;
  if (rest < dataFragment + FRAGMENTS_PER_BLOCK * 2) {
    groups -= 1;
    size = groups * fragmentsPerGroup;
  }
  if (groups < 1) return undefined;
  return {
    sizeFragments: size,
    groups,
    fragmentsPerGroup,
    inodesPerGroup,
    superblockFragment,
    cylinderGroupFragment,
    inodesFragment,
    dataFragment,
    cylinderGroupBytes: roundUp(groupBytes(fragmentsPerGroup, inodesPerGroup), FRAGMENT_BYTES),
    summaryBytes: roundUp(groups * GroupSummary.size, FRAGMENT_BYTES),
  };
}

/** Counts of one group, as `struct csum` has them. */
export interface Counts {
  directories: number;
  freeBlocks: number;
  freeInodes: number;
  freeFragments: number;
}

/** Fragments of a group: all of them, but for the last group's. */
export function fragmentsIn(geometry: Geometry, group: number): number {
  const first = group * geometry.fragmentsPerGroup;
  return Math.min(geometry.fragmentsPerGroup, geometry.sizeFragments - first);
}

/** Counts the free blocks and fragments that a bitmap shows, and the runs by length. */
export function countFree(
  bitmap: Uint8Array,
  fragments: number,
  runs: Uint32Array,
): Pick<Counts, 'freeBlocks' | 'freeFragments'> {
  let freeBlocks = 0;
  let freeFragments = 0;
  for (let first = 0; first < fragments; first += FRAGMENTS_PER_BLOCK) {
    const count = Math.min(FRAGMENTS_PER_BLOCK, fragments - first);
    const byte = bitmap[first >>> 3]! & ((1 << count) - 1);
    if (byte === 0) continue;
    if (byte === 0xff) {
      freeBlocks += 1;
      continue;
    }
    let run = 0;
    for (let bit = 0; bit <= FRAGMENTS_PER_BLOCK; bit += 1) {
      if (((byte >>> bit) & 1) !== 0) {
        run += 1;
        freeFragments += 1;
      } else {
        if (run > 0) runs[run] = runs[run]! + 1;
        run = 0;
      }
    }
  }
  return { freeBlocks, freeFragments };
}

/**
 * A cylinder group as newfs makes it.
 * @param usedData fragments behind the inodes that are taken: the summary area of group 0
 */
export function newGroup(
  geometry: Geometry,
  group: number,
  time: number,
  usedData = 0,
): { readonly bytes: Uint8Array; readonly counts: Counts } {
  const bytes = new Uint8Array(BLOCK_BYTES);
  const view = viewOf(bytes);
  const fields = CylinderGroup.cursor(view).at(0);
  const { inodesPerGroup, dataFragment } = geometry;
  const fragments = fragmentsIn(geometry, group);
  fields.magic = CYLINDER_GROUP_MAGIC;
  fields.index = group;
  fields.fragments = fragments;
  fields.inodes = inodesPerGroup;
  fields.initializedInodes = Math.min(inodesPerGroup, INITIAL_INODE_BLOCKS * INODES_PER_BLOCK);
  fields.inodesUsedAt = CylinderGroup.size;
  fields.fragmentsFreeAt = fields.inodesUsedAt + Math.ceil(inodesPerGroup / 8);
  fields.nextFree = fields.fragmentsFreeAt + Math.ceil(geometry.fragmentsPerGroup / 8);
  fields.time = BigInt(time);
  const free = bytes.subarray(fields.fragmentsFreeAt, fields.nextFree);
  // The blocks before group 0's superblock hold boot code; in other groups they are data.
  if (group > 0) setBits(free, 0, geometry.superblockFragment);
  const firstData = dataFragment + usedData;
  setBits(free, firstData, fragments - firstData);
  const runs = new Uint32Array(FRAGMENTS_PER_BLOCK);
  const { freeBlocks, freeFragments } = countFree(free, fragments, runs);
  const counts: Counts = { directories: 0, freeBlocks, freeInodes: inodesPerGroup, freeFragments };
  if (group === 0) {
    // Inodes 0 and 1 are never used.
    setBits(bytes.subarray(fields.inodesUsedAt), 0, ROOT_INODE);
    counts.freeInodes -= ROOT_INODE;
  }
  fields.freeBlocks = freeBlocks;
  fields.freeFragments = freeFragments;
  fields.freeInodes = counts.freeInodes;
  fields.fragmentRuns = new Uint8Array(runs.buffer);
  return { bytes, counts };
}

export function setBits(bitmap: Uint8Array, first: number, count: number): void {
  for (let bit = first; bit < first + count;) {
    if ((bit & 7) === 0 && first + count - bit >= 8) {
      bitmap[bit >>> 3] = 0xff;
      bit += 8;
    } else {
      bitmap[bit >>> 3]! |= 1 << (bit & 7);
      bit += 1;
    }
  }
}

const ascii = (text: string): Uint8Array => latin1(text);

/** The superblock of a new file system, without its totals. */
function newSuperblock(geometry: Geometry, options: NewfsOptions): Uint8Array {
  const bytes = new Uint8Array(SUPERBLOCK_ROOM);
  const fields = Superblock.cursor(viewOf(bytes)).at(0);
  const { groups, sizeFragments } = geometry;
  Object.assign(fields, {
    superblockFragment: geometry.superblockFragment,
    cylinderGroupFragment: geometry.cylinderGroupFragment,
    inodesFragment: geometry.inodesFragment,
    dataFragment: geometry.dataFragment,
    oldMask: 0xffff_ffff,
    cylinderGroups: groups,
    blockBytes: BLOCK_BYTES,
    fragmentBytes: FRAGMENT_BYTES,
    fragmentsPerBlock: FRAGMENTS_PER_BLOCK,
    minimumFreePercent: MINIMUM_FREE_PERCENT,
    blockMask: ~(BLOCK_BYTES - 1) >>> 0,
    fragmentMask: ~(FRAGMENT_BYTES - 1) >>> 0,
    blockShift: Math.log2(BLOCK_BYTES),
    fragmentShift: Math.log2(FRAGMENT_BYTES),
    maxContiguous: 1,
    maxBlocksPerGroup: BLOCK_BYTES / 8,
    fragmentsPerBlockShift: Math.log2(FRAGMENTS_PER_BLOCK),
    fragmentToSectorShift: Math.log2(FRAGMENT_BYTES / 512),
    superblockBytes: FRAGMENT_BYTES,
    indirectEntries: BLOCK_BYTES / 8,
    inodesPerBlock: INODES_PER_BLOCK,
    oldSectorsPerFragment: FRAGMENT_BYTES / 512,
    idLo: options.id[0],
    idHi: options.id[1],
    summaryBytes: geometry.summaryBytes,
    cylinderGroupBytes: geometry.cylinderGroupBytes,
    inodesPerGroup: geometry.inodesPerGroup,
    fragmentsPerGroup: geometry.fragmentsPerGroup,
    isClean: 1,
    volumeName: ascii(options.volumeName ?? ''),
    maxBlockBytes: BLOCK_BYTES,
    providerSectors: BigInt(Math.floor(options.sizeBytes / options.sectorBytes)),
    superblockPosition: BigInt(SUPERBLOCK_AT),
    actualPosition: BigInt(SUPERBLOCK_AT),
    time: BigInt(options.time),
    mountTime: 0n,
    sizeFragments: BigInt(sizeFragments),
    summaryAt: BigInt(geometry.dataFragment),
    averageFileBytes: 16_384,
    averageFilesPerDirectory: 64,
    flags: options.hasSoftUpdates ? FS_DOSOFTDEP : 0,
    maxSymbolicLink: (DIRECT_BLOCKS + 3) * 8,
    oldInodeFormat: FS_44INODEFMT,
    oldPositionFormat: FS_DYNAMICPOSTBLFMT,
    oldPositions: 1,
    maxFileBytes: BigInt(BLOCK_BYTES) * BigInt(DIRECT_BLOCKS + BLOCK_BYTES / 8) - 1n,
    blockOffsetMask: BigInt(BLOCK_BYTES - 1),
    fragmentOffsetMask: BigInt(FRAGMENT_BYTES - 1),
    magic: UFS2_MAGIC,
  });
  return bytes;
}

/**
 * What newfs writes, in its order: for each group a superblock, the group and its first inodes;
 * then the root directory, the summaries, and the superblock that makes it a file system.
 * @returns undefined when the partition is too small
 */
export function* newFileSystem(options: NewfsOptions): Generator<Piece, Geometry | undefined> {
  const geometry = planGeometry(options.sizeBytes);
  if (geometry === undefined) return undefined;
  const { groups, fragmentsPerGroup } = geometry;
  const superblock = newSuperblock(geometry, options);
  const fields = Superblock.cursor(viewOf(superblock)).at(0);
  const summaries = new Uint8Array(geometry.summaryBytes);
  const summary = GroupSummary.cursor(viewOf(summaries));
  const totals: Counts = { directories: 0, freeBlocks: 0, freeInodes: 0, freeFragments: 0 };
  const inodeBytes = INITIAL_INODE_BLOCKS * BLOCK_BYTES;
  const emptyInodes = new Uint8Array(
    Math.min(inodeBytes, (geometry.inodesPerGroup / INODES_PER_BLOCK) * BLOCK_BYTES),
  );
  const root = newRoot(geometry, options.time);
  for (let group = 0; group < groups; group += 1) {
    const base = group * fragmentsPerGroup;
    const summaryFragments = geometry.summaryBytes / FRAGMENT_BYTES;
    // The root directory's fragment lies behind the summaries.
    const { bytes, counts } = newGroup(
      geometry,
      group,
      options.time,
      group === 0 ? summaryFragments + 1 : 0,
    );
    if (group === 0) {
      const head = CylinderGroup.cursor(viewOf(bytes)).at(0);
      setBits(bytes.subarray(head.inodesUsedAt), ROOT_INODE, 1);
      counts.directories = 1;
      counts.freeInodes -= 1;
      head.directories = 1;
      head.freeInodes = counts.freeInodes;
    }
    yield { at: (base + geometry.superblockFragment) * FRAGMENT_BYTES, bytes: superblock };
    yield { at: (base + geometry.cylinderGroupFragment) * FRAGMENT_BYTES, bytes };
    const inodes = group === 0 ? withRoot(emptyInodes, root.inode) : emptyInodes;
    yield { at: (base + geometry.inodesFragment) * FRAGMENT_BYTES, bytes: inodes };
    Object.assign(summary.at(group * GroupSummary.size), counts);
    totals.directories += counts.directories;
    totals.freeBlocks += counts.freeBlocks;
    totals.freeInodes += counts.freeInodes;
    totals.freeFragments += counts.freeFragments;
  }
  yield { at: root.fragment * FRAGMENT_BYTES, bytes: root.directory };
  yield { at: geometry.dataFragment * FRAGMENT_BYTES, bytes: summaries };
  fields.directories = BigInt(totals.directories);
  fields.freeBlocks = BigInt(totals.freeBlocks);
  fields.freeInodes = BigInt(totals.freeInodes);
  fields.freeFragments = BigInt(totals.freeFragments);
  fields.dataFragments = BigInt(dataFragmentsOf(geometry));
  yield { at: SUPERBLOCK_AT, bytes: superblock };
  return geometry;
}

/** `fs_dsize`: what is neither a superblock, a group, an inode nor a summary. */
export function dataFragmentsOf(geometry: Geometry): number {
  const { groups, sizeFragments, dataFragment, superblockFragment } = geometry;
  const perGroup = dataFragment - superblockFragment;
  return (
    sizeFragments - superblockFragment - groups * perGroup - geometry.summaryBytes / FRAGMENT_BYTES
  );
}

function withRoot(empty: Uint8Array, inode: Uint8Array): Uint8Array {
  const block = empty.slice();
  block.set(inode, ROOT_INODE * Inode.size);
  return block;
}

function newRoot(
  geometry: Geometry,
  time: number,
): { readonly inode: Uint8Array; readonly directory: Uint8Array; readonly fragment: number } {
  const fragment = geometry.dataFragment + geometry.summaryBytes / FRAGMENT_BYTES;
  const inode = new Uint8Array(Inode.size);
  const fields = Inode.cursor(viewOf(inode)).at(0);
  Object.assign(fields, {
    mode: ModeType.directory | 0o755,
    links: 2,
    blockBytes: BLOCK_BYTES,
    sizeBytes: BigInt(DIRECTORY_BLOCK),
    blocks: BigInt(FRAGMENT_BYTES / 512),
    accessTime: BigInt(time),
    modifyTime: BigInt(time),
    changeTime: BigInt(time),
    birthTime: BigInt(time),
    generation: 1,
  });
  viewOf(inode).setBigUint64(Inode.offset.direct, BigInt(fragment), true);
  const directory = new Uint8Array(FRAGMENT_BYTES);
  directory.set(emptyDirectory(ROOT_INODE, ROOT_INODE));
  return { inode, directory, fragment };
}

/** The first block of a directory: itself and its parent. */
export function emptyDirectory(self: number, parent: number): Uint8Array {
  const block = new Uint8Array(DIRECTORY_BLOCK);
  const entry = DirectoryEntry.cursor(viewOf(block));
  const first = 12;
  for (const [at, inode, name] of [
    [0, self, '.'],
    [first, parent, '..'],
  ] as const) {
    entry.at(at);
    entry.inode = inode;
    entry.recordBytes = at === 0 ? first : DIRECTORY_BLOCK - first;
    entry.type = DirectoryEntryType.directory;
    entry.nameBytes = name.length;
    block.set(ascii(name), at + DirectoryEntry.size);
  }
  return block;
}

export const DirectoryEntryType = { directory: 4, file: 8 } as const;
