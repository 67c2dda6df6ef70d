import { hexBytes } from '../core/text.ts';
import {
  BASE_RELOCATION_DIRECTORY,
  Characteristic,
  CoffHeader,
  DataDirectory,
  DOS_MAGIC,
  DosHeader,
  Machine,
  MACHINE_NAMES,
  MAX_DIRECTORIES,
  MAX_SECTIONS,
  OptionalHeader,
  OptionalMagic,
  PE_SIGNATURE,
  SectionHeader,
  Subsystem,
  SUBSYSTEM_NAMES,
} from './spec/pe.ts';

export interface PeSection {
  /** Up to eight characters; a COFF long name stays as "/4". */
  readonly name: string;
  readonly virtualAddress: number;
  readonly virtualBytes: number;
  readonly rawOffset: number;
  readonly rawBytes: number;
}

/** A PE32+ image whose headers were found sound: every range lies inside the file and the image. */
export interface PeImage {
  readonly file: Uint8Array;
  /** Preferred address, a number below 2^53. */
  readonly imageBase: number;
  readonly imageBytes: number;
  readonly headerBytes: number;
  readonly entryPoint: number;
  readonly sectionAlignment: number;
  readonly sections: readonly PeSection[];
  /** False when the linker dropped the relocations: then only `imageBase` will do. */
  readonly isRelocatable: boolean;
  /** The base relocations within the loaded image; 0 bytes when there are none. */
  readonly relocations: { readonly address: number; readonly bytes: number };
}

/** A gigabyte: more than any boot loader, less than what could exhaust the host. */
const MAX_IMAGE_BYTES = 1 << 30;

/**
 * Checks that a file is an EFI application for x86-64.
 * @returns the image, or what is wrong, as the rest of a sentence that begins with the file's name
 */
export function parsePe(file: Uint8Array): PeImage | string {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const peOffset = findPe(file, view);
  if (typeof peOffset === 'string') return peOffset;
  const coff = CoffHeader.cursor(view).at(peOffset + 4);
  const { machine, sectionCount, optionalHeaderBytes, characteristics } = coff;
  if (machine !== Machine.is.x64) {
    const name = MACHINE_NAMES.get(machine);
    return `is for ${name === undefined ? 'an unknown machine' : name} (${hex(machine, 4)}), this machine needs x86-64 (0x8664)`;
  }
  const optionalAt = peOffset + 4 + CoffHeader.size;
  if (optionalHeaderBytes < OptionalHeader.size) {
    return `has an optional header of ${optionalHeaderBytes} bytes, PE32+ needs ${OptionalHeader.size}`;
  }
  const sectionsAt = optionalAt + optionalHeaderBytes;
  const tableEnd = sectionsAt + sectionCount * SectionHeader.size;
  if (sectionCount === 0 || sectionCount > MAX_SECTIONS) {
    return `has ${sectionCount} sections, expected 1 to ${MAX_SECTIONS}`;
  }
  if (tableEnd > file.length) {
    return `is truncated: its headers end at offset ${tableEnd}, the file at ${file.length}`;
  }
  const optional = OptionalHeader.cursor(view).at(optionalAt);
  const problem = checkOptional(optional, tableEnd, file.length);
  if (problem !== '') return problem;
  const { imageBytes, headerBytes, entryPoint, sectionAlignment } = optional;
  const sections = readSections(view, sectionsAt, sectionCount, imageBytes, file.length);
  if (typeof sections === 'string') return sections;
  const relocations = relocationDirectory(view, optionalAt, optionalHeaderBytes, imageBytes);
  if (typeof relocations === 'string') return relocations;
  return {
    file,
    imageBase: optional.imageBaseHi * 0x1_0000_0000 + optional.imageBaseLo,
    imageBytes,
    headerBytes,
    entryPoint,
    sectionAlignment,
    sections,
    isRelocatable: (characteristics & Characteristic.relocationsStripped) === 0,
    relocations,
  };
}

function hex(value: number, digits: number): string {
  return `0x${value.toString(16).toUpperCase().padStart(digits, '0')}`;
}

/** What stands at the start of a file, fit for a message. */
export function startOfFile(file: Uint8Array, length: number): string {
  const start = file.subarray(0, length);
  const isText = start.every((byte) => byte >= 0x20 && byte < 0x7f);
  if (isText) return `'${String.fromCharCode(...start)}'`;
  return hexBytes(start, ' ');
}

function findPe(file: Uint8Array, view: DataView): number | string {
  if (file.length === 0) return 'is not a PE image: it is empty';
  if (file.length < 2 || view.getUint16(0, true) !== DOS_MAGIC) {
    return `is not a PE image: starts with ${startOfFile(file, 4)}, expected 'MZ'`;
  }
  if (file.length < DosHeader.size) {
    return `is not a PE image: it has ${file.length} bytes, the DOS header alone takes ${DosHeader.size}`;
  }
  const peOffset = DosHeader.cursor(view).at(0).peOffset;
  const fixedEnd = peOffset + 4 + CoffHeader.size + OptionalHeader.size;
  if (fixedEnd > file.length) {
    return `is not a PE image: its PE header at offset ${peOffset} would end at ${fixedEnd}, the file has ${file.length} bytes`;
  }
  if (view.getUint32(peOffset, true) !== PE_SIGNATURE) {
    return `is not a PE image: offset ${peOffset} has ${startOfFile(file.subarray(peOffset), 4)}, expected 'PE' and two zeros`;
  }
  return peOffset;
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

function checkOptional(
  optional: ReturnType<typeof OptionalHeader.cursor>,
  tableEnd: number,
  fileBytes: number,
): string {
  const { magic, subsystem, imageBytes, headerBytes, entryPoint } = optional;
  if (magic !== OptionalMagic.is.pe32Plus) {
    const form = magic === OptionalMagic.is.pe32 ? ' (PE32, for 32-bit code)' : '';
    return `has optional header magic ${hex(magic, 3)}${form}, expected 0x20B (PE32+)`;
  }
  if (subsystem !== Subsystem.is.efiApplication) {
    const name = SUBSYSTEM_NAMES.get(subsystem) ?? 'unknown';
    return `has subsystem ${subsystem} (${name}), expected 10 (EFI application)`;
  }
  if (!isPowerOfTwo(optional.sectionAlignment)) {
    return `has a section alignment of ${optional.sectionAlignment}, expected a power of two`;
  }
  if (imageBytes === 0 || imageBytes > MAX_IMAGE_BYTES) {
    return `says that it takes ${imageBytes} bytes of memory, expected 1 to ${MAX_IMAGE_BYTES}`;
  }
  if (headerBytes < tableEnd || headerBytes > fileBytes || headerBytes > imageBytes) {
    return `says that its headers take ${headerBytes} bytes, expected ${tableEnd} to ${Math.min(fileBytes, imageBytes)}`;
  }
  if (entryPoint === 0 || entryPoint >= imageBytes) {
    return `has its entry point at ${hex(entryPoint, 1)}, outside the image of ${hex(imageBytes, 1)} bytes`;
  }
  return '';
}

function readSections(
  view: DataView,
  at: number,
  count: number,
  imageBytes: number,
  fileBytes: number,
): PeSection[] | string {
  const header = SectionHeader.cursor(view);
  const sections: PeSection[] = [];
  for (let index = 0; index < count; index += 1) {
    const { virtualAddress, virtualBytes, rawOffset, rawBytes } = header.at(
      at + index * SectionHeader.size,
    );
    const name = String.fromCharCode(...header.name).replace(/\0+$/, '');
    const end = virtualAddress + virtualBytes;
    if (end > imageBytes) {
      return `has section ${name} ending at ${hex(end, 1)}, outside the image of ${hex(imageBytes, 1)} bytes`;
    }
    if (rawBytes > 0 && rawOffset + rawBytes > fileBytes) {
      return `is truncated: section ${name} ends at offset ${rawOffset + rawBytes}, the file at ${fileBytes}`;
    }
    sections.push({ name, virtualAddress, virtualBytes, rawOffset, rawBytes });
  }
  return sections;
}

function relocationDirectory(
  view: DataView,
  optionalAt: number,
  optionalBytes: number,
  imageBytes: number,
): { address: number; bytes: number } | string {
  const present = Math.min(
    OptionalHeader.cursor(view).at(optionalAt).directoryCount,
    MAX_DIRECTORIES,
    Math.floor((optionalBytes - OptionalHeader.size) / DataDirectory.size),
  );
  if (present <= BASE_RELOCATION_DIRECTORY) return { address: 0, bytes: 0 };
  const { address, size } = DataDirectory.cursor(view).at(
    optionalAt + OptionalHeader.size + BASE_RELOCATION_DIRECTORY * DataDirectory.size,
  );
  if (size > 0 && address + size > imageBytes) {
    return `has relocations up to ${hex(address + size, 1)}, outside the image of ${hex(imageBytes, 1)} bytes`;
  }
  return { address, bytes: size };
}
