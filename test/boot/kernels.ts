/** Kernel files for tests: only what a loader looks at, around code that nothing executes. */
import { Elf32Header, Elf32Segment, MultibootHeader } from '../../src/boot/multiboot/spec.ts';
import { SetupHeader } from '../../src/boot/linux/spec.ts';
import { viewOf } from '../../src/core/wire.ts';

export const MIB = 1024 * 1024;
const SETUP_SECTORS = 4;
const VERSION_AT = 0x300;

export interface LinuxOptions {
  readonly version?: number;
  readonly codeBytes?: number;
  readonly initSize?: number;
  readonly preferred?: number;
  readonly relocatable?: boolean;
  readonly has64BitEntry?: boolean;
  readonly ramdiskLimit?: number;
  readonly release?: string;
  readonly loadFlags?: number;
}

/** A bzImage whose protected-mode part is filled with its own page numbers. */
export function bzImage(options: LinuxOptions = {}): Uint8Array {
  const codeBytes = options.codeBytes ?? 0x3000;
  const start = (SETUP_SECTORS + 1) * 512;
  const bytes = new Uint8Array(start + codeBytes);
  const header = SetupHeader.cursor(viewOf(bytes)).at(0x1f1);
  header.setupSectors = SETUP_SECTORS;
  header.systemSize = codeBytes / 16;
  header.bootFlag = 0xaa55;
  // JMP over the header, whose length is in the second byte.
  header.jump = 0x6aeb;
  header.header = 0x5372_6448;
  header.version = options.version ?? 0x20f;
  header.kernelVersion = VERSION_AT - 0x200;
  header.loadFlags = options.loadFlags ?? 1;
  header.ramdiskLimit = options.ramdiskLimit ?? 0x7fff_ffff;
  header.kernelAlignment = 2 * MIB;
  header.relocatable = options.relocatable === false ? 0 : 1;
  header.extraLoadFlags = options.has64BitEntry === false ? 0 : 3;
  header.commandLineSize = 2047;
  header.preferredAddress = BigInt(options.preferred ?? 16 * MIB);
  header.initSize = options.initSize ?? 8 * MIB;
  const release = `${options.release ?? '6.1.0-test'} (builder) #1\0`;
  bytes.set(new TextEncoder().encode(release), VERSION_AT);
  for (let at = start; at < bytes.length; at += 1) bytes[at] = 1 + ((at - start) >> 12);
  return bytes;
}

export interface MultibootOptions {
  readonly flags?: number;
  readonly gpa?: number;
  readonly virtualAddress?: number;
  readonly entry?: number;
  readonly bssBytes?: number;
  readonly elfClass?: number;
  readonly text?: string;
  /** In place of the text: what is executed at the entry point. */
  readonly code?: Uint8Array;
}

/** An ELF32 with one segment that holds a Multiboot header and a text. */
export function multibootElf(options: MultibootOptions = {}): Uint8Array {
  const gpa = options.gpa ?? 4 * MIB;
  const offset = 0x1000;
  const text = options.code ?? new TextEncoder().encode(options.text ?? 'kernel');
  const fileBytes = 0x40 + text.length;
  const bytes = new Uint8Array(offset + fileBytes);
  const view = viewOf(bytes);
  const header = Elf32Header.cursor(view).at(0);
  header.magic = 0x464c_457f;
  header.class = options.elfClass ?? 1;
  header.machine = options.elfClass === 2 ? 62 : 3;
  header.entry = options.entry ?? gpa + 0x40;
  header.programOffset = Elf32Header.size;
  header.programBytes = Elf32Segment.size;
  header.programCount = 1;
  const segment = Elf32Segment.cursor(view).at(Elf32Header.size);
  segment.type = 1;
  segment.offset = offset;
  segment.virtualAddress = options.virtualAddress ?? gpa;
  segment.physicalAddress = gpa;
  segment.fileBytes = fileBytes;
  segment.memoryBytes = fileBytes + (options.bssBytes ?? 0x100);
  const flags = options.flags ?? 0;
  const boot = MultibootHeader.cursor(view).at(offset);
  boot.magic = 0x1bad_b002;
  boot.flags = flags;
  boot.checksum = -(0x1bad_b002 + flags) >>> 0;
  bytes.set(text, offset + 0x40);
  return bytes;
}

/** 32-bit code for test kernels, an instruction a line. */
export const Code = {
  /** MOV DX, 3F8h; MOV AL, character; OUT DX, AL. */
  print: (text: string): number[] =>
    Array.from(text, (character) => [
      [0x66, 0xba, 0xf8, 0x03],
      [0xb0, character.charCodeAt(0)],
      [0xee],
    ]).flat(2),
  /** MOV AL, value; OUT port, AL. */
  out: (port: number, value: number): number[] => [0xb0, value, 0xe6, port],
  /** PM1a control: SLP_EN. */
  powerOff: [0x66, 0xba, 0x04, 0x04, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef],
  /** ACPI reset register. */
  reset: [0x66, 0xba, 0x33, 0x04, 0xb0, 0x01, 0xee],
  /** INT3 without an interrupt table. */
  tripleFault: [0xcc],
  /** CLI; HLT; JMP back. */
  halt: [0xfa, 0xf4, 0xeb, 0xfd],
  /** JMP to itself. */
  spin: [0xeb, 0xfe],
  /** What follows is done only once: INC byte [7000h]; CMP byte [7000h], 1; JNE over it. */
  once: (code: readonly number[]): number[] =>
    [
      [0xfe, 0x05, 0x00, 0x70, 0x00, 0x00],
      [0x80, 0x3d, 0x00, 0x70, 0x00, 0x00, 0x01],
      [0x75, code.length],
      code,
    ].flat(),
} as const;

/** A flat file whose header says that it goes to `gpa`. */
export function multibootFlat(gpa: number, bssEnd: number): Uint8Array {
  const bytes = new Uint8Array(0x200).fill(0x90);
  const header = MultibootHeader.cursor(viewOf(bytes)).at(0x10);
  header.magic = 0x1bad_b002;
  header.flags = 0x1_0000;
  header.checksum = -(0x1bad_b002 + 0x1_0000) >>> 0;
  header.headerAddress = gpa + 0x10;
  header.loadAddress = gpa;
  header.loadEndAddress = 0;
  header.bssEndAddress = bssEnd;
  header.entryAddress = gpa + 0x80;
  return bytes;
}
