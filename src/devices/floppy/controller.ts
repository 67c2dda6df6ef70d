import type { InterruptLine, PortBus } from '../../core/bus.ts';
import type { EventHandle, EventQueue } from '../../core/events.ts';
import type { StateStream } from '../../core/state.ts';
import { traceType, type Trace } from '../../core/trace.ts';
import { u8 } from '../../core/wire.ts';
import type { BlockDevice } from '../../storage/block.ts';
import { BytePortDevice } from '../byte-ports.ts';
import type { DmaControllers } from '../dma/dma.ts';
import { FloppyDrive } from './drive.ts';
import {
  Configure,
  DataRate,
  DigitalInput,
  DigitalOutput,
  FLOPPY_CONTROL_PORT,
  FLOPPY_PORT,
  FLOPPY_PORT_COUNT,
  FLOPPY_VERSION,
  FloppyCommand,
  type FloppyCommandName,
  FloppyRegister,
  INVALID_COMMAND,
  LOCK_FLAG,
  MainStatus,
  Parameter,
  SEEK_INWARDS,
  SPECIFY_NON_DMA,
  Status0,
  Status3,
} from './spec.ts';
import { FloppyTransfer, isTransfer, type TransferName } from './transfer.ts';

/** `unit` is drive and head as in the command; the rest is 0 where the command has none. */
const commandEvent = traceType('floppy', 'command', {
  command: u8,
  unit: u8,
  cylinder: u8,
  sector: u8,
});
const resultEvent = traceType('floppy', 'result', { status0: u8, status1: u8, status2: u8 });
const mediumEvent = traceType('floppy', 'medium', {});

const DRIVES = 4;
const COMMAND_BYTES = 9;
const RESULT_BYTES = 10;
/** The controller's own time: Hyper-V's drive has no mechanics that a guest would wait for. */
const RESET_NS = 20_000;
const SEEK_NS = 100_000;
const COMMAND_NS = 50_000;
const SECTOR_NS = 20_000;

const Phase = { idle: 0, command: 1, execution: 2, result: 3 } as const;
/** What the controller's event brings. */
const Due = { nothing: 0, reset: 1, seek: 2, sector: 3 } as const;

const NAMES = Object.keys(FloppyCommand) as FloppyCommandName[];
/** The command of each first byte; undefined for what is none. */
const COMMANDS: readonly (FloppyCommandName | undefined)[] = Array.from(
  { length: 256 },
  (_, byte) => NAMES.find((name) => (byte & FloppyCommand[name].mask) === FloppyCommand[name].code),
);

export interface FloppyOptions {
  /** IRQ 6. */
  readonly line: InterruptLine;
  readonly events: EventQueue;
  readonly trace: Trace;
  /** Of whose channel 2 it is. */
  readonly dma: DmaControllers;
}

/**
 * The floppy disk controller of a Generation-1 machine with its one drive, A:. A command is taken byte
 * by byte, executes sector by sector in virtual time, and gives its result byte by byte.
 */
export class FloppyController extends BytePortDevice {
  readonly drive = new FloppyDrive();
  readonly #line: InterruptLine;
  readonly #events: EventQueue;
  readonly #trace: Trace;
  readonly #transfer: FloppyTransfer;
  #digitalOutput: number = DigitalOutput.notReset | DigitalOutput.dmaGate;
  #tapeDrive = 0;
  #rate = 0;
  #phase: number = Phase.idle;
  readonly #command = new Uint8Array(COMMAND_BYTES);
  #taken = 0;
  readonly #result = new Uint8Array(RESULT_BYTES);
  #resultCount = 0;
  #given = 0;
  #hasInterrupt = false;
  /** What SENSE INTERRUPT STATUS has to tell of each drive; 0 for nothing. */
  readonly #sense = new Uint8Array(DRIVES);
  /** Where the controller takes each head to be. */
  readonly #cylinders = new Uint8Array(DRIVES);
  readonly #specified = new Uint8Array(2);
  readonly #configured = new Uint8Array(3);
  #perpendicular = 0;
  #isLocked = false;
  #lastSector = 0;
  #due: number = Due.nothing;
  #event: EventHandle = 0;

  constructor(options: FloppyOptions) {
    super();
    this.#line = options.line;
    this.#events = options.events;
    this.#trace = options.trace;
    this.#transfer = new FloppyTransfer(this.drive, options.dma);
    this.#configured[1] = Configure.noFifo;
  }

  attach(ports: PortBus): void {
    ports.attach(FLOPPY_PORT, FLOPPY_PORT_COUNT, this);
    ports.attach(FLOPPY_CONTROL_PORT, 1, this);
  }

  /** Puts a diskette in, of a size that `formatOf` knows, or takes out what is in the drive. */
  change(block: BlockDevice | undefined): void {
    this.drive.change(block);
    this.#trace.emitText(mediumEvent, block?.name ?? '');
  }

  exchange(state: StateStream): void {
    state.part('drive', () => this.drive.exchange(state));
    state.part('transfer', () => this.#transfer.exchange(state));
    this.#digitalOutput = state.number('digitalOutput', this.#digitalOutput);
    this.#tapeDrive = state.number('tapeDrive', this.#tapeDrive);
    this.#rate = state.number('rate', this.#rate);
    this.#phase = state.number('phase', this.#phase);
    state.array('command', this.#command);
    this.#taken = state.number('taken', this.#taken);
    state.array('result', this.#result);
    this.#resultCount = state.number('resultCount', this.#resultCount);
    this.#given = state.number('given', this.#given);
    this.#hasInterrupt = state.flag('hasInterrupt', this.#hasInterrupt);
    state.array('sense', this.#sense);
    state.array('cylinders', this.#cylinders);
    state.array('specified', this.#specified);
    state.array('configured', this.#configured);
    this.#perpendicular = state.number('perpendicular', this.#perpendicular);
    this.#isLocked = state.flag('isLocked', this.#isLocked);
    this.#lastSector = state.number('lastSector', this.#lastSector);
    this.#due = state.number('due', this.#due);
    this.#event = state.event('event', this.#event, this.#passed) ?? 0;
  }

  protected override readByte(port: number): number {
    switch (port - FLOPPY_PORT) {
      case FloppyRegister.digitalOutput:
        return this.#digitalOutput;
      case FloppyRegister.tapeDrive:
        return this.#tapeDrive;
      case FloppyRegister.mainStatus:
        return this.#mainStatus;
      case FloppyRegister.fifo:
        return this.#readFifo();
      case FloppyRegister.control:
        return DigitalInput.floating | (this.#isChangeSeen ? DigitalInput.diskChanged : 0);
      default:
        // The status registers are of the PS/2 only.
        return 0xff;
    }
  }

  protected override writeByte(port: number, value: number): void {
    switch (port - FLOPPY_PORT) {
      case FloppyRegister.digitalOutput:
        this.#writeDigitalOutput(value);
        break;
      case FloppyRegister.tapeDrive:
        this.#tapeDrive = value & DigitalOutput.driveMask;
        break;
      case FloppyRegister.mainStatus:
        this.#rate = value & DataRate.mask;
        // This reset ends by itself.
        if ((value & DataRate.softReset) !== 0 && !this.#isReset) {
          this.#reset();
          this.#resetEnds();
        }
        break;
      case FloppyRegister.fifo:
        this.#writeFifo(value);
        break;
      case FloppyRegister.control:
        this.#rate = value & DataRate.mask;
        break;
      default:
    }
  }

  get #isReset(): boolean {
    return (this.#digitalOutput & DigitalOutput.notReset) === 0;
  }

  get #isNonDma(): boolean {
    return (this.#specified[1]! & SPECIFY_NON_DMA) !== 0;
  }

  /** Only a drive that is selected and whose motor runs shows its change line. */
  get #isChangeSeen(): boolean {
    const wanted = DigitalOutput.motor0 | DigitalOutput.driveMask;
    return (this.#digitalOutput & wanted) === DigitalOutput.motor0 && this.drive.isChangeLineUp;
  }

  get #mainStatus(): number {
    if (this.#isReset) return 0;
    const { request, toHost, commandBusy, nonDma } = MainStatus;
    switch (this.#phase) {
      case Phase.command:
        return request | commandBusy;
      case Phase.result:
        return request | toHost | commandBusy;
      case Phase.execution: {
        if (!this.#isNonDma) return commandBusy;
        if (!this.#transfer.isWaiting) return commandBusy | nonDma;
        return commandBusy | nonDma | request | (this.#transfer.isToHost ? toHost : 0);
      }
      default:
        return request | (this.#due === Due.seek ? this.#seekingDrive : 0);
    }
  }

  /** Bit of the drive whose head is on its way. */
  get #seekingDrive(): number {
    return (
      (1 << (this.#command[Parameter.driveAndHead]! & Status0.driveMask)) & MainStatus.driveBusyMask
    );
  }

  #writeDigitalOutput(value: number): void {
    const wasReset = this.#isReset;
    this.#digitalOutput = value;
    if (this.#isReset && !wasReset) this.#reset();
    else if (!this.#isReset && wasReset) this.#resetEnds();
    this.#drive();
  }

  /** Everything stops; what CONFIGURE set stays if it is locked. */
  #reset(): void {
    this.#events.cancel(this.#event);
    this.#due = Due.nothing;
    this.#phase = Phase.idle;
    this.#taken = 0;
    this.#hasInterrupt = false;
    this.#sense.fill(0);
    this.#transfer.stop();
    this.#perpendicular &= 0x3c;
    if (!this.#isLocked) this.#configured.set([0, Configure.noFifo, 0]);
    this.#drive();
  }

  #resetEnds(): void {
    this.#schedule(Due.reset, RESET_NS);
  }

  /** Only one thing is under way: what a command begins takes the place of a seek that is not over. */
  #schedule(due: number, delayNs: number): void {
    this.#events.cancel(this.#event);
    this.#due = due;
    this.#event = this.#events.after(delayNs, this.#passed);
  }

  readonly #passed = (): void => {
    const due = this.#due;
    this.#due = Due.nothing;
    if (due === Due.reset) this.#pollDrives();
    else if (due === Due.seek) this.#interrupt();
    else if (due === Due.sector) this.#nextSector();
  };

  /** After a reset the ready lines of all four drives count as changed. */
  #pollDrives(): void {
    if ((this.#configured[1]! & Configure.noPolling) !== 0) return;
    for (let drive = 0; drive < DRIVES; drive += 1) this.#sense[drive] = Status0.polled | drive;
    this.#interrupt();
  }

  #interrupt(): void {
    this.#hasInterrupt = true;
    this.#drive();
  }

  /** Drives the interrupt line as state and gate say. */
  #drive(): void {
    const isData = this.#phase === Phase.execution && this.#isNonDma && this.#transfer.isWaiting;
    const isOpen = (this.#digitalOutput & DigitalOutput.dmaGate) !== 0;
    this.#line.set(isOpen && (this.#hasInterrupt || isData));
  }

  #readFifo(): number {
    if (this.#isReset) return INVALID_COMMAND;
    if (this.#phase === Phase.execution && this.#isNonDma && this.#transfer.isToHost) {
      const byte = this.#transfer.takeByte();
      if (byte < 0) return INVALID_COMMAND;
      this.#portMoved();
      return byte;
    }
    if (this.#phase !== Phase.result) return INVALID_COMMAND;
    const byte = this.#result[this.#given]!;
    this.#given += 1;
    // The interrupt of a transfer ends with the first byte of its result.
    this.#hasInterrupt = false;
    if (this.#given === this.#resultCount) this.#phase = Phase.idle;
    this.#drive();
    return byte;
  }

  #writeFifo(value: number): void {
    if (this.#isReset) return;
    if (this.#phase === Phase.execution && this.#isNonDma && !this.#transfer.isToHost) {
      if (this.#transfer.putByte(value)) this.#portMoved();
      return;
    }
    if (this.#phase === Phase.idle) {
      this.#command[0] = value;
      this.#taken = 1;
      // A driver that did not ask why there was an interrupt begins anew.
      if (COMMANDS[value] !== 'senseInterrupt') {
        this.#hasInterrupt = false;
        this.#drive();
      }
    } else if (this.#phase === Phase.command) {
      this.#command[this.#taken] = value;
      this.#taken += 1;
    } else return;
    const name = COMMANDS[this.#command[0]!];
    if (name === undefined) {
      this.#answer(INVALID_COMMAND);
      return;
    }
    if (this.#taken <= FloppyCommand[name].parameters) this.#phase = Phase.command;
    else this.#execute(name);
  }

  /** The host has taken or given a byte of a sector by the FIFO. */
  #portMoved(): void {
    if (!this.#transfer.isWaiting) this.#schedule(Due.sector, SECTOR_NS);
    this.#drive();
  }

  #execute(name: FloppyCommandName): void {
    const command = this.#command;
    const { parameters } = FloppyCommand[name];
    const hasSector = parameters === 8;
    this.#trace.emit(
      commandEvent,
      command[0],
      parameters > 0 ? command[Parameter.driveAndHead] : 0,
      hasSector ? command[Parameter.cylinder] : 0,
      hasSector ? command[Parameter.sector] : 0,
    );
    this.#phase = Phase.idle;
    if (isTransfer(name)) {
      this.#startTransfer(name);
      return;
    }
    switch (name) {
      case 'specify':
        this.#specified.set(command.subarray(1, 3));
        return;
      case 'configure':
        this.#configured.set(command.subarray(1, 4));
        return;
      case 'perpendicular':
        this.#perpendicular = command[1]!;
        return;
      case 'senseDrive':
        this.#answer(this.#driveStatus(command[Parameter.driveAndHead]!));
        return;
      case 'senseInterrupt':
        this.#senseInterrupt();
        return;
      case 'version':
        this.#answer(FLOPPY_VERSION);
        return;
      case 'lock':
        this.#isLocked = (command[0]! & LOCK_FLAG) !== 0;
        this.#answer(this.#isLocked ? 0x10 : 0);
        return;
      case 'dumpRegisters':
        this.#answer(
          ...this.#cylinders,
          ...this.#specified,
          this.#lastSector,
          (this.#isLocked ? 0x80 : 0) | (this.#perpendicular & 0x3f),
          this.#configured[1]!,
          this.#configured[2]!,
        );
        return;
      case 'recalibrate':
        this.#seek(0, 0);
        return;
      case 'seek':
        this.#seek(command[2]!, command[2]!);
        return;
      case 'relativeSeek': {
        const by = (command[0]! & SEEK_INWARDS) === 0 ? -command[2]! : command[2]!;
        const from = this.#cylinders[command[Parameter.driveAndHead]! & Status0.driveMask]!;
        this.#seek((from + by) & 0xff, this.drive.cylinder + by);
        return;
      }
    }
  }

  /** @param counted what the controller takes the head to be at after it */
  #seek(counted: number, cylinder: number): void {
    const unit = this.#command[Parameter.driveAndHead]!;
    const drive = unit & Status0.driveMask;
    this.#cylinders[drive] = counted;
    let status = Status0.seekEnd | (unit & (Status0.driveMask | Status0.head));
    if (drive === 0) this.drive.step(cylinder);
    // Without a drive nothing ever tells that the head is at track 0.
    else if (COMMANDS[this.#command[0]!] === 'recalibrate') {
      status |= Status0.abnormal | Status0.equipmentCheck;
    }
    this.#sense[drive] = status;
    this.#schedule(Due.seek, SEEK_NS);
  }

  #driveStatus(unit: number): number {
    const { track0, writeProtected, twoSided, ready } = Status3;
    const base = (unit & (Status3.driveMask | Status3.head)) | twoSided | ready;
    if ((unit & Status3.driveMask) !== 0) return base;
    const isAtStart = this.drive.cylinder === 0 ? track0 : 0;
    return base | isAtStart | (this.drive.isWriteProtected ? writeProtected : 0);
  }

  #senseInterrupt(): void {
    this.#hasInterrupt = false;
    const isBusy = this.#due === Due.seek;
    const drive = this.#sense.findIndex((status) => status !== 0);
    if (drive < 0 || isBusy) {
      this.#answer(INVALID_COMMAND);
    } else {
      const status = this.#sense[drive]!;
      this.#sense[drive] = 0;
      this.#answer(status, this.#cylinders[drive]!);
    }
    this.#drive();
  }

  #answer(...bytes: number[]): void {
    this.#result.set(bytes);
    this.#resultCount = bytes.length;
    this.#given = 0;
    this.#phase = Phase.result;
  }

  #startTransfer(name: TransferName): void {
    const command = this.#command;
    this.#phase = Phase.execution;
    const drive = command[Parameter.driveAndHead]! & Status0.driveMask;
    const isImplied = (this.#configured[1]! & Configure.impliedSeek) !== 0;
    if (isImplied && drive === 0 && FloppyCommand[name].parameters === 8) {
      this.#cylinders[0] = command[Parameter.cylinder]!;
      this.drive.step(command[Parameter.cylinder]!);
    }
    if (FloppyCommand[name].parameters === 8) this.#lastSector = command[Parameter.lastSector]!;
    const isGateOpen = (this.#digitalOutput & DigitalOutput.dmaGate) !== 0;
    this.#transfer.start(name, command, {
      rate: this.#rate,
      isByPort: this.#isNonDma,
      isDmaOpen: isGateOpen,
    });
    this.#schedule(Due.sector, COMMAND_NS);
  }

  #nextSector(): void {
    if (this.#transfer.advance()) {
      if (!this.#transfer.isWaiting) this.#schedule(Due.sector, SECTOR_NS);
      this.#drive();
      return;
    }
    const { status } = this.#transfer;
    this.#answer(...status);
    this.#trace.emit(resultEvent, status[0], status[1], status[2]);
    this.#interrupt();
  }
}
