/** One ATA channel's registers as ata(4) touches them, and its bus master. */
import {
  BusMasterCommand,
  BusMasterRegister,
  BusMasterStatus,
  IdeControl,
  IdeRegister,
  IdeStatus,
  REGION_LAST,
  REGION_MAX_BYTES,
} from '../../devices/ide/spec.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import type { Kernel } from '../kernel/kernel.ts';

export interface ChannelPorts {
  readonly command: number;
  readonly control: number;
  readonly master: number;
}

/** What a command puts in the registers. Addresses of 48 bits are given as two halves. */
export interface AtaRequest {
  readonly command: number;
  readonly features?: number;
  /** 1 to 256, or to 65536 with `isExtended`; the register's own zero is allowed too. */
  readonly count?: number;
  readonly lba?: number;
  readonly isExtended?: boolean;
  /** The drive reads `lba` as an address of blocks. */
  readonly isLba?: boolean;
}

export class AtaRegisters {
  readonly #kernel: Kernel;
  readonly #ports: ChannelPorts;
  /** The table of regions, a page of its own. */
  readonly #tableGpa: number;

  constructor(kernel: Kernel, ports: ChannelPorts) {
    this.#kernel = kernel;
    this.#ports = ports;
    this.#tableGpa = kernel.allocatePages(1);
  }

  read(register: number): number {
    return this.#kernel.hw.in8(this.#ports.command + register);
  }

  write(register: number, value: number): void {
    this.#kernel.hw.out8(this.#ports.command + register, value);
  }

  get alternateStatus(): number {
    return this.#kernel.hw.in8(this.#ports.control);
  }

  /** @param bits `IdeControl` */
  control(bits: number): void {
    this.#kernel.hw.out8(this.#ports.control, bits);
  }

  get isBusy(): boolean {
    return (this.alternateStatus & IdeStatus.busy) !== 0;
  }

  enableInterrupts(): void {
    this.control(0);
  }

  /** Sets SRST, with the interrupt off; `enableInterrupts` ends it. */
  reset(): void {
    this.control(IdeControl.softReset | IdeControl.interruptsOff);
  }

  select(drive: number): void {
    this.write(IdeRegister.device, 0xa0 | (drive << 4));
  }

  /** Writes a task file and its command for a drive. */
  start(drive: number, request: AtaRequest): void {
    const { command, features = 0, count = 0, lba = 0, isExtended = false } = request;
    const low = lba % 0x100_0000;
    const high = Math.floor(lba / 0x100_0000);
    const isLba = isExtended || request.isLba === true;
    const head = isExtended || !isLba ? 0 : high & 0x0f;
    this.write(IdeRegister.device, 0xa0 | (isLba ? 0x40 : 0) | (drive << 4) | head);
    if (isExtended) {
      this.write(IdeRegister.count, (count >>> 8) & 0xff);
      this.write(IdeRegister.lbaLow, high & 0xff);
      this.write(IdeRegister.lbaMid, (high >>> 8) & 0xff);
      this.write(IdeRegister.lbaHigh, (high >>> 16) & 0xff);
    }
    this.write(IdeRegister.error, features);
    this.write(IdeRegister.count, count & 0xff);
    this.write(IdeRegister.lbaLow, low & 0xff);
    this.write(IdeRegister.lbaMid, (low >>> 8) & 0xff);
    this.write(IdeRegister.lbaHigh, (low >>> 16) & 0xff);
    this.write(IdeRegister.status, command);
  }

  /** Takes words from the data port into guest memory. */
  input(gpa: number, bytes: number): void {
    this.#kernel.hw.input16(this.#ports.command, gpa, bytes >>> 1);
  }

  /** Gives words of guest memory to the data port. */
  output(gpa: number, bytes: number): void {
    this.#kernel.hw.output16(this.#ports.command, gpa, bytes >>> 1);
  }

  /** Describes a run of guest memory to the bus master, and sets its direction. */
  loadMaster(gpa: number, bytes: number, isToMemory: boolean): void {
    const { hw } = this.#kernel;
    const table = hw.memory.resolve(this.#tableGpa, PAGE_BYTES);
    const { view } = hw.memory;
    let at = table;
    for (let done = 0; done < bytes; at += 8) {
      const start = gpa + done;
      const part = Math.min(bytes - done, REGION_MAX_BYTES - (start % REGION_MAX_BYTES));
      done += part;
      view.setUint32(at, start, true);
      view.setUint16(at + 4, part & 0xffff, true);
      view.setUint16(at + 6, done === bytes ? REGION_LAST : 0, true);
    }
    const { master } = this.#ports;
    hw.out32(master + BusMasterRegister.table, this.#tableGpa);
    const { interrupt, error } = BusMasterStatus;
    const status = hw.in8(master + BusMasterRegister.status);
    hw.out8(master + BusMasterRegister.status, status | interrupt | error);
    hw.out8(master, isToMemory ? BusMasterCommand.toMemory : 0);
  }

  startMaster(isToMemory: boolean): void {
    const direction = isToMemory ? BusMasterCommand.toMemory : 0;
    this.#kernel.hw.out8(this.#ports.master, direction | BusMasterCommand.start);
  }

  /** @returns whether the transfer went well */
  stopMaster(): boolean {
    const { hw } = this.#kernel;
    const { master } = this.#ports;
    hw.out8(master, 0);
    const status = hw.in8(master + BusMasterRegister.status);
    hw.out8(master + BusMasterRegister.status, status);
    return (status & BusMasterStatus.error) === 0;
  }

  /** Takes the interrupt of the channel, if it is its own. @returns the drive's status, or -1 */
  acknowledge(): number {
    const { hw } = this.#kernel;
    const status = hw.in8(this.#ports.master + BusMasterRegister.status);
    if ((status & BusMasterStatus.interrupt) === 0) return -1;
    hw.out8(
      this.#ports.master + BusMasterRegister.status,
      (status & BusMasterStatus.drivesCapable) | BusMasterStatus.interrupt,
    );
    return this.read(IdeRegister.status);
  }
}
