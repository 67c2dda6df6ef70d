import {
  Attribute,
  DirectoryEntry,
  ENTRY_END,
  ENTRY_FREE,
  LONG_NAME_ATTRIBUTE,
  LONG_NAME_ATTRIBUTE_MASK,
  LONG_NAME_LAST,
  LONG_NAME_UNITS,
  LongNameEntry,
  MAX_LONG_NAME_ENTRIES,
} from './spec.ts';
import { longNameEntries, type ShortName, shortNameChecksum, shortNameText } from './names.ts';

/** A moment as FAT keeps it, in local time; whole days for the access date. */
export interface FatTime {
  /** 1980 to 2107. */
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

export const FAT_EPOCH: FatTime = { year: 1980, month: 1, day: 1, hour: 0, minute: 0, second: 0 };

export interface FatEntry {
  /** The long name, or the short one with its case bits where there is no long one. */
  readonly name: string;
  /** 8.3, upper case. */
  readonly shortName: string;
  readonly isDirectory: boolean;
  /** Bits of `Attribute`. */
  readonly attributes: number;
  /** 0 for a directory. */
  readonly sizeBytes: number;
  /** 0 for an empty file. */
  readonly firstCluster: number;
  readonly created: FatTime;
  readonly modified: FatTime;
  readonly accessed: FatTime;
  /** Byte position of the short entry in its directory. */
  readonly position: number;
}

export interface DirectoryContent {
  /** In the order of the directory, without `.`, `..` and the volume label. */
  readonly entries: readonly FatEntry[];
  /** The volume label, which only a root directory holds, or ''. */
  readonly label: string;
}

/** UTF-16 positions of the 13 units in an entry of a long name. */
const UNIT_OFFSETS: readonly number[] = [
  ...[0, 1, 2, 3, 4].map((unit) => LongNameEntry.offset.name1 + unit * 2),
  ...[0, 1, 2, 3, 4, 5].map((unit) => LongNameEntry.offset.name2 + unit * 2),
  ...[0, 1].map((unit) => LongNameEntry.offset.name3 + unit * 2),
];

function isLongName(attributes: number): boolean {
  return (attributes & LONG_NAME_ATTRIBUTE_MASK) === LONG_NAME_ATTRIBUTE;
}

/** Reads every entry of a directory's bytes. Broken long names give way to the short name. */
export function parseDirectory(bytes: Uint8Array): DirectoryContent {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const raw = DirectoryEntry.cursor(view);
  const long = new LongName(view);
  const entries: FatEntry[] = [];
  let label = '';
  for (let at = 0; at + DirectoryEntry.size <= bytes.length; at += DirectoryEntry.size) {
    const first = bytes[at]!;
    if (first === ENTRY_END) break;
    if (first === ENTRY_FREE) {
      long.reset();
      continue;
    }
    raw.at(at);
    const attributes = raw.attributes;
    if (isLongName(attributes)) {
      long.add(at);
      continue;
    }
    const longName = long.take(shortNameChecksum(bytes, at));
    const shortName = shortNameText(bytes, at, 0);
    if ((attributes & Attribute.bit.VOLUME_ID) !== 0) {
      if (label === '') label = String.fromCharCode(...raw.name).trimEnd();
      continue;
    }
    if (shortName === '.' || shortName === '..') continue;
    const isDirectory = (attributes & Attribute.bit.DIRECTORY) !== 0;
    entries.push({
      name: longName === '' ? shortNameText(bytes, at, raw.caseBits) : longName,
      shortName,
      isDirectory,
      attributes: attributes & 0x3f,
      sizeBytes: isDirectory ? 0 : raw.sizeBytes,
      firstCluster: raw.clusterHigh * 65_536 + raw.clusterLow,
      created: readTime(raw.createdDate, raw.createdTime, raw.createdTenMs),
      modified: readTime(raw.modifiedDate, raw.modifiedTime, 0),
      accessed: readTime(raw.accessedDate, 0, 0),
      position: at,
    });
  }
  return { entries, label };
}

/** Gathers the parts of a long name, which stand last part first before the short entry. */
class LongName {
  readonly #view: DataView;
  readonly #raw: ReturnType<typeof LongNameEntry.cursor>;
  #expected = 0;
  #checksum = 0;
  #text = '';

  constructor(view: DataView) {
    this.#view = view;
    this.#raw = LongNameEntry.cursor(view);
  }

  reset(): void {
    this.#expected = 0;
    this.#text = '';
  }

  add(at: number): void {
    const { order, checksum } = this.#raw.at(at);
    const number = order & ~LONG_NAME_LAST;
    if ((order & LONG_NAME_LAST) !== 0) {
      this.reset();
      if (number === 0 || number > MAX_LONG_NAME_ENTRIES) return;
      this.#checksum = checksum;
    } else if (number === 0 || number !== this.#expected || checksum !== this.#checksum) {
      this.reset();
      return;
    }
    // After part 1 nothing but the short entry fits; 0 would look like "no name", so -1 stands for it.
    this.#expected = number === 1 ? -1 : number - 1;
    let part = '';
    for (const offset of UNIT_OFFSETS) {
      const unit = this.#view.getUint16(at + offset, true);
      if (unit === 0) break;
      part += String.fromCharCode(unit);
    }
    this.#text = part + this.#text;
  }

  /** @returns the name when all its parts were there and belong to this short name, else '' */
  take(checksum: number): string {
    const text = this.#expected === -1 && checksum === this.#checksum ? this.#text : '';
    this.reset();
    return text;
  }
}

function readTime(date: number, time: number, tenMs: number): FatTime {
  return {
    year: 1980 + (date >>> 9),
    month: Math.max(1, (date >>> 5) & 0x0f),
    day: Math.max(1, date & 0x1f),
    hour: time >>> 11,
    minute: (time >>> 5) & 0x3f,
    second: (time & 0x1f) * 2 + Math.floor(tenMs / 100),
  };
}

export function packDate(time: FatTime): number {
  const year = Math.min(127, Math.max(0, time.year - 1980));
  return (year << 9) | (time.month << 5) | time.day;
}

export function packTime(time: FatTime): number {
  return (time.hour << 11) | (time.minute << 5) | (time.second >>> 1);
}

export interface NewEntry {
  readonly short: ShortName;
  /** '' writes no entries of a long name. */
  readonly longName: string;
  readonly attributes: number;
  readonly firstCluster: number;
  readonly sizeBytes: number;
  readonly time: FatTime;
}

/** @returns the bytes of all entries of a new file, its long name first */
export function encodeEntry(entry: NewEntry): Uint8Array {
  const parts = longNameEntries(entry.longName);
  const bytes = new Uint8Array((parts + 1) * DirectoryEntry.size);
  const view = new DataView(bytes.buffer);
  const checksum = shortNameChecksum(entry.short.bytes, 0);
  const long = LongNameEntry.cursor(view);
  for (let index = 0; index < parts; index += 1) {
    const number = parts - index;
    const at = index * LongNameEntry.size;
    long.at(at);
    long.order = number | (index === 0 ? LONG_NAME_LAST : 0);
    long.attributes = LONG_NAME_ATTRIBUTE;
    long.checksum = checksum;
    for (const [unit, offset] of UNIT_OFFSETS.entries()) {
      const from = (number - 1) * LONG_NAME_UNITS + unit;
      let value = 0xffff;
      if (from < entry.longName.length) value = entry.longName.charCodeAt(from);
      else if (from === entry.longName.length) value = 0;
      view.setUint16(at + offset, value, true);
    }
  }
  const raw = DirectoryEntry.cursor(view).at(parts * DirectoryEntry.size);
  const date = packDate(entry.time);
  const time = packTime(entry.time);
  raw.name = entry.short.bytes;
  raw.attributes = entry.attributes;
  raw.caseBits = entry.short.caseBits;
  raw.createdTenMs = (entry.time.second & 1) * 100;
  raw.createdDate = date;
  raw.createdTime = time;
  raw.modifiedDate = date;
  raw.modifiedTime = time;
  raw.accessedDate = date;
  raw.clusterHigh = Math.floor(entry.firstCluster / 65_536);
  raw.clusterLow = entry.firstCluster & 0xffff;
  raw.sizeBytes = entry.sizeBytes;
  return bytes;
}

/** @returns the byte position of `count` free entries in a row, which may lie beyond the end */
export function findSlots(bytes: Uint8Array, count: number): number {
  let run = 0;
  let at = 0;
  for (; at + DirectoryEntry.size <= bytes.length; at += DirectoryEntry.size) {
    const first = bytes[at]!;
    if (first === ENTRY_END) return at - run * DirectoryEntry.size;
    run = first === ENTRY_FREE ? run + 1 : 0;
    if (run === count) return at - (count - 1) * DirectoryEntry.size;
  }
  return at - run * DirectoryEntry.size;
}
