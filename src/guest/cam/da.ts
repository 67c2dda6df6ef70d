/** da(4): a SCSI disk from its READ CAPACITY on (cam/scsi/scsi_da.c). */
import {
  CAPACITY_LBPME,
  ReadCapacity10Data,
  ReadCapacity16Data,
  VpdPage,
} from '../../devices/scsi/spec.ts';
import type { BlockDisk } from '../fs/media.ts';
import type { Task } from '../kernel/api.ts';
import { guestDisk } from '../trace.ts';
import { CommandBlock } from './command.ts';
import { modelOf, revisionOf, ScsiRevision } from './inquiry.ts';
import { runCommand, type RecoveryOptions } from './recovery.ts';
import { readSense, SenseKey, senseWords } from './sense.ts';
import { PeripheralErrno } from './status.ts';
import { pathText, type LogicalUnit, type Peripheral } from './topology.ts';
import type { Cam } from './transport.ts';

const RETRIES = 4;
const VPD_BYTES = 255;
const LOGICAL_UNIT_NOT_SUPPORTED = 0x25;
/** Sectors larger than this are refused (MAXPHYS). */
const MAX_SECTOR_BYTES = 0x2_0000;

/** A disk as the rest of the kernel sees it. Data goes to and from guest memory by the host. */
export class Disk implements Peripheral, BlockDisk {
  /** "da", or "ada" of an ATA disk, whose adapter takes the same commands; "cd" of a drive. */
  readonly driver: 'da' | 'ada' | 'cd';
  readonly unit: number;
  readonly name: string;
  readonly cam: Cam;
  readonly device: LogicalUnit;
  isAnnounced = false;
  isInvalid = false;
  /** Mounted file systems and the like. */
  openCount = 0;
  sectorBytes = 512;
  sectors = 0;
  /** Trimmed INQUIRY text: "Msft Virtual Disk 1.0". */
  readonly model: string;
  readonly #idle: CommandBlock[] = [];

  constructor(
    cam: Cam,
    device: LogicalUnit,
    driver: 'da' | 'ada' | 'cd',
    unit: number,
    model = modelOf(device.inquiry).trim(),
  ) {
    this.cam = cam;
    this.device = device;
    this.driver = driver;
    this.unit = unit;
    this.name = `${driver}${unit}`;
    this.model = model;
  }

  get mediaBytes(): number {
    return this.sectorBytes * this.sectors;
  }

  /**
   * Reads `count` sectors from `lba` on to a guest physical address; the memory is contiguous.
   * @returns 0, ENXIO when the disk is gone, EIO, or another errno
   */
  read(lba: number, count: number, gpa: number): Task<number> {
    return this.#transfer(false, lba, count, gpa);
  }

  /** The other way. @returns an errno as `read` does, EACCES for a write-protected disk */
  write(lba: number, count: number, gpa: number): Task<number> {
    return this.#transfer(true, lba, count, gpa);
  }

  *flush(): Task<number> {
    if (this.isInvalid) return PeripheralErrno.ENXIO;
    const block = this.#take();
    block.synchronizeCache();
    const error = yield* this.#run(block);
    this.#idle.push(block);
    return error;
  }

  /** daopen: the size is asked for anew. @returns an errno as `read` does */
  *open(): Task<number> {
    if (this.isInvalid) return PeripheralErrno.ENXIO;
    // adaopen: an ATA disk keeps the size that IDENTIFY gave.
    if (this.driver === 'ada') return 0;
    const { cam, device } = this;
    const before = this.mediaBytes;
    const bufferGpa = cam.kernel.allocatePages(1);
    const command = new CommandBlock(this.name, device.target.id, device.lun);
    const details = yield* queryCapacity(cam, this, command, bufferGpa);
    cam.kernel.freePages(bufferGpa, 1);
    if (this.isInvalid || details === '') return PeripheralErrno.ENXIO;
    if (this.mediaBytes !== before) cam.diskListener?.resized(this);
    return 0;
  }

  *#transfer(isWrite: boolean, lba: number, count: number, gpa: number): Task<number> {
    if (lba < 0 || count < 0 || lba + count > this.sectors) return PeripheralErrno.EINVAL;
    const { maxTransferBytes } = this.device.bus.sim.inquiry;
    const most = Math.max(1, Math.floor(maxTransferBytes / this.sectorBytes));
    const block = this.#take();
    let error = 0;
    let done = 0;
    while (done < count && error === 0) {
      if (this.isInvalid) {
        error = PeripheralErrno.ENXIO;
        break;
      }
      const sectors = Math.min(most, count - done);
      const bytes = sectors * this.sectorBytes;
      const at = gpa + done * this.sectorBytes;
      block.transfer(isWrite, lba + done, sectors, at, bytes, this.driver === 'cd' ? 10 : 6);
      error = yield* this.#run(block);
      if (error === 0 && block.residual > 0) error = PeripheralErrno.EIO;
      done += sectors;
    }
    this.#idle.push(block);
    return error;
  }

  #take(): CommandBlock {
    const { target, lun } = this.device;
    return this.#idle.pop() ?? new CommandBlock(this.name, target.id, lun);
  }

  #run(block: CommandBlock): Task<number> {
    return runCommand(this.cam, this.device.bus, block, ioRecovery);
  }
}

const ioRecovery: RecoveryOptions = {
  retries: RETRIES,
  retryUnitAttention: true,
  retrySelectionTimeout: true,
};
const probeRecovery: RecoveryOptions = { ...ioRecovery, quiet: true };

/** Takes the unit number at once; the capacity is asked for while the scan goes on. */
export function attachDisk(cam: Cam, device: LogicalUnit): void {
  const disk = new Disk(cam, device, 'da', cam.takeUnit('da'));
  device.peripherals.push(disk);
  cam.work(`da${disk.unit} probe`, () => probeDisk(cam, disk));
}

function* probeDisk(cam: Cam, disk: Disk): Task {
  const { kernel } = cam;
  const bufferGpa = kernel.allocatePages(1);
  const command = new CommandBlock(disk.name, disk.device.target.id, disk.device.lun);
  const details = yield* queryCapacity(cam, disk, command, bufferGpa);
  if (disk.isInvalid || details === '') {
    if (!disk.isInvalid) cam.abandon(disk.device, disk);
    kernel.freePages(bufferGpa, 1);
    return;
  }
  cam.announce(disk.device, disk, details);
  cam.appeared(disk, guestDisk);
  yield* queryLimits(cam, disk, command, bufferGpa);
  kernel.freePages(bufferGpa, 1);
  if (!disk.isInvalid && cam.diskListener !== undefined) yield* cam.diskListener.appeared(disk);
}

/** @returns the announcement's last line; '' when the disk cannot be attached */
function* queryCapacity(
  cam: Cam,
  disk: Disk,
  command: CommandBlock,
  bufferGpa: number,
): Task<string> {
  const { device } = disk;
  const run = (): Task<number> => runCommand(cam, device.bus, command, probeRecovery);
  const { memory } = cam.kernel.hardware;
  const at = memory.resolve(bufferGpa, ReadCapacity16Data.size);
  const clear = (): void => {
    memory.u8.fill(0, at, at + ReadCapacity16Data.size);
  };
  let useLong = revisionOf(device.inquiry) >= ScsiRevision.spc3;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    clear();
    if (useLong) command.readCapacity16(bufferGpa, ReadCapacity16Data.size);
    else command.readCapacity10(bufferGpa, ReadCapacity10Data.size);
    const error = yield* run();
    if (error !== 0) {
      const sense = command.hasSense ? readSense(command.sense) : -1;
      if (useLong && sense >= 0 && sense >> 16 === SenseKey.illegalRequest) {
        useLong = false;
        continue;
      }
      return capacityFailure(cam, disk, command, sense);
    }
    if (useLong) {
      const data = ReadCapacity16Data.cursor(memory.view).at(at);
      return setGeometry(
        cam,
        disk,
        data.blockBytes,
        data.lastLbaHi * 0x1_0000_0000 + data.lastLbaLo,
      );
    }
    const data = ReadCapacity10Data.cursor(memory.view).at(at);
    if (data.lastLba !== 0xffff_ffff) return setGeometry(cam, disk, data.blockBytes, data.lastLba);
    useLong = true;
  }
  return '';
}

function capacityFailure(cam: Cam, disk: Disk, command: CommandBlock, sense: number): string {
  if (sense >= 0 && ((sense >> 8) & 0xff) !== LOGICAL_UNIT_NOT_SUPPORTED) {
    const { key, code } = senseWords(sense);
    setGeometry(cam, disk, 512, -1);
    return `Attempt to query device size failed: ${key}, ${code}`;
  }
  if (!disk.isInvalid) {
    const { bus, target, lun } = disk.device;
    const path = pathText(disk.name, bus.sim, target.id, lun);
    cam.kernel.printf(`${path}got CAM status 0x${command.status.toString(16)}\n`);
    cam.kernel.printf(`${path}fatal error, failed to attach to device\n`);
  }
  return '';
}

function setGeometry(cam: Cam, disk: Disk, blockBytes: number, lastLba: number): string {
  let sectorBytes = blockBytes;
  let last = lastLba;
  // An answer of zeros is taken for an empty disk, not for a bad one (dadone).
  if (sectorBytes === 0 && last === 0) {
    sectorBytes = 512;
    last = -1;
  }
  if (sectorBytes === 0 || sectorBytes >= MAX_SECTOR_BYTES) {
    const { bus, target, lun } = disk.device;
    const path = pathText(disk.name, bus.sim, target.id, lun);
    cam.kernel.printf(`${path}unsupportable block size ${sectorBytes}\n`);
    return '';
  }
  disk.sectorBytes = sectorBytes;
  disk.sectors = last + 1;
  const size = `${Math.floor(disk.mediaBytes / 0x10_0000)}MB`;
  const sectors = `${disk.sectors} ${sectorBytes} byte sectors`;
  if (cam.release === 'modern') return `${size} (${sectors})`;
  // cam_calc_geometry with "extended" translation.
  const isLarge = disk.mediaBytes / 0x10_0000 > 1024;
  const [heads, perTrack] = isLarge ? [255, 63] : [64, 32];
  const cylinders = Math.floor(disk.sectors / (heads * perTrack));
  return `${size} (${sectors}: ${heads}H ${perTrack}S/T ${cylinders}C)`;
}

/** The pages that da(4) asks for before it offers the disk to GEOM. */
function* queryLimits(cam: Cam, disk: Disk, command: CommandBlock, bufferGpa: number): Task {
  const { memory } = cam.kernel.hardware;
  const at = memory.resolve(bufferGpa, ReadCapacity16Data.size);
  const isThin =
    revisionOf(disk.device.inquiry) >= ScsiRevision.spc3 &&
    (ReadCapacity16Data.cursor(memory.view).at(at).provisioning & CAPACITY_LBPME) !== 0;
  const pages: readonly number[] =
    cam.release === 'modern' || isThin
      ? [VpdPage.logicalBlockProvisioning, VpdPage.blockLimits, VpdPage.blockDeviceCharacteristics]
      : [VpdPage.blockDeviceCharacteristics];
  for (const page of pages) {
    if (page === VpdPage.logicalBlockProvisioning && !isThin) continue;
    if (!disk.device.vpdPages.includes(page) || disk.isInvalid) continue;
    command.vitalProductData(page, bufferGpa, VPD_BYTES);
    yield* runCommand(cam, disk.device.bus, command, probeRecovery);
  }
}
