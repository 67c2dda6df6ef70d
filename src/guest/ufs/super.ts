/** A mounted file system's superblock and summaries: read, checked, and written back. */
import { viewOf } from '../../core/wire.ts';
import { FileErrno, FileError } from '../fs/errors.ts';
import type { Media } from '../fs/media.ts';
import type { Task } from '../kernel/api.ts';
import { type Counts, FRAGMENTS_PER_BLOCK, type Geometry } from './geometry.ts';
import {
  GroupSummary,
  Inode,
  Superblock,
  SUPERBLOCK_AT,
  SUPERBLOCK_ROOM,
  UFS2_MAGIC,
} from './spec.ts';

const MAX_BLOCK = 65_536;

export class SuperblockState {
  readonly bytes: Uint8Array;
  readonly fields: ReturnType<typeof Superblock.cursor>;
  readonly geometry: Geometry;
  readonly blockBytes: number;
  readonly fragmentBytes: number;
  readonly inodesPerBlock: number;
  /** Counts of each group. */
  readonly summaries: Counts[] = [];
  readonly totals: Counts = { directories: 0, freeBlocks: 0, freeInodes: 0, freeFragments: 0 };

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.fields = Superblock.cursor(viewOf(bytes)).at(0);
    const { fields } = this;
    this.blockBytes = fields.blockBytes;
    this.fragmentBytes = fields.fragmentBytes;
    this.inodesPerBlock = this.blockBytes / Inode.size;
    this.geometry = {
      sizeFragments: Number(fields.sizeFragments),
      groups: fields.cylinderGroups,
      fragmentsPerGroup: fields.fragmentsPerGroup,
      inodesPerGroup: fields.inodesPerGroup,
      superblockFragment: fields.superblockFragment,
      cylinderGroupFragment: fields.cylinderGroupFragment,
      inodesFragment: fields.inodesFragment,
      dataFragment: fields.dataFragment,
      cylinderGroupBytes: fields.cylinderGroupBytes,
      summaryBytes: fields.summaryBytes,
    };
    this.totals.directories = Number(fields.directories);
    this.totals.freeBlocks = Number(fields.freeBlocks);
    this.totals.freeInodes = Number(fields.freeInodes);
    this.totals.freeFragments = Number(fields.freeFragments);
  }

  /** Clusters are counted by newer file systems of others only; those are read, not written. */
  get canWrite(): boolean {
    return this.fields.clusterSummaryEntries === 0;
  }

  /** Throws `FileError` EINVAL for what is no UFS2 file system, or none that fits its partition. */
  static *read(media: Media): Task<SuperblockState> {
    const bytes = new Uint8Array(SUPERBLOCK_ROOM);
    if (media.sizeBytes < SUPERBLOCK_AT + SUPERBLOCK_ROOM) throw new FileError(FileErrno.EINVAL);
    yield* media.read(SUPERBLOCK_AT, bytes);
    if (!isSound(bytes, media.sizeBytes)) throw new FileError(FileErrno.EINVAL);
    const state = new SuperblockState(bytes);
    yield* state.readSummaries(media);
    return state;
  }

  *readSummaries(media: Media): Task {
    const data = new Uint8Array(this.geometry.summaryBytes);
    yield* media.read(Number(this.fields.summaryAt) * this.fragmentBytes, data);
    const cursor = GroupSummary.cursor(viewOf(data));
    for (let group = 0; group < this.geometry.groups; group += 1) {
      const { directories, freeBlocks, freeInodes, freeFragments } = cursor.at(
        group * GroupSummary.size,
      );
      this.summaries.push({ directories, freeBlocks, freeInodes, freeFragments });
    }
  }

  /** Summaries, then the superblock, as a sync does. */
  *write(media: Media): Task {
    const data = new Uint8Array(this.geometry.summaryBytes);
    const cursor = GroupSummary.cursor(viewOf(data));
    for (const [group, counts] of this.summaries.entries()) {
      Object.assign(cursor.at(group * GroupSummary.size), counts);
    }
    yield* media.write(Number(this.fields.summaryAt) * this.fragmentBytes, data);
    this.putTotals();
    yield* media.write(SUPERBLOCK_AT, this.bytes);
  }

  putTotals(): void {
    this.fields.directories = BigInt(this.totals.directories);
    this.fields.freeBlocks = BigInt(this.totals.freeBlocks);
    this.fields.freeInodes = BigInt(this.totals.freeInodes);
    this.fields.freeFragments = BigInt(this.totals.freeFragments);
  }
}

function isPower(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

/** What would make later arithmetic wrong, as ffs_sbget checks it. */
function isSound(bytes: Uint8Array, mediaBytes: number): boolean {
  const fs = Superblock.cursor(viewOf(bytes)).at(0);
  const { blockBytes, fragmentBytes, inodesPerGroup, fragmentsPerGroup, cylinderGroups } = fs;
  if (fs.magic !== UFS2_MAGIC || !isPower(blockBytes) || !isPower(fragmentBytes)) return false;
  if (blockBytes > MAX_BLOCK || blockBytes !== fragmentBytes * FRAGMENTS_PER_BLOCK) return false;
  if (fs.sizeFragmentsHi > 0xff || fs.summaryAtHi > 0xff) return false;
  const size = Number(fs.sizeFragments);
  const inodeFragments = (inodesPerGroup * Inode.size) / fragmentBytes;
  return (
    size * fragmentBytes <= mediaBytes &&
    fragmentsPerGroup > 0 &&
    fragmentsPerGroup % FRAGMENTS_PER_BLOCK === 0 &&
    cylinderGroups === Math.ceil(size / fragmentsPerGroup) &&
    inodesPerGroup > 0 &&
    inodesPerGroup % (blockBytes / Inode.size) === 0 &&
    fs.cylinderGroupFragment + FRAGMENTS_PER_BLOCK <= fs.inodesFragment &&
    fs.inodesFragment % FRAGMENTS_PER_BLOCK === 0 &&
    fs.inodesFragment + inodeFragments <= fs.dataFragment &&
    fs.dataFragment < fragmentsPerGroup &&
    fs.cylinderGroupBytes <= blockBytes &&
    fs.summaryBytes >= cylinderGroups * 16 &&
    fs.summaryBytes % fragmentBytes === 0 &&
    Number(fs.summaryAt) * fragmentBytes + fs.summaryBytes <= mediaBytes
  );
}
