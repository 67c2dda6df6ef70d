import type { StateStream } from '../../core/state.ts';
import type { GuestMemory } from '../../core/memory.ts';
import {
  BusMasterCommand,
  BusMasterRegister,
  BusMasterStatus,
  REGION_DESCRIPTOR_BYTES,
  REGION_LAST,
  REGION_MAX_BYTES,
} from './spec.ts';

/**
 * The bus master of one channel: three registers, and a walk through the table of physical region
 * descriptors for the drive that asks for data or gives it.
 */
export class BusMaster {
  readonly #memory: GuestMemory;
  readonly #started: () => void;
  #command = 0;
  #status = 0;
  #table = 0;
  /** Where the next descriptor is. */
  #next = 0;
  /** What is left of the region under way. */
  #gpa = 0;
  #left = 0;
  #isLast = false;

  /** @param started the guest has set the start bit */
  constructor(memory: GuestMemory, started: () => void) {
    this.#memory = memory;
    this.#started = started;
  }

  exchange(state: StateStream): void {
    this.#command = state.number('command', this.#command);
    this.#status = state.number('status', this.#status);
    this.#table = state.number('table', this.#table);
    this.#next = state.number('next', this.#next);
    this.#gpa = state.number('gpa', this.#gpa);
    this.#left = state.number('left', this.#left);
    this.#isLast = state.flag('isLast', this.#isLast);
  }

  get hasFailed(): boolean {
    return (this.#status & BusMasterStatus.error) !== 0;
  }

  get isActive(): boolean {
    return (this.#status & BusMasterStatus.active) !== 0;
  }

  /** True for a drive that reads: data goes to guest memory. */
  get isToMemory(): boolean {
    return (this.#command & BusMasterCommand.toMemory) !== 0;
  }

  /** The channel's interrupt went up. */
  interruptRaised(): void {
    this.#status |= BusMasterStatus.interrupt;
  }

  /** Ends the transfer under way with the error bit. */
  fail(): void {
    this.#status = (this.#status & ~BusMasterStatus.active) | BusMasterStatus.error;
  }

  /** @param register offset of a byte among the channel's eight */
  readByte(register: number): number {
    switch (register) {
      case BusMasterRegister.command:
        return this.#command;
      case BusMasterRegister.status:
        return this.#status;
      default:
        if (register < BusMasterRegister.table) return 0;
        return (this.#table >>> (8 * (register - BusMasterRegister.table))) & 0xff;
    }
  }

  writeByte(register: number, value: number): void {
    if (register === BusMasterRegister.command) this.#writeCommand(value);
    else if (register === BusMasterRegister.status) {
      const { drivesCapable, error, interrupt } = BusMasterStatus;
      const cleared = value & (error | interrupt);
      this.#status = (this.#status & ~drivesCapable & ~cleared) | (value & drivesCapable);
    } else if (register >= BusMasterRegister.table) {
      const shift = 8 * (register - BusMasterRegister.table);
      this.#table = ((this.#table & ~(0xff << shift)) | (value << shift)) & ~3;
      this.#table >>>= 0;
    }
  }

  /** The direction stays what it was while the master runs. */
  #writeCommand(value: number): void {
    const { start, toMemory } = BusMasterCommand;
    const wasStarted = (this.#command & start) !== 0;
    const direction = wasStarted ? this.#command & toMemory : value & toMemory;
    this.#command = direction | (value & start);
    if ((value & start) === 0) {
      this.#status &= ~BusMasterStatus.active;
      return;
    }
    if (wasStarted) return;
    this.#next = this.#table;
    this.#left = 0;
    this.#isLast = false;
    this.#status |= BusMasterStatus.active;
    this.#started();
  }

  /**
   * Moves bytes between a drive's buffer and the regions that come next, in the guest's direction.
   * @returns bytes moved: fewer than `length` when the table ended, or with `fail` when it, or a
   * region, is not in RAM
   */
  move(buffer: Uint8Array, start: number, length: number): number {
    const memory = this.#memory;
    let done = 0;
    while (done < length && this.isActive) {
      if (this.#left === 0 && !this.#fetch()) break;
      const part = Math.min(this.#left, length - done);
      const at = memory.resolve(this.#gpa, part);
      if (at < 0) {
        this.fail();
        break;
      }
      if (this.isToMemory) {
        memory.written(at, part);
        memory.u8.set(buffer.subarray(start + done, start + done + part), at);
      } else buffer.set(memory.u8.subarray(at, at + part), start + done);
      done += part;
      this.#gpa += part;
      this.#left -= part;
      // The master is done with its last region; the drive tells whether it is done too.
      if (this.#left === 0 && this.#isLast) this.#status &= ~BusMasterStatus.active;
    }
    return done;
  }

  #fetch(): boolean {
    const at = this.#memory.resolve(this.#next, REGION_DESCRIPTOR_BYTES);
    if (at < 0) {
      this.fail();
      return false;
    }
    const { view } = this.#memory;
    this.#gpa = (view.getUint32(at, true) & ~1) >>> 0;
    const bytes = view.getUint16(at + 4, true) & ~1;
    this.#left = bytes === 0 ? REGION_MAX_BYTES : bytes;
    this.#isLast = (view.getUint16(at + 6, true) & REGION_LAST) !== 0;
    // A table without an end goes round in its 64 KiB: the drive's own length ends the transfer.
    this.#next = (this.#next & 0xffff_0000) | ((this.#next + REGION_DESCRIPTOR_BYTES) & 0xffff);
    this.#next >>>= 0;
    return true;
  }
}
