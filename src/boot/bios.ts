import { NS_PER_SECOND } from '../core/clock.ts';
import type { GuestMemory } from '../core/memory.ts';
import { CRTC_PORT } from '../devices/vga/spec.ts';
import { BIOS_HANDOFF_GPA, BIOS_HANDOFF_SIGNATURE, BiosHandoff, E820Entry } from '../guest/spec.ts';
import { DiskRange } from '../storage/disk-range.ts';
import { findBootImage, readBootCatalog } from '../storage/iso9660/el-torito.ts';
import { BootMedia, BootPlatform } from '../storage/iso9660/spec.ts';
import type { BootFailure, FirmwareDisk } from '../uefi/boot-devices.ts';
import { deviceLabel, devicePlace, inputProblem } from '../uefi/boot-devices.ts';
import {
  BDA_GPA,
  BIOS_BYTES,
  BIOS_DATE_OFFSET,
  BIOS_GPA,
  BIOS_SEGMENT,
  BiosDataArea,
  BOOT_SECTOR_GPA,
  E820_OFFSET,
  EBDA_BYTES,
  EBDA_GPA,
  EQUIPMENT,
  IVT_VECTORS,
  MODEL_AT,
  MODEL_OFFSET,
  RELOCATED_MBR_GPA,
  RESET_VECTOR_OFFSET,
  TEXT_MODE_80X25,
  VECTOR_STUB,
  VECTOR_STUB_BYTES,
  VECTOR_STUBS_OFFSET,
} from './bios-spec.ts';
import { acpiOptions } from './acpi-options.ts';
import type { AcpiRun } from './acpi/build.ts';
import { acpiRun } from './acpi/build.ts';
import { readBootSector } from './mbr-boot.ts';
import type { FirmwareOutcome } from './outcome.ts';
import { nothingBoots } from './outcome.ts';
import type { PhaseLog } from './phases.ts';
import type { PowerOnOptions } from './power-on.ts';

const LEAST_RAM_BYTES = 4 * 1024 * 1024;
const FOUR_GIB = 0x1_0000_0000;
const MIB = 0x10_0000;
const FIRST_HARD_DISK = 0x80;
/** What El Torito BIOSes give the first CD. */
const FIRST_CD = 0xe0;
const BIOS_DATE = '01/01/16';
/** ACPI 6.5, table 15.3. */
const E820Type = { Memory: 1, Reserved: 2, AcpiReclaim: 3, AcpiNvs: 4 } as const;

/** Gen-1: a BIOS from power-on to the first instruction at 7C00h. */
export function bootBios(options: PowerOnOptions, log: PhaseLog): FirmwareOutcome {
  const { memory } = options;
  if (memory.ramBytes < LEAST_RAM_BYTES) {
    const mib = memory.ramBytes / MIB;
    return { phase: 'firmware', reason: `${mib} MiB of RAM, a PC BIOS with ACPI needs at least 4` };
  }
  const acpi = acpiRun(acpiOptions(options));
  const acpiGpa = memory.regions[0]!.bytes - acpi.maxBytes;
  writeRom(memory);
  writeVectors(memory);
  acpi.write(memory, acpiGpa);
  const map = buildMap(memory, acpiGpa, acpi);
  writeDataAreas(memory, options.disks.length, map);
  log.enter('firmware', 'BIOS');
  writeTicks(memory, log.elapsedNs);
  const failures: BootFailure[] = [];
  for (const [index, device] of options.disks.entries()) {
    const outcome = bootDisk(device, FIRST_HARD_DISK + index, memory, log, failures);
    if (outcome !== undefined) return outcome;
  }
  for (const [index, device] of options.dvds.entries()) {
    const outcome = bootDvd(device, FIRST_CD + index, memory, log, failures);
    if (outcome !== undefined) return outcome;
  }
  const reached = failures.find((failure) => failure.hasLoader);
  if (reached !== undefined) log.enter('boot-device', reached.place);
  return nothingBoots(failures);
}

function warnOfFailures(log: PhaseLog, failures: readonly BootFailure[]): void {
  for (const { label, reason } of failures) log.warn(`${label}: ${reason}`);
}

function bootDisk(
  device: FirmwareDisk,
  drive: number,
  memory: GuestMemory,
  log: PhaseLog,
  failures: BootFailure[],
): FirmwareOutcome | undefined {
  const label = deviceLabel(device);
  const sector = readBootSector(device.block, log.warn);
  if ('reason' in sector) {
    const place = devicePlace(device);
    failures.push({ label, place, reason: sector.reason, hasLoader: sector.isLoader });
    return undefined;
  }
  warnOfFailures(log, failures);
  log.enter('boot-device', devicePlace(device));
  memory.writeBytes(BOOT_SECTOR_GPA, sector.mbr);
  memory.writeBytes(RELOCATED_MBR_GPA, sector.mbr);
  memory.writeBytes(BOOT_SECTOR_GPA, sector.code);
  log.enter('loader', `boot sector of ${sector.label}`, sector.code.length);
  return {
    start: { mode: 'real', segment: 0, ip: BOOT_SECTOR_GPA, drive },
    device,
    loader: `${label} ${sector.label}`,
  };
}

/** El Torito 1.0 without emulation: a few sectors are loaded and entered. */
function bootDvd(
  device: FirmwareDisk,
  drive: number,
  memory: GuestMemory,
  log: PhaseLog,
  failures: BootFailure[],
): FirmwareOutcome | undefined {
  const label = deviceLabel(device);
  const fail = (reason: string): undefined => {
    failures.push({ label, place: devicePlace(device), reason, hasLoader: false });
    return undefined;
  };
  try {
    const image = findBootImage(readBootCatalog(device.block), BootPlatform.is.x86);
    if (image === undefined) return fail('it has no El Torito boot image for a BIOS');
    if (image.media !== BootMedia.is.noEmulation) {
      return fail('its El Torito image asks for floppy or hard disk emulation, which is not there');
    }
    const gpa = image.loadSegment * 16;
    const wanted = Math.max(1, image.sectorCount) * 512;
    const length = Math.min(wanted, image.sizeBytes, EBDA_GPA - gpa);
    if (length <= 0) return fail('its El Torito image does not fit below 640 KiB');
    const range = new DiskRange(device.block, image.startByte, length, 'El Torito image');
    const code = range.bytes(0, length);
    warnOfFailures(log, failures);
    log.enter('boot-device', devicePlace(device));
    memory.writeBytes(gpa, code);
    log.enter('loader', 'El Torito image', length);
    return {
      start: { mode: 'real', segment: image.loadSegment, ip: 0, drive },
      device,
      loader: `${label} El Torito image`,
    };
  } catch (error) {
    return fail(inputProblem(error));
  }
}

interface MapEntry {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

/** The list that a Hyper-V Generation 1 BIOS gives, in ascending order. */
function buildMap(memory: GuestMemory, acpiGpa: number, acpi: AcpiRun): MapEntry[] {
  const is = E820Type;
  const reclaimBytes = acpi.maxBytes - acpi.nvsBytes;
  const map: MapEntry[] = [
    { base: 0, length: EBDA_GPA, type: is.Memory },
    { base: EBDA_GPA, length: EBDA_BYTES, type: is.Reserved },
    { base: BIOS_GPA, length: BIOS_BYTES, type: is.Reserved },
    { base: MIB, length: acpiGpa - MIB, type: is.Memory },
    { base: acpiGpa, length: reclaimBytes, type: is.AcpiReclaim },
    { base: acpiGpa + reclaimBytes, length: acpi.nvsBytes, type: is.AcpiNvs },
  ];
  for (const region of memory.regions) {
    if (region.name === 'ram-high') {
      map.push({ base: FOUR_GIB, length: region.bytes, type: is.Memory });
    }
  }
  return map;
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
  const date = Uint8Array.from(BIOS_DATE, (character) => character.charCodeAt(0));
  rom.set(date, segment + BIOS_DATE_OFFSET);
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
function writeTicks(memory: GuestMemory, elapsedNs: number): void {
  const ticks = Math.floor((elapsedNs * 1_193_182) / NS_PER_SECOND / 65_536);
  const at = memory.resolve(BDA_GPA + BiosDataArea.offset.timerTicks, 4);
  memory.view.setUint32(at, ticks, true);
}
