/** msdosfs(5): FAT12 and FAT16 with short names, read and written. */
import { latin1 } from '../../core/text.ts';
import { viewOf } from '../../core/wire.ts';
import {
  Attribute,
  BOOT_SIGNATURE,
  BOOT_SIGNATURE_OFFSET,
  BootSector,
  DirectoryEntry,
  ENTRY_END,
  ENTRY_FREE,
  FAT12_CLUSTERS,
  FAT16_CLUSTERS,
  FIRST_CLUSTER,
  LONG_NAME_ATTRIBUTE,
  LONG_NAME_ATTRIBUTE_MASK,
} from '../../storage/fat/spec.ts';
import type { Task } from '../kernel/api.ts';
import { FileErrno, FileError } from './errors.ts';
import type { DirectoryItem, FileNode, FileSystem, FileSystemSpace } from './file-system.ts';
import type { Media } from './media.ts';

const NAME_BYTES = 8;
const EXTENSION_BYTES = 3;

interface Layout {
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly fatAt: number;
  readonly fatBytes: number;
  readonly fatCount: number;
  readonly rootAt: number;
  readonly rootBytes: number;
  readonly dataAt: number;
  readonly clusters: number;
  readonly is12: boolean;
}

/** A file by the place of its entry on the disk; 0 is the root. */
interface FatNode extends FileNode {
  readonly cluster: number;
}

function readLayout(sector: Uint8Array, mediaBytes: number): Layout | undefined {
  const view = viewOf(sector);
  const boot = BootSector.cursor(view).at(0);
  const { bytesPerSector, sectorsPerCluster, reservedSectors, fatCount, rootEntries } = boot;
  const fatBytes = boot.fatSectors16 * bytesPerSector;
  const isPlausible =
    view.getUint16(BOOT_SIGNATURE_OFFSET, true) === BOOT_SIGNATURE &&
    bytesPerSector === 512 &&
    sectorsPerCluster > 0 &&
    reservedSectors > 0 &&
    fatCount > 0 &&
    rootEntries > 0 &&
    fatBytes > 0;
  if (!isPlausible) return undefined;
  const total = (boot.totalSectors16 || boot.totalSectors32) * bytesPerSector;
  const fatAt = reservedSectors * bytesPerSector;
  const rootAt = fatAt + fatCount * fatBytes;
  const rootBytes = Math.ceil((rootEntries * DirectoryEntry.size) / 512) * 512;
  const dataAt = rootAt + rootBytes;
  const clusterBytes = sectorsPerCluster * bytesPerSector;
  const clusters = Math.floor((total - dataAt) / clusterBytes);
  const is12 = clusters < FAT12_CLUSTERS;
  const needed = is12 ? Math.ceil(((clusters + 2) * 3) / 2) : (clusters + 2) * 2;
  if (total > mediaBytes || clusters < 1 || clusters >= FAT16_CLUSTERS) return undefined;
  if (needed > fatBytes) return undefined;
  return {
    sectorBytes: bytesPerSector,
    clusterBytes,
    fatAt,
    fatBytes,
    fatCount,
    rootAt,
    rootBytes,
    dataAt,
    clusters,
    is12,
  };
}

export class FatVolume implements FileSystem {
  readonly type = 'msdosfs';
  readonly isReadOnly: boolean;
  readonly root: FatNode = { id: 0, isDirectory: true, sizeBytes: 0, cluster: 0 };
  readonly #media: Media;
  readonly #layout: Layout;
  readonly #fat: Uint8Array;
  readonly #fatView: DataView;
  #isFatDirty = false;

  private constructor(media: Media, layout: Layout, fat: Uint8Array, isReadOnly: boolean) {
    this.#media = media;
    this.#layout = layout;
    this.#fat = fat;
    this.#fatView = viewOf(fat);
    this.isReadOnly = isReadOnly;
  }

  /** Throws `FileError` EINVAL for what is no FAT12 or FAT16. */
  static *mount(media: Media, isReadOnly: boolean): Task<FatVolume> {
    const sector = new Uint8Array(512);
    yield* media.read(0, sector);
    const layout = readLayout(sector, media.sizeBytes);
    if (layout === undefined) throw new FileError(FileErrno.EINVAL);
    const fat = new Uint8Array(layout.fatBytes);
    yield* media.read(layout.fatAt, fat);
    return new FatVolume(media, layout, fat, isReadOnly);
  }

  get #end(): number {
    return this.#layout.is12 ? 0xfff : 0xffff;
  }

  #next(cluster: number): number {
    if (!this.#layout.is12) return this.#fatView.getUint16(cluster * 2, true);
    const word = this.#fatView.getUint16(Math.floor(cluster * 1.5), true);
    return (cluster & 1) === 0 ? word & 0xfff : word >>> 4;
  }

  #setNext(cluster: number, value: number): void {
    this.#isFatDirty = true;
    if (!this.#layout.is12) {
      this.#fatView.setUint16(cluster * 2, value, true);
      return;
    }
    const at = Math.floor(cluster * 1.5);
    const word = this.#fatView.getUint16(at, true);
    const merged = (cluster & 1) === 0 ? (word & 0xf000) | value : (word & 0xf) | (value << 4);
    this.#fatView.setUint16(at, merged, true);
  }

  #isData(cluster: number): boolean {
    return cluster >= FIRST_CLUSTER && cluster < this.#layout.clusters + FIRST_CLUSTER;
  }

  #chain(first: number): number[] {
    const chain: number[] = [];
    for (let cluster = first; this.#isData(cluster); cluster = this.#next(cluster)) {
      chain.push(cluster);
      if (chain.length > this.#layout.clusters) throw new FileError(FileErrno.EIO);
    }
    return chain;
  }

  #clusterAt(cluster: number): number {
    return this.#layout.dataAt + (cluster - FIRST_CLUSTER) * this.#layout.clusterBytes;
  }

  /** Places and lengths on the disk that a directory's entries are in. */
  #runsOf(directory: FatNode): { readonly at: number; readonly length: number }[] {
    const { rootAt, rootBytes, clusterBytes } = this.#layout;
    if (directory.id === 0) return [{ at: rootAt, length: rootBytes }];
    return this.#chain(directory.cluster).map((cluster) => ({
      at: this.#clusterAt(cluster),
      length: clusterBytes,
    }));
  }

  *#entries(directory: FileNode): Task<(DirectoryItem & { readonly node: FatNode })[]> {
    if (!directory.isDirectory) throw new FileError(FileErrno.ENOTDIR);
    const items: (DirectoryItem & { readonly node: FatNode })[] = [];
    for (const { at, length } of this.#runsOf(directory as FatNode)) {
      const bytes = new Uint8Array(length);
      yield* this.#media.read(at, bytes);
      const entry = DirectoryEntry.cursor(viewOf(bytes));
      for (let offset = 0; offset < length; offset += DirectoryEntry.size) {
        if (bytes[offset] === ENTRY_END) return items;
        if (bytes[offset] === ENTRY_FREE) continue;
        const { attributes, name, clusterLow, sizeBytes } = entry.at(offset);
        if ((attributes & LONG_NAME_ATTRIBUTE_MASK) === LONG_NAME_ATTRIBUTE) continue;
        if ((attributes & Attribute.bit.VOLUME_ID) !== 0) continue;
        const isDirectory = (attributes & Attribute.bit.DIRECTORY) !== 0;
        const node = { id: at + offset, isDirectory, sizeBytes, cluster: clusterLow };
        items.push({ name: shownName(name), node });
      }
    }
    return items;
  }

  *list(directory: FileNode): Task<DirectoryItem[]> {
    const items = yield* this.#entries(directory);
    return items.filter(({ name }) => name !== '.' && name !== '..');
  }

  *lookUp(directory: FileNode, name: string): Task<FatNode | undefined> {
    const items = yield* this.#entries(directory);
    return items.find((item) => item.name === name.toLowerCase())?.node;
  }

  *read(file: FileNode, position: number, length: number): Task<Uint8Array> {
    const { clusterBytes } = this.#layout;
    const end = Math.min(position + length, file.sizeBytes);
    const target = new Uint8Array(Math.max(0, end - position));
    const chain = this.#chain((file as FatNode).cluster);
    const bytes = new Uint8Array(clusterBytes);
    for (let at = position; at < end;) {
      const cluster = chain[Math.floor(at / clusterBytes)];
      if (cluster === undefined) throw new FileError(FileErrno.EIO);
      const within = at % clusterBytes;
      const run = Math.min(clusterBytes - within, end - at);
      yield* this.#media.read(this.#clusterAt(cluster), bytes);
      target.set(bytes.subarray(within, within + run), at - position);
      at += run;
    }
    return target;
  }

  *create(directory: FileNode, name: string, isDirectory: boolean): Task<FatNode> {
    if (this.isReadOnly) throw new FileError(FileErrno.EROFS);
    const stored = storedName(name);
    // Directories would need their own two entries; nothing here makes one on a FAT volume.
    if (stored === undefined || isDirectory) throw new FileError(FileErrno.EINVAL);
    if ((yield* this.lookUp(directory, name)) !== undefined) throw new FileError(FileErrno.EEXIST);
    const id = yield* this.#freeEntry(directory as FatNode);
    const node: FatNode = { id, isDirectory, sizeBytes: 0, cluster: 0 };
    yield* this.#writeEntry(node, stored);
    return node;
  }

  *#freeEntry(directory: FatNode): Task<number> {
    for (const { at, length } of this.#runsOf(directory)) {
      const bytes = new Uint8Array(length);
      yield* this.#media.read(at, bytes);
      for (let offset = 0; offset < length; offset += DirectoryEntry.size) {
        if (bytes[offset] === ENTRY_END || bytes[offset] === ENTRY_FREE) return at + offset;
      }
    }
    throw new FileError(FileErrno.ENOSPC);
  }

  *#changeEntry(at: number, change: (bytes: Uint8Array, offset: number) => void): Task {
    const { sectorBytes } = this.#layout;
    const sector = new Uint8Array(sectorBytes);
    const start = Math.floor(at / sectorBytes) * sectorBytes;
    yield* this.#media.read(start, sector);
    change(sector, at - start);
    yield* this.#media.write(start, sector);
  }

  *#writeEntry(node: FatNode, stored?: Uint8Array): Task {
    yield* this.#changeEntry(node.id, (bytes, offset) => {
      const entry = DirectoryEntry.cursor(viewOf(bytes)).at(offset);
      if (stored !== undefined) {
        bytes.fill(0, offset, offset + DirectoryEntry.size);
        entry.name = stored;
        entry.attributes = Attribute.bit.ARCHIVE;
      }
      entry.clusterLow = node.cluster;
      entry.sizeBytes = node.sizeBytes;
    });
  }

  *write(file: FileNode, position: number, bytes: Uint8Array): Task<FatNode> {
    const node = file as FatNode;
    if (this.isReadOnly) throw new FileError(FileErrno.EROFS);
    if (position > node.sizeBytes) throw new FileError(FileErrno.EINVAL);
    const { clusterBytes } = this.#layout;
    const end = position + bytes.length;
    const chain = this.#chain(node.cluster);
    let cluster = node.cluster;
    while (chain.length * clusterBytes < end) {
      const next = this.#take();
      if (chain.length === 0) cluster = next;
      else this.#setNext(chain.at(-1)!, next);
      chain.push(next);
    }
    const block = new Uint8Array(clusterBytes);
    for (let at = position; at < end;) {
      const place = this.#clusterAt(chain[Math.floor(at / clusterBytes)]!);
      const within = at % clusterBytes;
      const run = Math.min(clusterBytes - within, end - at);
      yield* this.#media.read(place, block);
      block.set(bytes.subarray(at - position, at - position + run), within);
      yield* this.#media.write(place, block);
      at += run;
    }
    const changed = { ...node, cluster, sizeBytes: Math.max(node.sizeBytes, end) };
    yield* this.#writeEntry(changed);
    yield* this.#writeFat();
    return changed;
  }

  #take(): number {
    const { clusters } = this.#layout;
    for (let cluster = FIRST_CLUSTER; cluster < clusters + FIRST_CLUSTER; cluster += 1) {
      if (this.#next(cluster) !== 0) continue;
      this.#setNext(cluster, this.#end);
      return cluster;
    }
    throw new FileError(FileErrno.ENOSPC);
  }

  *truncate(file: FileNode): Task<FatNode> {
    if (this.isReadOnly) throw new FileError(FileErrno.EROFS);
    const node = file as FatNode;
    for (const cluster of this.#chain(node.cluster)) this.#setNext(cluster, 0);
    const empty = { ...node, cluster: 0, sizeBytes: 0 };
    yield* this.#writeEntry(empty);
    yield* this.#writeFat();
    return empty;
  }

  *remove(directory: FileNode, name: string): Task {
    if (this.isReadOnly) throw new FileError(FileErrno.EROFS);
    const node = yield* this.lookUp(directory, name);
    if (node === undefined) throw new FileError(FileErrno.ENOENT);
    if (node.isDirectory) throw new FileError(FileErrno.EISDIR);
    for (const cluster of this.#chain(node.cluster)) this.#setNext(cluster, 0);
    yield* this.#changeEntry(node.id, (bytes, offset) => {
      bytes[offset] = ENTRY_FREE;
    });
    yield* this.#writeFat();
  }

  *#writeFat(): Task {
    if (!this.#isFatDirty) return;
    this.#isFatDirty = false;
    const { fatAt, fatBytes, fatCount } = this.#layout;
    for (let copy = 0; copy < fatCount; copy += 1) {
      yield* this.#media.write(fatAt + copy * fatBytes, this.#fat);
    }
  }

  space(): FileSystemSpace {
    const { clusters, clusterBytes } = this.#layout;
    let free = 0;
    for (let cluster = FIRST_CLUSTER; cluster < clusters + FIRST_CLUSTER; cluster += 1) {
      if (this.#next(cluster) === 0) free += 1;
    }
    return { sizeBytes: clusters * clusterBytes, freeBytes: free * clusterBytes };
  }

  *sync(): Task {
    if (!this.isReadOnly) yield* this.#media.flush();
  }

  *unmount(): Task {
    yield* this.sync();
    this.#media.close();
  }
}

function shownName(stored: Uint8Array): string {
  const text = String.fromCharCode(...stored).toLowerCase();
  const base = text.slice(0, NAME_BYTES).trimEnd();
  const extension = text.slice(NAME_BYTES).trimEnd();
  return extension === '' ? base : `${base}.${extension}`;
}

/** @returns undefined for what is no short name */
function storedName(name: string): Uint8Array | undefined {
  const [, base = '', extension = ''] =
    /^([A-Z0-9_~!#$%&'()@^{}-]{1,8})(?:\.([A-Z0-9_~!#$%&'()@^{}-]{1,3}))?$/.exec(
      name.toUpperCase(),
    ) ?? [];
  if (base === '') return undefined;
  const text = base.padEnd(NAME_BYTES) + extension.padEnd(EXTENSION_BYTES);
  return latin1(text);
}
