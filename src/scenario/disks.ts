/** Disks of a scenario's machines, from what a script says of them. */
import { dirname, isAbsolute, join } from 'node:path';
import { sharedDefaultDisk } from '../boot/default-disk.ts';
import { InputError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import { type DiskPlace, parseDiskPlace } from '../machine/disk-places.ts';
import { HostDisk } from '../machine/host-disks.ts';
import { openHostDisk } from '../machine/images.ts';
import type { BlockDevice } from '../storage/block.ts';
import { createImage } from '../storage/create-image.ts';
import type { Image } from '../storage/image.ts';
import { MemoryStore } from '../storage/memory-store.ts';
import { openImage } from '../storage/open-image.ts';
import { OverlayDevice } from '../storage/overlay.ts';
import { openRaw } from '../storage/raw.ts';
import { embeddedImage } from './embedded.ts';
import type { DiskSpec, FloppySpec, NewImage } from './api.ts';
import { sizeBytes } from './values.ts';

export interface DiskOptions {
  /** The script, for paths beside it. */
  readonly file: string;
  /** The machine's name: who has a host disk. */
  readonly owner: string;
  readonly seed: bigint;
  readonly warn: (message: string) => void;
  /** Closed at the end of the run. */
  readonly opened: BlockDevice[];
  /** Images without a name are numbered in this series; default "disk". */
  readonly series?: string;
}

export function besideScript(file: string, path: string): string {
  return embeddedImage(path) ?? (isAbsolute(path) ? path : join(dirname(file), path));
}

/** By the machine's options: another machine with the same options has the same names. */
const imageCounts = new WeakMap<DiskOptions, number>();

/** An image in memory, as New-VHD makes one in a file. */
function newImage(spec: NewImage, options: DiskOptions): BlockDevice {
  const { format = 'raw', name, size, parent } = spec;
  if (format === 'raw') {
    if (size === undefined) throw new InputError('disk', 'a blank disk needs a size');
    const store = new MemoryStore(name ?? 'blank disk', sizeBytes('size', size));
    return openRaw(store, { readOnly: false, warn: options.warn });
  }
  const count = (imageCounts.get(options) ?? 0) + 1;
  imageCounts.set(options, count);
  const extension = format.startsWith('vhdx') ? 'vhdx' : 'vhd';
  const storeName = `${name ?? `${options.series ?? 'disk'} ${count}`}.${extension}`;
  const stores = new Map<string, MemoryStore>();
  const [store] = makeStores(storeName, spec, options, stores);
  const openParent = (candidates: readonly string[]): MemoryStore | undefined =>
    candidates.map((path) => stores.get(path.split('\\').pop()!)).find((found) => found);
  if (parent === undefined && format.endsWith('differencing')) {
    throw new InputError(storeName, 'a differencing image needs a parent');
  }
  return openImage(store, {
    readOnly: false,
    warn: options.warn,
    openParent,
    random: new Random(options.seed, `image ${storeName}`),
  });
}

/** The image's store, and below it those of its parents, which nothing can write to. */
function makeStores(
  name: string,
  spec: NewImage,
  options: DiskOptions,
  stores: Map<string, MemoryStore>,
): readonly [MemoryStore] {
  const { format = 'raw', size, sectors, blockSize, parent } = spec;
  const store = new MemoryStore(name);
  const random = new Random(options.seed, `new image ${name}`);
  const common = {
    format,
    random,
    ...(size === undefined ? {} : { sizeBytes: sizeBytes('size', size) }),
    ...(sectors === undefined ? {} : { sectorBytes: sectors }),
    ...(blockSize === undefined ? {} : { blockBytes: sizeBytes('blockSize', blockSize) }),
  };
  if (parent === undefined) {
    createImage(store, common);
  } else {
    const parentName = `parent of ${name}`;
    makeStores(parentName, parent, options, stores);
    const parentStore = stores.get(parentName)!.freeze();
    stores.set(parentName, parentStore);
    const image: Image = openImage(parentStore, { readOnly: true, warn: options.warn });
    createImage(store, { ...common, parent: { image, relativePath: `.\\${parentName}` } });
  }
  stores.set(name, store);
  return [store];
}

/** @param generation of the machine; only the built-in disk needs to know */
export function openDisk(spec: DiskSpec, generation: 1 | 2, options: DiskOptions): BlockDevice {
  if (typeof spec === 'object' && 'builtIn' in spec)
    return new OverlayDevice(sharedDefaultDisk(generation));
  if (typeof spec === 'object' && 'passThrough' in spec) {
    const { passThrough: disk } = spec;
    if (!(disk instanceof HostDisk)) throw new InputError('disk', 'is none of the host');
    return disk.take(options.owner);
  }
  if (typeof spec === 'object' && !('path' in spec)) return newImage(spec, options);
  return openFile(typeof spec === 'string' ? { path: spec } : spec, options);
}

function openFile(
  { path, write = false }: { readonly path: string; readonly write?: boolean },
  { file, seed, warn, opened }: DiskOptions,
): BlockDevice {
  const disk = openHostDisk(besideScript(file, path), {
    write,
    warn,
    random: new Random(seed, 'images'),
  });
  opened.push(disk);
  return disk;
}

export function openFloppy(spec: FloppySpec, options: DiskOptions): BlockDevice {
  if (!(spec instanceof Uint8Array)) {
    return openFile(typeof spec === 'string' ? { path: spec } : spec, options);
  }
  const store = MemoryStore.from('diskette', spec.slice()).freeze();
  return new OverlayDevice(openRaw(store, { readOnly: true, warn: options.warn }));
}

/** Where a script wants a disk; undefined: anywhere. */
export function placeOf(spec: DiskSpec): DiskPlace | undefined {
  const at = typeof spec === 'string' ? undefined : spec.at;
  return at === undefined ? undefined : parseDiskPlace('disk', at);
}

/** A disk with this content, in whole sectors. */
export function bytesDisk(name: string, content: Uint8Array, unitBytes: number): BlockDevice {
  const store = MemoryStore.from(name, content);
  store.resize(Math.ceil(content.length / unitBytes) * unitBytes);
  return openRaw(store.freeze(), { readOnly: true, warn: () => undefined });
}
