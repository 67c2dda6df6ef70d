import { InputError } from '../../core/errors.ts';
import type { ByteStore } from '../block.ts';
import { readPart } from '../image.ts';
import type { Image, ImageBase, OpenImageOptions, ParentFinder } from '../image.ts';
import { BlockTable } from './bat.ts';
import { readCreator, readHeader, replaceHeader } from './header.ts';
import type { VhdxHeader } from './header.ts';
import { VhdxImage } from './image.ts';
import { replayLog } from './log-replay.ts';
import { readMetadata } from './metadata.ts';
import type { VhdxMetadata } from './metadata.ts';
import { locatorLinkages, locatorPaths, parseParentLocator } from './parent-locator.ts';
import { PatchedStore } from './patched-store.ts';
import { readRegions } from './region.ts';
import { SpaceMap } from './space.ts';
import { fileSignature, maximumDiskBytes, zeroGuid } from './spec.ts';

/** Whether the file identifier ([MS-VHDX] 2.2.1) is there. */
export function isVhdx(store: ByteStore): boolean {
  if (store.sizeBytes < 8) return false;
  const signature = readPart(store, 0, 8, 'file identifier');
  return String.fromCharCode(...signature) === fileSignature;
}

/**
 * @param findParent opens the parent of a differencing disk
 * @throws InputError when a part of the file, or its parent, is not sound
 */
export function openVhdx(
  store: ByteStore,
  options: OpenImageOptions,
  findParent: ParentFinder,
): ImageBase {
  if (store.sizeBytes > 2 * maximumDiskBytes) {
    throw new InputError(store.name, `has ${store.sizeBytes} bytes, more than any VHDX has`);
  }
  const readOnly = options.readOnly || store.readOnly;
  const creator = readCreator(store);
  const found = readHeader(store, options.warn);
  const { header, content, replayed } = recover(store, found, readOnly);
  const regions = readRegions(content, options.warn);
  const metadata = readMetadata(content, regions.metadata);
  const table = BlockTable.load(content, regions.bat, metadata);
  const log = { offset: header.logOffset, length: header.logLength };
  const space = SpaceMap.of(
    store.name,
    content.sizeBytes,
    regions.all,
    log,
    table,
    metadata.blockBytes,
  );
  if (!readOnly && header.logLength === 0) {
    throw new InputError(
      store.name,
      'the VHDX has no room for a log, so it cannot be written to; open it read-only or convert it',
    );
  }
  const parent = openParent(store.name, metadata, findParent);
  const parts = {
    header,
    regions,
    metadata,
    table,
    space,
    creator,
    replayed,
    parent,
    random: options.random,
  };
  return new VhdxImage(content, parts, readOnly);
}

/** Applies the log of a file that was not closed cleanly: to the file, or to memory over it. */
function recover(
  store: ByteStore,
  header: VhdxHeader,
  readOnly: boolean,
): { header: VhdxHeader; content: ByteStore; replayed: boolean } {
  if (header.logGuid === zeroGuid) return { header, content: store, replayed: false };
  if (readOnly) {
    const content = new PatchedStore(store);
    replayLog(store, header, content);
    return { header, content, replayed: true };
  }
  replayLog(store, header, store);
  // Flushes first: the log is given up only when its content has reached its place.
  const clean = replaceHeader(store, header, { logGuid: zeroGuid });
  return { header: clean, content: store, replayed: true };
}

function openParent(
  name: string,
  metadata: VhdxMetadata,
  findParent: ParentFinder,
): Image | undefined {
  if (metadata.parentLocator === undefined) return undefined;
  const pairs = parseParentLocator(name, metadata.parentLocator);
  const linkages = locatorLinkages(pairs);
  if (linkages.length === 0) {
    throw new InputError(name, 'the parent locator of the VHDX has no parent_linkage');
  }
  const parent = findParent(locatorPaths(pairs));
  if (!(parent instanceof VhdxImage)) {
    throw new InputError(
      name,
      `is a differencing VHDX, but its parent ${parent.name} is ${parent.format}; a VHDX was expected`,
    );
  }
  if (!linkages.includes(parent.dataWriteGuid)) {
    throw new InputError(
      name,
      `was made over a parent with data write GUID ${linkages.join(' or ')}, but ${parent.name} has ${parent.dataWriteGuid}: it is another disk, or was written to since`,
    );
  }
  if (parent.sectorBytes !== metadata.sectorBytes) {
    throw new InputError(
      name,
      `has sectors of ${metadata.sectorBytes} bytes, but its parent ${parent.name} has ${parent.sectorBytes}`,
    );
  }
  return parent;
}
