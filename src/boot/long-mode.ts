import { type GuestMemory, PAGE_BYTES } from '../core/memory.ts';
import type { FlatSegments } from '../hypervisor/processor.ts';
import type { FirmwareMemory } from '../uefi/memory-map.ts';
import { EfiMemoryType } from '../uefi/spec/memory.ts';

/** The page of the firmware's data where Hyper-V's loader puts the GDT (mu_msvm, 0x706000). */
const GDT_PAGE = 6;
const ENTRIES_PER_TABLE = 512;
const ENTRY_BYTES = 8;
const LARGE_PAGE_BYTES = 2 * 1024 * 1024;
const GIB = 1024 ** 3;
const FOUR_GIB = 4 * GIB;
const LEAST_MAPPED_BYTES = FOUR_GIB;
/** Intel SDM volume 3, 4.5: present, writable. */
const TABLE = 0x03;
/** Present, writable, page size 2 MiB. */
const LARGE_PAGE = 0x83;
/** SDM volume 3, 3.4.5: flat, ring 0, accessed. */
const CODE_64 = 0x00af_9b00_0000_ffffn;
const CODE_32 = 0x00cf_9b00_0000_ffffn;
const DATA = 0x00cf_9300_0000_ffffn;
const EFI_CODE_SELECTOR = 0x08;
const EFI_DATA_SELECTOR = 0x10;

/** What CR3 and the segment registers get. */
export interface LongModeTables {
  readonly pageTablesGpa: number;
  readonly segments: FlatSegments;
}

/**
 * Writes the identity map and the GDT that an EFI application is entered with. It keeps running on
 * them after ExitBootServices() until it has its own.
 * @param gpa start of the firmware's data; the first seven pages are taken
 */
export function writeLongModeTables(pages: FirmwareMemory, gpa: number): LongModeTables {
  let next = 0;
  const pageTablesGpa = writeIdentityMap(pages.memory, pages.topOfMemory, () => {
    const page = next;
    next += 1;
    // More than the fixed place holds is allocated.
    if (page < GDT_PAGE) return gpa + page * PAGE_BYTES;
    return pages.allocate(PAGE_BYTES, EfiMemoryType.is.BootServicesData);
  });
  const segments = flatSegments(pages.memory, gpa + GDT_PAGE * PAGE_BYTES, {
    is64Bit: true,
    codeSelector: EFI_CODE_SELECTOR,
    dataSelector: EFI_DATA_SELECTOR,
  });
  return { pageTablesGpa, segments };
}

/**
 * Maps every address to itself, with large pages: 4 GiB, or all RAM if that reaches further.
 * @param page gives a page of RAM each time: PML4, PDPT, then the page directories
 * @returns the address of the PML4
 */
export function writeIdentityMap(
  memory: GuestMemory,
  topOfMemory: number,
  page: () => number,
): number {
  const { u32 } = memory;
  const mappedBytes = Math.max(LEAST_MAPPED_BYTES, Math.ceil(topOfMemory / GIB) * GIB);
  const table = (): { readonly gpa: number; readonly word: number } => {
    const gpa = page();
    const at = memory.resolve(gpa, PAGE_BYTES);
    memory.u8.fill(0, at, at + PAGE_BYTES);
    return { gpa, word: at / 4 };
  };
  const root = table();
  const pointers = table();
  u32[root.word] = pointers.gpa + TABLE;
  for (let index = 0; index < Math.min(mappedBytes / GIB, ENTRIES_PER_TABLE); index += 1) {
    const directory = table();
    u32[pointers.word + (index * ENTRY_BYTES) / 4] = directory.gpa + TABLE;
    let { word } = directory;
    for (let slot = 0; slot < ENTRIES_PER_TABLE; slot += 1) {
      const target = index * GIB + slot * LARGE_PAGE_BYTES;
      u32[word] = (target % FOUR_GIB) + LARGE_PAGE;
      u32[word + 1] = Math.floor(target / FOUR_GIB);
      word += 2;
    }
  }
  return root.gpa;
}

/** Writes a GDT with a null, a code and a data descriptor, at the selectors asked for. */
export function flatSegments(
  memory: GuestMemory,
  gdtGpa: number,
  options: {
    readonly is64Bit: boolean;
    readonly codeSelector: number;
    readonly dataSelector: number;
  },
): FlatSegments {
  const { is64Bit, codeSelector, dataSelector } = options;
  const gdtBytes = Math.max(codeSelector, dataSelector) + ENTRY_BYTES;
  const at = memory.resolve(gdtGpa, gdtBytes);
  memory.u8.fill(0, at, at + gdtBytes);
  memory.view.setBigUint64(at + codeSelector, is64Bit ? CODE_64 : CODE_32, true);
  memory.view.setBigUint64(at + dataSelector, DATA, true);
  return { gdtGpa, gdtBytes, codeSelector, dataSelector };
}
