/**
 * The Linux/x86 boot protocol (Documentation/arch/x86/boot.rst and zero-page.rst of Linux): the
 * setup header in a bzImage, and the `boot_params` page that a kernel is entered with.
 */
import { flags, struct, u16, u32, u64, u8 } from '../../core/wire.ts';

/** The setup header starts here, both in the file and in `boot_params`. */
export const SETUP_HEADER_OFFSET = 0x1f1;
export const SECTOR_BYTES = 512;
export const BOOT_FLAG = 0xaa55;
/** "HdrS" */
export const HEADER_MAGIC = 0x5372_6448;
/** File offset of the byte that says how far the header goes, counted from the byte after it. */
export const HEADER_LENGTH_OFFSET = 0x201;
/** `setupSectors` of 0 means this many. */
export const DEFAULT_SETUP_SECTORS = 4;
/** `kernelVersion` counts from here. */
export const KERNEL_VERSION_BASE = 0x200;

export const LoadFlags = flags(u8, { LOADED_HIGH: 0x01, CAN_USE_HEAP: 0x80 });
export const ExtraLoadFlags = flags(u16, { KERNEL_64: 0x01, ABOVE_4G: 0x02 });

export const SetupHeader = struct(
  'SetupHeader',
  0x7b,
  {
    setupSectors: u8,
    rootFlags: u16,
    /** Bytes of the protected-mode part divided by 16. */
    systemSize: u32,
    ramSize: u16,
    videoMode: u16,
    rootDevice: u16,
    bootFlag: u16,
    jump: u16,
    header: u32,
    /** Boot protocol, major << 8 | minor. */
    version: u16,
    realModeSwitch: u32,
    startSystem: u16,
    /** Offset of the version text, less 0x200; 0 for none. */
    kernelVersion: u16,
    loaderType: u8,
    loadFlags: LoadFlags,
    setupMoveSize: u16,
    code32Start: u32,
    ramdiskImage: u32,
    ramdiskSize: u32,
    bootSectorKludge: u32,
    heapEnd: u16,
    loaderVersion: u8,
    extendedLoaderType: u8,
    commandLine: u32,
    /** Highest address that the initial RAM disk may reach. 2.03. */
    ramdiskLimit: u32,
    /** 2.05. */
    kernelAlignment: u32,
    relocatable: u8,
    minimumAlignment: u8,
    /** 2.12. */
    extraLoadFlags: ExtraLoadFlags,
    /** Characters without the zero. 2.06. */
    commandLineSize: u32,
    subarchitecture: u32,
    subarchitectureData: u64,
    payloadOffset: u32,
    payloadLength: u32,
    /** Physical address of a list of `SetupData`. 2.09. */
    setupData: u64,
    /** Where the kernel would like to be. 2.10. */
    preferredAddress: u64,
    /** Bytes that it needs from there before it can read the memory map. 2.10. */
    initSize: u32,
    handoverOffset: u32,
    kernelInfoOffset: u32,
  },
  { packed: true },
);

/** Boot protocol that brought each part of the header. */
export const Protocol = {
  header: 0x0200,
  ramdiskLimit: 0x0203,
  relocatable: 0x0205,
  commandLineSize: 0x0206,
  setupData: 0x0209,
  initSize: 0x020a,
  extraLoadFlags: 0x020c,
} as const;

export const OLD_COMMAND_LINE_SIZE = 255;
export const OLD_RAMDISK_LIMIT = 0x37ff_ffff;
/** Where the protected-mode part of a bzImage goes unless it can be moved. */
export const OLD_KERNEL_ADDRESS = 0x10_0000;
/** The 64-bit entry point is so far into the protected-mode part. */
export const ENTRY_64_OFFSET = 0x200;
/** `loaderType` of a loader without a number of its own. */
export const UNDEFINED_LOADER = 0xff;

/** Selectors that the protocol asks for: flat code and data, and the descriptors behind them. */
export const BOOT_CODE_SELECTOR = 0x10;
export const BOOT_DATA_SELECTOR = 0x18;

/** `boot_params` beside the setup header. */
export const BootParameters = {
  bytes: 4096,
  screenInfo: 0x000,
  rsdp: 0x070,
  alternativeMemoryKib: 0x1e0,
  memoryMapCount: 0x1e8,
  memoryMap: 0x2d0,
  memoryMapLimit: 128,
} as const;

export const ScreenInfo = struct(
  'ScreenInfo',
  0x40,
  {
    cursorColumn: u8,
    cursorRow: u8,
    extendedMemoryKib: u16,
    page: u16,
    mode: u8,
    columns: u8,
    reserved: u16,
    egaBx: u16,
    reserved2: u16,
    lines: u8,
    /** `VideoType` */
    type: u8,
    characterHeight: u16,
    width: u16,
    height: u16,
    depth: u16,
    framebuffer: u32,
    framebufferBytes: u32,
    magic: u16,
    commandLineOffset: u16,
    pitchBytes: u16,
    redSize: u8,
    redPosition: u8,
    greenSize: u8,
    greenPosition: u8,
    blueSize: u8,
    bluePosition: u8,
    reservedSize: u8,
    reservedPosition: u8,
    vesaSegment: u16,
    vesaOffset: u16,
    pages: u16,
    attributes: u16,
    capabilities: u32,
    framebufferHigh: u32,
    reserved3: u16,
  },
  { packed: true },
);

export const VideoType = { vgaText: 0x01, efi: 0x70 } as const;

export const SetupData = struct('SetupData', 16, { next: u64, type: u32, length: u32 });
export const SETUP_DATA_RNG_SEED = 9;
