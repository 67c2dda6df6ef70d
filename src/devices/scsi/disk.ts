import type { StateStream } from '../../core/state.ts';
import { DiskFault, type BlockDevice } from '../../storage/block.ts';
import { FaultTable } from './faults.ts';
import { diskInquiry, MICROSOFT_DISK, type DiskPages, type InquiryIdentity } from './inquiry.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { diskModeSelect, diskModeSense, type DiskModes } from './mode.ts';
import { getLbaStatus, unmap, writeSame } from './provisioning.ts';
import { Reservations } from './reservations.ts';
import {
  CAPACITY_LBPME,
  PeripheralDeviceType,
  ReadCapacity10Data,
  ReadCapacity16Data,
  ScsiOperation,
  Sense,
  SENSE_BYTES,
  ServiceAction,
} from './spec.ts';
import { DataDirection, fillSense, type ScsiTask } from './task.ts';

export interface ScsiDiskOptions {
  readonly identity?: InquiryIdentity;
  /** A dynamic image: UNMAP, READ CAPACITY (16) LBPME, VPD pages B0h to B2h. */
  readonly isThin?: boolean;
  readonly optimalUnmapBlocks?: number;
  /** VPD page 80h; without it the disk lacks the page, as Hyper-V's disks do. */
  readonly serialNumber?: string;
  /** Standard INQUIRY data: 36 bytes, or 104 from newer hosts. */
  readonly inquiryBytes?: number;
  /** Page B1h: 0 = not reported, 1 = solid state. */
  readonly rotationRate?: number;
  readonly isFuaSupported?: boolean;
  readonly isWriteCacheEnabled?: boolean;
  /** Only shared disks take PERSISTENT RESERVE. */
  readonly isShared?: boolean;
}

/** A virtual hard disk, as vhdmp shows one to a guest (SBC-3). */
export class ScsiDisk implements LogicalUnit {
  readonly deviceType = PeripheralDeviceType.directAccess;
  readonly faults = new FaultTable();
  readonly #disk: BlockDevice;
  readonly #pages: DiskPages;
  readonly #modes: DiskModes;
  readonly #reservations: Reservations | undefined;
  #knownSizeBytes: number;
  /** What REQUEST SENSE will say, a `Sense` value. */
  #lastSense: number = Sense.none;

  constructor(disk: BlockDevice, options: ScsiDiskOptions = {}) {
    this.#disk = disk;
    this.#knownSizeBytes = disk.sizeBytes;
    this.#pages = {
      identity: options.identity ?? MICROSOFT_DISK,
      inquiryBytes: options.inquiryBytes ?? 36,
      diskId: disk.diskId,
      serialNumber: options.serialNumber ?? '',
      isThin: options.isThin ?? false,
      optimalUnmapBlocks: options.optimalUnmapBlocks ?? 1,
      rotationRate: options.rotationRate ?? 0,
    };
    this.#modes = {
      isReadOnly: disk.readOnly,
      isFuaSupported: options.isFuaSupported ?? true,
      isWriteCacheEnabled: options.isWriteCacheEnabled ?? true,
    };
    this.#reservations = options.isShared === true ? new Reservations() : undefined;
  }

  get name(): string {
    return this.#disk.name;
  }

  get #blocks(): number {
    return Math.floor(this.#disk.sizeBytes / this.#disk.sectorBytes);
  }

  exchange(state: StateStream): void {
    this.#knownSizeBytes = state.number('knownSizeBytes', this.#knownSizeBytes);
    this.#lastSense = state.number('lastSense', this.#lastSense);
    state.part('faults', () => this.faults.exchange(state));
    const reservations = this.#reservations;
    if (reservations !== undefined) {
      state.part('reservations', () => reservations.exchange(state));
    }
  }

  execute(task: ScsiTask): void {
    if (!this.faults.isEmpty && this.faults.apply(task)) {
      this.#keepSense(task);
      return;
    }
    const isResized = this.#disk.sizeBytes !== this.#knownSizeBytes;
    if (isResized && task.operation !== ScsiOperation.inquiry) {
      this.#knownSizeBytes = this.#disk.sizeBytes;
      this.#lastSense = Sense.capacityDataChanged;
      if (task.operation !== ScsiOperation.requestSense) {
        task.fail(Sense.capacityDataChanged);
        return;
      }
    }
    try {
      this.#dispatch(task);
    } catch (error) {
      if (!(error instanceof DiskFault)) throw error;
      const isRead = task.direction === DataDirection.in;
      task.fail(isRead ? Sense.unrecoveredReadError : Sense.writeError);
    }
    this.#keepSense(task);
  }

  #keepSense(task: ScsiTask): void {
    if (task.senseLength === 0) {
      if (this.#lastSense !== Sense.none) this.#lastSense = Sense.none;
      return;
    }
    this.#lastSense = (task.sense[2]! << 16) | (task.sense[12]! << 8) | task.sense[13]!;
  }

  #dispatch(task: ScsiTask): void {
    switch (task.operation) {
      case ScsiOperation.read10:
      case ScsiOperation.read16:
      case ScsiOperation.read12:
      case ScsiOperation.read6:
        this.#read(task);
        return;
      case ScsiOperation.write10:
      case ScsiOperation.write16:
      case ScsiOperation.write12:
      case ScsiOperation.write6:
        this.#write(task, false);
        return;
      case ScsiOperation.writeAndVerify10:
      case ScsiOperation.writeAndVerify12:
      case ScsiOperation.writeAndVerify16:
        this.#write(task, (task.cdb[1]! & 0x02) !== 0);
        return;
      case ScsiOperation.verify10:
      case ScsiOperation.verify12:
      case ScsiOperation.verify16:
        this.#verify(task);
        return;
      case ScsiOperation.synchronizeCache10:
      case ScsiOperation.synchronizeCache16:
        this.#disk.flush();
        task.good();
        return;
      case ScsiOperation.testUnitReady:
      case ScsiOperation.formatUnit:
      case ScsiOperation.reserve6:
      case ScsiOperation.release6:
      case ScsiOperation.preventAllowMediumRemoval:
        task.good();
        return;
      default:
        this.#control(task);
    }
  }

  #control(task: ScsiTask): void {
    switch (task.operation) {
      case ScsiOperation.inquiry:
        diskInquiry(task, this.#pages, this.#blocks, this.#disk.sectorBytes);
        return;
      case ScsiOperation.requestSense:
        this.#requestSense(task);
        return;
      case ScsiOperation.modeSense6:
      case ScsiOperation.modeSense10:
        diskModeSense(task, this.#modes);
        return;
      case ScsiOperation.modeSelect6:
      case ScsiOperation.modeSelect10:
        diskModeSelect(task, this.#modes);
        return;
      case ScsiOperation.startStopUnit:
        this.#startStop(task);
        return;
      case ScsiOperation.sendDiagnostic:
        // The default self-test only, and no parameter list.
        if ((task.cdb[1]! & 0xf0) === 0 && task.cdb16(3) === 0) task.good();
        else task.illegal(Sense.invalidFieldInCdb);
        return;
      case ScsiOperation.readCapacity10:
        this.#readCapacity10(task);
        return;
      case ScsiOperation.serviceActionIn16:
        this.#serviceActionIn(task);
        return;
      case ScsiOperation.writeSame10:
      case ScsiOperation.writeSame16:
        if (this.#isInRange(task)) writeSame(task, this.#disk);
        return;
      case ScsiOperation.unmap:
        if (this.#pages.isThin) unmap(task, this.#disk, this.#blocks);
        else task.illegal(Sense.invalidFieldInCdb);
        return;
      case ScsiOperation.persistentReserveIn:
      case ScsiOperation.persistentReserveOut:
        if (this.#reservations === undefined) task.illegal(Sense.invalidCommand);
        else this.#reservations.execute(task);
        return;
      default:
        task.illegal(Sense.invalidCommand);
    }
  }

  /** Checks the LBA range of a medium command, and answers it when it is not on the disk. */
  #isInRange(task: ScsiTask): boolean {
    const blocks = this.#blocks;
    const lba = task.mediumLba;
    const count = task.mediumBlocks;
    if (lba < blocks && count <= blocks - lba) return true;
    // An empty transfer may point just behind the last block.
    if (count === 0 && lba === blocks) return true;
    task.illegal(Sense.lbaOutOfRange);
    return false;
  }

  #read(task: ScsiTask): void {
    if (!this.#isInRange(task)) return;
    const sector = this.#disk.sectorBytes;
    const length = task.mediumBlocks * sector;
    if (length === 0) task.good();
    else if (task.direction !== DataDirection.in) task.illegal(Sense.invalidFieldInCdb);
    else if (length > task.data.length) task.overrun();
    else {
      task.data.readFrom(this.#disk, task.mediumLba * sector, length);
      task.good(length);
    }
  }

  #write(task: ScsiTask, compare: boolean): void {
    if (!this.#isInRange(task)) return;
    const sector = this.#disk.sectorBytes;
    const length = task.mediumBlocks * sector;
    if (this.#disk.readOnly) task.fail(Sense.writeProtected);
    else if (length === 0) task.good();
    else if (task.direction !== DataDirection.out) task.illegal(Sense.invalidFieldInCdb);
    else if (length > task.data.length) task.overrun();
    else {
      const position = task.mediumLba * sector;
      task.data.writeTo(this.#disk, position, length);
      if (compare && !task.data.equals(this.#disk, position, length)) {
        task.fail(Sense.miscompareDuringVerify);
      } else task.good(length);
    }
  }

  /** VERIFY: reads nothing without BYTCHK, since the image has no medium that could wear out. */
  #verify(task: ScsiTask): void {
    if (!this.#isInRange(task)) return;
    const byteCheck = (task.cdb[1]! >> 1) & 3;
    const length = task.mediumBlocks * this.#disk.sectorBytes;
    if (byteCheck === 0 || length === 0) task.good();
    else if (byteCheck !== 1 || task.direction !== DataDirection.out) {
      task.illegal(Sense.invalidFieldInCdb);
    } else if (length > task.data.length) task.overrun();
    else if (task.data.equals(this.#disk, task.mediumLba * this.#disk.sectorBytes, length)) {
      task.good(length);
    } else task.fail(Sense.miscompareDuringVerify);
  }

  #startStop(task: ScsiTask): void {
    if ((task.cdb[1]! & 1) !== 0) {
      // The answer never comes before the flush, so IMMED is refused.
      task.illegal(Sense.invalidFieldInCdb);
      return;
    }
    if ((task.cdb[4]! & 1) === 0) this.#disk.flush();
    task.good();
  }

  #requestSense(task: ScsiTask): void {
    const allocation = task.cdb[4]!;
    if (allocation < 8 || allocation > task.data.length) {
      task.illegal(Sense.invalidFieldInCdb);
      return;
    }
    fillSense(task.scratch.subarray(0, SENSE_BYTES), this.#lastSense);
    this.#lastSense = Sense.none;
    task.reply(SENSE_BYTES, allocation);
  }

  #readCapacity10(task: ScsiTask): void {
    if (task.data.length < ReadCapacity10Data.size) {
      task.overrun();
      return;
    }
    const capacity = ReadCapacity10Data.cursor(task.scratchView).at(0);
    // FFFFFFFFh sends the guest to READ CAPACITY (16), SBC-3 5.12.2.
    capacity.lastLba = Math.min(this.#blocks - 1, 0xffff_ffff);
    capacity.blockBytes = this.#disk.sectorBytes;
    task.reply(ReadCapacity10Data.size, ReadCapacity10Data.size);
  }

  #serviceActionIn(task: ScsiTask): void {
    const action = task.cdb[1]! & 0x1f;
    if (action === ServiceAction.getLbaStatus) {
      getLbaStatus(task, this.#blocks);
      return;
    }
    if (action !== ServiceAction.readCapacity16) {
      task.illegal(Sense.invalidFieldInCdb);
      return;
    }
    const length = Math.min(task.cdb32(10), task.data.length);
    if (task.data.length < 12) {
      task.overrun();
      return;
    }
    task.scratch.fill(0, 0, ReadCapacity16Data.size);
    const capacity = ReadCapacity16Data.cursor(task.scratchView).at(0);
    const last = this.#blocks - 1;
    capacity.lastLbaHi = Math.floor(last / 0x1_0000_0000);
    capacity.lastLbaLo = last >>> 0;
    capacity.blockBytes = this.#disk.sectorBytes;
    capacity.physicalExponent = Math.log2(
      Math.max(1, this.#disk.physicalSectorBytes / this.#disk.sectorBytes),
    );
    if (this.#pages.isThin) capacity.provisioning = CAPACITY_LBPME;
    task.reply(ReadCapacity16Data.size, length);
  }
}
