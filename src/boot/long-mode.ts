import { PAGE_BYTES } from '../core/memory.ts';
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
/** Page directories that lie behind PML4 and PDPT in the fixed place; more are allocated. */
const FIXED_DIRECTORIES = 4;
/** Intel SDM volume 3, 4.5: present, writable. */
const TABLE = 0x03;
/** Present, writable, page size 2 MiB. */
const LARGE_PAGE = 0x83;
/** Null, 64-bit code, data (SDM volume 3, 3.4.5): flat, ring 0. */
const GDT = [0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn];
const CODE_SELECTOR = 0x08;
const DATA_SELECTOR = 0x10;

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
  const { memory } = pages;
  const { u32 } = memory;
  const mappedBytes = Math.max(LEAST_MAPPED_BYTES, Math.ceil(pages.topOfMemory / GIB) * GIB);
  const resolve = (page: number): number => memory.resolve(page, PAGE_BYTES);
  const pointers = gpa + PAGE_BYTES;
  memory.u8.fill(0, resolve(gpa), resolve(gpa) + (GDT_PAGE + 1) * PAGE_BYTES);
  u32[resolve(gpa) / 4] = pointers + TABLE;
  for (let index = 0; index < Math.min(mappedBytes / GIB, ENTRIES_PER_TABLE); index += 1) {
    const directory =
      index < FIXED_DIRECTORIES
        ? gpa + (2 + index) * PAGE_BYTES
        : pages.allocate(PAGE_BYTES, EfiMemoryType.is.BootServicesData);
    u32[(resolve(pointers) + index * ENTRY_BYTES) / 4] = directory + TABLE;
    let word = resolve(directory) / 4;
    for (let slot = 0; slot < ENTRIES_PER_TABLE; slot += 1) {
      const target = index * GIB + slot * LARGE_PAGE_BYTES;
      u32[word] = (target % FOUR_GIB) + LARGE_PAGE;
      u32[word + 1] = Math.floor(target / FOUR_GIB);
      word += 2;
    }
  }
  const gdt = resolve(gpa + GDT_PAGE * PAGE_BYTES);
  for (const [index, descriptor] of GDT.entries()) {
    memory.view.setBigUint64(gdt + index * ENTRY_BYTES, descriptor, true);
  }
  return {
    pageTablesGpa: gpa,
    segments: {
      gdtGpa: gpa + GDT_PAGE * PAGE_BYTES,
      gdtBytes: GDT.length * ENTRY_BYTES,
      codeSelector: CODE_SELECTOR,
      dataSelector: DATA_SELECTOR,
    },
  };
}
