import { PAGE_BYTES } from '../core/memory.ts';
import type { FirmwareMemory } from '../uefi/memory-map.ts';
import { EfiMemoryType } from '../uefi/spec/memory.ts';

/** The page of the firmware's data where Hyper-V's loader puts the GDT (mu_msvm, 0x706000). */
const GDT_PAGE = 6;
const ENTRIES_PER_TABLE = 512;
const ENTRY_BYTES = 8;
const LARGE_PAGE_BYTES = 2 * 1024 * 1024;
const GIB = 1024 ** 3;
const LEAST_MAPPED_BYTES = 4 * GIB;
/** Page directories that lie behind PML4 and PDPT in the fixed place; more are allocated. */
const FIXED_DIRECTORIES = 4;
/** Intel SDM volume 3, 4.5: present, writable. */
const TABLE = 0x03;
/** Present, writable, page size 2 MiB. */
const LARGE_PAGE = 0x83;
/** Null, 64-bit code, data (SDM volume 3, 3.4.5): flat, ring 0. */
const GDT = [0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn];

/**
 * Writes the identity map and the GDT that an EFI application is entered with. CR3 is `gpa`; an
 * application keeps running on them after ExitBootServices() until it has its own.
 * @param gpa start of the firmware's data; the first seven pages are taken
 */
export function writeLongModeTables(pages: FirmwareMemory, gpa: number): void {
  const { memory } = pages;
  const view = memory.view;
  const resolve = (page: number): number => memory.resolve(page, PAGE_BYTES);
  const entry = (table: number, index: number, target: number, bits: number): void => {
    const at = resolve(table) + index * ENTRY_BYTES;
    view.setUint32(at, (target % 2 ** 32) + bits, true);
    view.setUint32(at + 4, Math.floor(target / 2 ** 32), true);
  };
  const mappedBytes = Math.max(LEAST_MAPPED_BYTES, Math.ceil(pages.topOfMemory / GIB) * GIB);
  const pointers = gpa + PAGE_BYTES;
  memory.u8.fill(0, resolve(gpa), resolve(gpa) + (GDT_PAGE + 1) * PAGE_BYTES);
  entry(gpa, 0, pointers, TABLE);
  for (let index = 0; index < Math.min(mappedBytes / GIB, ENTRIES_PER_TABLE); index += 1) {
    const directory =
      index < FIXED_DIRECTORIES
        ? gpa + (2 + index) * PAGE_BYTES
        : pages.allocate(PAGE_BYTES, EfiMemoryType.is.BootServicesData);
    entry(pointers, index, directory, TABLE);
    for (let slot = 0; slot < ENTRIES_PER_TABLE; slot += 1) {
      entry(directory, slot, index * GIB + slot * LARGE_PAGE_BYTES, LARGE_PAGE);
    }
  }
  const gdt = resolve(gpa + GDT_PAGE * PAGE_BYTES);
  for (const [index, descriptor] of GDT.entries()) {
    view.setBigUint64(gdt + index * ENTRY_BYTES, descriptor, true);
  }
}
