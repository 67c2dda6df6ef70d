import { PAGE_BYTES } from '../core/memory.ts';
import type { FirmwareMemory } from './memory-map.ts';
import type { PeImage } from './pe-image.ts';
import { EfiMemoryType } from './spec/memory.ts';
import { RelocationBlock, RelocationType } from './spec/pe.ts';

/** An image in guest memory, ready to be entered. */
export interface LoadedPe {
  readonly baseGpa: number;
  readonly entryGpa: number;
  /** Whole pages. */
  readonly imageBytes: number;
}

/** Below this an image does not get the address that it prefers: old code and tables live there. */
const LOWEST_PREFERRED = 0x10_0000;

/**
 * Loads an image: at the address it prefers when that is free, elsewhere with its relocations
 * applied. Bytes that the file does not give are zero.
 * @returns where it is, or what is wrong, as the rest of a sentence that begins with its name
 */
export function loadPe(image: PeImage, pages: FirmwareMemory): LoadedPe | string {
  const baseGpa = chooseBase(image, pages);
  if (typeof baseGpa === 'string') return baseGpa;
  const { memory } = pages;
  const offset = memory.resolve(baseGpa, image.imageBytes);
  const target = memory.u8.subarray(offset, offset + image.imageBytes);
  target.fill(0);
  target.set(image.file.subarray(0, image.headerBytes));
  for (const section of image.sections) {
    // The rest of a section's last page may belong to the next one, so the raw tail stays out.
    const bytes =
      section.virtualBytes === 0
        ? Math.min(section.rawBytes, image.imageBytes - section.virtualAddress)
        : Math.min(section.rawBytes, section.virtualBytes);
    if (bytes <= 0) continue;
    target.set(
      image.file.subarray(section.rawOffset, section.rawOffset + bytes),
      section.virtualAddress,
    );
  }
  const problem = relocate(image, target, BigInt(baseGpa) - BigInt(image.imageBase));
  if (problem !== '') return problem;
  return {
    baseGpa,
    entryGpa: baseGpa + image.entryPoint,
    imageBytes: Math.ceil(image.imageBytes / PAGE_BYTES) * PAGE_BYTES,
  };
}

function chooseBase(image: PeImage, pages: FirmwareMemory): number | string {
  const wanted = image.imageBase;
  const isWanted = wanted % PAGE_BYTES === 0 && wanted >= LOWEST_PREFERRED;
  if (isWanted && pages.allocateAt(wanted, image.imageBytes, EfiMemoryType.is.LoaderCode)) {
    return wanted;
  }
  if (!image.isRelocatable) {
    return `must be loaded at 0x${wanted.toString(16)}, since it has no relocations, and that memory is not free`;
  }
  // Alignments beyond a page are honoured by taking more and giving none of it back.
  const slack = Math.max(0, image.sectionAlignment - PAGE_BYTES);
  const taken = pages.allocate(image.imageBytes + slack, EfiMemoryType.is.LoaderCode);
  if (taken < 0) return `needs ${image.imageBytes} bytes of free memory below 4 GiB`;
  if (slack === 0) return taken;
  return Math.ceil(taken / image.sectionAlignment) * image.sectionAlignment;
}

/** PE/COFF, "The .reloc section": blocks of a page each, with 16-bit entries. */
function relocate(image: PeImage, target: Uint8Array, delta: bigint): string {
  const { address, bytes } = image.relocations;
  if (delta === 0n || bytes === 0) return '';
  const view = new DataView(target.buffer, target.byteOffset, target.length);
  const block = RelocationBlock.cursor(view);
  const end = address + bytes;
  for (let at = address; at + RelocationBlock.size <= end;) {
    const { pageAddress, blockBytes } = block.at(at);
    if (blockBytes === 0) return '';
    if (blockBytes < RelocationBlock.size || at + blockBytes > end) {
      return `has a relocation block of ${blockBytes} bytes at 0x${at.toString(16)}, which does not fit`;
    }
    for (let entryAt = at + RelocationBlock.size; entryAt + 2 <= at + blockBytes; entryAt += 2) {
      const entry = view.getUint16(entryAt, true);
      const problem = applyRelocation(view, entry >> 12, pageAddress + (entry & 0xfff), delta);
      if (problem !== '') return problem;
    }
    at += blockBytes;
  }
  return '';
}

function applyRelocation(view: DataView, type: number, at: number, delta: bigint): string {
  if (type === RelocationType.absolute) return '';
  const size = type === RelocationType.dir64 ? 8 : type === RelocationType.highLow ? 4 : 0;
  if (size === 0)
    return `has a relocation of type ${type} at 0x${at.toString(16)}; x86-64 has 3 and 10`;
  if (at + size > view.byteLength) {
    return `has a relocation at 0x${at.toString(16)}, outside the image`;
  }
  if (size === 8) {
    view.setBigUint64(at, BigInt.asUintN(64, view.getBigUint64(at, true) + delta), true);
  } else {
    const moved = BigInt(view.getUint32(at, true)) + delta;
    view.setUint32(at, Number(BigInt.asUintN(32, moved)), true);
  }
  return '';
}
