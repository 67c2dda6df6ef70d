import type { StateStream } from '../../core/state.ts';
import { DiskFault, type BlockDevice } from '../../storage/block.ts';
import { DiskRange } from '../../storage/disk-range.ts';
import { chsGeometry, type Geometry } from '../../storage/vhd/geometry.ts';
import type { BusMaster } from './bus-master.ts';
import {
  BLOCK_NS,
  COMMAND_NS,
  DMA_BYTE_NS,
  IdeDrive,
  SHORT_COMMAND_NS,
  Transfer,
  type DriveHost,
} from './drive.ts';
import { identifyDisk } from './identify.ts';
import {
  ATA_SECTOR_BYTES,
  AtaCommand,
  AtaFeature,
  IDENTIFY_BYTES,
  IdeDeviceBit,
  IdeError,
  IdeRegister,
  LBA28_SECTORS,
  MULTIPLE_SECTORS,
} from './spec.ts';

/** What a command does with its sectors. */
const Work = { none: 0, read: 1, write: 2, verify: 3 } as const;

interface MediumCommand {
  readonly work: number;
  /** Addresses of 48 bits. */
  readonly isExtended: boolean;
  readonly isDma: boolean;
  /** An interrupt for each `setMultiple` sectors, not for each one. */
  readonly isMultiple: boolean;
}

const PLAIN = { isExtended: false, isDma: false, isMultiple: false } as const;
const EXTENDED = { ...PLAIN, isExtended: true } as const;

const MEDIUM_COMMANDS: ReadonlyMap<number, MediumCommand> = new Map([
  [AtaCommand.readSectors, { ...PLAIN, work: Work.read }],
  [AtaCommand.readSectorsOnce, { ...PLAIN, work: Work.read }],
  [AtaCommand.readSectorsExt, { ...EXTENDED, work: Work.read }],
  [AtaCommand.readMultiple, { ...PLAIN, work: Work.read, isMultiple: true }],
  [AtaCommand.readMultipleExt, { ...EXTENDED, work: Work.read, isMultiple: true }],
  [AtaCommand.readDma, { ...PLAIN, work: Work.read, isDma: true }],
  [AtaCommand.readDmaOnce, { ...PLAIN, work: Work.read, isDma: true }],
  [AtaCommand.readDmaExt, { ...EXTENDED, work: Work.read, isDma: true }],
  [AtaCommand.writeSectors, { ...PLAIN, work: Work.write }],
  [AtaCommand.writeSectorsOnce, { ...PLAIN, work: Work.write }],
  [AtaCommand.writeSectorsExt, { ...EXTENDED, work: Work.write }],
  [AtaCommand.writeMultiple, { ...PLAIN, work: Work.write, isMultiple: true }],
  [AtaCommand.writeMultipleExt, { ...EXTENDED, work: Work.write, isMultiple: true }],
  [AtaCommand.writeMultipleFuaExt, { ...EXTENDED, work: Work.write, isMultiple: true }],
  [AtaCommand.writeDma, { ...PLAIN, work: Work.write, isDma: true }],
  [AtaCommand.writeDmaOnce, { ...PLAIN, work: Work.write, isDma: true }],
  [AtaCommand.writeDmaExt, { ...EXTENDED, work: Work.write, isDma: true }],
  [AtaCommand.writeDmaFuaExt, { ...EXTENDED, work: Work.write, isDma: true }],
  [AtaCommand.verify, { ...PLAIN, work: Work.verify }],
  [AtaCommand.verifyOnce, { ...PLAIN, work: Work.verify }],
  [AtaCommand.verifyExt, { ...EXTENDED, work: Work.verify }],
]);

/** CHECK POWER MODE: active or idle. */
const POWER_ACTIVE = 0xff;
const NO_DMA = -1;
/** SET FEATURES' transfer mode: bits 7:3 the kind, bits 2:0 the number. */
const TransferKind = { pioDefault: 0, pioFlow: 1, multiWordDma: 4 } as const;
const MOST_DMA_MODE = 2;

/**
 * The emulated disk "Virtual HD": the sectors of a disk that the guest also has behind its IDE
 * accelerator channel. Its sectors are of 512 bytes whatever those of the image are.
 */
export class AtaDisk extends IdeDrive {
  readonly #disk: BlockDevice;
  readonly #range: DiskRange;
  /** Of 512 bytes. A disk on IDE keeps its size while the machine runs. */
  readonly #sectors: number;
  readonly #geometry: Geometry;
  readonly #channel: number;
  /** Sectors that READ MULTIPLE moves at once. */
  #multiple: number = MULTIPLE_SECTORS;
  #isWriteCacheOn = true;
  #dmaMode = MOST_DMA_MODE;
  /** Heads and sectors a track of INITIALIZE DEVICE PARAMETERS. */
  #heads: number;
  #sectorsPerTrack: number;
  /** The command under way. */
  #work: number = Work.none;
  #isExtended = false;
  #isDma = false;
  #blockSectors = 1;
  #lba = 0;
  #left = 0;

  /** @param channel 0 or 1 */
  constructor(host: DriveHost, disk: BlockDevice, channel: number) {
    super(host, false, MULTIPLE_SECTORS * ATA_SECTOR_BYTES);
    this.#disk = disk;
    this.#channel = channel;
    this.#range = new DiskRange(disk, 0, disk.sizeBytes, 'disk');
    this.#sectors = Math.floor(disk.sizeBytes / ATA_SECTOR_BYTES);
    this.#geometry = chsGeometry(this.#sectors);
    this.#heads = this.#geometry.heads;
    this.#sectorsPerTrack = this.#geometry.sectorsPerTrack;
  }

  override exchange(state: StateStream): void {
    super.exchange(state);
    this.#multiple = state.number('multiple', this.#multiple);
    this.#isWriteCacheOn = state.flag('isWriteCacheOn', this.#isWriteCacheOn);
    this.#dmaMode = state.number('dmaMode', this.#dmaMode);
    this.#heads = state.number('heads', this.#heads);
    this.#sectorsPerTrack = state.number('sectorsPerTrack', this.#sectorsPerTrack);
    this.#work = state.number('work', this.#work);
    this.#isExtended = state.flag('isExtended', this.#isExtended);
    this.#isDma = state.flag('isDma', this.#isDma);
    this.#blockSectors = state.number('blockSectors', this.#blockSectors);
    this.#lba = state.number('lba', this.#lba);
    this.#left = state.number('left', this.#left);
  }

  protected override forget(): void {
    this.#multiple = MULTIPLE_SECTORS;
    this.#heads = this.#geometry.heads;
    this.#sectorsPerTrack = this.#geometry.sectorsPerTrack;
    this.#work = Work.none;
  }

  protected override start(code: number): void {
    const medium = MEDIUM_COMMANDS.get(code);
    if (medium !== undefined) {
      this.#startMedium(medium);
      return;
    }
    this.#work = Work.none;
    switch (code) {
      case AtaCommand.identifyDevice:
        this.#identify();
        return;
      case AtaCommand.identifyPacketDevice:
      case AtaCommand.packet:
      case AtaCommand.nop:
        this.fail(IdeError.aborted);
        return;
      case AtaCommand.setFeatures:
        this.#setFeatures();
        return;
      case AtaCommand.setMultiple:
        this.#setMultiple();
        return;
      case AtaCommand.initializeParameters:
        this.#sectorsPerTrack = this.file[IdeRegister.count]!;
        this.#heads = (this.file[IdeRegister.device]! & 0x0f) + 1;
        this.succeed();
        return;
      case AtaCommand.flushCache:
      case AtaCommand.flushCacheExt:
        this.finishAfter(COMMAND_NS);
        return;
      case AtaCommand.checkPowerMode:
        this.file[IdeRegister.count] = POWER_ACTIVE;
        this.succeed();
        return;
      case AtaCommand.readNativeMax:
        this.#tell(Math.min(this.#sectors, LBA28_SECTORS) - 1, false);
        this.succeed();
        return;
      case AtaCommand.readNativeMaxExt:
        this.#tell(this.#sectors - 1, true);
        this.succeed();
        return;
      case AtaCommand.standbyImmediateOld:
      case AtaCommand.standbyImmediate:
      case AtaCommand.idleImmediate:
      case AtaCommand.standby:
      case AtaCommand.idle:
      case AtaCommand.sleep:
        this.succeed();
        return;
      default: {
        const group = code & 0xf0;
        if (group === AtaCommand.recalibrate || group === AtaCommand.seek) this.succeed();
        else this.fail(IdeError.aborted);
      }
    }
  }

  #identify(): void {
    const { sectorBytes, physicalSectorBytes } = this.#disk;
    const physical = Math.max(sectorBytes, physicalSectorBytes);
    identifyDisk(this.buffer, {
      sectors: this.#sectors,
      geometry: this.#geometry,
      channel: this.#channel,
      multipleSectors: this.#multiple,
      isWriteCacheOn: this.#isWriteCacheOn,
      dmaMode: this.#dmaMode,
      physicalExponent: Math.log2(physical / ATA_SECTOR_BYTES),
    });
    this.workAfter(SHORT_COMMAND_NS);
  }

  #setFeatures(): void {
    const value = this.file[IdeRegister.count]!;
    switch (this.features) {
      case AtaFeature.enableWriteCache:
        this.#isWriteCacheOn = true;
        break;
      case AtaFeature.disableWriteCache:
        this.#isWriteCacheOn = false;
        break;
      case AtaFeature.setTransferMode: {
        const kind = value >> 3;
        const mode = value & 7;
        if (kind === TransferKind.multiWordDma && mode <= MOST_DMA_MODE) this.#dmaMode = mode;
        else if (kind === TransferKind.pioDefault || kind === TransferKind.pioFlow) {
          this.#dmaMode = NO_DMA;
        } else {
          this.fail(IdeError.aborted);
          return;
        }
        break;
      }
      case AtaFeature.enableReadAhead:
      case AtaFeature.disableReadAhead:
      case AtaFeature.enableDefaults:
      case AtaFeature.disableDefaults:
        break;
      default:
        this.fail(IdeError.aborted);
        return;
    }
    this.succeed();
  }

  /** Sectors in a block: a power of two, as far as the buffer goes. */
  #setMultiple(): void {
    const count = this.file[IdeRegister.count]!;
    const isPower = count > 0 && (count & (count - 1)) === 0;
    if (!isPower || count > MULTIPLE_SECTORS) {
      this.fail(IdeError.aborted);
      return;
    }
    this.#multiple = count;
    this.succeed();
  }

  #startMedium(command: MediumCommand): void {
    const { file, before } = this;
    const low = file[IdeRegister.count]!;
    this.#isExtended = command.isExtended;
    const count = command.isExtended ? before[IdeRegister.count]! * 256 + low : low;
    this.#left = count === 0 ? (command.isExtended ? 0x1_0000 : 0x100) : count;
    this.#lba = this.#address(command.isExtended);
    const limit = command.isExtended ? this.#sectors : Math.min(this.#sectors, LBA28_SECTORS);
    this.#work = Work.none;
    if (this.#lba < 0 || this.#lba >= limit || this.#left > limit - this.#lba) {
      this.fail(IdeError.idNotFound);
      return;
    }
    if (command.work === Work.write && this.#disk.readOnly) {
      this.fail(IdeError.aborted);
      return;
    }
    this.#work = command.work;
    this.#isDma = command.isDma;
    const blocks = command.isMultiple ? this.#multiple : 1;
    this.#blockSectors = command.isDma || command.work === Work.verify ? MULTIPLE_SECTORS : blocks;
    if (command.work === Work.write && !command.isDma) this.#takeBlock(true);
    else this.workAfter(COMMAND_NS);
  }

  /** @returns the first sector; -1 for an address that names none */
  #address(isExtended: boolean): number {
    const { file, before } = this;
    const device = file[IdeRegister.device]!;
    const low = file[IdeRegister.lbaLow]!;
    const middle = file[IdeRegister.lbaMid]!;
    const high = file[IdeRegister.lbaHigh]!;
    const isLba = (device & IdeDeviceBit.lba) !== 0;
    if (isExtended) {
      if (!isLba) return -1;
      const upper =
        before[IdeRegister.lbaLow]! +
        before[IdeRegister.lbaMid]! * 0x100 +
        before[IdeRegister.lbaHigh]! * 0x1_0000;
      return upper * 0x100_0000 + high * 0x1_0000 + middle * 0x100 + low;
    }
    if (isLba) return (device & 0x0f) * 0x100_0000 + high * 0x1_0000 + middle * 0x100 + low;
    if (low === 0 || low > this.#sectorsPerTrack) return -1;
    const head = device & 0x0f;
    if (head >= this.#heads) return -1;
    return ((high * 0x100 + middle) * this.#heads + head) * this.#sectorsPerTrack + low - 1;
  }

  /** Leaves an address in the registers, in the form in which the command gave its own. */
  #tell(lba: number, isExtended: boolean): void {
    const { file, before } = this;
    const device = file[IdeRegister.device]!;
    if (!isExtended && (device & IdeDeviceBit.lba) === 0) {
      const perTrack = Math.max(1, this.#sectorsPerTrack);
      const track = Math.floor(lba / perTrack);
      const cylinder = Math.floor(track / this.#heads);
      file[IdeRegister.lbaLow] = (lba % perTrack) + 1;
      file[IdeRegister.lbaMid] = cylinder;
      file[IdeRegister.lbaHigh] = cylinder >> 8;
      file[IdeRegister.device] = (device & 0xf0) | (track % this.#heads);
      return;
    }
    file[IdeRegister.lbaLow] = lba & 0xff;
    file[IdeRegister.lbaMid] = (lba >>> 8) & 0xff;
    file[IdeRegister.lbaHigh] = (lba >>> 16) & 0xff;
    const upper = Math.floor(lba / 0x100_0000);
    if (!isExtended) {
      file[IdeRegister.device] = (device & 0xf0) | (upper & 0x0f);
      return;
    }
    before[IdeRegister.lbaLow] = upper & 0xff;
    before[IdeRegister.lbaMid] = (upper >>> 8) & 0xff;
    before[IdeRegister.lbaHigh] = (upper >>> 16) & 0xff;
  }

  get #block(): number {
    return Math.min(this.#blockSectors, this.#left);
  }

  /** Opens the data port for the next sectors to write; the first come without an interrupt. */
  #takeBlock(isFirst: boolean): void {
    this.offerPort(Transfer.toDrive, this.#block * ATA_SECTOR_BYTES, isFirst);
  }

  protected override work(): void {
    if (this.#work === Work.none) {
      this.offerPort(Transfer.toHost, IDENTIFY_BYTES);
      return;
    }
    if (this.#isDma) {
      this.offerDma(this.#work === Work.read ? Transfer.toHost : Transfer.toDrive);
      return;
    }
    if (this.#work === Work.verify) {
      while (this.#left > 0) if (!this.#moveBlock(false)) return;
      this.succeed();
      return;
    }
    const bytes = this.#block * ATA_SECTOR_BYTES;
    if (this.#work === Work.read) {
      if (this.#moveBlock(false)) this.offerPort(Transfer.toHost, bytes);
      return;
    }
    if (!this.#moveBlock(true)) return;
    if (this.#left > 0) this.#takeBlock(false);
    else this.succeed();
  }

  /** Between the buffer and the disk. @returns false when the medium failed, which ended the command */
  #moveBlock(isWrite: boolean): boolean {
    const sectors = this.#block;
    const position = this.#lba * ATA_SECTOR_BYTES;
    const bytes = sectors * ATA_SECTOR_BYTES;
    try {
      if (isWrite) this.#range.write(position, this.buffer, 0, bytes);
      else this.#range.read(position, this.buffer, 0, bytes);
    } catch (error) {
      if (!(error instanceof DiskFault)) throw error;
      const failed = Math.floor(error.position / ATA_SECTOR_BYTES);
      this.#tell(Math.max(this.#lba, Math.min(failed, this.#lba + sectors - 1)), this.#isExtended);
      this.#work = Work.none;
      this.fail(isWrite ? IdeError.aborted : IdeError.uncorrectable);
      return false;
    }
    this.#lba += sectors;
    this.#left -= sectors;
    return true;
  }

  protected override portDone(): void {
    if (this.#work === Work.write) this.workAfter(COMMAND_NS);
    else if (this.#work === Work.read && this.#left > 0) this.workAfter(BLOCK_NS);
    else this.#work = Work.none;
  }

  /** All of the command's data, in pieces of the buffer; what the table has no room for is lost. */
  protected override transferDma(master: BusMaster): void {
    const isRead = this.#work === Work.read;
    let moved = 0;
    while (this.#left > 0) {
      const bytes = this.#block * ATA_SECTOR_BYTES;
      if (isRead && !this.#moveBlock(false)) {
        master.fail();
        return;
      }
      const done = master.move(this.buffer, 0, bytes);
      moved += done;
      if (done < bytes) {
        // Whole sectors that came before the table's end are written.
        if (!isRead) this.#left = Math.floor(done / ATA_SECTOR_BYTES);
        if (!isRead && this.#left > 0 && !this.#moveBlock(true)) return;
        break;
      }
      if (!isRead && !this.#moveBlock(true)) {
        master.fail();
        return;
      }
    }
    this.#left = 0;
    if (master.hasFailed) {
      this.fail(IdeError.aborted);
      return;
    }
    this.finishAfter(moved * DMA_BYTE_NS);
  }

  protected override finished(): void {
    if (this.#work === Work.none) {
      try {
        this.#disk.flush();
      } catch (error) {
        if (!(error instanceof DiskFault)) throw error;
        this.fail(IdeError.aborted);
        return;
      }
    }
    this.#work = Work.none;
    this.succeed();
  }
}
