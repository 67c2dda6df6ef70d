/** What the virtual file system asks of UFS, FAT and ISO 9660. Failures are `FileError`s. */
import type { Task } from '../kernel/api.ts';

/** A file or directory of one file system, by its inode or place. */
export interface FileNode {
  readonly id: number;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
}

export interface DirectoryItem {
  readonly name: string;
  readonly node: FileNode;
}

export interface FileSystemSpace {
  readonly sizeBytes: number;
  readonly freeBytes: number;
}

export interface FileSystem {
  /** "ufs", "msdosfs", "cd9660". */
  readonly type: string;
  readonly isReadOnly: boolean;
  readonly root: FileNode;
  lookUp(directory: FileNode, name: string): Task<FileNode | undefined>;
  /** Without "." and "..". */
  list(directory: FileNode): Task<DirectoryItem[]>;
  /** Fewer bytes than asked for at the end of the file. */
  read(file: FileNode, position: number, length: number): Task<Uint8Array>;
  create(directory: FileNode, name: string, isDirectory: boolean): Task<FileNode>;
  /** @returns the file with its new size */
  write(file: FileNode, position: number, bytes: Uint8Array): Task<FileNode>;
  truncate(file: FileNode): Task<FileNode>;
  remove(directory: FileNode, name: string): Task;
  space(): FileSystemSpace;
  sync(): Task;
  /** Writes everything and marks the file system clean. */
  unmount(): Task;
}
