/** An ATA channel and its SIM: the probe of its drives, and their commands (dev/ata). */
import {
  AtaCommand,
  AtaFeature,
  IDENTIFY_BYTES,
  IdeError,
  IdeRegister,
  IdeStatus,
  PACKET_BYTES,
  PACKET_DMA,
  PACKET_SIGNATURE,
} from '../../devices/ide/spec.ts';
import { ScsiOperation, ScsiStatus, SENSE_BYTES } from '../../devices/scsi/spec.ts';
import { NS_PER_MS } from '../../core/clock.ts';
import { ideInstance } from '../../vmbus/spec/guids.ts';
import { CommandBlock, Direction } from '../cam/command.ts';
import type { PathInquiry, Sim } from '../cam/sim.ts';
import { CamStatus } from '../cam/status.ts';
import { pathText, type Bus } from '../cam/topology.ts';
import type { Cam } from '../cam/transport.ts';
import type { KernelLock, Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { attachAtaDisk } from './ada.ts';
import { readIdentity, type AtaIdentity } from './identity.ts';
import { AtaRegisters, type AtaRequest, type ChannelPorts } from './registers.ts';

const DRIVES = 2;
/** A reset holds its line this long, and drives may take as long as the third to come back. */
const RESET_HOLD_NS = 10 * NS_PER_MS;
const RESET_POLL_NS = 100 * NS_PER_MS;
const RESET_POLLS = 310;
/** A drive opens its port for a packet at once; a poll is one port access. */
const PACKET_POLLS = 1000;
const COMMAND_TIMEOUT_NS = 5000 * NS_PER_MS;
/** MAXPHYS of today, DFLTPHYS of 10.2. */
const MODERN_TRANSFER_BYTES = 0x2_0000;
const LEGACY_TRANSFER_BYTES = 0x1_0000;
/** Of multi-word DMA 2, and of PIO 4 too. */
const TRANSFER_SPEED = 16_700;
/** The most that one turn of an ATAPI drive's data port brings. */
const PACKET_PIO_BYTES = 65_534;
const LBA28_LIMIT = 0x0fff_ffff;
/** Offsets in the channel's page of DMA memory. */
const PACKET_AT = 512;
const SENSE_AT = 1024;

interface Drive {
  readonly kind: 'ata' | 'packet';
  readonly identity: AtaIdentity;
}

export interface ChannelOptions {
  readonly index: number;
  readonly ports: ChannelPorts;
  /** Disks are left to storvsc, which has them too. */
  readonly isDiskVetoed: boolean;
}

export class AtaChannel implements Sim {
  readonly name = 'ata';
  readonly unit: number;
  readonly inquiry: PathInquiry;
  readonly #kernel: Kernel;
  readonly #cam: Cam;
  readonly #registers: AtaRegisters;
  readonly #isDiskVetoed: boolean;
  readonly #lock: KernelLock;
  readonly #drives: (Drive | undefined)[] = [];
  /** A page for answers, packets and sense. */
  readonly #pageGpa: number;
  /** The status that the last interrupt found, -1 while none has come. */
  #status = -1;

  constructor(kernel: Kernel, cam: Cam, options: ChannelOptions) {
    this.#kernel = kernel;
    this.#cam = cam;
    this.unit = options.index;
    this.#isDiskVetoed = options.isDiskVetoed;
    this.#registers = new AtaRegisters(kernel, options.ports);
    this.#pageGpa = kernel.allocatePages(1);
    this.#lock = kernel.lock(`ata${options.index}`);
    this.inquiry = {
      maxTarget: DRIVES - 1,
      maxLun: 0,
      initiatorId: -1,
      transferSpeed: TRANSFER_SPEED,
      maxTransferBytes: kernel.isLegacy ? LEGACY_TRANSFER_BYTES : MODERN_TRANSFER_BYTES,
    };
  }

  instanceOf(target: number): string {
    return ideInstance(this.unit, target);
  }

  transferDetails(target: number): string {
    const drive = this.#drives[target];
    if (drive === undefined) return '';
    const { dmaMode } = drive.identity;
    const mode = dmaMode < 0 ? 'PIO4' : `WDMA${dmaMode}`;
    if (drive.kind === 'packet') {
      return ` (${mode}, ATAPI ${PACKET_BYTES}bytes, PIO ${PACKET_PIO_BYTES}bytes)`;
    }
    return ` (${mode}, PIO ${drive.identity.multiple * 512}bytes)`;
  }

  /** Interrupt context. */
  interrupt(): void {
    const status = this.#registers.acknowledge();
    if (status < 0) return;
    this.#status = status;
    this.#kernel.wakeup(this);
  }

  /** Resets the channel, and attaches what answers. */
  *scan(bus: Bus): Task {
    const kinds = yield* this.#reset();
    for (let target = 0; target < DRIVES; target += 1) {
      const kind = kinds[target];
      if (kind === undefined || this.#drives[target] !== undefined) continue;
      const identity = yield* this.#identify(target, kind);
      if (identity === undefined) continue;
      this.#drives[target] = { kind, identity };
      if (kind === 'packet') yield* this.#attachPacket(bus, target);
      else this.#attachDisk(bus, target, identity);
    }
  }

  #attachDisk(bus: Bus, target: number, identity: AtaIdentity): void {
    if (this.#isDiskVetoed) {
      const path = pathText('aprobe0', this, target, 0);
      this.#kernel.bootverbose(
        `${path}Disable ATA disks on simulated ATA controller (0x71118086)\n`,
      );
      return;
    }
    const unit = bus.targets[target]!.obtain(0);
    unit.isConfigured = true;
    attachAtaDisk(this.#cam, unit, identity);
  }

  /** The SCSI half of the probe: an INQUIRY, by a packet. */
  *#attachPacket(bus: Bus, target: number): Task {
    const unit = bus.targets[target]!.obtain(0);
    const length = 36;
    const command = new CommandBlock('probe0', target, 0);
    const gpa = this.#kernel.allocatePages(1);
    command.inquiry(gpa, length);
    yield* this.execute(command);
    if (command.status === CamStatus.completed) {
      const { memory } = this.#kernel.hw;
      const at = memory.resolve(gpa, length);
      unit.inquiry.set(memory.u8.subarray(at, at + length));
      unit.isConfigured = true;
      this.#cam.found(unit);
    }
    this.#kernel.freePages(gpa, 1);
  }

  /** ata_generic_reset. @returns what each drive's signature says */
  *#reset(): Task<readonly (Drive['kind'] | undefined)[]> {
    const registers = this.#registers;
    const isThere: boolean[] = [];
    for (let drive = 0; drive < DRIVES; drive += 1) {
      registers.select(drive);
      const status = registers.alternateStatus;
      isThere.push((status & 0xf8) !== 0xf8 && status !== 0xa5);
    }
    if (!isThere.includes(true)) return [];
    registers.reset();
    yield* this.#kernel.tsleep({}, RESET_HOLD_NS);
    registers.enableInterrupts();
    yield* this.#kernel.tsleep({}, RESET_POLL_NS);
    for (let polls = 0; polls < RESET_POLLS && registers.isBusy; polls += 1) {
      yield* this.#kernel.tsleep({}, RESET_POLL_NS);
    }
    return isThere.map((answers, drive) => (answers ? this.#signature(drive) : undefined));
  }

  #signature(drive: number): Drive['kind'] | undefined {
    const registers = this.#registers;
    registers.select(drive);
    const error = registers.read(IdeRegister.error);
    const low = registers.read(IdeRegister.lbaMid);
    const high = registers.read(IdeRegister.lbaHigh);
    const status = registers.read(IdeRegister.status);
    if ((status & IdeStatus.busy) !== 0 || (error & 0x7f) !== IdeError.diagnosticPassed) {
      return undefined;
    }
    if (low === PACKET_SIGNATURE.mid && high === PACKET_SIGNATURE.high) return 'packet';
    // A drive that is not there reads as a status of zero.
    return low === 0 && high === 0 && status !== 0 ? 'ata' : undefined;
  }

  /** IDENTIFY, then the fastest mode of transfer. */
  *#identify(target: number, kind: Drive['kind']): Task<AtaIdentity | undefined> {
    yield* this.#lock.acquire();
    const command = kind === 'ata' ? AtaCommand.identifyDevice : AtaCommand.identifyPacketDevice;
    const status = yield* this.#run(target, { command });
    let identity: AtaIdentity | undefined;
    if ((status & (IdeStatus.error | IdeStatus.dataRequest)) === IdeStatus.dataRequest) {
      this.#registers.input(this.#pageGpa, IDENTIFY_BYTES);
      const { memory } = this.#kernel.hw;
      identity = readIdentity(memory.view, memory.resolve(this.#pageGpa, IDENTIFY_BYTES));
      yield* this.#setModes(target, kind, identity);
    }
    this.#lock.release();
    return identity;
  }

  *#setModes(target: number, kind: Drive['kind'], identity: AtaIdentity): Task {
    const mode = identity.dmaMode < 0 ? 0x0c : 0x20 | identity.dmaMode;
    yield* this.#run(target, {
      command: AtaCommand.setFeatures,
      features: AtaFeature.setTransferMode,
      count: mode,
    });
    if (kind === 'ata') {
      yield* this.#run(target, { command: AtaCommand.setMultiple, count: identity.multiple });
    }
  }

  /** A command until its interrupt. @returns the status; with the error bit when none came */
  *#run(target: number, request: AtaRequest): Task<number> {
    this.#status = -1;
    this.#registers.start(target, request);
    return yield* this.#wait();
  }

  *#wait(): Task<number> {
    while (this.#status < 0) {
      if (!(yield* this.#kernel.tsleep(this, COMMAND_TIMEOUT_NS)) && this.#status < 0) {
        this.#kernel.printf(`ata${this.unit}: timeout waiting for an interrupt\n`);
        return IdeStatus.error;
      }
    }
    return this.#status;
  }

  *execute(command: CommandBlock): Task {
    const drive = this.#drives[command.target];
    command.hasSense = false;
    command.residual = 0;
    command.scsiStatus = ScsiStatus.good;
    if (drive === undefined || command.lun !== 0) {
      command.status = CamStatus.deviceNotThere;
      return;
    }
    yield* this.#lock.acquire();
    if (drive.kind === 'packet') yield* this.#packet(drive, command);
    else yield* this.#medium(drive, command);
    this.#lock.release();
  }

  /** A disk's command, from the SCSI form that da(4) writes it in. */
  *#medium({ identity }: Drive, command: CommandBlock): Task {
    const request = mediumRequest(command, identity);
    if (request === undefined) {
      command.status = CamStatus.invalidRequest;
      return;
    }
    const { direction, dataGpa, dataLength } = command;
    const isDma = direction !== Direction.none;
    const isToMemory = direction === Direction.in;
    if (isDma) this.#registers.loadMaster(dataGpa, dataLength, isToMemory);
    this.#status = -1;
    this.#registers.start(command.target, request);
    if (isDma) this.#registers.startMaster(isToMemory);
    const status = yield* this.#wait();
    const isGood = !isDma || this.#registers.stopMaster();
    command.status =
      isGood && (status & IdeStatus.error) === 0
        ? CamStatus.completed
        : CamStatus.completedWithError;
  }

  *#packet(drive: Drive, command: CommandBlock): Task {
    const error = yield* this.#sendPacket(drive, command, command.cdb);
    if (error === 0) {
      command.status = CamStatus.completed;
      return;
    }
    command.status = CamStatus.completedWithError;
    if (error < 0) return;
    // The sense key came with the error; the rest has to be asked for.
    const sense = new CommandBlock(command.peripheral, command.target, 0);
    sense.direction = Direction.in;
    sense.dataGpa = this.#pageGpa + SENSE_AT;
    sense.dataLength = SENSE_BYTES;
    sense.cdb[0] = ScsiOperation.requestSense;
    sense.cdb[4] = SENSE_BYTES;
    if ((yield* this.#sendPacket({ ...drive, kind: 'packet' }, sense, sense.cdb)) !== 0) return;
    const { memory } = this.#kernel.hw;
    const at = memory.resolve(sense.dataGpa, SENSE_BYTES);
    command.sense.set(memory.u8.subarray(at, at + SENSE_BYTES));
    command.hasSense = true;
    command.scsiStatus = ScsiStatus.checkCondition;
    command.status = CamStatus.scsiStatusError;
  }

  /** @returns 0, the error register of a packet that failed, or -1 when the drive is stuck */
  *#sendPacket({ identity }: Drive, command: CommandBlock, packet: Uint8Array): Task<number> {
    const registers = this.#registers;
    const { memory } = this.#kernel.hw;
    const isToMemory = command.direction === Direction.in;
    const isDma = command.direction !== Direction.none && identity.dmaMode >= 0;
    if (isDma) registers.loadMaster(command.dataGpa, command.dataLength, isToMemory);
    this.#status = -1;
    registers.start(command.target, {
      command: AtaCommand.packet,
      features: isDma ? PACKET_DMA : 0,
      lba: PACKET_PIO_BYTES * 0x100,
    });
    for (let polls = 0; (registers.alternateStatus & IdeStatus.dataRequest) === 0; polls += 1) {
      if (polls > PACKET_POLLS) return -1;
    }
    const at = memory.resolve(this.#pageGpa + PACKET_AT, PACKET_BYTES);
    memory.u8.set(packet.subarray(0, PACKET_BYTES), at);
    registers.output(this.#pageGpa + PACKET_AT, PACKET_BYTES);
    if (isDma) registers.startMaster(isToMemory);
    let status = yield* this.#wait();
    if (!isDma) status = yield* this.#pioPhases(command, status);
    const isGood = !isDma || registers.stopMaster();
    if ((status & IdeStatus.error) !== 0) return registers.read(IdeRegister.error) || -1;
    return isGood ? 0 : -1;
  }

  /** The turns of the data port that a packet's drive asks for. @returns the status at their end */
  *#pioPhases(command: CommandBlock, first: number): Task<number> {
    const registers = this.#registers;
    let status = first;
    let moved = 0;
    while ((status & IdeStatus.dataRequest) !== 0) {
      const bytes = registers.read(IdeRegister.lbaMid) | (registers.read(IdeRegister.lbaHigh) << 8);
      const part = Math.min(bytes, command.dataLength - moved);
      if (part <= 0) break;
      this.#status = -1;
      if (command.direction === Direction.in) registers.input(command.dataGpa + moved, part);
      else registers.output(command.dataGpa + moved, part);
      moved += part;
      status = yield* this.#wait();
    }
    command.residual = command.dataLength - moved;
    return status;
  }
}

/** @returns undefined for what an ATA disk has no command for */
function mediumRequest(command: CommandBlock, identity: AtaIdentity): AtaRequest | undefined {
  const { cdb, operation } = command;
  const be = (at: number, bytes: number): number => {
    let value = 0;
    for (let index = 0; index < bytes; index += 1) value = value * 256 + cdb[at + index]!;
    return value;
  };
  let lba: number;
  let count: number;
  switch (operation) {
    case ScsiOperation.synchronizeCache10:
      return { command: identity.has48Bit ? AtaCommand.flushCacheExt : AtaCommand.flushCache };
    case ScsiOperation.read6:
    case ScsiOperation.write6:
      lba = be(1, 3) & 0x1f_ffff;
      count = be(4, 1) || 256;
      break;
    case ScsiOperation.read10:
    case ScsiOperation.write10:
      lba = be(2, 4);
      count = be(7, 2);
      break;
    case ScsiOperation.read16:
    case ScsiOperation.write16:
      lba = be(2, 8);
      count = be(10, 4);
      break;
    default:
      return undefined;
  }
  const isWrite = command.direction === Direction.out;
  const isExtended = identity.has48Bit && (lba + count > LBA28_LIMIT || count > 256);
  const short = isWrite ? AtaCommand.writeDma : AtaCommand.readDma;
  const long = isWrite ? AtaCommand.writeDmaExt : AtaCommand.readDmaExt;
  return { command: isExtended ? long : short, lba, count, isExtended, isLba: true };
}
