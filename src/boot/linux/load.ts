import { ExitCode, InputError } from '../../core/errors.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import { viewOf } from '../../core/wire.ts';
import { E820Entry } from '../../guest/spec.ts';
import type { ProcessorStart } from '../../hypervisor/processor.ts';
import type { DirectPlatform } from '../direct-platform.ts';
import { type DirectKernel, mebibytes, memoryFor, zeroTerminated } from '../kernel-file.ts';
import { flatSegments, writeIdentityMap } from '../long-mode.ts';
import type { LinuxImage } from './image.ts';
import {
  BOOT_CODE_SELECTOR,
  BOOT_DATA_SELECTOR,
  BootParameters,
  ENTRY_64_OFFSET,
  Protocol,
  SETUP_DATA_RNG_SEED,
  SETUP_HEADER_OFFSET,
  ScreenInfo,
  SetupData,
  SetupHeader,
  UNDEFINED_LOADER,
  VideoType,
} from './spec.ts';

const MIB = 0x10_0000;
const STACK_BYTES = PAGE_BYTES;
/** Archives that follow each other must begin at multiples of this. */
const ARCHIVE_ALIGNMENT = 4;

/**
 * Puts a Linux kernel, its initial RAM disk, its command line and its `boot_params` into memory.
 * @returns where the processor begins: at the 64-bit entry point when there is one
 * @throws InputError when something does not fit
 */
export function loadLinux(
  image: LinuxImage,
  kernel: DirectKernel,
  platform: DirectPlatform,
): ProcessorStart {
  const { memory, low } = platform;
  checkCommandLine(image, kernel.commandLine);
  if (image.endGpa > platform.ramEnd) {
    throw new InputError(
      image.name,
      `the kernel takes RAM up to ${mebibytes(image.endGpa)}, the machine has ` +
        `${mebibytes(platform.ramEnd, 'down')} for it; ${memoryFor(image.endGpa, platform.firmwareBytes)} would do`,
    );
  }
  memory.writeBytes(image.loadGpa, image.code);
  const ramdisk = placeRamdisk(image, kernel, platform);
  const commandLine = zeroTerminated(kernel.commandLine);
  const commandLineGpa = low.allocate(commandLine.length);
  memory.writeBytes(commandLineGpa, commandLine);

  const parametersGpa = low.allocate(BootParameters.bytes, PAGE_BYTES);
  const parameters = new Uint8Array(BootParameters.bytes);
  const view = viewOf(parameters);
  parameters.set(image.header, SETUP_HEADER_OFFSET);
  const header = SetupHeader.cursor(view).at(SETUP_HEADER_OFFSET);
  header.loaderType = UNDEFINED_LOADER;
  header.videoMode = 0xffff;
  header.code32Start = image.loadGpa;
  header.commandLine = commandLineGpa;
  header.ramdiskImage = ramdisk.gpa;
  header.ramdiskSize = ramdisk.bytes;
  if (image.protocol >= Protocol.setupData) header.setupDataLo = writeSeed(kernel, platform);
  view.setBigUint64(BootParameters.rsdp, BigInt(platform.rsdpGpa), true);
  view.setUint32(BootParameters.alternativeMemoryKib, (platform.ramEnd - MIB) / 1024, true);
  writeMemoryMap(parameters, platform);
  writeScreen(parameters, platform);
  memory.writeBytes(parametersGpa, parameters);

  const stackGpa = low.allocate(STACK_BYTES, PAGE_BYTES) + STACK_BYTES;
  const segments = flatSegments(memory, low.allocate(PAGE_BYTES, PAGE_BYTES), {
    is64Bit: image.is64Bit,
    codeSelector: BOOT_CODE_SELECTOR,
    dataSelector: BOOT_DATA_SELECTOR,
  });
  if (!image.is64Bit) {
    const registers = { eax: 0, ebx: 0, esi: parametersGpa };
    return { mode: 'protected', entryGpa: image.loadGpa, stackGpa, segments, ...registers };
  }
  return {
    mode: 'long',
    entryGpa: image.loadGpa + ENTRY_64_OFFSET,
    stackGpa,
    segments,
    pageTablesGpa: writeIdentityMap(memory, platform.topOfMemory, () =>
      low.allocate(PAGE_BYTES, PAGE_BYTES),
    ),
    rsi: parametersGpa,
  };
}

function checkCommandLine(image: LinuxImage, commandLine: string): void {
  const limit = image.commandLineLimit;
  const { length } = zeroTerminated(commandLine);
  if (length - 1 <= limit) return;
  throw new InputError(
    '--append',
    `${length - 1} bytes; this kernel takes at most ${limit}`,
    ExitCode.usage,
  );
}

/** As high as the kernel allows, so that it does not stand in the way of its decompressor. */
function placeRamdisk(
  image: LinuxImage,
  { initrds }: DirectKernel,
  platform: DirectPlatform,
): { readonly gpa: number; readonly bytes: number } {
  const bytes = initrds.reduce((sum, { bytes: part }) => align(sum) + part.length, 0);
  if (bytes === 0) return { gpa: 0, bytes: 0 };
  const top = Math.min(platform.ramEnd, image.ramdiskLimit + 1);
  const gpa = Math.floor((top - bytes) / PAGE_BYTES) * PAGE_BYTES;
  if (gpa < image.endGpa) {
    const isLimit = image.ramdiskLimit + 1 <= platform.ramEnd;
    const needed = memoryFor(image.endGpa + bytes + PAGE_BYTES, platform.firmwareBytes);
    throw new InputError(
      initrds.map(({ name }) => name).join(' + '),
      `${mebibytes(bytes)} do not fit between the kernel's end at ${mebibytes(image.endGpa)} and ` +
        `${isLimit ? "the kernel's limit" : 'the end of RAM'} at ${mebibytes(top, 'down')}` +
        (isLimit ? '' : `; ${needed} would do`),
    );
  }
  let at = gpa;
  for (const { bytes: part } of initrds) {
    at = align(at);
    platform.memory.writeBytes(at, part);
    at += part.length;
  }
  return { gpa, bytes };
}

function align(position: number): number {
  return Math.ceil(position / ARCHIVE_ALIGNMENT) * ARCHIVE_ALIGNMENT;
}

/** @returns the address of the list with the seed in it */
function writeSeed({ rngSeed }: DirectKernel, { memory, low }: DirectPlatform): number {
  const gpa = low.allocate(SetupData.size + rngSeed.length, 16);
  const bytes = new Uint8Array(SetupData.size + rngSeed.length);
  const entry = SetupData.cursor(viewOf(bytes)).at(0);
  entry.type = SETUP_DATA_RNG_SEED;
  entry.length = rngSeed.length;
  bytes.set(rngSeed, SetupData.size);
  memory.writeBytes(gpa, bytes);
  return gpa;
}

function writeMemoryMap(parameters: Uint8Array, { map }: DirectPlatform): void {
  if (map.length > BootParameters.memoryMapLimit) throw new Error('the memory map is too long');
  parameters[BootParameters.memoryMapCount] = map.length;
  const entry = E820Entry.cursor(viewOf(parameters));
  for (const [index, { base, length, type }] of map.entries()) {
    entry.at(BootParameters.memoryMap + index * E820Entry.size);
    entry.base = BigInt(base);
    entry.length = BigInt(length);
    entry.type = type;
  }
}

function writeScreen(parameters: Uint8Array, { framebuffer }: DirectPlatform): void {
  const screen = ScreenInfo.cursor(viewOf(parameters)).at(BootParameters.screenInfo);
  screen.columns = 80;
  screen.lines = 25;
  screen.characterHeight = 16;
  if (framebuffer === undefined) {
    screen.mode = 3;
    screen.type = VideoType.vgaText;
    return;
  }
  screen.type = VideoType.efi;
  screen.width = framebuffer.width;
  screen.height = framebuffer.height;
  screen.depth = 32;
  screen.framebuffer = framebuffer.gpa;
  screen.framebufferBytes = framebuffer.bytes;
  screen.pitchBytes = framebuffer.stride * 4;
  screen.redSize = 8;
  screen.redPosition = 16;
  screen.greenSize = 8;
  screen.greenPosition = 8;
  screen.blueSize = 8;
  screen.bluePosition = 0;
  screen.reservedSize = 8;
  screen.reservedPosition = 24;
}
