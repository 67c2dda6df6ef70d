/** The controller's ports, and commands through them byte by byte (dev/fdc). */
import {
  DigitalInput,
  DigitalOutput,
  FLOPPY_CONTROL_PORT,
  FLOPPY_DMA_CHANNEL,
  FLOPPY_PORT,
  FloppyRegister,
  MainStatus,
} from '../../devices/floppy/spec.ts';
import {
  DMA_PAGE_OF_CHANNEL,
  DMA_PAGE_PORT,
  DmaMode,
  DmaRegister,
} from '../../devices/dma/spec.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** Reads of the status before the controller counts as stuck. */
const POLLS = 1000;

export class FloppyRegisters {
  readonly #kernel: Kernel;
  #output = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Holds the controller in reset, or lets it go, with its motor as it was. */
  reset(isHeld: boolean): void {
    const { notReset, dmaGate, motor0 } = DigitalOutput;
    this.#setOutput((this.#output & motor0) | (isHeld ? 0 : notReset | dmaGate));
  }

  get isMotorOn(): boolean {
    return (this.#output & DigitalOutput.motor0) !== 0;
  }

  setMotor(isOn: boolean): void {
    const { motor0 } = DigitalOutput;
    this.#setOutput(isOn ? this.#output | motor0 : this.#output & ~motor0);
  }

  #setOutput(value: number): void {
    this.#output = value;
    this.#kernel.hw.out8(FLOPPY_PORT + FloppyRegister.digitalOutput, value);
  }

  set rate(code: number) {
    this.#kernel.hw.out8(FLOPPY_CONTROL_PORT, code);
  }

  /** The drive was opened, or nothing is in it. */
  get isChanged(): boolean {
    return (this.#kernel.hw.in8(FLOPPY_CONTROL_PORT) & DigitalInput.diskChanged) !== 0;
  }

  /** @returns false when the controller takes no byte */
  send(...bytes: readonly number[]): boolean {
    for (const byte of bytes) {
      if (!this.#waitFor(0)) return false;
      this.#kernel.hw.out8(FLOPPY_PORT + FloppyRegister.fifo, byte);
    }
    return true;
  }

  /** @returns a byte of a result, or -1 */
  receive(): number {
    if (!this.#waitFor(MainStatus.toHost)) return -1;
    return this.#kernel.hw.in8(FLOPPY_PORT + FloppyRegister.fifo);
  }

  /** Fills `result`. @returns false when there are fewer bytes */
  receiveAll(result: Uint8Array): boolean {
    for (let index = 0; index < result.length; index += 1) {
      const byte = this.receive();
      if (byte < 0) return false;
      result[index] = byte;
    }
    return true;
  }

  #waitFor(direction: number): boolean {
    const { request, toHost } = MainStatus;
    for (let polls = 0; polls < POLLS; polls += 1) {
      const status = this.#kernel.hw.in8(FLOPPY_PORT + FloppyRegister.mainStatus);
      if ((status & request) !== 0) return (status & toHost) === direction;
    }
    return false;
  }

  /** isa_dmastart: programs channel 2 for memory below 16 MiB that lies in one run of 64 KiB. */
  startDma(gpa: number, bytes: number, isToMemory: boolean): void {
    const { hw } = this.#kernel;
    const channel = FLOPPY_DMA_CHANNEL;
    hw.out8(
      DmaRegister.mode,
      (isToMemory ? DmaMode.toMemory : DmaMode.fromMemory) | DmaMode.single | channel,
    );
    hw.out8(DmaRegister.clearPointer, 0);
    hw.out8(channel * 2, gpa & 0xff);
    hw.out8(channel * 2, (gpa >> 8) & 0xff);
    hw.out8(DMA_PAGE_PORT + DMA_PAGE_OF_CHANNEL[channel]!, gpa >> 16);
    hw.out8(channel * 2 + 1, (bytes - 1) & 0xff);
    hw.out8(channel * 2 + 1, (bytes - 1) >> 8);
    hw.out8(DmaRegister.mask, channel);
  }
}
