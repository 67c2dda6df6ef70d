import { latin1Text } from '../../core/text.ts';
import { InputError } from '../../core/errors.ts';
import type { BlockDevice } from '../block.ts';
import { DiskRange } from '../disk-range.ts';
import {
  type Descriptors,
  type Extent,
  isIso9660,
  readDescriptors,
  type VolumeTree,
  wideText,
} from './descriptors.ts';
import { rockRidgeName, suspSkip } from './rock-ridge.ts';
import { DirectoryRecord, FileFlags, LOGICAL_SECTOR_BYTES } from './spec.ts';

/** A directory of this size has more than 100,000 files. */
const MAX_DIRECTORY_BYTES = 8 << 20;
const MAX_EXTENTS = 4096;
const DEFAULT_MAX_FILE_BYTES = 256 << 20;

export interface IsoEntry {
  /** From Rock Ridge, else Joliet, else ISO 9660 without version number. */
  readonly name: string;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  /** One, except for files of 4 GiB and more. */
  readonly extents: readonly Extent[];
}

/** An ISO 9660 disc, read through the best names that it has. Paths take `\` or `/`, any case. */
export class IsoVolume {
  /** Where the names come from. */
  readonly names: 'rock-ridge' | 'joliet' | 'iso9660';
  readonly label: string;
  readonly #range: DiskRange;
  readonly #tree: VolumeTree;
  readonly #skip: number;

  private constructor(range: DiskRange, descriptors: Descriptors) {
    const { primary, joliet } = descriptors;
    this.#range = range;
    this.#skip = rootSkip(range, primary);
    this.names = this.#skip >= 0 ? 'rock-ridge' : joliet === undefined ? 'iso9660' : 'joliet';
    this.#tree = this.names === 'joliet' ? joliet! : primary;
    this.label = primary.label;
  }

  /** @throws InputError when the disc is no ISO 9660 volume */
  static open(disk: BlockDevice): IsoVolume {
    const range = new DiskRange(disk, 0, disk.sizeBytes, 'disc');
    return new IsoVolume(range, readDescriptors(range));
  }

  static detect(disk: BlockDevice): boolean {
    return isIso9660(new DiskRange(disk, 0, disk.sizeBytes, 'disc'));
  }

  /** The entries of a directory. @throws InputError when it is missing or damaged */
  list(path = '\\'): readonly IsoEntry[] {
    const parts = path.split(/[\\/]/).filter((part) => part !== '');
    let directory = this.#read(this.#tree.root, '\\');
    let walked = '';
    for (const part of parts) {
      const entry = find(directory, part);
      walked += `\\${part}`;
      if (entry === undefined) this.#fail(`there is no ${walked} on the disc`);
      if (!entry.isDirectory) this.#fail(`${walked} is a file`);
      directory = this.#read(entry.extents[0]!, walked);
    }
    return directory;
  }

  /** @returns undefined when there is no such file; the root has no entry */
  stat(path: string): IsoEntry | undefined {
    const parts = path.split(/[\\/]/).filter((part) => part !== '');
    const name = parts.pop();
    let directory = this.#read(this.#tree.root, '\\');
    let walked = '';
    for (const part of parts) {
      const entry = find(directory, part);
      if (entry === undefined || !entry.isDirectory) return undefined;
      walked += `\\${part}`;
      directory = this.#read(entry.extents[0]!, walked);
    }
    return name === undefined ? undefined : find(directory, name);
  }

  /** @throws InputError for a missing file, and for one above `maxBytes` */
  readFile(path: string, maxBytes = DEFAULT_MAX_FILE_BYTES): Uint8Array {
    const entry = this.stat(path);
    if (entry === undefined) this.#fail(`there is no ${path} on the disc`);
    if (entry.isDirectory) this.#fail(`${path} is a directory`);
    if (entry.sizeBytes > maxBytes) {
      this.#fail(`${path} has ${entry.sizeBytes} bytes, more than the ${maxBytes} that fit here`);
    }
    this.#checkExtents(entry, path);
    const bytes = new Uint8Array(entry.sizeBytes);
    this.read(entry, 0, bytes, 0, bytes.length);
    return bytes;
  }

  /** Reads a part of a file. @returns how many bytes, fewer than `length` at its end */
  read(
    entry: IsoEntry,
    position: number,
    target: Uint8Array,
    start: number,
    length: number,
  ): number {
    const end = Math.min(position + length, entry.sizeBytes);
    let extentStart = 0;
    let at = position;
    for (const extent of entry.extents) {
      const extentEnd = extentStart + extent.sizeBytes;
      if (at < extentEnd && at < end) {
        const count = Math.min(end, extentEnd) - at;
        this.#range.read(extent.startByte + at - extentStart, target, start + at - position, count);
        at += count;
      }
      extentStart = extentEnd;
    }
    return Math.max(0, at - position);
  }

  /** Before anything of the size that the directory claims is allocated. */
  #checkExtents(entry: IsoEntry, path: string): void {
    for (const { startByte, sizeBytes } of entry.extents) {
      if (startByte + sizeBytes > this.#range.sizeBytes) {
        this.#fail(
          `${path} lies at offset ${startByte} with ${sizeBytes} bytes, beyond the disc of ${this.#range.sizeBytes}`,
        );
      }
    }
  }

  #read(extent: Extent, path: string): IsoEntry[] {
    if (extent.sizeBytes > MAX_DIRECTORY_BYTES) {
      this.#fail(
        `the directory ${path} claims ${extent.sizeBytes} bytes, more than ${MAX_DIRECTORY_BYTES}`,
      );
    }
    const bytes = this.#range.bytes(extent.startByte, extent.sizeBytes);
    const record = DirectoryRecord.cursor(new DataView(bytes.buffer));
    const entries: IsoEntry[] = [];
    let parts: Extent[] = [];
    let at = 0;
    while (at + DirectoryRecord.size < bytes.length) {
      const { length, nameLength, flags, extentLba, extendedLength, dataBytes } = record.at(at);
      if (length === 0) {
        // Records do not cross sectors: the rest of this one is empty.
        at += LOGICAL_SECTOR_BYTES - (at % LOGICAL_SECTOR_BYTES);
        continue;
      }
      if (length < DirectoryRecord.size + nameLength || at + length > bytes.length) {
        this.#fail(
          `the directory ${path} has a damaged record at offset ${extent.startByte + at}: ${length} bytes with a name of ${nameLength}`,
        );
      }
      const nameAt = at + DirectoryRecord.size;
      const first = bytes[nameAt]!;
      const isLink = nameLength === 0 || (nameLength === 1 && first <= 1);
      if (!isLink && (flags & FileFlags.bit.ASSOCIATED) === 0) {
        const startByte = (extentLba + extendedLength) * this.#tree.blockBytes;
        if (parts.length >= MAX_EXTENTS) this.#fail(`${path} has a file of too many extents`);
        parts.push({ startByte, sizeBytes: dataBytes });
        if ((flags & FileFlags.bit.MULTI_EXTENT) === 0) {
          entries.push({
            name: this.#name(bytes, nameAt, nameLength, at + length),
            isDirectory: (flags & FileFlags.bit.DIRECTORY) !== 0,
            sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
            extents: parts,
          });
          parts = [];
        }
      }
      at += length;
    }
    return entries;
  }

  #name(bytes: Uint8Array, at: number, length: number, end: number): string {
    const plain = bytes.subarray(at, at + length);
    if (this.names === 'rock-ridge') {
      // A pad byte follows names of even length, so that the system use area is aligned.
      const area = bytes.subarray(Math.min(end, at + length + (length % 2 === 0 ? 1 : 0)), end);
      const name = rockRidgeName(this.#range, area, this.#skip);
      if (name !== '') return name;
    }
    const text = this.names === 'joliet' ? wideText(plain) : latin1Text(plain);
    return text.replace(/;\d+$/, '').replace(/\.$/, '');
  }

  #fail(message: string): never {
    throw new InputError(this.#range.disk.name, message);
  }
}

/** Looks at the root's "." record for Rock Ridge. */
function rootSkip(range: DiskRange, tree: VolumeTree): number {
  if (tree.root.startByte + LOGICAL_SECTOR_BYTES > range.sizeBytes) return -1;
  const bytes = range.bytes(tree.root.startByte, LOGICAL_SECTOR_BYTES);
  const length = bytes[0]!;
  const areaStart = DirectoryRecord.size + 1;
  return length <= areaStart ? -1 : suspSkip(bytes.subarray(areaStart, length));
}

function find(directory: readonly IsoEntry[], name: string): IsoEntry | undefined {
  const folded = name.toUpperCase();
  return directory.find((entry) => entry.name.toUpperCase() === folded);
}
