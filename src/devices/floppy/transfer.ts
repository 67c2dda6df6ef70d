import type { StateStream } from '../../core/state.ts';
import type { DmaControllers } from '../dma/dma.ts';
import type { FloppyDrive } from './drive.ts';
import {
  CommandFlag,
  FLOPPY_DMA_CHANNEL,
  FLOPPY_SECTOR_BYTES,
  FLOPPY_SIZE_CODE,
  type FloppyCommandName,
  FormatParameter,
  Parameter,
  Status0,
  Status1,
  Status2,
  VERIFY_COUNTS,
} from './spec.ts';

/** What a transfer does with each unit of data. */
const Kind = { read: 0, write: 1, scan: 2, format: 3, verify: 4, identify: 5 } as const;

/** Commands with an execution phase on the medium. */
const KINDS = {
  readTrack: Kind.read,
  readData: Kind.read,
  readDeleted: Kind.read,
  writeData: Kind.write,
  writeDeleted: Kind.write,
  scanEqual: Kind.scan,
  scanLow: Kind.scan,
  scanHigh: Kind.scan,
  formatTrack: Kind.format,
  verify: Kind.verify,
  readId: Kind.identify,
} as const satisfies Partial<Record<FloppyCommandName, number>>;

export type TransferName = keyof typeof KINDS;

export function isTransfer(name: FloppyCommandName): name is TransferName {
  return name in KINDS;
}

const STATUS_BYTES = 7;
const COMMAND_BYTES = 9;
/** FORMAT TRACK takes an address of four bytes for each sector. */
const ADDRESS_BYTES = 4;
/** A byte of the host that equals any other in a scan. */
const SCAN_ANY = 0xff;

export interface TransferConditions {
  /** `RateCode` that is set. */
  readonly rate: number;
  /** The host moves every byte itself. */
  readonly isByPort: boolean;
  /** The request reaches the DMA controller. */
  readonly isDmaOpen: boolean;
}

/** One command on the medium, sector by sector. */
export class FloppyTransfer {
  readonly #drive: FloppyDrive;
  readonly #dma: DmaControllers;
  readonly #command = new Uint8Array(COMMAND_BYTES);
  readonly #buffer = new Uint8Array(FLOPPY_SECTOR_BYTES);
  readonly #sector = new Uint8Array(FLOPPY_SECTOR_BYTES);
  /** Status registers 0 to 2, cylinder, head, sector, size code: the result of one that is over. */
  readonly status = new Uint8Array(STATUS_BYTES);
  #name: TransferName = 'readData';
  #rate = 0;
  #isByPort = false;
  #isDmaOpen = true;
  /** The address that comes next. */
  #cylinder = 0;
  #head = 0;
  #number = 0;
  /** Sectors still to come, where the command counts them. */
  #left = 0;
  /** Bytes of the buffer that the host has taken or given. */
  #position = 0;
  /** By port: the buffer is the host's, to take from or to fill. */
  isWaiting = false;
  #isMoved = false;
  /** Sectors that have passed below the head, for READ ID. */
  #rotation = 0;

  constructor(drive: FloppyDrive, dma: DmaControllers) {
    this.#drive = drive;
    this.#dma = dma;
  }

  exchange(state: StateStream): void {
    state.array('command', this.#command);
    state.array('buffer', this.#buffer);
    state.array('sector', this.#sector);
    state.array('status', this.status);
    this.#name = state.text('name', this.#name);
    this.#rate = state.number('rate', this.#rate);
    this.#isByPort = state.flag('isByPort', this.#isByPort);
    this.#isDmaOpen = state.flag('isDmaOpen', this.#isDmaOpen);
    this.#cylinder = state.number('cylinder', this.#cylinder);
    this.#head = state.number('head', this.#head);
    this.#number = state.number('number', this.#number);
    this.#left = state.number('left', this.#left);
    this.#position = state.number('position', this.#position);
    this.isWaiting = state.flag('isWaiting', this.isWaiting);
    this.#isMoved = state.flag('isMoved', this.#isMoved);
    this.#rotation = state.number('rotation', this.#rotation);
  }

  get #kind(): number {
    return KINDS[this.#name];
  }

  /** Which way its data goes. */
  get isToHost(): boolean {
    return this.#kind === Kind.read;
  }

  /** Bytes of one turn. */
  get #unitBytes(): number {
    if (this.#kind === Kind.format) return ADDRESS_BYTES;
    return this.#kind >= Kind.verify ? 0 : FLOPPY_SECTOR_BYTES;
  }

  get #selectedHead(): number {
    return (this.#command[Parameter.driveAndHead]! & Status0.head) === 0 ? 0 : 1;
  }

  start(name: TransferName, command: Uint8Array, conditions: TransferConditions): void {
    this.#name = name;
    this.#command.set(command);
    this.#rate = conditions.rate;
    this.#isByPort = conditions.isByPort;
    this.#isDmaOpen = conditions.isDmaOpen;
    this.stop();
    this.status.fill(0);
    const isSector = this.#kind !== Kind.format && this.#kind !== Kind.identify;
    this.#cylinder = isSector ? command[Parameter.cylinder]! : this.#drive.cylinder;
    this.#head = isSector ? command[Parameter.head]! : this.#selectedHead;
    this.#number = isSector ? command[Parameter.sector]! : 1;
    if (name === 'readTrack') this.#number = 1;
    this.#left = Infinity;
    if (name === 'formatTrack') this.#left = command[FormatParameter.sectors]!;
    else if (name === 'verify' && (command[Parameter.driveAndHead]! & VERIFY_COUNTS) !== 0) {
      this.#left = command[Parameter.dataLength]! || 0x100;
    }
  }

  stop(): void {
    this.isWaiting = false;
    this.#isMoved = false;
    this.#position = 0;
  }

  /** By port: the next byte for the host, or -1. */
  takeByte(): number {
    if (!this.isWaiting) return -1;
    const byte = this.#buffer[this.#position]!;
    this.#moved();
    return byte;
  }

  /** By port: a byte from the host. @returns whether it was wanted */
  putByte(value: number): boolean {
    if (!this.isWaiting) return false;
    this.#buffer[this.#position] = value;
    this.#moved();
    return true;
  }

  #moved(): void {
    this.#position += 1;
    if (this.#position === this.#unitBytes) this.isWaiting = false;
  }

  /** Does the next sector. @returns false when the command is over and `status` says how */
  advance(): boolean {
    if (!this.#isMoved) {
      if (this.#left === 0) return this.#finish(0);
      if (!this.#prepare()) return false;
      if (this.#isByPort && this.#unitBytes > 0) {
        this.#isMoved = true;
        this.#position = 0;
        this.isWaiting = true;
        return true;
      }
      if (this.#unitBytes > 0 && this.#moveByDma() === 0) return this.#finish(Status1.overrun);
    }
    const isLast = !this.#isMoved && this.#unitBytes > 0 && this.#dma.isAtTerminalCount;
    this.#isMoved = false;
    return this.#commit() && this.#next(isLast);
  }

  /** @returns bytes moved; what is missing of a sector that is written is zeros */
  #moveByDma(): number {
    if (!this.#isDmaOpen) return 0;
    const bytes = this.#unitBytes;
    if (this.isToHost) return this.#dma.toMemory(FLOPPY_DMA_CHANNEL, this.#buffer, 0, bytes);
    const moved = this.#dma.fromMemory(FLOPPY_DMA_CHANNEL, this.#buffer, 0, bytes);
    this.#buffer.fill(0, moved, bytes);
    return moved;
  }

  /** Finds the sector, and reads it where that is what is wanted. */
  #prepare(): boolean {
    const drive = this.#drive;
    const command = this.#command;
    const { format } = drive;
    const isDense = (command[0]! & CommandFlag.doubleDensity) !== 0;
    const isReadable = format !== undefined && isDense && this.#rate === format.rate;
    const unit = command[Parameter.driveAndHead]! & Status0.driveMask;
    if (unit !== 0 || !isReadable || drive.cylinder >= format.cylinders) {
      return this.#finish(Status1.missingAddress);
    }
    const kind = this.#kind;
    const isChanging = kind === Kind.write || kind === Kind.format;
    if (isChanging && drive.isWriteProtected) return this.#finish(Status1.notWritable);
    if (kind === Kind.identify) {
      this.#rotation = (this.#rotation + 1) % format.sectors;
      this.#number = this.#rotation + 1;
      return true;
    }
    if (kind === Kind.format) return true;
    if (this.#cylinder !== drive.cylinder) {
      const bad = this.#cylinder === 0xff ? Status2.badCylinder : 0;
      return this.#finish(Status1.noData, Status2.wrongCylinder | bad);
    }
    const isOther =
      this.#head !== this.#selectedHead || command[Parameter.sizeCode] !== FLOPPY_SIZE_CODE;
    // No sector here has a deleted mark, so that skipping those without one skips all.
    const isSkipped = this.#name === 'readDeleted' && (command[0]! & CommandFlag.skipDeleted) !== 0;
    if (isOther || isSkipped || !drive.hasSector(this.#head, this.#number)) {
      return this.#finish(Status1.noData);
    }
    if (kind === Kind.write) return true;
    const target = kind === Kind.read ? this.#buffer : this.#sector;
    if (drive.read(this.#head, this.#number, target)) return true;
    return this.#finish(Status1.dataError, Status2.dataError);
  }

  #commit(): boolean {
    switch (this.#kind) {
      case Kind.write:
        return this.#write(this.#number) || this.#finish(Status1.dataError, Status2.dataError);
      case Kind.format: {
        const [cylinder, head, number, size] = this.#buffer;
        const { cylinder: at, format } = this.#drive;
        const isUsual = cylinder === at && head === this.#selectedHead && size === FLOPPY_SIZE_CODE;
        // Another layout than the image's would have nowhere to be.
        if (!isUsual || number! < 1 || number! > (format?.sectors ?? 0)) return true;
        this.#buffer.fill(this.#command[FormatParameter.filler]!);
        return this.#write(number!) || this.#finish(Status1.dataError, Status2.dataError);
      }
      case Kind.scan:
        return !this.#isFound() || this.#finish(0, this.status[2]);
      case Kind.identify:
        return this.#finish(0);
      default:
        // A sector with an ordinary mark ends a command that looks for the other one.
        return this.#name !== 'readDeleted' || this.#finish(0, Status2.controlMark);
    }
  }

  #write(number: number): boolean {
    return this.#drive.write(this.#selectedHead, number, this.#buffer);
  }

  /** Compares the sector with what the host gave. */
  #isFound(): boolean {
    let isEqual = true;
    let isFound = true;
    for (let index = 0; index < FLOPPY_SECTOR_BYTES; index += 1) {
      const host = this.#buffer[index]!;
      const disk = this.#sector[index]!;
      if (host === SCAN_ANY || disk === SCAN_ANY || host === disk) continue;
      isEqual = false;
      if (this.#name === 'scanLow') isFound &&= disk < host;
      else if (this.#name === 'scanHigh') isFound &&= disk > host;
      else isFound = false;
    }
    this.status[2] = isEqual ? Status2.scanEqual : isFound ? 0 : Status2.scanNotSatisfied;
    return isFound;
  }

  /** The address after the sector that is done. @param isLast the terminal count has come */
  #next(isLast: boolean): boolean {
    if (this.#left !== Infinity) this.#left -= 1;
    if (this.#kind === Kind.format) {
      return (!isLast && this.#left > 0) || this.#finish(0);
    }
    const isMulti = (this.#command[0]! & CommandFlag.multiTrack) !== 0;
    const step = this.#kind === Kind.scan ? this.#command[Parameter.dataLength]! || 1 : 1;
    let isAtEnd = false;
    if (this.#number < this.#command[Parameter.lastSector]!) this.#number += step;
    else {
      this.#number = 1;
      isAtEnd = !isMulti || this.#head !== 0;
      if (isAtEnd) this.#cylinder = (this.#cylinder + 1) & 0xff;
      if (isMulti) this.#head ^= 1;
    }
    if (isLast || this.#left === 0) return this.#finish(0, this.status[2]);
    if (!isAtEnd) {
      // Status tells of the head that was last used, and so the other one is selected only now.
      if (isMulti && this.#head !== this.#selectedHead) {
        this.#command[Parameter.driveAndHead]! ^= Status0.head;
      }
      return true;
    }
    // Nobody said stop before the end, which VERIFY and a scan take for one.
    const isQuiet = this.#kind === Kind.verify || this.#kind === Kind.scan;
    return this.#finish(isQuiet ? 0 : Status1.endOfCylinder, this.status[2]);
  }

  /** @returns false */
  #finish(status1: number, status2 = 0): false {
    const unit = this.#command[Parameter.driveAndHead]! & (Status0.driveMask | Status0.head);
    this.status[0] = unit | (status1 === 0 ? 0 : Status0.abnormal);
    this.status[1] = status1;
    this.status[2] = status2;
    this.status[3] = this.#cylinder;
    this.status[4] = this.#head;
    this.status[5] = this.#number;
    this.status[6] = FLOPPY_SIZE_CODE;
    this.stop();
    return false;
  }
}
