import type { StateStream } from '../../core/state.ts';
import type { InterruptLine, PortDevice } from '../../core/bus.ts';
import type { EventQueue } from '../../core/events.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { traceType, type Trace } from '../../core/trace.ts';
import { u16, u32, u8 } from '../../core/wire.ts';
import { BusMaster } from './bus-master.ts';
import type { DriveHost, IdeDrive } from './drive.ts';
import { AtaCommand, COMMAND_BLOCK_PORTS, IdeControl, IdeDeviceBit, IdeRegister } from './spec.ts';

/** `place` is channel * 2 + drive; `address` the low half of a 28-bit address, count as written. */
const commandEvent = traceType('ide', 'command', {
  place: u8,
  command: u8,
  features: u8,
  count: u16,
  address: u32,
});
const resetEvent = traceType('ide', 'reset', { channel: u8 });

/** A bus without a drive: pulled up, but for the line of BSY. */
const FLOATING = 0x7f;

export interface ChannelOptions {
  readonly index: number;
  readonly line: InterruptLine;
  readonly events: EventQueue;
  readonly memory: GuestMemory;
  readonly trace: Trace;
}

/** One cable with up to two drives, their registers in the port space, and its bus master. */
export class IdeChannel implements DriveHost {
  readonly events: EventQueue;
  readonly master: BusMaster;
  readonly #index: number;
  readonly #line: InterruptLine;
  readonly #trace: Trace;
  readonly #drives: (IdeDrive | undefined)[] = [undefined, undefined];
  #selected = 0;
  #control = 0;
  #isLineUp = false;
  /** The registers answer: the controller decodes the channel's ports. */
  isDecoded = true;

  constructor(options: ChannelOptions) {
    this.events = options.events;
    this.#index = options.index;
    this.#line = options.line;
    this.#trace = options.trace;
    this.master = new BusMaster(options.memory, () => this.driveChanged());
  }

  /** @param place 0 or 1 */
  plugIn(place: number, drive: IdeDrive): void {
    if (this.#drives[place] !== undefined) throw new Error(`IDE place ${place} is taken`);
    this.#drives[place] = drive;
  }

  exchange(state: StateStream): void {
    state.part('master', () => this.master.exchange(state));
    for (const drive of this.#drives) state.part('drive', () => drive?.exchange(state));
    this.#selected = state.number('selected', this.#selected);
    this.#control = state.number('control', this.#control);
    this.#isLineUp = state.flag('isLineUp', this.#isLineUp);
    this.isDecoded = state.flag('isDecoded', this.isDecoded);
  }

  /** The ports of the command block. */
  readonly commandBlock: PortDevice = {
    portRead: (port, size) => this.#readBlock(port & (COMMAND_BLOCK_PORTS - 1), size),
    portWrite: (port, size, value) =>
      this.#writeBlock(port & (COMMAND_BLOCK_PORTS - 1), size, value),
  };

  /** The port of the control block: alternate status, and device control. */
  readonly controlBlock: PortDevice = {
    portRead: (_port, size) => (this.isDecoded ? this.#status() : 0xff) | openAbove(size),
    portWrite: (_port, _size, value) => {
      if (this.isDecoded) this.#writeControl(value & 0xff);
    },
  };

  driveChanged(): void {
    if (this.master.isActive) {
      for (const drive of this.#drives) if (drive?.isDmaWanted === true) drive.runDma(this.master);
    }
    const isEnabled = (this.#control & IdeControl.interruptsOff) === 0;
    const isUp = isEnabled && this.#drives[this.#selected]?.hasInterrupt === true;
    if (isUp === this.#isLineUp) return;
    this.#isLineUp = isUp;
    if (isUp) this.master.interruptRaised();
    this.#line.set(isUp);
  }

  /** The drive that answers: device 0 stands in for a device 1 that is not there. */
  get #answering(): IdeDrive | undefined {
    return this.#drives[this.#selected] ?? this.#drives[0];
  }

  #status(): number {
    const drive = this.#drives[this.#selected];
    if (drive !== undefined) return drive.status;
    return this.#answering === undefined ? FLOATING : 0;
  }

  #readBlock(register: number, size: number): number {
    if (!this.isDecoded) return 0xff | openAbove(size);
    if (register === IdeRegister.data) return this.#readData(size);
    let value = this.#readRegister(register);
    for (let index = 1; index < size; index += 1) {
      const next = register + index;
      const byte = next < COMMAND_BLOCK_PORTS ? this.#readRegister(next) : 0xff;
      value |= byte << (8 * index);
    }
    return value >>> 0;
  }

  #readData(size: number): number {
    const drive = this.#drives[this.#selected];
    if (drive === undefined) return (FLOATING | openAbove(size)) >>> 0;
    const value = drive.readData(size);
    this.driveChanged();
    return value;
  }

  #readRegister(register: number): number {
    if (register === IdeRegister.status) {
      const status = this.#status();
      this.#drives[this.#selected]?.dropInterrupt();
      this.driveChanged();
      return status;
    }
    const drive = this.#answering;
    if (drive === undefined) return FLOATING;
    // ATA/ATAPI-7, 5.13: a packet device alone answers zeros for the device that is not there.
    if (drive.isPacket && drive !== this.#drives[this.#selected]) return 0;
    const value = drive.readRegister(register, (this.#control & IdeControl.highOrderByte) !== 0);
    if (register !== IdeRegister.device) return value;
    return (value & ~IdeDeviceBit.second) | (this.#selected * IdeDeviceBit.second);
  }

  #writeBlock(register: number, size: number, value: number): void {
    if (!this.isDecoded) return;
    if (register === IdeRegister.data) {
      this.#drives[this.#selected]?.writeData(size, value);
      this.driveChanged();
      return;
    }
    for (let index = 0; index < size && register + index < COMMAND_BLOCK_PORTS; index += 1) {
      this.#writeRegister(register + index, (value >>> (8 * index)) & 0xff);
    }
  }

  #writeRegister(register: number, value: number): void {
    this.#control &= ~IdeControl.highOrderByte;
    if (register === IdeRegister.status) {
      this.#command(value);
      return;
    }
    if (register === IdeRegister.device) {
      this.#selected = (value & IdeDeviceBit.second) === 0 ? 0 : 1;
    }
    for (const drive of this.#drives) drive?.writeRegister(register, value);
    this.driveChanged();
  }

  #command(code: number): void {
    // Both drives obey a diagnosis, and device 0 then speaks for both.
    if (code === AtaCommand.executeDiagnostic) {
      this.#selected = 0;
      for (const drive of this.#drives) drive?.command(code);
      this.driveChanged();
      return;
    }
    const drive = this.#drives[this.#selected];
    if (drive === undefined) return;
    const byte = (register: number): number => drive.readRegister(register, false);
    this.#trace.emit(
      commandEvent,
      this.#index * 2 + this.#selected,
      code,
      drive.features,
      byte(IdeRegister.count),
      byte(IdeRegister.lbaLow) |
        (byte(IdeRegister.lbaMid) << 8) |
        (byte(IdeRegister.lbaHigh) << 16) |
        ((byte(IdeRegister.device) & 0x0f) << 24),
    );
    drive.dropInterrupt();
    drive.command(code);
    this.driveChanged();
  }

  #writeControl(value: number): void {
    const changed = this.#control ^ value;
    this.#control = value;
    if ((changed & IdeControl.softReset) !== 0) {
      const isReset = (value & IdeControl.softReset) !== 0;
      if (isReset) this.#trace.emit(resetEvent, this.#index);
      this.#selected = 0;
      for (const drive of this.#drives) {
        if (isReset) drive?.resetBegins();
        else drive?.resetEnds();
      }
    }
    this.driveChanged();
  }
}

/** Ones above the lowest byte of an access. */
function openAbove(size: number): number {
  if (size === 1) return 0;
  return size === 2 ? 0xff00 : 0xffff_ff00;
}
