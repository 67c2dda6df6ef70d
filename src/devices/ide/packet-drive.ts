import { StateError, type StateStream } from '../../core/state.ts';
import type { LogicalUnit } from '../scsi/logical-unit.ts';
import { DVD_BLOCK_BYTES, ScsiOperation, ScsiStatus, Sense, SENSE_BYTES } from '../scsi/spec.ts';
import { DataDirection, fillSense, ScsiTask } from '../scsi/task.ts';
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
import { identifyPacketDrive } from './identify.ts';
import {
  AtaCommand,
  AtaFeature,
  IDENTIFY_BYTES,
  IdeError,
  IdeRegister,
  PACKET_BYTES,
  PACKET_DMA,
  PacketReason,
} from './spec.ts';

/** What one command of the unit may move: 64 blocks of a DVD, or all of an answer. */
const BUFFER_BYTES = 64 * DVD_BLOCK_BYTES;
const BUFFER_BLOCKS = BUFFER_BYTES / DVD_BLOCK_BYTES;
/** A byte count of zero asks for the most that fits into its 16 bits, in whole words. */
const MOST_BYTE_COUNT = 0xfffe;
/** Sense keys that come with "aborted". */
const ILLEGAL_REQUEST = 0x5;
const ABORTED_COMMAND = 0xb;

/** What the drive is at. */
const Phase = {
  idle: 0,
  identify: 1,
  packet: 2,
  execute: 3,
  dataIn: 4,
  dataOut: 5,
  /** The unit's parameters have come. */
  executeWithData: 6,
} as const;

/** A packet device: the SCSI commands of a unit, by the registers of an ATA drive. */
export class PacketDrive extends IdeDrive {
  readonly #unit: LogicalUnit;
  #madeTask: ScsiTask | undefined;
  #phase: number = Phase.idle;
  readonly #packet = new Uint8Array(PACKET_BYTES);
  #isDma = false;
  /** Most bytes of one turn of the data port. */
  #byteCount = 0;
  /** The answer in the task's memory that the host has not taken yet. */
  #from = 0;
  #left = 0;
  /** Blocks of a READ that come after those in the buffer. */
  #lba = 0;
  #blocksLeft = 0;
  /** What REQUEST SENSE will say. */
  #sense: number = Sense.none;
  #dmaMode = 2;

  constructor(host: DriveHost, unit: LogicalUnit) {
    super(host, true, BUFFER_BYTES);
    this.#unit = unit;
  }

  override exchange(state: StateStream): void {
    super.exchange(state);
    if (this.#unit.exchange === undefined)
      throw new StateError(`unit ${this.#unit.name} cannot be saved`);
    state.part('unit', () => this.#unit.exchange?.(state));
    if (state.flag('hasTask', this.#madeTask !== undefined)) state.array('cdb', this.#task.cdb);
    this.#phase = state.number('phase', this.#phase);
    state.array('packet', this.#packet);
    this.#isDma = state.flag('isDma', this.#isDma);
    this.#byteCount = state.number('byteCount', this.#byteCount);
    this.#from = state.number('from', this.#from);
    this.#left = state.number('left', this.#left);
    this.#lba = state.number('lba', this.#lba);
    this.#blocksLeft = state.number('blocksLeft', this.#blocksLeft);
    this.#sense = state.number('sense', this.#sense);
    this.#dmaMode = state.number('dmaMode', this.#dmaMode);
  }

  /** The unit moves its data to and from the drive's buffer. */
  get #task(): ScsiTask {
    this.#madeTask ??= new ScsiTask({ u8: this.buffer });
    return this.#madeTask;
  }

  protected override forget(): void {
    this.#phase = Phase.idle;
    this.#blocksLeft = 0;
  }

  protected override start(code: number): void {
    this.#phase = Phase.idle;
    switch (code) {
      case AtaCommand.packet:
        this.#isDma = (this.file[IdeRegister.error]! & PACKET_DMA) !== 0;
        this.#byteCount =
          (this.file[IdeRegister.lbaMid]! | (this.file[IdeRegister.lbaHigh]! << 8)) & ~1;
        if (this.#byteCount === 0) this.#byteCount = MOST_BYTE_COUNT;
        this.#phase = Phase.packet;
        this.file[IdeRegister.count] = PacketReason.command;
        this.offerPort(Transfer.toDrive, PACKET_BYTES, true);
        return;
      case AtaCommand.identifyPacketDevice:
        this.#phase = Phase.identify;
        identifyPacketDrive(this.buffer, this.#dmaMode);
        this.workAfter(SHORT_COMMAND_NS);
        return;
      case AtaCommand.identifyDevice:
      case AtaCommand.readSectors:
        // "I am a packet device" (ATA/ATAPI-7, 6.17.5.2).
        this.signPacket();
        this.fail(IdeError.aborted);
        return;
      case AtaCommand.setFeatures:
        if (this.#setTransferMode()) this.succeed();
        else this.fail(IdeError.aborted);
        return;
      case AtaCommand.checkPowerMode:
        this.file[IdeRegister.count] = 0xff;
        this.succeed();
        return;
      case AtaCommand.flushCache:
      case AtaCommand.standbyImmediate:
      case AtaCommand.idleImmediate:
      case AtaCommand.standby:
      case AtaCommand.idle:
      case AtaCommand.sleep:
        this.succeed();
        return;
      default:
        this.fail(IdeError.aborted);
    }
  }

  #setTransferMode(): boolean {
    if (this.file[IdeRegister.error] !== AtaFeature.setTransferMode) return false;
    const value = this.file[IdeRegister.count]!;
    if (value >> 3 === 4 && (value & 7) <= 2) this.#dmaMode = value & 7;
    else if (value >> 3 <= 1) this.#dmaMode = -1;
    else return false;
    return true;
  }

  protected override work(): void {
    if (this.#phase === Phase.identify) {
      this.file[IdeRegister.count] = PacketReason.toHost;
      this.offerPort(Transfer.toHost, IDENTIFY_BYTES);
    } else if (this.#phase === Phase.execute) this.#execute();
    else if (this.#phase === Phase.executeWithData) {
      this.#run(DataDirection.out, this.#task.cdb16(7));
    } else this.#offerData();
  }

  protected override portDone(): void {
    switch (this.#phase) {
      case Phase.packet:
        this.#packet.set(this.buffer.subarray(0, PACKET_BYTES));
        this.#phase = Phase.execute;
        this.workAfter(COMMAND_NS);
        return;
      case Phase.dataOut:
        this.#phase = Phase.executeWithData;
        this.workAfter(SHORT_COMMAND_NS);
        return;
      case Phase.dataIn:
        this.#more();
        return;
      default:
        this.#phase = Phase.idle;
    }
  }

  #execute(): void {
    const packet = this.#packet;
    const operation = packet[0]!;
    const task = this.#task;
    task.cdb.fill(0);
    task.cdb.set(packet);
    if (operation === ScsiOperation.requestSense) {
      fillSense(this.buffer, this.#sense);
      this.#sense = Sense.none;
      this.#answer(Math.min(SENSE_BYTES, packet[4]!));
      return;
    }
    if (operation === ScsiOperation.read10 || operation === ScsiOperation.read12) {
      this.#lba = task.mediumLba;
      this.#blocksLeft = task.mediumBlocks;
      if (this.#blocksLeft > 0) this.#readNext();
      else this.#end(Sense.none);
      return;
    }
    this.#blocksLeft = 0;
    // The one command with data for the drive.
    const isOut = operation === ScsiOperation.modeSelect10 && task.cdb16(7) > 0;
    if (isOut) this.#takeParameters(task.cdb16(7));
    else this.#run(DataDirection.in, BUFFER_BYTES);
  }

  #takeParameters(bytes: number): void {
    this.#phase = Phase.dataOut;
    this.file[IdeRegister.count] = 0;
    this.#tellBytes(bytes);
    if (bytes > this.#byteCount) this.#end(Sense.invalidFieldInCdb);
    else if (this.#isDma) this.offerDma(Transfer.toDrive);
    else this.offerPort(Transfer.toDrive, bytes);
  }

  /**
   * Has the unit execute the task's command, and goes on with its answer.
   * @param bytes of the buffer that the command may move
   */
  #run(direction: number, bytes: number): void {
    const task = this.#task;
    task.direction = direction;
    task.begin();
    task.data.attachHost(bytes);
    this.#unit.execute(task);
    if (task.scsiStatus === ScsiStatus.checkCondition) {
      const sense = task.senseLength > 0 ? senseOf(task.sense) : Sense.invalidFieldInCdb;
      this.#blocksLeft = 0;
      this.#end(sense);
    } else if (direction === DataDirection.in && task.transferred > 0) {
      this.#answer(task.transferred);
    } else this.#end(Sense.none);
  }

  /** Reads the blocks that fit into the buffer. */
  #readNext(): void {
    const blocks = Math.min(this.#blocksLeft, BUFFER_BLOCKS);
    const { cdb } = this.#task;
    cdb.fill(0);
    cdb[0] = ScsiOperation.read12;
    for (let index = 0; index < 4; index += 1) {
      cdb[2 + index] = this.#lba >>> (24 - 8 * index);
      cdb[6 + index] = blocks >>> (24 - 8 * index);
    }
    this.#lba += blocks;
    this.#blocksLeft -= blocks;
    this.#run(DataDirection.in, BUFFER_BYTES);
  }

  #answer(bytes: number): void {
    this.#from = 0;
    this.#left = bytes;
    if (bytes === 0) this.#end(Sense.none);
    else this.#offerData();
  }

  #offerData(): void {
    if (this.#left === 0) {
      this.#readNext();
      return;
    }
    this.#phase = Phase.dataIn;
    if (this.#isDma) {
      this.offerDma(Transfer.toHost);
      return;
    }
    const bytes = Math.min(this.#left, this.#byteCount);
    // The port reads from the buffer's start.
    if (this.#from > 0) this.buffer.copyWithin(0, this.#from, this.#from + this.#left);
    this.#from = bytes;
    this.#left -= bytes;
    this.file[IdeRegister.count] = PacketReason.toHost;
    this.#tellBytes(bytes);
    this.offerPort(Transfer.toHost, bytes);
  }

  #tellBytes(bytes: number): void {
    this.file[IdeRegister.lbaMid] = bytes & 0xff;
    this.file[IdeRegister.lbaHigh] = bytes >>> 8;
  }

  /** The host has taken what was offered. */
  #more(): void {
    if (this.#left > 0 || this.#blocksLeft > 0) this.workAfter(BLOCK_NS);
    else this.finishAfter(SHORT_COMMAND_NS);
  }

  protected override transferDma(master: BusMaster): void {
    if (this.#phase === Phase.dataOut) {
      master.move(this.buffer, 0, this.#task.cdb16(7));
      if (master.hasFailed) this.#end(Sense.invalidFieldInCdb);
      else this.portDone();
      return;
    }
    const done = master.move(this.buffer, this.#from, this.#left);
    const isShort = done < this.#left;
    this.#left = 0;
    if (master.hasFailed) {
      this.#blocksLeft = 0;
      this.#end(Sense.invalidFieldInCdb);
      return;
    }
    // Where the table ends, the command does.
    if (isShort) this.#blocksLeft = 0;
    if (this.#blocksLeft > 0) this.workAfter(done * DMA_BYTE_NS);
    else this.finishAfter(done * DMA_BYTE_NS);
  }

  protected override finished(): void {
    this.#end(Sense.none);
  }

  /** The last phase of a packet command: status, with the sense key in the error register. */
  #end(sense: number): void {
    this.#phase = Phase.idle;
    this.file[IdeRegister.count] = PacketReason.command | PacketReason.toHost;
    if (this.#packet[0] !== ScsiOperation.requestSense) this.#sense = sense;
    if (sense === Sense.none) {
      this.succeed();
      return;
    }
    const key = sense >>> 16;
    this.fail(
      (key << 4) | (key === ILLEGAL_REQUEST || key === ABORTED_COMMAND ? IdeError.aborted : 0),
    );
  }
}

/** A `Sense` value from fixed-format data. */
function senseOf(data: Uint8Array): number {
  return ((data[2]! & 0x0f) << 16) | (data[12]! << 8) | data[13]!;
}
