import { InputError } from '../core/errors.ts';
import type { ByteStore } from './block.ts';
import type { Image, OpenImageOptions } from './image.ts';
import { readPart } from './image.ts';
import { openRaw } from './raw.ts';
import { hasCookie } from './vhd/footer.ts';
import { openVhd } from './vhd/open.ts';
import { footerCookie, sectorBytes } from './vhd/spec.ts';
import { isVhdx, openVhdx } from './vhdx/open.ts';

/** A chain longer than this is taken for a loop. */
const maximumChain = 64;

/**
 * Opens a disk image: VHDX or VHD when its content says so, and raw otherwise. A file that is named
 * .vhdx or .vhd (.avhdx, .avhd) and is none is an error, since as a raw disk it would only confuse.
 * The image closes the store, and its parents, when it is closed.
 * @throws InputError when the content is damaged or a parent cannot be had
 */
export function openImage(store: ByteStore, options: OpenImageOptions): Image {
  return openInChain(store, options, [store.name]);
}

function openInChain(store: ByteStore, options: OpenImageOptions, chain: string[]): Image {
  const findParent = (candidates: readonly string[]): Image => {
    const child = store.name;
    const parent = options.openParent?.(candidates, child);
    if (parent === undefined) {
      const named = candidates.length === 0 ? 'it names none' : `it names ${candidates.join(', ')}`;
      throw new InputError(child, `is a differencing disk, and its parent was not found: ${named}`);
    }
    if (chain.includes(parent.name)) {
      parent.close();
      throw new InputError(
        child,
        `is a differencing disk whose parents lead back to ${parent.name}`,
      );
    }
    if (chain.length >= maximumChain) {
      parent.close();
      throw new InputError(child, `has more than ${maximumChain} parents above one another`);
    }
    try {
      return openInChain(parent, { ...options, readOnly: true }, [...chain, parent.name]);
    } catch (error) {
      parent.close();
      throw error;
    }
  };
  if (store.sizeBytes === 0) {
    throw new InputError(store.name, 'is empty (0 bytes); a disk image was expected');
  }
  if (isVhdx(store)) return openVhdx(store, options, findParent);
  if (hasVhdCookie(store)) return openVhd(store, options, findParent);
  checkExtension(store);
  return openRaw(store, options);
}

/** The footer, or its copy at byte 0, begins as one, sound or not. */
function hasVhdCookie(store: ByteStore): boolean {
  const end = store.sizeBytes;
  // Virtual PC before 2004 wrote footers of 511 bytes.
  for (const position of [end - sectorBytes, end - sectorBytes + 1, 0]) {
    if (position < 0 || position + 8 > end) continue;
    if (hasCookie(readPart(store, position, 8, 'VHD footer'), footerCookie)) return true;
  }
  return false;
}

function checkExtension(store: ByteStore): void {
  const extension = /\.(a?vhdx?)$/i.exec(store.name)?.[1]?.toLowerCase();
  if (extension === undefined) return;
  if (extension.endsWith('x')) {
    throw new InputError(
      store.name,
      `is named .${extension}, but does not begin with "vhdxfile" at byte 0; if it is a raw image, rename it to .img`,
    );
  }
  throw new InputError(
    store.name,
    `is named .${extension}, but has "${footerCookie}" neither at byte ${Math.max(0, store.sizeBytes - sectorBytes)}, where the footer of a VHD is, nor at byte 0: the image is truncated or not a VHD`,
  );
}
