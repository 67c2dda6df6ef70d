import { InputError } from '../../core/errors.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import { viewOf } from '../../core/wire.ts';
import { E820Type } from '../memory-map.ts';
import type { ProcessorStart } from '../../hypervisor/processor.ts';
import type { DirectPlatform } from '../direct-platform.ts';
import { type DirectKernel, mebibytes, memoryFor, zeroTerminated } from '../kernel-file.ts';
import { flatSegments } from '../long-mode.ts';
import type { MultibootImage } from './image.ts';
import {
  FramebufferType,
  InfoFlags,
  MULTIBOOT_LOADER_MAGIC,
  MultibootInfo,
  MultibootMapEntry,
  MultibootModule,
} from './spec.ts';

const MIB = 0x10_0000;
const STACK_BYTES = PAGE_BYTES;
const CODE_SELECTOR = 0x08;
const DATA_SELECTOR = 0x10;
const LOADER_NAME = 'synthvm';
const EGA_TEXT = { gpa: 0xb_8000, columns: 80, rows: 25, pitchBytes: 160, bitsPerPixel: 16 };

/** Memory after the kernel, given away upwards. */
class HighMemory {
  readonly #platform: DirectPlatform;
  #next: number;

  constructor(platform: DirectPlatform, startGpa: number) {
    this.#platform = platform;
    this.#next = startGpa;
  }

  /** Puts bytes at the next multiple of `alignment`. @returns their address */
  put(bytes: Uint8Array, name: string, alignment = 8): number {
    const gpa = Math.ceil(this.#next / alignment) * alignment;
    const { ramEnd, firmwareBytes, memory } = this.#platform;
    if (gpa + bytes.length > ramEnd) {
      throw new InputError(
        name,
        `${mebibytes(bytes.length)} do not fit between the kernel's end at ${mebibytes(gpa)} and ` +
          `the end of RAM at ${mebibytes(ramEnd, 'down')}; ${memoryFor(gpa + bytes.length, firmwareBytes)} would do`,
      );
    }
    memory.writeBytes(gpa, bytes);
    this.#next = gpa + bytes.length;
    return gpa;
  }
}

/**
 * Puts a Multiboot kernel, its modules and its information structure into memory.
 * @returns where the processor begins
 * @throws InputError when something does not fit
 */
export function loadMultiboot(
  image: MultibootImage,
  kernel: DirectKernel,
  platform: DirectPlatform,
): ProcessorStart {
  const high = new HighMemory(platform, loadSegments(image, platform));
  const text = (value: string): number => high.put(zeroTerminated(value), image.name);
  const bytes = new Uint8Array(MultibootInfo.size);
  const info = MultibootInfo.cursor(viewOf(bytes)).at(0);
  const { bit } = InfoFlags;
  info.flags = bit.MEMORY | bit.COMMAND_LINE | bit.MEMORY_MAP | bit.LOADER_NAME | bit.FRAMEBUFFER;
  info.lowerKib = platform.baseMemoryBytes / 1024;
  info.upperKib = (platform.ramEnd - MIB) / 1024;
  info.commandLine = text(`${baseName(image.name)} ${kernel.commandLine}`.trimEnd());
  info.loaderName = text(LOADER_NAME);
  if (kernel.initrds.length > 0) {
    info.flags |= bit.MODULES;
    info.moduleCount = kernel.initrds.length;
    info.modules = putModules(kernel, high, text);
  }
  const map = memoryMap(platform);
  info.mapBytes = map.length;
  info.map = high.put(map, image.name);
  describeScreen(info, platform);
  const infoGpa = high.put(bytes, image.name);
  const stackGpa = high.put(new Uint8Array(STACK_BYTES), image.name, PAGE_BYTES) + STACK_BYTES;
  const gdtGpa = high.put(new Uint8Array(DATA_SELECTOR + 8), image.name);
  return {
    mode: 'protected',
    entryGpa: image.entryGpa,
    stackGpa,
    segments: flatSegments(platform.memory, gdtGpa, {
      is64Bit: false,
      codeSelector: CODE_SELECTOR,
      dataSelector: DATA_SELECTOR,
    }),
    eax: MULTIBOOT_LOADER_MAGIC,
    ebx: infoGpa,
    esi: 0,
  };
}

/** @returns the first page after the kernel, at the least 1 MiB */
function loadSegments(image: MultibootImage, platform: DirectPlatform): number {
  const { memory, map, ramEnd, firmwareBytes } = platform;
  let end = MIB;
  for (const { gpa, bytes, memoryBytes } of image.segments) {
    const segmentEnd = gpa + memoryBytes;
    const isRam = map.some(
      ({ base, length, type }) =>
        type === E820Type.Memory && gpa >= base && segmentEnd <= base + length,
    );
    if (!isRam) {
      const where = `0x${gpa.toString(16)} to 0x${segmentEnd.toString(16)}`;
      const hint =
        gpa >= MIB && segmentEnd > ramEnd
          ? `; ${memoryFor(segmentEnd, firmwareBytes)} would do`
          : '';
      throw new InputError(image.name, `it loads to ${where}, which is not all RAM${hint}`);
    }
    const at = memory.resolve(gpa, memoryBytes);
    memory.u8.set(bytes, at);
    memory.u8.fill(0, at + bytes.length, at + memoryBytes);
    end = Math.max(end, segmentEnd);
  }
  return Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
}

function putModules(
  { initrds }: DirectKernel,
  high: HighMemory,
  text: (value: string) => number,
): number {
  const table = new Uint8Array(initrds.length * MultibootModule.size);
  const entry = MultibootModule.cursor(viewOf(table));
  for (const [index, { name, bytes }] of initrds.entries()) {
    entry.at(index * MultibootModule.size);
    entry.start = high.put(bytes, name, PAGE_BYTES);
    entry.end = entry.start + bytes.length;
    entry.text = text(baseName(name));
  }
  return high.put(table, initrds[0]!.name);
}

function memoryMap({ map }: DirectPlatform): Uint8Array {
  const bytes = new Uint8Array(map.length * MultibootMapEntry.size);
  const entry = MultibootMapEntry.cursor(viewOf(bytes));
  for (const [index, { base, length, type }] of map.entries()) {
    entry.at(index * MultibootMapEntry.size);
    entry.size = MultibootMapEntry.size - 4;
    entry.base = BigInt(base);
    entry.length = BigInt(length);
    entry.type = type;
  }
  return bytes;
}

function describeScreen(
  info: ReturnType<typeof MultibootInfo.cursor>,
  { framebuffer }: DirectPlatform,
): void {
  if (framebuffer === undefined) {
    info.framebuffer = BigInt(EGA_TEXT.gpa);
    info.pitchBytes = EGA_TEXT.pitchBytes;
    info.width = EGA_TEXT.columns;
    info.height = EGA_TEXT.rows;
    info.bitsPerPixel = EGA_TEXT.bitsPerPixel;
    info.framebufferType = FramebufferType.egaText;
    return;
  }
  info.framebuffer = BigInt(framebuffer.gpa);
  info.pitchBytes = framebuffer.stride * 4;
  info.width = framebuffer.width;
  info.height = framebuffer.height;
  info.bitsPerPixel = 32;
  info.framebufferType = FramebufferType.rgb;
  info.redPosition = 16;
  info.redSize = 8;
  info.greenPosition = 8;
  info.greenSize = 8;
  info.bluePosition = 0;
  info.blueSize = 8;
}

/** Where the user keeps a file is none of the guest's business. */
function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}
