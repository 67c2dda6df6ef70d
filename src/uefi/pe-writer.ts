import { latin1 } from '../core/text.ts';
import {
  BASE_RELOCATION_DIRECTORY,
  Characteristic,
  CoffHeader,
  DataDirectory,
  DOS_MAGIC,
  DosHeader,
  Machine,
  MAX_DIRECTORIES,
  OptionalHeader,
  OptionalMagic,
  PE_SIGNATURE,
  RelocationBlock,
  RelocationType,
  SectionCharacteristic,
  SectionHeader,
  Subsystem,
} from './spec/pe.ts';

export interface EfiApplication {
  /** Code and constants of the one `.text` section; it is entered at its first byte. */
  readonly code: Uint8Array;
  /** Offsets in `code` of 64-bit pointers that hold an address as if the image were at `imageBase`. */
  readonly pointers?: readonly number[];
  readonly imageBase?: number;
  readonly machine?: number;
  readonly subsystem?: number;
}

const FILE_ALIGNMENT = 512;
const SECTION_ALIGNMENT = 4096;
/** Where `.text` begins in the loaded image. */
export const TEXT_ADDRESS = SECTION_ALIGNMENT;

function align(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** Builds a PE32+ file with a `.text` and a `.reloc` section: the smallest that every loader takes. */
export function buildEfiApplication(application: EfiApplication): Uint8Array {
  const { code } = application;
  const relocations = relocationBlocks(application.pointers ?? []);
  const sections = [
    {
      name: '.text',
      content: code,
      address: TEXT_ADDRESS,
      characteristics:
        SectionCharacteristic.code | SectionCharacteristic.execute | SectionCharacteristic.read,
    },
    {
      name: '.reloc',
      content: relocations,
      address: TEXT_ADDRESS + align(code.length, SECTION_ALIGNMENT),
      characteristics:
        SectionCharacteristic.initializedData |
        SectionCharacteristic.discardable |
        SectionCharacteristic.read,
    },
  ];
  const optionalBytes = OptionalHeader.size + MAX_DIRECTORIES * DataDirectory.size;
  const optionalAt = DosHeader.size + 4 + CoffHeader.size;
  const headerEnd = optionalAt + optionalBytes + sections.length * SectionHeader.size;
  const headerBytes = align(headerEnd, FILE_ALIGNMENT);
  const rawBytes = sections.map((section) => align(section.content.length, FILE_ALIGNMENT));
  const file = new Uint8Array(headerBytes + rawBytes[0]! + rawBytes[1]!);
  const view = new DataView(file.buffer);
  const dos = DosHeader.cursor(view).at(0);
  dos.magic = DOS_MAGIC;
  dos.peOffset = DosHeader.size;
  view.setUint32(DosHeader.size, PE_SIGNATURE, true);
  const coff = CoffHeader.cursor(view).at(DosHeader.size + 4);
  coff.machine = application.machine ?? Machine.is.x64;
  coff.sectionCount = sections.length;
  coff.optionalHeaderBytes = optionalBytes;
  coff.characteristics = Characteristic.executable | Characteristic.largeAddressAware;

  const last = sections[1]!;
  const optional = OptionalHeader.cursor(view).at(optionalAt);
  optional.magic = OptionalMagic.is.pe32Plus;
  optional.codeBytes = rawBytes[0]!;
  optional.initializedBytes = rawBytes[1]!;
  optional.entryPoint = TEXT_ADDRESS;
  optional.codeBase = TEXT_ADDRESS;
  optional.imageBase = BigInt(application.imageBase ?? 0);
  optional.sectionAlignment = SECTION_ALIGNMENT;
  optional.fileAlignment = FILE_ALIGNMENT;
  optional.imageBytes = last.address + align(last.content.length, SECTION_ALIGNMENT);
  optional.headerBytes = headerBytes;
  optional.subsystem = application.subsystem ?? Subsystem.is.efiApplication;
  optional.directoryCount = MAX_DIRECTORIES;
  const directory = DataDirectory.cursor(view).at(
    optionalAt + OptionalHeader.size + BASE_RELOCATION_DIRECTORY * DataDirectory.size,
  );
  directory.address = last.address;
  directory.size = last.content.length;

  let rawOffset = headerBytes;
  const header = SectionHeader.cursor(view);
  for (const [index, section] of sections.entries()) {
    header.at(optionalAt + optionalBytes + index * SectionHeader.size);
    header.name = latin1(section.name);
    header.virtualBytes = section.content.length;
    header.virtualAddress = section.address;
    header.rawBytes = rawBytes[index]!;
    header.rawOffset = rawOffset;
    header.characteristics = section.characteristics;
    file.set(section.content, rawOffset);
    rawOffset += rawBytes[index]!;
  }
  return file;
}

/** One block for each page with pointers, and at the least an empty one. */
function relocationBlocks(pointers: readonly number[]): Uint8Array {
  const byPage = new Map<number, number[]>([[TEXT_ADDRESS, []]]);
  for (const pointer of [...pointers].sort((one, two) => one - two)) {
    const address = TEXT_ADDRESS + pointer;
    const page = address - (address % SECTION_ALIGNMENT);
    byPage.set(page, [...(byPage.get(page) ?? []), address - page]);
  }
  const words: number[] = [];
  for (const [page, offsets] of byPage) {
    // A block is padded to 32 bits with an entry that means nothing.
    const entries = offsets.map((offset) => (RelocationType.dir64 << 12) | offset);
    if (entries.length % 2 === 1 || entries.length === 0) entries.push(0);
    if (entries.length === 1) entries.push(0);
    const blockBytes = RelocationBlock.size + entries.length * 2;
    words.push(page & 0xffff, page >>> 16, blockBytes, 0, ...entries);
  }
  return new Uint8Array(Uint16Array.from(words).buffer);
}
