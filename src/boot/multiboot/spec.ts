/** The Multiboot Specification, version 0.6.96, and the ELF32 files that it loads. */
import { bytes, flags, struct, u16, u32, u64, u8 } from '../../core/wire.ts';

export const MULTIBOOT_HEADER_MAGIC = 0x1bad_b002;
/** In EAX when the kernel begins. */
export const MULTIBOOT_LOADER_MAGIC = 0x2bad_b002;
/** The header is in the first so many bytes of the file, 4-byte aligned. */
export const MULTIBOOT_SEARCH_BYTES = 8192;

export const HeaderFlags = flags(u32, {
  PAGE_ALIGN: 1 << 0,
  MEMORY_INFO: 1 << 1,
  VIDEO_MODE: 1 << 2,
  /** The header says where to load; the file need not be an ELF. */
  ADDRESSES: 1 << 16,
});
/** Flags that a loader must understand, or refuse the kernel. */
export const MANDATORY_FLAGS = 0xffff;

export const MultibootHeader = struct('MultibootHeader', 48, {
  magic: u32,
  flags: HeaderFlags,
  checksum: u32,
  headerAddress: u32,
  loadAddress: u32,
  loadEndAddress: u32,
  bssEndAddress: u32,
  entryAddress: u32,
  modeType: u32,
  width: u32,
  height: u32,
  depth: u32,
});
/** Up to the checksum, which every header has. */
export const HEADER_LEAST_BYTES = 12;

export const InfoFlags = flags(u32, {
  MEMORY: 1 << 0,
  COMMAND_LINE: 1 << 2,
  MODULES: 1 << 3,
  MEMORY_MAP: 1 << 6,
  LOADER_NAME: 1 << 9,
  FRAMEBUFFER: 1 << 12,
});

export const MultibootInfo = struct('MultibootInfo', 116, {
  flags: InfoFlags,
  lowerKib: u32,
  upperKib: u32,
  bootDevice: u32,
  commandLine: u32,
  moduleCount: u32,
  modules: u32,
  symbols: bytes(16),
  mapBytes: u32,
  map: u32,
  drivesBytes: u32,
  drives: u32,
  configurationTable: u32,
  loaderName: u32,
  apmTable: u32,
  vbe: bytes(16),
  framebuffer: u64,
  pitchBytes: u32,
  width: u32,
  height: u32,
  bitsPerPixel: u8,
  /** 1: RGB. 2: EGA text. */
  framebufferType: u8,
  redPosition: u8,
  redSize: u8,
  greenPosition: u8,
  greenSize: u8,
  bluePosition: u8,
  blueSize: u8,
});
export const FramebufferType = { rgb: 1, egaText: 2 } as const;

export const MultibootModule = struct('MultibootModule', 16, {
  start: u32,
  end: u32,
  text: u32,
  reserved: u32,
});

/** `size` does not count itself. */
export const MultibootMapEntry = struct(
  'MultibootMapEntry',
  24,
  { size: u32, base: u64, length: u64, type: u32 },
  { packed: true },
);

/** System V ABI, ELF-32. */
export const ELF_MAGIC = 0x464c_457f;
export const ElfClass = { elf32: 1, elf64: 2 } as const;
export const ELF_MACHINE_386 = 3;
export const ELF_LOAD = 1;

export const Elf32Header = struct('Elf32Header', 52, {
  magic: u32,
  class: u8,
  ident: bytes(11),
  type: u16,
  machine: u16,
  version: u32,
  entry: u32,
  programOffset: u32,
  sectionOffset: u32,
  flags: u32,
  headerBytes: u16,
  programBytes: u16,
  programCount: u16,
  sectionBytes: u16,
  sectionCount: u16,
  sectionNames: u16,
});

export const Elf32Segment = struct('Elf32Segment', 32, {
  type: u32,
  offset: u32,
  virtualAddress: u32,
  physicalAddress: u32,
  fileBytes: u32,
  memoryBytes: u32,
  flags: u32,
  alignment: u32,
});
