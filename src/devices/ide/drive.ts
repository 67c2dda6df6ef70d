import type { StateStream } from '../../core/state.ts';
import type { EventHandle, EventQueue } from '../../core/events.ts';
import type { BusMaster } from './bus-master.ts';
import {
  AtaCommand,
  DEVICE_OBSOLETE_BITS,
  IdeError,
  IdeRegister,
  IdeStatus,
  PACKET_SIGNATURE,
} from './spec.ts';

/** What a drive asks of its channel. */
export interface DriveHost {
  readonly events: EventQueue;
  /** Its interrupt, or what it waits for, has changed. */
  driveChanged(): void;
}

/** Which way the bytes of the drive's buffer go. */
export const Transfer = { none: 0, toHost: 1, toDrive: 2 } as const;

/** Time of the drive itself, in virtual nanoseconds: a command, one without medium, the next block. */
export const COMMAND_NS = 60_000;
export const SHORT_COMMAND_NS = 2_000;
export const BLOCK_NS = 4_000;
export const DMA_BYTE_NS = 1;
/** From the end of a reset until the drive is ready. */
const RESET_NS = 1_000_000;

/** What comes when the drive's own time has passed. */
export const Stage = { none: 0, reset: 1, work: 2, finish: 3 } as const;

/**
 * What ATA and ATAPI drives have in common: the task file with the second byte of its registers, the
 * buffer behind the data port, the interrupt, resets, and one piece of work at a time.
 */
export abstract class IdeDrive {
  readonly host: DriveHost;
  readonly isPacket: boolean;
  /** Registers 1 to 6 as last written, and as written before that (48-bit commands). */
  protected readonly file = new Uint8Array(8);
  protected readonly before = new Uint8Array(8);
  #status = 0;
  #error: number = IdeError.diagnosticPassed;
  #hasInterrupt = false;
  /** The buffer is the drive's, made when it is first needed. */
  #buffer: Uint8Array | undefined;
  readonly #bufferBytes: number;
  #position = 0;
  #end = 0;
  /** One of `Transfer`: who moves the buffer by the data port. */
  #port: number = Transfer.none;
  /** One of `Transfer`: what the drive asks of the bus master. */
  #dma: number = Transfer.none;
  /** One of `Stage`. */
  #stage: number = Stage.none;
  #event: EventHandle = 0;
  readonly #due = (): void => this.#passed();

  constructor(host: DriveHost, isPacket: boolean, bufferBytes: number) {
    this.host = host;
    this.isPacket = isPacket;
    this.#bufferBytes = bufferBytes;
    this.#sign();
    this.#status = this.#idleStatus;
  }

  protected get buffer(): Uint8Array {
    this.#buffer ??= new Uint8Array(this.#bufferBytes);
    return this.#buffer;
  }

  exchange(state: StateStream): void {
    state.array('file', this.file);
    state.array('before', this.before);
    this.#status = state.number('status', this.#status);
    this.#error = state.number('error', this.#error);
    this.#hasInterrupt = state.flag('hasInterrupt', this.#hasInterrupt);
    if (state.flag('hasBuffer', this.#buffer !== undefined)) state.array('buffer', this.buffer);
    this.#position = state.number('position', this.#position);
    this.#end = state.number('end', this.#end);
    this.#port = state.number('port', this.#port);
    this.#dma = state.number('dma', this.#dma);
    this.#stage = state.number('stage', this.#stage);
    this.#event = state.event('event', this.#event, this.#due) ?? 0;
  }

  get status(): number {
    return this.#status;
  }

  get hasInterrupt(): boolean {
    return this.#hasInterrupt;
  }

  /** The guest has read the status, or begun a command: INTRQ goes down. */
  dropInterrupt(): void {
    this.#hasInterrupt = false;
  }

  /** The features register as last written. */
  get features(): number {
    return this.file[IdeRegister.error]!;
  }

  get isDmaWanted(): boolean {
    return this.#dma !== Transfer.none;
  }

  /** A packet device is not ready before its first command. */
  get #idleStatus(): number {
    return this.isPacket ? 0 : IdeStatus.ready | IdeStatus.seekComplete;
  }

  get #isBusy(): boolean {
    return (this.#status & IdeStatus.busy) !== 0;
  }

  /** The signature of ATA/ATAPI-7, 5.15. The device register names device 0. */
  #sign(): void {
    this.file.fill(0);
    this.before.fill(0);
    this.file[IdeRegister.count] = 1;
    this.file[IdeRegister.lbaLow] = 1;
    if (!this.isPacket) return;
    this.file[IdeRegister.lbaMid] = PACKET_SIGNATURE.mid;
    this.file[IdeRegister.lbaHigh] = PACKET_SIGNATURE.high;
  }

  /** Signature of a packet device that was asked to be a disk. */
  protected signPacket(): void {
    const device = this.file[IdeRegister.device]!;
    this.#sign();
    this.file[IdeRegister.device] = device;
  }

  /** @param register 1 to 6; `isHigh`: the byte written before the last one */
  readRegister(register: number, isHigh: boolean): number {
    if (register === IdeRegister.error) return this.#error;
    if (register === IdeRegister.device) return this.file[register]! | DEVICE_OBSOLETE_BITS;
    return (isHigh ? this.before : this.file)[register]!;
  }

  /** Both drives of a channel hear every write. */
  writeRegister(register: number, value: number): void {
    if ((this.#status & (IdeStatus.busy | IdeStatus.dataRequest)) !== 0) {
      // While a command runs, only the device may be chosen.
      if (register !== IdeRegister.device) return;
    }
    this.before[register] = this.file[register]!;
    this.file[register] = value;
  }

  command(code: number): void {
    const isDeviceReset = this.isPacket && code === AtaCommand.deviceReset;
    if (this.#isBusy && !isDeviceReset) return;
    this.#cancel();
    if (isDeviceReset) {
      this.signPacket();
      this.#error = IdeError.diagnosticPassed;
      this.#status = 0;
      return;
    }
    this.#error = 0;
    if (code === AtaCommand.executeDiagnostic) {
      this.#sign();
      this.#error = IdeError.diagnosticPassed;
      this.succeed(this.#idleStatus);
      return;
    }
    this.start(code);
  }

  /** SRST went up: everything stops. */
  resetBegins(): void {
    this.#cancel();
    this.#hasInterrupt = false;
    this.#status = IdeStatus.busy;
  }

  /** SRST went down. */
  resetEnds(): void {
    this.#sign();
    this.forget();
    this.#error = IdeError.diagnosticPassed;
    this.#schedule(Stage.reset, RESET_NS);
  }

  #cancel(): void {
    if (this.#stage !== Stage.none) this.host.events.cancel(this.#event);
    this.#stage = Stage.none;
    this.#port = Transfer.none;
    this.#dma = Transfer.none;
  }

  #schedule(stage: number, delayNs: number): void {
    this.#stage = stage;
    this.#event = this.host.events.after(delayNs, this.#due);
  }

  #passed(): void {
    const stage = this.#stage;
    this.#stage = Stage.none;
    if (stage === Stage.reset) this.#status = this.#idleStatus;
    else if (stage === Stage.work) this.work();
    else this.finished();
    this.host.driveChanged();
  }

  /** The drive works for a while, and then goes on with `work`. */
  protected workAfter(delayNs: number): void {
    this.#status = IdeStatus.busy;
    this.#schedule(Stage.work, delayNs);
  }

  /** The drive works for a while, and then ends the command with `finished`. */
  protected finishAfter(delayNs: number): void {
    this.#status = IdeStatus.busy;
    this.#schedule(Stage.finish, delayNs);
  }

  /** Ends the command well. */
  protected succeed(status: number = IdeStatus.ready | IdeStatus.seekComplete): void {
    this.#status = status;
    this.#interrupt();
  }

  /** Ends the command with the error bit. @param error `IdeError` bits, or ATAPI's sense key */
  protected fail(error: number): void {
    this.#port = Transfer.none;
    this.#dma = Transfer.none;
    this.#error = error;
    this.#status = IdeStatus.ready | IdeStatus.seekComplete | IdeStatus.error;
    this.#interrupt();
  }

  #interrupt(): void {
    this.#hasInterrupt = true;
    this.host.driveChanged();
  }

  /** Gives the buffer's first bytes to the data port, or takes them from it. */
  protected offerPort(direction: number, bytes: number, isSilent = false): void {
    this.#port = direction;
    this.#position = 0;
    this.#end = bytes;
    this.#status = IdeStatus.ready | IdeStatus.seekComplete | IdeStatus.dataRequest;
    if (!isSilent) this.#interrupt();
  }

  /** Asks the bus master to move the command's data. */
  protected offerDma(direction: number): void {
    this.#dma = direction;
    this.#status = IdeStatus.busy | IdeStatus.dataRequest;
  }

  /** The bus master runs, and this drive waits for it. */
  runDma(master: BusMaster): void {
    const isToHost = this.#dma === Transfer.toHost;
    this.#dma = Transfer.none;
    if (master.isToMemory === isToHost) {
      this.transferDma(master);
      return;
    }
    master.fail();
    this.fail(IdeError.aborted);
  }

  /** @param size 1, 2 or 4 bytes */
  readData(size: number): number {
    if (this.#port !== Transfer.toHost)
      return size === 4 ? 0xffff_ff7f : 0xff7f & (2 ** (size * 8) - 1);
    const { buffer } = this;
    let value = 0;
    for (let index = 0; index < size && this.#position < this.#end; index += 1) {
      value |= buffer[this.#position]! << (8 * index);
      this.#position += 1;
    }
    this.#movedOn();
    return value >>> 0;
  }

  writeData(size: number, value: number): void {
    if (this.#port !== Transfer.toDrive) return;
    const { buffer } = this;
    for (let index = 0; index < size && this.#position < this.#end; index += 1) {
      buffer[this.#position] = value >>> (8 * index);
      this.#position += 1;
    }
    this.#movedOn();
  }

  #movedOn(): void {
    if (this.#position < this.#end) return;
    this.#port = Transfer.none;
    this.#status = IdeStatus.ready | IdeStatus.seekComplete;
    this.portDone();
  }

  /** Begins a command; every one ends by `succeed` or `fail`. */
  protected abstract start(code: number): void;
  /** What `workAfter` asked for. */
  protected abstract work(): void;
  /** What `finishAfter` asked for. */
  protected abstract finished(): void;
  /** The data port has moved what `offerPort` offered. */
  protected abstract portDone(): void;
  protected abstract transferDma(master: BusMaster): void;
  /** A reset: settings and commands under way are gone. */
  protected abstract forget(): void;
}
