/** What every image format has in common: its description, its border and its parents. */
import type { ByteStore, BlockDevice } from './block.ts';
import { DiskFault } from './block.ts';
import { InputError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';

export const imageFormats = [
  'raw',
  'vhd-fixed',
  'vhd-dynamic',
  'vhd-differencing',
  'vhdx-fixed',
  'vhdx-dynamic',
  'vhdx-differencing',
] as const;
export type ImageFormat = (typeof imageFormats)[number];

/** What `synthvm disk info` shows. Sizes are bytes. */
export interface ImageInfo {
  readonly name: string;
  readonly format: ImageFormat;
  /** The disk as a guest sees it. */
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly physicalSectorBytes: number;
  /** The unit of allocation; not there for fixed VHD and raw. */
  readonly blockBytes?: number;
  /** Space that holds disk content inside the image. */
  readonly allocatedBytes: number;
  /** The image file. */
  readonly fileBytes: number;
  /** Program that made the image, as it signed itself. */
  readonly creator?: string;
  /** GUIDs and other identities by their name in the specification. */
  readonly ids: Readonly<Record<string, string>>;
  /** VHDX only: whether the file was closed cleanly. */
  readonly log?: 'clean' | 'replayed' | 'in use';
  readonly parent?: ImageInfo;
}

export interface Image extends BlockDevice {
  readonly format: ImageFormat;
  info(): ImageInfo;
  /** Gives the disk another size in bytes; throws InputError for a format that cannot. */
  resize(sizeBytes: number): void;
}

export interface OpenImageOptions {
  readonly readOnly: boolean;
  /**
   * Finds the parent of a differencing image. `candidates` are the paths that the child records, as
   * they stand in it (often with backslashes), the best one first; `childName` is the name of the
   * child's store, which relative paths start from.
   */
  readonly openParent?: (candidates: readonly string[], childName: string) => ByteStore | undefined;
  /** Receives one sentence for each oddity that does not keep the image from being used. */
  readonly warn: (message: string) => void;
  /** For the GUIDs that change when a VHDX is written; drawn from the image's own when absent. */
  readonly random?: Random;
}

/** Opens the parent that one of the paths leads to, read-only. */
export type ParentFinder = (candidates: readonly string[]) => Image;

/** Reads a range that must be there, or says which part of the image is cut off. */
export function readPart(
  store: ByteStore,
  position: number,
  length: number,
  what: string,
): Uint8Array {
  if (position + length > store.sizeBytes) {
    throw new InputError(
      store.name,
      `the ${what} at byte ${position} needs ${length} bytes, but the file ends at byte ${store.sizeBytes}: the image is truncated`,
    );
  }
  const part = new Uint8Array(length);
  store.read(position, part, 0, length);
  return part;
}

export function hex32(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}

/** Reads from a parent that may be smaller than its child; what it lacks reads as zeros. */
export function readParent(
  parent: BlockDevice,
  position: number,
  target: Uint8Array,
  start: number,
  length: number,
): void {
  const there = Math.max(0, Math.min(length, parent.sizeBytes - position));
  if (there > 0) parent.read(position, target, start, there);
  if (there < length) target.fill(0, start + there, start + length);
}

/**
 * The border that all formats share: ranges are checked, and what the store throws under a running
 * guest becomes a `DiskFault` at the disk position that was asked for.
 */
export abstract class ImageBase implements Image {
  abstract readonly format: ImageFormat;
  abstract readonly sectorBytes: number;
  abstract readonly physicalSectorBytes: number;
  abstract readonly sizeBytes: number;
  abstract readonly diskId: Uint8Array;
  readonly name: string;
  readonly readOnly: boolean;
  protected readonly store: ByteStore;
  #closed = false;

  constructor(store: ByteStore, readOnly: boolean) {
    this.store = store;
    this.name = store.name;
    this.readOnly = readOnly;
  }

  abstract info(): ImageInfo;
  protected abstract readRange(at: number, target: Uint8Array, start: number, length: number): void;
  protected abstract writeRange(
    at: number,
    source: Uint8Array,
    start: number,
    length: number,
  ): void;
  protected abstract unmapRange(at: number, length: number): void;
  protected abstract flushAll(): void;
  protected abstract finish(): void;

  read(position: number, target: Uint8Array, start: number, length: number): void {
    this.#check(position, length);
    try {
      this.readRange(position, target, start, length);
    } catch (error) {
      throw this.#fault(position, error);
    }
  }

  write(position: number, source: Uint8Array, start: number, length: number): void {
    this.#check(position, length);
    if (this.readOnly) throw new DiskFault(position, `${this.name} is open for reading only`);
    try {
      this.writeRange(position, source, start, length);
    } catch (error) {
      throw this.#fault(position, error);
    }
  }

  unmap(position: number, length: number): void {
    this.#check(position, length);
    if (this.readOnly) throw new DiskFault(position, `${this.name} is open for reading only`);
    try {
      this.unmapRange(position, length);
    } catch (error) {
      throw this.#fault(position, error);
    }
  }

  resize(sizeBytes: number): void {
    throw new InputError(
      this.name,
      `a ${this.format} image cannot be resized to ${sizeBytes} bytes; a VHDX can`,
    );
  }

  flush(): void {
    if (this.readOnly) return;
    try {
      this.flushAll();
    } catch (error) {
      throw this.#fault(0, error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.finish();
    } catch (error) {
      throw this.#fault(0, error);
    } finally {
      this.store.close();
    }
  }

  #check(position: number, length: number): void {
    if (position < 0 || length < 0 || position + length > this.sizeBytes) {
      throw new DiskFault(
        position,
        `${this.name}: ${length} bytes at ${position} are not inside its ${this.sizeBytes} bytes`,
      );
    }
    if (position % this.sectorBytes !== 0 || length % this.sectorBytes !== 0) {
      throw new DiskFault(
        position,
        `${this.name}: ${length} bytes at ${position} are no whole sectors of ${this.sectorBytes} bytes`,
      );
    }
  }

  #fault(position: number, error: unknown): DiskFault {
    if (error instanceof DiskFault) return error;
    return new DiskFault(position, error instanceof Error ? error.message : String(error));
  }
}
