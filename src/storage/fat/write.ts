import { latin1 } from '../../core/text.ts';
import {
  encodeEntry,
  FAT_EPOCH,
  type FatEntry,
  type FatTime,
  findSlots,
  packDate,
  packTime,
} from './directory.ts';
import { makeShortName, nameProblem, splitPath } from './names.ts';
import {
  Attribute,
  DirectoryEntry,
  END_OF_CHAIN,
  ENTRY_END,
  FSINFO_LEAD,
  FSINFO_STRUCT,
  FsInfo,
  MAX_DIRECTORY_BYTES,
} from './spec.ts';
import { type FatVolume, findEntry, type LoadedDirectory, show } from './volume.ts';

/**
 * Creates a file or replaces its content; its directory must exist. When there is no room, or the
 * path is wrong, it throws `InputError` and the volume is as it was.
 */
export function writeFatFile(
  volume: FatVolume,
  path: string,
  bytes: Uint8Array,
  time: FatTime = FAT_EPOCH,
): void {
  const parts = splitPath(path);
  const name = parts.pop();
  if (name === undefined) volume.fail('the root directory is not a file');
  const directory = volume.directoryAt(parts, path);
  const existing = findEntry(directory, name);
  if (existing?.isDirectory === true) volume.fail(`${show(path)} is a directory`);
  if (bytes.length > 0xffff_ffff) volume.fail(`${show(path)} has more than 4 GiB - 1`);
  const wanted = Math.ceil(bytes.length / volume.clusterBytes);
  const sizeBytes = bytes.length;
  if (existing !== undefined) {
    const { runs, added } = resizeChain(volume, existing.firstCluster, wanted, path);
    writeRuns(volume, runs, bytes);
    updateEntry(volume, directory, existing, runs[0] ?? 0, sizeBytes, time);
    finish(volume, added);
    return;
  }
  const place = reserve(volume, directory, name, wanted, path);
  const { runs } = resizeChain(volume, 0, wanted, path);
  writeRuns(volume, runs, bytes);
  const attributes = Attribute.bit.ARCHIVE;
  addEntry(volume, place, { attributes, firstCluster: runs[0] ?? 0, sizeBytes, time });
  finish(volume, wanted + place.addedClusters);
}

/** Creates a directory and those above it that are missing. */
export function makeFatDirectory(volume: FatVolume, path: string, time: FatTime = FAT_EPOCH): void {
  let directory = volume.loadDirectory(undefined, '\\');
  for (const name of splitPath(path)) {
    let entry = findEntry(directory, name);
    const below = directory.path === '\\' ? `\\${name}` : `${directory.path}\\${name}`;
    if (entry !== undefined && !entry.isDirectory) volume.fail(`${below} is a file`);
    if (entry === undefined) {
      addDirectory(volume, directory, name, time);
      entry = findEntry(volume.directoryAt(splitPath(directory.path), below), name)!;
    }
    directory = volume.loadDirectory(entry, below);
  }
}

function addDirectory(
  volume: FatVolume,
  parent: LoadedDirectory,
  name: string,
  time: FatTime,
): void {
  const place = reserve(volume, parent, name, 1, `${parent.path}\\${name}`);
  const firstCluster = volume.table.allocate(1)![0]!;
  const isRootParent = parent.path === '\\';
  const content = new Uint8Array(volume.clusterBytes);
  const link = (dots: string, cluster: number): Uint8Array =>
    encodeEntry({
      short: {
        bytes: latin1(dots.padEnd(11)),
        caseBits: 0,
        needsLongName: false,
      },
      longName: '',
      attributes: Attribute.bit.DIRECTORY,
      firstCluster: cluster,
      sizeBytes: 0,
      time,
    });
  content.set(link('.', firstCluster));
  content.set(link('..', isRootParent ? 0 : parent.firstCluster), DirectoryEntry.size);
  volume.range.write(volume.clusterStart(firstCluster), content, 0, content.length);
  addEntry(volume, place, {
    attributes: Attribute.bit.DIRECTORY,
    firstCluster,
    sizeBytes: 0,
    time,
  });
  finish(volume, 1 + place.addedClusters);
}

/** Makes a chain `wanted` clusters long, in place. @returns its runs, and clusters more than before */
function resizeChain(
  volume: FatVolume,
  firstCluster: number,
  wanted: number,
  path: string,
): { runs: readonly number[]; added: number } {
  const { table } = volume;
  const old = firstCluster === 0 ? undefined : table.chain(firstCluster, show(path));
  const have = old?.clusterCount ?? 0;
  const runs = [...(old?.runs ?? [])];
  if (wanted > have) {
    const extra = table.allocate(wanted - have);
    if (extra === undefined) failFull(volume, path, wanted - have);
    if (have > 0) table.set(runs[runs.length - 2]! + runs[runs.length - 1]! - 1, extra[0]!);
    runs.push(...extra);
  } else if (wanted < have) {
    let keep = wanted;
    for (let index = 0; index < runs.length; index += 2) {
      const count = Math.min(keep, runs[index + 1]!);
      keep -= count;
      for (let each = count; each < runs[index + 1]!; each += 1) table.release(runs[index]! + each);
      if (count > 0 && keep === 0) table.set(runs[index]! + count - 1, END_OF_CHAIN);
    }
    if (wanted === 0) runs.length = 0;
  }
  return { runs, added: wanted - have };
}

function failFull(volume: FatVolume, path: string, clusters: number): never {
  return volume.fail(
    `no room for ${show(path)} on the FAT volume: it needs ${clusters * volume.clusterBytes} bytes more`,
  );
}

/** The last sector is filled up with zeros. */
function writeRuns(volume: FatVolume, runs: readonly number[], bytes: Uint8Array): void {
  const { clusterBytes, sectorBytes } = volume.geometry;
  let at = 0;
  for (let index = 0; index < runs.length && at < bytes.length; index += 2) {
    const count = Math.min(bytes.length - at, runs[index + 1]! * clusterBytes);
    const whole = count - (count % sectorBytes);
    const start = volume.clusterStart(runs[index]!);
    volume.range.write(start, bytes, at, whole);
    if (whole < count) {
      const last = new Uint8Array(sectorBytes);
      last.set(bytes.subarray(at + whole, at + count));
      volume.range.write(start + whole, last, 0, sectorBytes);
    }
    at += count;
  }
}

interface EntryPlace {
  readonly directory: LoadedDirectory;
  readonly short: ReturnType<typeof makeShortName>;
  readonly longName: string;
  readonly position: number;
  /** Clusters that the directory grew by. */
  readonly addedClusters: number;
}

/**
 * Finds room in a directory for a new name, and grows the directory where there is none.
 * @param clusters what the new file needs besides: without room for all, nothing is changed
 */
function reserve(
  volume: FatVolume,
  directory: LoadedDirectory,
  name: string,
  clusters: number,
  path: string,
): EntryPlace {
  const problem = nameProblem(name);
  if (problem !== '') volume.fail(`the name ${JSON.stringify(name)} ${problem}`);
  const taken = new Set(directory.content.entries.map((entry) => entry.shortName));
  const short = makeShortName(name, taken);
  const longName = short.needsLongName ? name : '';
  const slots = 1 + Math.ceil(longName.length / 13);
  const position = findSlots(directory.bytes, slots);
  const end = position + slots * DirectoryEntry.size;
  const { clusterBytes } = volume;
  const missing = Math.max(0, end - directory.bytes.length);
  if (missing > 0 && (directory.firstCluster === 0 || end > MAX_DIRECTORY_BYTES)) {
    volume.fail(`the directory ${directory.path} is full`);
  }
  const addedClusters = Math.ceil(missing / clusterBytes);
  const needed = clusters + addedClusters;
  if (!volume.table.hasFree(needed)) failFull(volume, path, needed);
  if (addedClusters === 0) return { directory, short, longName, position, addedClusters };
  const extra = volume.table.allocate(addedClusters)!;
  const { runs } = directory;
  volume.table.set(runs[runs.length - 2]! + runs[runs.length - 1]! - 1, extra[0]!);
  for (let index = 0; index < extra.length; index += 2) {
    volume.range.clear(volume.clusterStart(extra[index]!), extra[index + 1]! * clusterBytes);
  }
  const bytes = new Uint8Array(directory.bytes.length + addedClusters * clusterBytes);
  bytes.set(directory.bytes);
  const grown = { ...directory, bytes, runs: [...runs, ...extra] };
  return { directory: grown, short, longName, position, addedClusters };
}

function addEntry(
  volume: FatVolume,
  place: EntryPlace,
  what: { attributes: number; firstCluster: number; sizeBytes: number; time: FatTime },
): void {
  const { directory, position, short, longName } = place;
  const entry = encodeEntry({ short, longName, ...what });
  const next = position + entry.length;
  // The end mark may be among the entries that are overwritten: then the next one must bear it.
  let hadEnd = false;
  for (let at = position; at < next; at += DirectoryEntry.size) {
    if (directory.bytes[at] === ENTRY_END) hadEnd = true;
  }
  writeInDirectory(volume, directory, position, entry);
  if (hadEnd && next < directory.bytes.length && directory.bytes[next] !== ENTRY_END) {
    writeInDirectory(volume, directory, next, new Uint8Array(DirectoryEntry.size));
  }
}

function updateEntry(
  volume: FatVolume,
  directory: LoadedDirectory,
  existing: FatEntry,
  firstCluster: number,
  sizeBytes: number,
  time: FatTime,
): void {
  const at = existing.position;
  const bytes = directory.bytes.slice(at, at + DirectoryEntry.size);
  const raw = DirectoryEntry.cursor(new DataView(bytes.buffer)).at(0);
  raw.clusterHigh = Math.floor(firstCluster / 65_536);
  raw.clusterLow = firstCluster & 0xffff;
  raw.sizeBytes = sizeBytes;
  raw.modifiedDate = packDate(time);
  raw.modifiedTime = packTime(time);
  raw.accessedDate = packDate(time);
  raw.attributes |= Attribute.bit.ARCHIVE;
  writeInDirectory(volume, directory, at, bytes);
}

function writeInDirectory(
  volume: FatVolume,
  directory: LoadedDirectory,
  position: number,
  bytes: Uint8Array,
): void {
  const { rootStart, clusterBytes } = volume.geometry;
  if (directory.firstCluster === 0) {
    volume.range.write(rootStart + position, bytes, 0, bytes.length);
    return;
  }
  const { runs } = directory;
  let runStart = 0;
  let at = position;
  const end = position + bytes.length;
  for (let index = 0; index < runs.length && at < end; index += 2) {
    const runEnd = runStart + runs[index + 1]! * clusterBytes;
    if (at < runEnd) {
      const count = Math.min(end, runEnd) - at;
      const target = volume.clusterStart(runs[index]!) + (at - runStart);
      volume.range.write(target, bytes, at - position, count);
      at += count;
    }
    runStart = runEnd;
  }
}

/** Writes the table, and keeps FAT32's count of free clusters true where it was known. */
function finish(volume: FatVolume, addedClusters: number): void {
  volume.table.flush();
  const { infoStart, clusterCount } = volume.geometry;
  if (infoStart === 0) return;
  const sector = volume.range.bytes(infoStart, FsInfo.size);
  const info = FsInfo.cursor(new DataView(sector.buffer)).at(0);
  if (info.leadSignature !== FSINFO_LEAD || info.structSignature !== FSINFO_STRUCT) return;
  if (info.freeCount > clusterCount) return;
  info.freeCount = Math.max(0, info.freeCount - addedClusters);
  info.nextFree = Math.min(volume.table.searchFrom, volume.table.lastCluster);
  volume.range.write(infoStart, sector, 0, sector.length);
}
