import { InputError } from '../../core/errors.ts';
import { viewOf } from '../../core/wire.ts';
import { type NamedBytes, mebibytes } from '../kernel-file.ts';
import {
  BOOT_FLAG,
  DEFAULT_SETUP_SECTORS,
  ExtraLoadFlags,
  HEADER_LENGTH_OFFSET,
  HEADER_MAGIC,
  KERNEL_VERSION_BASE,
  LoadFlags,
  OLD_COMMAND_LINE_SIZE,
  OLD_KERNEL_ADDRESS,
  OLD_RAMDISK_LIMIT,
  Protocol,
  SECTOR_BYTES,
  SETUP_HEADER_OFFSET,
  SetupHeader,
} from './spec.ts';

const LONGEST_VERSION_TEXT = 128;

/** A bzImage whose header was checked. */
export interface LinuxImage {
  readonly name: string;
  /** Boot protocol, major << 8 | minor. */
  readonly protocol: number;
  /** "6.1.0-56-cloud-amd64", or empty. */
  readonly release: string;
  /** The setup header as it goes into `boot_params`. */
  readonly header: Uint8Array;
  /** The protected-mode part. */
  readonly code: Uint8Array;
  /** Where that must begin. */
  readonly loadGpa: number;
  /** First byte after what it takes of RAM before it can read the memory map. */
  readonly endGpa: number;
  /** Has the 64-bit entry point. */
  readonly is64Bit: boolean;
  readonly commandLineLimit: number;
  /** Highest address of the initial RAM disk. */
  readonly ramdiskLimit: number;
}

/** True for anything with the boot protocol's header, whether or not it can be booted. */
export function isLinuxImage(bytes: Uint8Array): boolean {
  if (bytes.length < SETUP_HEADER_OFFSET + SetupHeader.size) return false;
  return headerOf(bytes).header === HEADER_MAGIC;
}

function headerOf(bytes: Uint8Array): ReturnType<typeof SetupHeader.cursor> {
  return SetupHeader.cursor(viewOf(bytes)).at(SETUP_HEADER_OFFSET);
}

/**
 * @param file `isLinuxImage` was asked
 * @throws InputError with what is wrong with it
 */
export function readLinuxImage({ name, bytes }: NamedBytes): LinuxImage {
  const header = headerOf(bytes);
  const fail = (message: string): never => {
    throw new InputError(name, message);
  };
  if (header.bootFlag !== BOOT_FLAG) {
    fail(`boot flag 0x${header.bootFlag.toString(16)} at byte 0x1fe, expected 0xaa55`);
  }
  const { version } = header;
  if (version < Protocol.header || (header.loadFlags & LoadFlags.bit.LOADED_HIGH) === 0) {
    fail('it is a zImage, which loads below 640 KiB; a bzImage is needed');
  }
  const codeStart = ((header.setupSectors || DEFAULT_SETUP_SECTORS) + 1) * SECTOR_BYTES;
  const codeBytes = header.systemSize * 16;
  if (bytes.length < codeStart + codeBytes) {
    fail(
      `it is truncated: ${bytes.length} bytes, its header announces ${codeStart + codeBytes} ` +
        `(${mebibytes(codeStart + codeBytes)})`,
    );
  }
  const code = bytes.subarray(codeStart, codeStart + codeBytes);
  const hasInitSize = version >= Protocol.initSize;
  const isRelocatable = version >= Protocol.relocatable && header.relocatable !== 0;
  const preferred = header.preferredAddressHi * 2 ** 32 + header.preferredAddressLo;
  // From below the preferred address a kernel would move there by itself.
  const loadGpa = hasInitSize && isRelocatable ? preferred : OLD_KERNEL_ADDRESS;
  const headerEnd = HEADER_LENGTH_OFFSET + 1 + bytes[HEADER_LENGTH_OFFSET]!;
  return {
    name,
    protocol: version,
    release: releaseOf(bytes, header.kernelVersion),
    header: bytes.slice(
      SETUP_HEADER_OFFSET,
      Math.min(headerEnd, SETUP_HEADER_OFFSET + SetupHeader.size),
    ),
    code,
    loadGpa,
    endGpa: Math.max(loadGpa + code.length, hasInitSize ? preferred + header.initSize : 0),
    is64Bit:
      version >= Protocol.extraLoadFlags &&
      (header.extraLoadFlags & ExtraLoadFlags.bit.KERNEL_64) !== 0,
    commandLineLimit:
      version >= Protocol.commandLineSize ? header.commandLineSize : OLD_COMMAND_LINE_SIZE,
    ramdiskLimit: version >= Protocol.ramdiskLimit ? header.ramdiskLimit : OLD_RAMDISK_LIMIT,
  };
}

/** The first word of the version text, which goes on with who built the kernel and when. */
function releaseOf(bytes: Uint8Array, pointer: number): string {
  if (pointer === 0) return '';
  const start = KERNEL_VERSION_BASE + pointer;
  const text = bytes.subarray(start, start + LONGEST_VERSION_TEXT);
  let release = '';
  for (const byte of text) {
    if (byte <= 0x20 || byte >= 0x7f) break;
    release += String.fromCharCode(byte);
  }
  return release;
}
