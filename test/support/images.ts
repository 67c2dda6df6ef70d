import { Random } from '../../src/core/random.ts';
import { createImage } from '../../src/storage/create-image.ts';
import type { CreateImageOptions } from '../../src/storage/create-image.ts';
import type { Image, ImageFormat, OpenImageOptions } from '../../src/storage/image.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { openImage } from '../../src/storage/open-image.ts';

export const MIB = 1_048_576;

/** A folder of images in memory: children find their parents in it by file name. */
export class Shelf {
  readonly stores = new Map<string, MemoryStore>();
  readonly warnings: string[] = [];

  /** Makes an empty image. `parent` names another image of the shelf. */
  create(
    name: string,
    options: Omit<CreateImageOptions, 'random' | 'parent'>,
    parent?: string,
  ): MemoryStore {
    const store = new MemoryStore(name);
    const random = new Random(7, name);
    if (parent === undefined) {
      createImage(store, { ...options, random });
    } else {
      const image = this.open(parent, { readOnly: true });
      const path = { relativePath: `.\\${parent}`, absolutePath: `C:\\disks\\${parent}` };
      createImage(store, { ...options, random, parent: { image, ...path } });
      image.close();
    }
    this.stores.set(name, store);
    return store;
  }

  open(name: string, options: Partial<OpenImageOptions> = {}): Image {
    return openImage(this.stores.get(name)!, {
      readOnly: false,
      warn: (message) => this.warnings.push(message),
      openParent: (candidates) => this.find(candidates),
      ...options,
    });
  }

  find(candidates: readonly string[]): MemoryStore | undefined {
    const names = candidates.map((path) => path.split('\\').pop()!);
    return names.map((name) => this.stores.get(name)).find((store) => store !== undefined);
  }
}

/** An image of `format`; a differencing one stands on a parent `base` with some content. */
export function shelfWith(
  format: ImageFormat,
  sizeBytes: number,
  options: { readonly sectorBytes?: number; readonly blockBytes?: number } = {},
): { shelf: Shelf; name: string; content: Uint8Array } {
  const shelf = new Shelf();
  const content = new Uint8Array(sizeBytes);
  const extension = format === 'raw' ? 'img' : format.split('-')[0]!;
  const name = `disk.${extension}`;
  if (!format.endsWith('differencing')) {
    shelf.create(name, { format, sizeBytes, ...options });
    return { shelf, name, content };
  }
  const base = `base.${extension}`;
  const parentFormat = format.replace('differencing', 'dynamic') as ImageFormat;
  shelf.create(base, { format: parentFormat, sizeBytes, ...options });
  const parent = shelf.open(base);
  const random = new Random(3, 'parent');
  for (let at = 0; at + 65_536 <= sizeBytes; at += 3 * 65_536) {
    random.fill(content.subarray(at, at + 8192));
    parent.write(at, content, at, 8192);
  }
  parent.close();
  shelf.create(name, { format, ...options }, base);
  return { shelf, name, content };
}

export function readAll(image: Image): Uint8Array {
  const bytes = new Uint8Array(image.sizeBytes);
  image.read(0, bytes, 0, bytes.length);
  return bytes;
}

const piece = new Uint8Array(MIB);

/** Where an image first differs from what it should hold, or -1. It is read piece by piece: arrays of its size are page faults. */
export function imageDifference(image: Image, expected: Uint8Array): number {
  const { sizeBytes } = image;
  if (sizeBytes !== expected.length) return Math.min(sizeBytes, expected.length);
  for (let at = 0; at < sizeBytes; at += MIB) {
    const length = Math.min(MIB, sizeBytes - at);
    image.read(at, piece, 0, length);
    const found = firstDifference(piece.subarray(0, length), expected.subarray(at, at + length));
    if (found >= 0) return at + found;
  }
  return -1;
}

/** Where two arrays first differ, or -1. Quicker and shorter to print than their comparison. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  return Buffer.compare(a, b) === 0 ? -1 : a.findIndex((byte, index) => byte !== b[index]);
}

/** The bytes of a store. */
export function contentOf(store: MemoryStore): Uint8Array {
  const bytes = new Uint8Array(store.sizeBytes);
  store.read(0, bytes, 0, bytes.length);
  return bytes;
}
