import { latin1 } from '../core/text.ts';
import { NS_PER_SECOND } from '../core/clock.ts';
import type { GuestMemory } from '../core/memory.ts';
import { CRTC_PORT } from '../devices/vga/spec.ts';
import { BIOS_HANDOFF_GPA, BIOS_HANDOFF_SIGNATURE, BiosHandoff, E820Entry } from '../guest/spec.ts';
import { acpiOptions } from './acpi-options.ts';
import { acpiRun } from './acpi/build.ts';
import {
  BDA_GPA,
  BIOS_BYTES,
  BIOS_DATE_OFFSET,
  BIOS_GPA,
  BIOS_SEGMENT,
  BiosDataArea,
  DISKETTE_TABLE,
  DISKETTE_TABLE_OFFSET,
  DISKETTE_VECTOR,
  E820_OFFSET,
  EBDA_BYTES,
  EBDA_GPA,
  EQUIPMENT,
  IVT_VECTORS,
  MODEL_AT,
  MODEL_OFFSET,
  RESET_VECTOR_OFFSET,
  TEXT_MODE_80X25,
  VECTOR_STUB,
  VECTOR_STUB_BYTES,
  VECTOR_STUBS_OFFSET,
} from './bios-spec.ts';
import { type AcpiPlace, E820Type, type MapEntry, memoryMap } from './memory-map.ts';
import type { PowerOnOptions } from './power-on.ts';
import { GEN1_SMBIOS_GPA, writeSmbios } from './smbios.ts';

const BIOS_DATE = '01/01/16';

export interface BiosAreas {
  readonly map: readonly MapEntry[];
  readonly acpi: AcpiPlace;
  readonly rsdpGpa: number;
}

/** What a BIOS has in memory when it looks for something to boot. */
export function writeBiosAreas(options: PowerOnOptions): BiosAreas {
  const { memory } = options;
  const run = acpiRun(acpiOptions(options));
  const gpa = memory.regions[0]!.bytes - run.maxBytes;
  const acpi = { gpa, bytes: run.maxBytes, nvsBytes: run.nvsBytes };
  writeRom(memory);
  writeVectors(memory);
  const rsdpGpa = run.write(memory, gpa);
  writeSmbios(memory, GEN1_SMBIOS_GPA, { generation: 1, ramBytes: memory.ramBytes });
  // The list that a Hyper-V Generation 1 BIOS gives.
  const lowest = [
    { base: 0, length: EBDA_GPA, type: E820Type.Memory },
    { base: EBDA_GPA, length: EBDA_BYTES, type: E820Type.Reserved },
    { base: BIOS_GPA, length: BIOS_BYTES, type: E820Type.Reserved },
  ];
  const map = memoryMap(memory, lowest, acpi);
  writeDataAreas(memory, options.disks.length, map);
  return { map, acpi, rsdpGpa };
}

/** Entry points and what programs look for at the top of the BIOS segment. */
function writeRom(memory: GuestMemory): void {
  const rom = new Uint8Array(BIOS_BYTES);
  const segment = BIOS_SEGMENT * 16 - BIOS_GPA;
  for (let vector = 0; vector < IVT_VECTORS; vector += 1) {
    rom.set(VECTOR_STUB, segment + VECTOR_STUBS_OFFSET + vector * VECTOR_STUB_BYTES);
  }
  // JMP FAR to the stub of INT 19h, "bootstrap": what a jump to the reset vector comes to.
  const bootstrap = VECTOR_STUBS_OFFSET + 0x19 * VECTOR_STUB_BYTES;
  const jump = [0xea, bootstrap & 0xff, bootstrap >> 8, BIOS_SEGMENT & 0xff, BIOS_SEGMENT >> 8];
  rom.set(jump, segment + RESET_VECTOR_OFFSET);
  const date = latin1(BIOS_DATE);
  rom.set(date, segment + BIOS_DATE_OFFSET);
  rom.set(DISKETTE_TABLE, segment + DISKETTE_TABLE_OFFSET);
  rom[segment + MODEL_OFFSET] = MODEL_AT;
  memory.writeBytes(BIOS_GPA, rom);
}

function writeVectors(memory: GuestMemory): void {
  const table = new Uint8Array(IVT_VECTORS * 4);
  const view = new DataView(table.buffer);
  for (let vector = 0; vector < IVT_VECTORS; vector += 1) {
    view.setUint16(vector * 4, VECTOR_STUBS_OFFSET + vector * VECTOR_STUB_BYTES, true);
    view.setUint16(vector * 4 + 2, BIOS_SEGMENT, true);
  }
  view.setUint16(DISKETTE_VECTOR * 4, DISKETTE_TABLE_OFFSET, true);
  memory.writeBytes(0, table);
}

function writeDataAreas(memory: GuestMemory, hardDisks: number, map: readonly MapEntry[]): void {
  const area = new Uint8Array(BiosDataArea.size);
  const data = BiosDataArea.cursor(new DataView(area.buffer)).at(0);
  data.comPorts = Uint8Array.of(0xf8, 0x03, 0xf8, 0x02);
  data.ebdaSegment = EBDA_GPA / 16;
  data.equipment = EQUIPMENT;
  data.baseMemoryKib = EBDA_GPA / 1024;
  data.keyboardHead = 0x1e;
  data.keyboardTail = 0x1e;
  data.keyboardStart = 0x1e;
  data.keyboardEnd = 0x3e;
  data.videoMode = TEXT_MODE_80X25;
  data.videoColumns = 80;
  data.videoPageBytes = 0x1000;
  data.cursorShape = 0x0607;
  data.crtcPort = CRTC_PORT;
  data.videoRowsLessOne = 24;
  data.characterHeight = 16;
  data.hardDiskCount = hardDisks;
  memory.writeBytes(BDA_GPA, area);

  const extended = new Uint8Array(EBDA_BYTES);
  extended[0] = EBDA_BYTES / 1024;
  const entry = E820Entry.cursor(new DataView(extended.buffer));
  for (const [index, { base, length, type }] of map.entries()) {
    entry.at(E820_OFFSET + index * E820Entry.size);
    entry.base = BigInt(base);
    entry.length = BigInt(length);
    entry.type = type;
  }
  memory.writeBytes(EBDA_GPA, extended);

  const bytes = new Uint8Array(BiosHandoff.size);
  const handoff = BiosHandoff.cursor(new DataView(bytes.buffer)).at(0);
  handoff.signature = BIOS_HANDOFF_SIGNATURE;
  handoff.e820Count = map.length;
  handoff.e820Gpa = EBDA_GPA + E820_OFFSET;
  memory.writeBytes(BIOS_HANDOFF_GPA, bytes);
}

/** Timer ticks since power-on (40:6C), 65536 counts of the timer each. */
export function writeTicks(memory: GuestMemory, elapsedNs: number): void {
  const ticks = Math.floor((elapsedNs * 1_193_182) / NS_PER_SECOND / 65_536);
  const at = memory.resolve(BDA_GPA + BiosDataArea.offset.timerTicks, 4);
  memory.view.setUint32(at, ticks, true);
}
