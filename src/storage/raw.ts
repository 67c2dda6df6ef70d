/** Raw images: the disk's bytes and nothing else. */
import { InputError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import type { ByteStore } from './block.ts';
import { ImageBase } from './image.ts';
import type { ImageInfo } from './image.ts';

const sectorBytes = 512;

class RawImage extends ImageBase {
  readonly format = 'raw';
  readonly sectorBytes = sectorBytes;
  readonly physicalSectorBytes = sectorBytes;
  readonly sizeBytes: number;
  readonly diskId: Uint8Array;

  constructor(store: ByteStore, readOnly: boolean) {
    super(store, readOnly);
    this.sizeBytes = Math.ceil(store.sizeBytes / sectorBytes) * sectorBytes;
    this.diskId = contentId(store);
  }

  info(): ImageInfo {
    return {
      name: this.name,
      format: this.format,
      sizeBytes: this.sizeBytes,
      sectorBytes,
      physicalSectorBytes: sectorBytes,
      allocatedBytes: this.store.sizeBytes,
      fileBytes: this.store.sizeBytes,
      ids: {},
    };
  }

  protected readRange(at: number, target: Uint8Array, start: number, length: number): void {
    const there = Math.max(0, Math.min(length, this.store.sizeBytes - at));
    if (there > 0) this.store.read(at, target, start, there);
    if (there < length) target.fill(0, start + there, start + length);
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

/** A raw image has no identity of its own: one drawn from its size and first two sectors. */
function contentId(store: ByteStore): Uint8Array {
  const head = new Uint8Array(Math.min(1024, store.sizeBytes));
  store.read(0, head, 0, head.length);
  let mixed = store.sizeBytes >>> 0;
  for (const byte of head) mixed = Math.imul(mixed ^ byte, 0x0100_0193) >>> 0;
  const id = new Uint8Array(16);
  new Random(mixed, 'raw disk').fill(id);
  return id;
}

/** @throws InputError when the store is empty */
export function openRaw(
  store: ByteStore,
  options: { readonly readOnly: boolean; readonly warn: (message: string) => void },
): ImageBase {
  if (store.sizeBytes === 0) {
    throw new InputError(store.name, 'is empty (0 bytes); a disk image was expected');
  }
  if (store.sizeBytes % sectorBytes !== 0) {
    options.warn(
      `${store.name}: ${store.sizeBytes} bytes are not a multiple of ${sectorBytes}; the last sector is filled up with zeros`,
    );
  }
  return new RawImage(store, options.readOnly || store.readOnly);
}
