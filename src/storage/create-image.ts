import { InputError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { ByteStore } from './block.ts';
import type { Image, ImageFormat } from './image.ts';
import { createVhd } from './vhd/create.ts';
import type { ParentPaths } from './vhd/parent.ts';
import { defaultBlockBytes as vhdBlockBytes } from './vhd/spec.ts';
import { createVhdx } from './vhdx/create.ts';
import { VhdxImage } from './vhdx/image.ts';
import { buildParentLocator } from './vhdx/parent-locator.ts';
import { defaultBlockBytes as vhdxBlockBytes } from './vhdx/spec.ts';

/** The parent of a differencing image, and where the child is to look for it. */
export interface NewParent extends ParentPaths {
  readonly image: Image;
}

export interface CreateImageOptions {
  readonly format: ImageFormat;
  /** Whole sectors. A differencing image has its parent's size when this is left out. */
  readonly sizeBytes?: number;
  /** Unit of allocation: 2 MiB when left out. */
  readonly blockBytes?: number;
  /** Logical sector, 512 or (VHDX only) 4096; 512 or the parent's when left out. */
  readonly sectorBytes?: number;
  readonly physicalSectorBytes?: number;
  readonly parent?: NewParent;
  /** For the GUIDs. */
  readonly random: Random;
}

/**
 * Writes an empty disk image into an empty store, which stays open.
 * @throws InputError when the format cannot hold what is asked for
 */
export function createImage(store: ByteStore, options: CreateImageOptions): void {
  const { format, parent, random } = options;
  const differencing = format.endsWith('-differencing');
  if (differencing !== (parent !== undefined)) {
    const message = differencing ? 'needs a parent' : 'has no parent';
    throw new InputError(store.name, `a ${format} image ${message}`);
  }
  const sizeBytes = options.sizeBytes ?? parent?.image.sizeBytes ?? 0;
  const sectorBytes = options.sectorBytes ?? parent?.image.sectorBytes ?? 512;
  if (format.startsWith('vhdx')) {
    createVhdxOf(store, options, sizeBytes, sectorBytes);
    return;
  }
  if (sectorBytes !== 512) {
    throw new InputError(
      store.name,
      `a ${format} image has sectors of 512 bytes; ${sectorBytes} were asked for, which VHDX can have`,
    );
  }
  if (format === 'raw') {
    if (!(sizeBytes > 0) || sizeBytes % sectorBytes !== 0) {
      throw new InputError(
        store.name,
        `a raw image has a multiple of ${sectorBytes} bytes; ${sizeBytes} were asked for`,
      );
    }
    store.resize(sizeBytes);
    return;
  }
  createVhd(store, {
    sizeBytes,
    type: format.slice(4) as 'fixed' | 'dynamic' | 'differencing',
    blockBytes: options.blockBytes ?? vhdBlockBytes,
    random,
    ...(parent === undefined ? {} : { parent }),
  });
}

function createVhdxOf(
  store: ByteStore,
  options: CreateImageOptions,
  sizeBytes: number,
  sectorBytes: number,
): void {
  const { parent, random } = options;
  createVhdx(store, {
    sizeBytes,
    blockBytes: options.blockBytes ?? vhdxBlockBytes,
    sectorBytes,
    physicalSectorBytes:
      options.physicalSectorBytes ??
      parent?.image.physicalSectorBytes ??
      Math.max(sectorBytes, 4096),
    fixed: options.format === 'vhdx-fixed',
    random,
    ...(parent === undefined ? {} : { parentLocator: locatorOf(store.name, parent, sectorBytes) }),
  });
}

function locatorOf(name: string, parent: NewParent, sectorBytes: number): Uint8Array {
  const { image, relativePath, absolutePath } = parent;
  if (!(image instanceof VhdxImage)) {
    throw new InputError(
      name,
      `a differencing VHDX needs a VHDX as its parent; ${image.name} is ${image.format}`,
    );
  }
  if (image.sectorBytes !== sectorBytes) {
    throw new InputError(
      name,
      `a differencing VHDX has its parent's sectors of ${image.sectorBytes} bytes; ${sectorBytes} were asked for`,
    );
  }
  const pairs = new Map([['parent_linkage', `{${image.dataWriteGuid}}`]]);
  if (relativePath !== undefined) pairs.set('relative_path', relativePath);
  if (absolutePath !== undefined) pairs.set('absolute_win32_path', absolutePath);
  if (pairs.size === 1) throw new InputError(name, 'no path to the parent was given');
  return buildParentLocator(pairs);
}
