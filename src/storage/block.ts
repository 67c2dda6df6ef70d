/**
 * The two borders of storage/: below it the bytes that an image lives in (a host file, or memory),
 * above it the disk that a guest's controller sees. Both are synchronous: virtual time, not host
 * time, decides when a guest learns of a completion.
 */

import type { StateStream } from '../core/state.ts';

/** Bytes that an image lives in. The machine opens host files; tests use memory. */
export interface ByteStore {
  /** For messages: the path as the user wrote it, or what the memory holds. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** When the bytes last changed, in milliseconds of Unix time, where that is known. */
  readonly modifiedMs?: number | undefined;
  /** Fills `target[start, start + length)`; throws when the range is not inside the store. */
  read(position: number, target: Uint8Array, start: number, length: number): void;
  /** Grows the store when the range ends beyond it; throws when the store is read-only. */
  write(position: number, source: Uint8Array, start: number, length: number): void;
  resize(sizeBytes: number): void;
  flush(): void;
  close(): void;
}

/** A disk of whole sectors, as controllers, partition readers and file systems see it. */
export interface BlockDevice {
  /** For messages and traces. */
  readonly name: string;
  /** Logical sector: 512 or 4096 bytes. */
  readonly sectorBytes: number;
  /** What the medium writes at once: 512 or 4096 bytes. */
  readonly physicalSectorBytes: number;
  /** A multiple of `sectorBytes`. */
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** 16 bytes that name this disk (VPD page 83h, VHDX "Virtual Disk ID"). */
  readonly diskId: Uint8Array;
  /**
   * Positions and lengths are bytes, multiples of `sectorBytes`, inside the disk: callers check
   * them. Throws `DiskFault` when the image behind it cannot give or take the data.
   */
  read(position: number, target: Uint8Array, start: number, length: number): void;
  write(position: number, source: Uint8Array, start: number, length: number): void;
  /** The range may read as zeros from now on, and images may give its space back. */
  unmap(position: number, length: number): void;
  /** What was written; only a disk whose writes are in memory, or that takes none, can be saved. */
  exchange?(state: StateStream): void;
  flush(): void;
  close(): void;
}

/** The medium failed under a running guest: becomes a SCSI MEDIUM ERROR, never a crash. */
export class DiskFault extends Error {
  override readonly name = 'DiskFault';
  /** Byte position on the disk. */
  readonly position: number;

  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}
