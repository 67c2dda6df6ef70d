/** Microsoft PE/COFF specification (revision 11), as UEFI 2.10 section 2.1.1 uses it. */
import { bytes, openEnum, struct, u8, u16, u32, u64 } from '../../core/wire.ts';

export const DosHeader = struct('DosHeader', 64, {
  /** "MZ" */
  magic: u16,
  unused: bytes(58),
  /** File offset of the PE signature; any alignment. */
  peOffset: u32,
});
export const DOS_MAGIC = 0x5a4d;
/** "PE\0\0" */
export const PE_SIGNATURE = 0x0000_4550;

export const Machine = openEnum(u16, {
  unknown: 0x0000,
  i386: 0x014c,
  arm: 0x01c0,
  thumb: 0x01c2,
  ia64: 0x0200,
  ebc: 0x0ebc,
  x64: 0x8664,
  arm64: 0xaa64,
  riscv32: 0x5032,
  riscv64: 0x5064,
  loongarch64: 0x6264,
});

/** The names that people use. */
export const MACHINE_NAMES: ReadonlyMap<number, string> = new Map([
  [Machine.is.i386, '32-bit x86'],
  [Machine.is.arm, '32-bit Arm'],
  [Machine.is.thumb, '32-bit Arm (Thumb)'],
  [Machine.is.ia64, 'Itanium'],
  [Machine.is.ebc, 'EFI byte code'],
  [Machine.is.x64, 'x86-64'],
  [Machine.is.arm64, 'AArch64'],
  [Machine.is.riscv32, '32-bit RISC-V'],
  [Machine.is.riscv64, '64-bit RISC-V'],
  [Machine.is.loongarch64, 'LoongArch64'],
]);

export const CoffHeader = struct('CoffHeader', 20, {
  machine: Machine,
  sectionCount: u16,
  timestamp: u32,
  symbolsOffset: u32,
  symbolCount: u32,
  optionalHeaderBytes: u16,
  characteristics: u16,
});

export const Characteristic = {
  relocationsStripped: 0x0001,
  executable: 0x0002,
  largeAddressAware: 0x0020,
} as const;

export const OptionalMagic = openEnum(u16, { pe32: 0x010b, rom: 0x0107, pe32Plus: 0x020b });

export const Subsystem = openEnum(u16, {
  unknown: 0,
  native: 1,
  windowsGui: 2,
  windowsConsole: 3,
  efiApplication: 10,
  efiBootDriver: 11,
  efiRuntimeDriver: 12,
  efiRom: 13,
  xbox: 14,
  windowsBoot: 16,
});

export const SUBSYSTEM_NAMES: ReadonlyMap<number, string> = new Map([
  [Subsystem.is.native, 'native Windows'],
  [Subsystem.is.windowsGui, 'Windows GUI'],
  [Subsystem.is.windowsConsole, 'Windows console'],
  [Subsystem.is.efiApplication, 'EFI application'],
  [Subsystem.is.efiBootDriver, 'EFI boot service driver'],
  [Subsystem.is.efiRuntimeDriver, 'EFI runtime driver'],
  [Subsystem.is.efiRom, 'EFI ROM image'],
  [Subsystem.is.windowsBoot, 'Windows boot application'],
]);

/** The PE32+ optional header without its data directories. */
export const OptionalHeader = struct('OptionalHeader', 112, {
  magic: OptionalMagic,
  linkerMajor: u8,
  linkerMinor: u8,
  codeBytes: u32,
  initializedBytes: u32,
  uninitializedBytes: u32,
  entryPoint: u32,
  codeBase: u32,
  imageBase: u64,
  sectionAlignment: u32,
  fileAlignment: u32,
  systemMajor: u16,
  systemMinor: u16,
  imageMajor: u16,
  imageMinor: u16,
  subsystemMajor: u16,
  subsystemMinor: u16,
  win32Version: u32,
  imageBytes: u32,
  headerBytes: u32,
  checksum: u32,
  subsystem: Subsystem,
  dllCharacteristics: u16,
  stackReserve: u64,
  stackCommit: u64,
  heapReserve: u64,
  heapCommit: u64,
  loaderFlags: u32,
  directoryCount: u32,
});

export const DataDirectory = struct('DataDirectory', 8, { address: u32, size: u32 });
export const MAX_DIRECTORIES = 16;
export const BASE_RELOCATION_DIRECTORY = 5;

export const SectionHeader = struct('SectionHeader', 40, {
  name: bytes(8),
  virtualBytes: u32,
  virtualAddress: u32,
  rawBytes: u32,
  rawOffset: u32,
  relocationsOffset: u32,
  lineNumbersOffset: u32,
  relocationCount: u16,
  lineNumberCount: u16,
  characteristics: u32,
});
/** The Windows loader's limit; far above any EFI image. */
export const MAX_SECTIONS = 96;

export const SectionCharacteristic = {
  code: 0x0000_0020,
  initializedData: 0x0000_0040,
  discardable: 0x0200_0000,
  execute: 0x2000_0000,
  read: 0x4000_0000,
  write: 0x8000_0000,
} as const;

export const RelocationBlock = struct('RelocationBlock', 8, { pageAddress: u32, blockBytes: u32 });
/** Bits 15:12 of an entry. */
export const RelocationType = { absolute: 0, highLow: 3, dir64: 10 } as const;
