/** The entries of a UFS directory, in blocks of 512 bytes that none of them crosses. */
import { viewOf } from '../../core/wire.ts';
import { FileErrno, FileError } from '../fs/errors.ts';
import { DIRECTORY_BLOCK, DirectoryEntry } from './spec.ts';

export interface FoundEntry {
  readonly name: string;
  readonly inode: number;
  /** Byte in the directory. */
  readonly at: number;
}

const entryBytes = (nameBytes: number): number =>
  DirectoryEntry.size + Math.ceil((nameBytes + 1) / 4) * 4;

/** The fields at `at`; throws EIO for a record that leaves its block. */
function fieldsAt(
  cursor: ReturnType<typeof DirectoryEntry.cursor>,
  content: Uint8Array,
  at: number,
): ReturnType<typeof DirectoryEntry.cursor> {
  const entry = cursor.at(at);
  const { recordBytes } = entry;
  const room = DIRECTORY_BLOCK - (at % DIRECTORY_BLOCK);
  const isSound =
    recordBytes >= entryBytes(0) - 4 &&
    recordBytes % 4 === 0 &&
    recordBytes <= room &&
    at + recordBytes <= content.length &&
    (entry.inode === 0 || entryBytes(entry.nameBytes) <= recordBytes);
  if (!isSound) throw new FileError(FileErrno.EIO);
  return entry;
}

/** Every entry that is in use. */
export function* eachEntry(content: Uint8Array): Generator<FoundEntry> {
  const cursor = DirectoryEntry.cursor(viewOf(content));
  for (let at = 0; at < content.length;) {
    const { inode, recordBytes, nameBytes } = fieldsAt(cursor, content, at);
    if (inode !== 0) {
      const start = at + DirectoryEntry.size;
      const name = String.fromCharCode(...content.subarray(start, start + nameBytes));
      yield { name, inode, at };
    }
    at += recordBytes;
  }
}

/** Puts an entry where there is room. @returns the block that has changed, or -1 without room */
export function insertEntry(
  content: Uint8Array,
  name: string,
  inode: number,
  type: number,
): number {
  const cursor = DirectoryEntry.cursor(viewOf(content));
  const wanted = entryBytes(name.length);
  for (let at = 0; at < content.length;) {
    const entry = fieldsAt(cursor, content, at);
    const { recordBytes } = entry;
    const used = entry.inode === 0 ? 0 : entryBytes(entry.nameBytes);
    if (recordBytes - used >= wanted) {
      if (used > 0) entry.recordBytes = used;
      cursor.at(at + used);
      cursor.inode = inode;
      cursor.recordBytes = recordBytes - used;
      cursor.type = type;
      cursor.nameBytes = name.length;
      const start = at + used + DirectoryEntry.size;
      content.fill(0, start, at + used + wanted);
      for (let index = 0; index < name.length; index += 1) {
        content[start + index] = name.charCodeAt(index);
      }
      return at - (at % DIRECTORY_BLOCK);
    }
    at += recordBytes;
  }
  return -1;
}

/** Gives the room of an entry to the one before it. @returns the block that has changed */
export function removeEntry(content: Uint8Array, entryAt: number): number {
  const cursor = DirectoryEntry.cursor(viewOf(content));
  const block = entryAt - (entryAt % DIRECTORY_BLOCK);
  let previous = -1;
  for (let at = block; at < entryAt; at += fieldsAt(cursor, content, at).recordBytes) previous = at;
  const { recordBytes } = fieldsAt(cursor, content, entryAt);
  if (previous < 0) fieldsAt(cursor, content, entryAt).inode = 0;
  else cursor.at(previous).recordBytes += recordBytes;
  return block;
}
