/** cd9660(5): ISO 9660 as it stands, without Rock Ridge or Joliet names. */
import { latin1 } from '../../core/text.ts';
import { viewOf } from '../../core/wire.ts';
import {
  DescriptorType,
  DirectoryRecord,
  FileFlags,
  FIRST_DESCRIPTOR_SECTOR,
  LOGICAL_SECTOR_BYTES,
  STANDARD_ID,
  VolumeDescriptor,
} from '../../storage/iso9660/spec.ts';
import type { Task } from '../kernel/api.ts';
import { FileErrno, FileError } from './errors.ts';
import type { DirectoryItem, FileNode, FileSystem, FileSystemSpace } from './file-system.ts';
import type { Media } from './media.ts';

/** Descriptors that are looked at, and the largest directory that is read. */
const MAX_DESCRIPTORS = 32;
const MAX_DIRECTORY_BYTES = 1024 * 1024;

const readOnly = (): never => {
  throw new FileError(FileErrno.EROFS);
};

export class CdVolume implements FileSystem {
  readonly type = 'cd9660';
  readonly isReadOnly = true;
  readonly root: FileNode;
  readonly #media: Media;
  readonly #sizeBytes: number;

  private constructor(media: Media, root: FileNode, sizeBytes: number) {
    this.#media = media;
    this.root = root;
    this.#sizeBytes = sizeBytes;
  }

  /** Throws `FileError` EINVAL for what is no ISO 9660. */
  static *mount(media: Media): Task<CdVolume> {
    const sector = new Uint8Array(LOGICAL_SECTOR_BYTES);
    const id = latin1(STANDARD_ID);
    for (let index = 0; index < MAX_DESCRIPTORS; index += 1) {
      const at = (FIRST_DESCRIPTOR_SECTOR + index) * LOGICAL_SECTOR_BYTES;
      if (at + LOGICAL_SECTOR_BYTES > media.sizeBytes) break;
      yield* media.read(at, sector);
      if (id.some((byte, place) => sector[1 + place] !== byte)) break;
      const descriptor = VolumeDescriptor.cursor(viewOf(sector)).at(0);
      if (descriptor.type === DescriptorType.is.terminator) break;
      if (descriptor.type !== DescriptorType.is.primary) continue;
      const { rootRecord, volumeSectors } = descriptor;
      const record = DirectoryRecord.cursor(viewOf(rootRecord)).at(0);
      const root = { id: record.extentLba, isDirectory: true, sizeBytes: record.dataBytes };
      return new CdVolume(media, root, volumeSectors * LOGICAL_SECTOR_BYTES);
    }
    throw new FileError(FileErrno.EINVAL);
  }

  *list(directory: FileNode): Task<DirectoryItem[]> {
    if (!directory.isDirectory) throw new FileError(FileErrno.ENOTDIR);
    if (directory.sizeBytes > MAX_DIRECTORY_BYTES) throw new FileError(FileErrno.EIO);
    const content = yield* this.read(directory, 0, directory.sizeBytes);
    const record = DirectoryRecord.cursor(viewOf(content));
    const items: DirectoryItem[] = [];
    for (let at = 0; at + DirectoryRecord.size < content.length;) {
      const { length, nameLength, extentLba, dataBytes, flags } = record.at(at);
      if (length === 0) {
        // Records do not cross sectors: the next one begins the next sector.
        at = (Math.floor(at / LOGICAL_SECTOR_BYTES) + 1) * LOGICAL_SECTOR_BYTES;
        continue;
      }
      const start = at + DirectoryRecord.size;
      const isSelf = nameLength === 1 && content[start]! < 2;
      if (!isSelf) {
        const bytes = content.subarray(start, start + nameLength);
        const name = String.fromCharCode(...bytes)
          .replace(/\.?;\d+$/, '')
          .toLowerCase();
        const isDirectory = (flags & FileFlags.bit.DIRECTORY) !== 0;
        items.push({ name, node: { id: extentLba, isDirectory, sizeBytes: dataBytes } });
      }
      at += length;
    }
    return items;
  }

  *lookUp(directory: FileNode, name: string): Task<FileNode | undefined> {
    const items = yield* this.list(directory);
    return items.find((item) => item.name === name.toLowerCase())?.node;
  }

  *read(file: FileNode, position: number, length: number): Task<Uint8Array> {
    const end = Math.min(position + length, file.sizeBytes);
    if (end <= position) return new Uint8Array(0);
    const first = Math.floor(position / LOGICAL_SECTOR_BYTES);
    const sectors = Math.ceil(end / LOGICAL_SECTOR_BYTES) - first;
    const at = (file.id + first) * LOGICAL_SECTOR_BYTES;
    if (at + sectors * LOGICAL_SECTOR_BYTES > this.#media.sizeBytes) {
      throw new FileError(FileErrno.EIO);
    }
    const data = new Uint8Array(sectors * LOGICAL_SECTOR_BYTES);
    yield* this.#media.read(at, data);
    const skip = position - first * LOGICAL_SECTOR_BYTES;
    return data.subarray(skip, skip + end - position);
  }

  create = readOnly;
  write = readOnly;
  truncate = readOnly;
  remove = readOnly;

  space(): FileSystemSpace {
    return { sizeBytes: this.#sizeBytes, freeBytes: 0 };
  }

  *sync(): Task {}

  *unmount(): Task {
    this.#media.close();
    yield 0;
  }
}
