import { InputError } from '../../core/errors.ts';
import { viewOf } from '../../core/wire.ts';
import type { NamedBytes } from '../kernel-file.ts';
import {
  ELF_LOAD,
  ELF_MACHINE_386,
  ELF_MAGIC,
  Elf32Header,
  Elf32Segment,
  ElfClass,
  HEADER_LEAST_BYTES,
  HeaderFlags,
  MANDATORY_FLAGS,
  MULTIBOOT_HEADER_MAGIC,
  MULTIBOOT_SEARCH_BYTES,
  MultibootHeader,
} from './spec.ts';

/** Bytes of the file, and zeros after them, for a run of physical addresses. */
export interface LoadedSegment {
  readonly gpa: number;
  readonly bytes: Uint8Array;
  /** At the least the length of `bytes`. */
  readonly memoryBytes: number;
}

export interface MultibootImage {
  readonly name: string;
  readonly segments: readonly LoadedSegment[];
  readonly entryGpa: number;
}

/** @returns the file offset of the header, or -1 */
export function findMultibootHeader(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  const end = Math.min(bytes.length, MULTIBOOT_SEARCH_BYTES) - HEADER_LEAST_BYTES;
  for (let at = 0; at <= end; at += 4) {
    if (view.getUint32(at, true) !== MULTIBOOT_HEADER_MAGIC) continue;
    const sum =
      MULTIBOOT_HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum % 2 ** 32 === 0) return at;
  }
  return -1;
}

/**
 * @param at what `findMultibootHeader` returned
 * @throws InputError with what is wrong with it
 */
export function readMultibootImage(file: NamedBytes, at: number): MultibootImage {
  const flags = viewOf(file.bytes).getUint32(at + 4, true);
  const { bit } = HeaderFlags;
  const unknown = flags & MANDATORY_FLAGS & ~(bit.PAGE_ALIGN | bit.MEMORY_INFO | bit.VIDEO_MODE);
  if (unknown !== 0) {
    throw new InputError(
      file.name,
      `its Multiboot header at byte ${at} asks for features 0x${unknown.toString(16)}, ` +
        'which Multiboot 1 does not have',
    );
  }
  return (flags & bit.ADDRESSES) !== 0 ? readByAddresses(file, at) : readElf(file);
}

/** The header itself says what goes where ("a.out kludge"). */
function readByAddresses({ name, bytes }: NamedBytes, at: number): MultibootImage {
  const fail = (message: string): never => {
    throw new InputError(name, `its Multiboot header at byte ${at} ${message}`);
  };
  if (at + MultibootHeader.size > bytes.length) fail('is cut off by the end of the file');
  const header = MultibootHeader.cursor(viewOf(bytes)).at(at);
  const { headerAddress, loadAddress, loadEndAddress, bssEndAddress, entryAddress } = header;
  const start = at - (headerAddress - loadAddress);
  if (start < 0) fail('lies further into its image than into the file');
  const end = loadEndAddress === 0 ? bytes.length : start + (loadEndAddress - loadAddress);
  if (end < start) fail('ends its image before it begins');
  if (end > bytes.length) {
    fail(`announces ${end} bytes of file, there are ${bytes.length}: it is truncated`);
  }
  const memoryBytes = Math.max(end - start, bssEndAddress === 0 ? 0 : bssEndAddress - loadAddress);
  return {
    name,
    segments: [{ gpa: loadAddress, bytes: bytes.subarray(start, end), memoryBytes }],
    entryGpa: entryAddress,
  };
}

function readElf({ name, bytes }: NamedBytes): MultibootImage {
  const fail = (message: string): never => {
    throw new InputError(name, message);
  };
  const view = viewOf(bytes);
  if (bytes.length < Elf32Header.size || view.getUint32(0, true) !== ELF_MAGIC) {
    fail('its Multiboot header gives no addresses, and it is not an ELF file');
  }
  const header = Elf32Header.cursor(view).at(0);
  if (header.class !== ElfClass.elf32 || header.machine !== ELF_MACHINE_386) {
    fail('Multiboot 1 loads 32-bit x86 ELF files only; convert it with objcopy -O elf32-i386');
  }
  const { programOffset, programBytes, programCount, entry } = header;
  if (
    programOffset + programBytes * programCount > bytes.length ||
    programBytes < Elf32Segment.size
  ) {
    fail(`its program headers at byte ${programOffset} are not inside its ${bytes.length} bytes`);
  }
  const segments: LoadedSegment[] = [];
  let entryGpa = entry;
  const segment = Elf32Segment.cursor(view);
  for (let index = 0; index < programCount; index += 1) {
    segment.at(programOffset + index * programBytes);
    const { type, offset, virtualAddress, physicalAddress, fileBytes, memoryBytes } = segment;
    if (type !== ELF_LOAD || memoryBytes === 0) continue;
    if (offset + fileBytes > bytes.length) {
      fail(
        `it is truncated: segment ${index} ends at byte ${offset + fileBytes}, ` +
          `the file at ${bytes.length}`,
      );
    }
    if (fileBytes > memoryBytes) fail(`segment ${index} has more bytes in the file than in memory`);
    // Some linker scripts give the entry point as a virtual address.
    if (entry >= virtualAddress && entry < virtualAddress + memoryBytes) {
      entryGpa = physicalAddress + (entry - virtualAddress);
    }
    segments.push({
      gpa: physicalAddress,
      bytes: bytes.subarray(offset, offset + fileBytes),
      memoryBytes,
    });
  }
  if (segments.length === 0) fail('it has nothing to load');
  return { name, segments, entryGpa };
}
