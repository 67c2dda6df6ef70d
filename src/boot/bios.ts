import type { GuestMemory } from '../core/memory.ts';
import { DiskRange } from '../storage/disk-range.ts';
import { findBootImage, readBootCatalog } from '../storage/iso9660/el-torito.ts';
import { BootMedia, BootPlatform } from '../storage/iso9660/spec.ts';
import type { BootFailure, FirmwareDisk } from '../uefi/boot-devices.ts';
import { deviceLabel, devicePlace, inputProblem } from '../uefi/boot-devices.ts';
import { writeBiosAreas, writeTicks } from './bios-areas.ts';
import { BOOT_SECTOR_GPA, EBDA_GPA, RELOCATED_MBR_GPA } from './bios-spec.ts';
import {
  type BootSector,
  type NoBootSector,
  readBootSector,
  readFloppySector,
} from './mbr-boot.ts';
import type { FirmwareOutcome } from './outcome.ts';
import { nothingBoots } from './outcome.ts';
import type { PhaseLog } from './phases.ts';
import type { PowerOnOptions } from './power-on.ts';

const LEAST_RAM_BYTES = 4 * 1024 * 1024;
const MIB = 0x10_0000;
const FIRST_FLOPPY = 0x00;
const FIRST_HARD_DISK = 0x80;
/** What El Torito BIOSes give the first CD. */
const FIRST_CD = 0xe0;

/** Gen-1: a BIOS from power-on to the first instruction at 7C00h. */
export function bootBios(options: PowerOnOptions, log: PhaseLog): FirmwareOutcome {
  const { memory } = options;
  if (memory.ramBytes < LEAST_RAM_BYTES) {
    const mib = memory.ramBytes / MIB;
    return { phase: 'firmware', reason: `${mib} MiB of RAM, a PC BIOS with ACPI needs at least 4` };
  }
  writeBiosAreas(options);
  log.enter('firmware', 'BIOS');
  writeTicks(memory, log.elapsedNs);
  const failures: BootFailure[] = [];
  for (const [index, device] of options.disks.entries()) {
    const sector = readBootSector(device.block, log.warn);
    const outcome = bootSector(device, sector, FIRST_HARD_DISK + index, memory, log, failures);
    if (outcome !== undefined) return outcome;
  }
  for (const [index, device] of options.dvds.entries()) {
    const outcome = bootDvd(device, FIRST_CD + index, memory, log, failures);
    if (outcome !== undefined) return outcome;
  }
  const { floppy } = options;
  if (floppy !== undefined) {
    const sector = readFloppySector(floppy.block);
    const outcome = bootSector(floppy, sector, FIRST_FLOPPY, memory, log, failures);
    if (outcome !== undefined) return outcome;
  }
  const reached = failures.find((failure) => failure.hasLoader);
  if (reached !== undefined) log.enter('boot-device', reached.place);
  return nothingBoots(failures);
}

function warnOfFailures(log: PhaseLog, failures: readonly BootFailure[]): void {
  for (const { label, reason } of failures) log.warn(`${label}: ${reason}`);
}

/** Loads a boot sector, as the BIOS does a diskette's, and with the boot record before it a disk's. */
function bootSector(
  device: FirmwareDisk,
  sector: BootSector | NoBootSector,
  drive: number,
  memory: GuestMemory,
  log: PhaseLog,
  failures: BootFailure[],
): FirmwareOutcome | undefined {
  const label = deviceLabel(device);
  const place = devicePlace(device);
  if ('reason' in sector) {
    failures.push({ label, place, reason: sector.reason, hasLoader: sector.isLoader });
    return undefined;
  }
  const { mbr, code } = sector;
  warnOfFailures(log, failures);
  log.enter('boot-device', place);
  if (mbr !== undefined) {
    memory.writeBytes(BOOT_SECTOR_GPA, mbr);
    memory.writeBytes(RELOCATED_MBR_GPA, mbr);
  }
  memory.writeBytes(BOOT_SECTOR_GPA, code);
  const loaded = mbr === undefined ? sector.label : `boot sector of ${sector.label}`;
  log.enter('loader', loaded, code.length);
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
