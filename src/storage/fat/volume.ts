import { InputError } from '../../core/errors.ts';
import type { BlockDevice } from '../block.ts';
import { DiskRange } from '../disk-range.ts';
import { type FatGeometry, readBootSector } from './boot-sector.ts';
import { type DirectoryContent, type FatEntry, parseDirectory } from './directory.ts';
import { foldName, splitPath } from './names.ts';
import { DirectoryEntry, type FatType, MAX_DIRECTORY_BYTES } from './spec.ts';
import { FatTable } from './table.ts';

/** `readFile` gives no more than this unless it is told to. */
const DEFAULT_MAX_FILE_BYTES = 256 << 20;

/** A directory as it lies on the disk: what the writer needs to change it. */
export interface LoadedDirectory {
  /** For messages, with `\` and no trailing one except for the root. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** 0 for the fixed root directory of FAT12 and FAT16. */
  readonly firstCluster: number;
  /** Cluster runs; empty for the fixed root directory. */
  readonly runs: readonly number[];
  readonly content: DirectoryContent;
}

/**
 * A FAT12, FAT16 or FAT32 volume. Paths are UEFI's (`\EFI\BOOT\BOOTX64.EFI`), without regard to
 * case. Everything that a damaged volume can do ends in one `InputError` with path and offset.
 */
export class FatVolume {
  readonly range: DiskRange;
  readonly geometry: FatGeometry;
  readonly table: FatTable;
  /** What is odd about the volume but does not keep it from being read. */
  readonly warnings: readonly string[];

  constructor(range: DiskRange, geometry: FatGeometry, warnings: readonly string[]) {
    this.range = range;
    this.geometry = geometry;
    this.table = new FatTable(range, geometry);
    this.warnings = warnings;
  }

  /**
   * @param startByte,sizeBytes where the volume lies on the disk; by default all of it
   * @throws InputError when there is no FAT volume, with the field that is wrong
   */
  static open(disk: BlockDevice, startByte = 0, sizeBytes = disk.sizeBytes - startByte): FatVolume {
    const range = new DiskRange(disk, startByte, sizeBytes, 'FAT volume');
    const geometry = readBootSector(range);
    const warnings: string[] = [];
    if (geometry.totalBytes > sizeBytes) {
      warnings.push(
        `the FAT volume at offset ${startByte} says ${geometry.totalBytes} bytes, its partition has ${sizeBytes}`,
      );
    }
    return new FatVolume(range, geometry, warnings);
  }

  get type(): FatType {
    return this.geometry.type;
  }

  /** 32 bits, shown as XXXX-XXXX elsewhere; 0 when the volume has none. */
  get serial(): number {
    return this.geometry.serial;
  }

  get clusterBytes(): number {
    return this.geometry.clusterBytes;
  }

  /** The label in the root directory, else the one in the boot sector, else ''. */
  get label(): string {
    const { label } = this.loadDirectory(undefined, '\\').content;
    return label === '' ? this.geometry.label : label;
  }

  /** The entries of a directory, in its own order. @throws InputError when it is not a directory */
  list(path = '\\'): readonly FatEntry[] {
    return this.directoryAt(splitPath(path), path).content.entries;
  }

  /** @returns undefined when there is no such file; the root has no entry and gives undefined too */
  stat(path: string): FatEntry | undefined {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined) return undefined;
    let directory = this.loadDirectory(undefined, '\\');
    for (const part of parts) {
      const entry = findEntry(directory, part);
      if (entry === undefined || !entry.isDirectory) return undefined;
      directory = this.loadDirectory(entry, join(directory.path, entry.name));
    }
    return findEntry(directory, name);
  }

  /** A file for reading in parts. @throws InputError when it is missing or its chain is broken */
  openFile(path: string): FatFile {
    const entry = this.stat(path);
    if (entry === undefined) this.fail(`there is no ${show(path)} on the FAT volume`);
    if (entry.isDirectory) this.fail(`${show(path)} is a directory`);
    const { clusterBytes } = this.geometry;
    const wanted = Math.ceil(entry.sizeBytes / clusterBytes);
    if (wanted === 0) return new FatFile(this, entry, []);
    const chain = this.table.chain(entry.firstCluster, show(path), wanted);
    if (chain.clusterCount < wanted) {
      this.fail(
        `cluster chain of ${show(path)} has ${chain.clusterCount} clusters, its ${entry.sizeBytes} bytes need ${wanted}`,
      );
    }
    return new FatFile(this, entry, chain.runs);
  }

  /** @throws InputError as `openFile`, and for a file above `maxBytes` */
  readFile(path: string, maxBytes = DEFAULT_MAX_FILE_BYTES): Uint8Array {
    const file = this.openFile(path);
    if (file.sizeBytes > maxBytes) {
      this.fail(
        `${show(path)} has ${file.sizeBytes} bytes, more than the ${maxBytes} that fit here`,
      );
    }
    const bytes = new Uint8Array(file.sizeBytes);
    file.read(0, bytes, 0, bytes.length);
    return bytes;
  }

  /** Byte position of a cluster in `range`. */
  clusterStart(cluster: number): number {
    return this.geometry.dataStart + (cluster - 2) * this.geometry.clusterBytes;
  }

  /** @throws InputError naming the first part of the path that is missing or no directory */
  directoryAt(parts: readonly string[], path: string): LoadedDirectory {
    let directory = this.loadDirectory(undefined, '\\');
    for (const part of parts) {
      const entry = findEntry(directory, part);
      if (entry === undefined)
        this.fail(`there is no ${show(path)}: ${directory.path} has no ${part}`);
      const below = join(directory.path, entry.name);
      if (!entry.isDirectory) this.fail(`there is no ${show(path)}: ${below} is a file`);
      directory = this.loadDirectory(entry, below);
    }
    return directory;
  }

  /** @param entry undefined for the root */
  loadDirectory(entry: FatEntry | undefined, path: string): LoadedDirectory {
    const { rootBytes, rootStart, rootCluster, clusterBytes } = this.geometry;
    // A `..` of a first-level directory, and a damaged entry, name cluster 0: the root.
    const isRoot = entry === undefined || entry.firstCluster === 0;
    const firstCluster = isRoot ? rootCluster : entry.firstCluster;
    if (isRoot && rootBytes > 0) {
      const bytes = this.range.bytes(rootStart, rootBytes);
      return { path, bytes, firstCluster: 0, runs: [], content: parseDirectory(bytes) };
    }
    const limit = Math.ceil(MAX_DIRECTORY_BYTES / clusterBytes);
    const chain = this.table.chain(firstCluster, path, limit);
    if (chain.clusterCount > limit) {
      this.fail(
        `the directory ${path} takes ${chain.clusterCount} clusters, FAT allows ${MAX_DIRECTORY_BYTES / DirectoryEntry.size} entries`,
      );
    }
    const bytes = new Uint8Array(chain.clusterCount * clusterBytes);
    let at = 0;
    for (let index = 0; index < chain.runs.length; index += 2) {
      const length = chain.runs[index + 1]! * clusterBytes;
      this.range.read(this.clusterStart(chain.runs[index]!), bytes, at, length);
      at += length;
    }
    return { path, bytes, firstCluster, runs: chain.runs, content: parseDirectory(bytes) };
  }

  /** Throws an `InputError` about this volume's disk. */
  fail(message: string): never {
    throw new InputError(this.range.disk.name, message);
  }
}

/** An open file. Its chain was checked when it was opened. */
export class FatFile {
  readonly entry: FatEntry;
  readonly sizeBytes: number;
  readonly #volume: FatVolume;
  readonly #runs: readonly number[];

  constructor(volume: FatVolume, entry: FatEntry, runs: readonly number[]) {
    this.entry = entry;
    this.sizeBytes = entry.sizeBytes;
    this.#volume = volume;
    this.#runs = runs;
  }

  /** @returns how many bytes were read, fewer than `length` at the end of the file */
  read(position: number, target: Uint8Array, start: number, length: number): number {
    const end = Math.min(position + length, this.sizeBytes);
    const { clusterBytes } = this.#volume.geometry;
    let runStart = 0;
    let at = position;
    for (let index = 0; index < this.#runs.length && at < end; index += 2) {
      const runEnd = runStart + this.#runs[index + 1]! * clusterBytes;
      if (at < runEnd) {
        const count = Math.min(end, runEnd) - at;
        const from = this.#volume.clusterStart(this.#runs[index]!) + (at - runStart);
        this.#volume.range.read(from, target, start + at - position, count);
        at += count;
      }
      runStart = runEnd;
    }
    return Math.max(0, at - position);
  }
}

/** Long and short names both count, without regard to case. */
export function findEntry(directory: LoadedDirectory, name: string): FatEntry | undefined {
  const folded = foldName(name);
  return directory.content.entries.find(
    (entry) => foldName(entry.name) === folded || entry.shortName === folded,
  );
}

function join(directory: string, name: string): string {
  return directory === '\\' ? `\\${name}` : `${directory}\\${name}`;
}

/** A path as messages show it. */
export function show(path: string): string {
  return `\\${splitPath(path).join('\\')}`;
}
