import { InputError } from '../../core/errors.ts';
import type { ByteStore } from '../block.ts';
import { ImageBase } from '../image.ts';
import type { ImageInfo } from '../image.ts';
import { guidBytes, timeStampsOf } from './footer.ts';
import type { FoundFooter } from './footer.ts';
import { sectorBytes } from './spec.ts';

/** A fixed VHD: the disk's bytes, then the footer. */
export class FixedVhd extends ImageBase {
  readonly format = 'vhd-fixed';
  readonly sectorBytes = sectorBytes;
  readonly physicalSectorBytes = sectorBytes;
  readonly sizeBytes: number;
  readonly diskId: Uint8Array;
  readonly #footer: FoundFooter;

  constructor(store: ByteStore, footer: FoundFooter, readOnly: boolean) {
    super(store, readOnly);
    this.#footer = footer;
    this.sizeBytes = footer.currentSize;
    this.diskId = guidBytes(footer.uniqueId);
    if (footer.currentSize > footer.position) {
      throw new InputError(
        store.name,
        `the VHD footer at byte ${footer.position} gives a fixed disk of ${footer.currentSize} bytes, but only ${footer.position} bytes stand before it: the image is truncated`,
      );
    }
  }

  /** What a child may have recorded of this disk: seconds since 2000. */
  get timeStamps(): number[] {
    return timeStampsOf(this.store, this.#footer);
  }

  info(): ImageInfo {
    return {
      name: this.name,
      format: this.format,
      sizeBytes: this.sizeBytes,
      sectorBytes,
      physicalSectorBytes: sectorBytes,
      allocatedBytes: this.sizeBytes,
      fileBytes: this.store.sizeBytes,
      creator: this.#footer.creator,
      ids: { uniqueId: this.#footer.uniqueId },
    };
  }

  protected readRange(at: number, target: Uint8Array, start: number, length: number): void {
    this.store.read(at, target, start, length);
  }

  protected writeRange(at: number, source: Uint8Array, start: number, length: number): void {
    this.store.write(at, source, start, length);
  }

  protected unmapRange(): void {}

  protected flushAll(): void {
    this.store.flush();
  }

  protected finish(): void {
    if (!this.readOnly) this.store.flush();
  }
}
