/** UEFI 2.10, section 7.2: what GetMemoryMap() says beside its descriptors. */
export { EfiMemoryType, MemoryDescriptor } from '../../core/spec/efi.ts';

/** What firmware reports, so that nobody steps by the size of the structure they know. */
export const MEMORY_DESCRIPTOR_STRIDE = 48;
export const MEMORY_DESCRIPTOR_VERSION = 1;

export const MemoryAttribute = {
  uncacheable: 1n << 0n,
  writeCombining: 1n << 1n,
  writeThrough: 1n << 2n,
  writeBack: 1n << 3n,
  runtime: 1n << 63n,
} as const;
