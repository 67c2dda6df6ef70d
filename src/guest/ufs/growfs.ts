/** growfs(8): a file system takes what its partition has grown by. */
import { viewOf } from '../../core/wire.ts';
import { FileErrno, FileError } from '../fs/errors.ts';
import type { Media } from '../fs/media.ts';
import type { Task } from '../kernel/api.ts';
import {
  BLOCK_BYTES,
  countFree,
  dataFragmentsOf,
  fragmentsIn,
  FRAGMENTS_PER_BLOCK,
  type Geometry,
  newGroup,
  setBits,
} from './geometry.ts';
import { CylinderGroup, GroupSummary, Inode } from './spec.ts';
import { SuperblockState } from './super.ts';

export interface Growth {
  readonly oldBytes: number;
  readonly newBytes: number;
}

/** @returns undefined when there is nothing to grow by; throws `FileError` */
export function* growFileSystem(media: Media, time: number): Task<Growth | undefined> {
  const state = yield* SuperblockState.read(media);
  if (!state.canWrite || state.blockBytes !== BLOCK_BYTES) throw new FileError(FileErrno.EINVAL);
  if (state.fields.isClean === 0) throw new FileError(FileErrno.EPERM);
  const { fragmentBytes, geometry: old } = state;
  const geometry = grown(old, Math.floor(media.sizeBytes / fragmentBytes));
  if (geometry.sizeFragments === old.sizeFragments) return undefined;
  // More groups than the summaries have room for would need them moved.
  if (geometry.groups * GroupSummary.size > old.summaryBytes) {
    throw new FileError(FileErrno.ENOSPC);
  }
  yield* extendLast(media, state, geometry);
  const { fields } = state;
  for (let group = old.groups; group < geometry.groups; group += 1) {
    yield* addGroup(media, state, geometry, group, time);
  }
  fields.sizeFragments = BigInt(geometry.sizeFragments);
  fields.cylinderGroups = geometry.groups;
  fields.dataFragments = BigInt(dataFragmentsOf(geometry));
  fields.providerSectors = BigInt(Math.floor(media.sizeBytes / media.sectorBytes));
  yield* state.write(media);
  yield* media.flush();
  return {
    oldBytes: old.sizeFragments * fragmentBytes,
    newBytes: geometry.sizeFragments * fragmentBytes,
  };
}

function grown(old: Geometry, available: number): Geometry {
  const { fragmentsPerGroup, dataFragment } = old;
  let sizeFragments = available;
  let groups = Math.ceil(sizeFragments / fragmentsPerGroup);
  const rest = sizeFragments - (groups - 1) * fragmentsPerGroup;
  if (groups > old.groups && rest < dataFragment + FRAGMENTS_PER_BLOCK * 2) {
    groups -= 1;
    sizeFragments = groups * fragmentsPerGroup;
  }
  if (sizeFragments <= old.sizeFragments) return old;
  return { ...old, sizeFragments, groups };
}

/** The last group has fewer fragments than the others: it gets what it lacks, as far as there is. */
function* extendLast(media: Media, state: SuperblockState, geometry: Geometry): Task {
  const { geometry: old, fragmentBytes, blockBytes } = state;
  const group = old.groups - 1;
  const before = fragmentsIn(old, group);
  const after = fragmentsIn(geometry, group);
  if (after === before) return;
  const at = (group * old.fragmentsPerGroup + old.cylinderGroupFragment) * fragmentBytes;
  const bytes = new Uint8Array(blockBytes);
  yield* media.read(at, bytes);
  const fields = CylinderGroup.cursor(viewOf(bytes)).at(0);
  const free = bytes.subarray(fields.fragmentsFreeAt, fields.nextFree);
  setBits(free, before, after - before);
  const runs = new Uint32Array(FRAGMENTS_PER_BLOCK);
  const counts = countFree(free, after, runs);
  fields.fragments = after;
  fields.fragmentRuns = new Uint8Array(runs.buffer);
  const summary = state.summaries[group]!;
  state.totals.freeBlocks += counts.freeBlocks - summary.freeBlocks;
  state.totals.freeFragments += counts.freeFragments - summary.freeFragments;
  for (const target of [fields, summary]) Object.assign(target, counts);
  yield* media.write(at, bytes);
}

function* addGroup(
  media: Media,
  state: SuperblockState,
  geometry: Geometry,
  group: number,
  time: number,
): Task {
  const { fragmentBytes } = state;
  const base = group * geometry.fragmentsPerGroup;
  const { bytes, counts } = newGroup(geometry, group, time);
  const { initializedInodes } = CylinderGroup.cursor(viewOf(bytes)).at(0);
  yield* media.write((base + geometry.superblockFragment) * fragmentBytes, state.bytes);
  yield* media.write((base + geometry.cylinderGroupFragment) * fragmentBytes, bytes);
  const inodes = new Uint8Array(initializedInodes * Inode.size);
  yield* media.write((base + geometry.inodesFragment) * fragmentBytes, inodes);
  state.summaries.push(counts);
  state.totals.freeBlocks += counts.freeBlocks;
  state.totals.freeInodes += counts.freeInodes;
  state.totals.freeFragments += counts.freeFragments;
}
