import { InputError } from '../../core/errors.ts';
import type { ByteStore } from '../block.ts';
import type { Image, ImageBase, OpenImageOptions, ParentFinder } from '../image.ts';
import { FixedVhd } from './fixed.ts';
import { findFooter, guidBytes, readDynamicHeader } from './footer.ts';
import type { FoundHeader } from './footer.ts';
import { parentCandidates } from './parent.ts';
import { SparseVhd } from './sparse.ts';
import { DiskType } from './spec.ts';

/**
 * @param findParent opens the parent of a differencing disk
 * @throws InputError when footer, header, block table or parent are not sound
 */
export function openVhd(
  store: ByteStore,
  options: OpenImageOptions,
  findParent: ParentFinder,
): ImageBase {
  const footer = findFooter(store, options.warn);
  const readOnly = options.readOnly || store.readOnly;
  if (footer.type === DiskType.is.fixed) return new FixedVhd(store, footer, readOnly);
  const header = readDynamicHeader(store, footer);
  if (footer.type === DiskType.is.dynamic) {
    return new SparseVhd(store, footer, header, undefined, readOnly);
  }
  const parent = findParent(parentCandidates(store, header.raw));
  checkParent(store, header, parent, options.warn);
  return new SparseVhd(store, footer, header, parent, readOnly);
}

function checkParent(
  store: ByteStore,
  header: FoundHeader,
  parent: Image,
  warn: (message: string) => void,
): void {
  if (!(parent instanceof FixedVhd || parent instanceof SparseVhd)) {
    throw new InputError(
      store.name,
      `is a differencing VHD, but its parent ${parent.name} is ${parent.format}; a VHD was expected`,
    );
  }
  const wanted = guidBytes(header.parentUniqueId);
  if (!wanted.every((byte, index) => byte === parent.diskId[index])) {
    const found = parent.info().ids['uniqueId'];
    throw new InputError(
      store.name,
      `was made over a parent with unique id ${header.parentUniqueId}, but ${parent.name} has ${found}: it is another disk`,
    );
  }
  const stamps = parent.timeStamps;
  if (!stamps.includes(header.parentTimeStamp)) {
    warn(
      `${store.name}: its parent ${parent.name} has another time stamp than recorded (${stamps.join(' or ')}, expected ${header.parentTimeStamp}); if the parent was written to since, what this disk shows is wrong`,
    );
  }
}
