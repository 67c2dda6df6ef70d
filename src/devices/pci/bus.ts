import type { StateStream } from '../../core/state.ts';
import { type InterruptLine, openBus, type PortBus, type PortDevice } from '../../core/bus.ts';
import type { PciFunction } from './function.ts';
import {
  PCI_ADDRESS_ENABLE,
  PCI_ADDRESS_PORT,
  PCI_DATA_PORT,
  PCI_PORT_COUNT,
  RESET_CONTROL_PORT,
  ResetControl,
} from './spec.ts';

const DEVICES = 32;
const FUNCTIONS = 8;

/** Bus 0 and its host bridge's ports: configuration mechanism #1. There is no other bus. */
export class PciBus implements PortDevice {
  readonly #functions: (PciFunction | undefined)[] = Array.from({ length: DEVICES * FUNCTIONS });
  readonly #reset: () => void;
  readonly #line: InterruptLine;
  #address = 0;
  #resetControl = 0;
  /** Bit n: device n drives the interrupt that all of them share. */
  #driven = 0;

  /**
   * @param reset the guest asked for it by the reset control register
   * @param line what INTA# of every slot is routed to
   */
  constructor(reset: () => void, line: InterruptLine) {
    this.#reset = reset;
    this.#line = line;
  }

  /** INTA# of a slot: the line is up while any device drives it. */
  interruptOf(device: number): InterruptLine {
    return {
      set: (active) => {
        const bit = (1 << device) >>> 0;
        this.#driven = (active ? this.#driven | bit : this.#driven & ~bit) >>> 0;
        this.#line.set(this.#driven !== 0);
      },
    };
  }

  attach(ports: PortBus): void {
    ports.attach(PCI_ADDRESS_PORT, PCI_PORT_COUNT, this);
    ports.attach(PCI_DATA_PORT, PCI_PORT_COUNT, this);
  }

  plugIn(slot: { readonly device: number; readonly function: number }, card: PciFunction): void {
    const index = slot.device * FUNCTIONS + slot.function;
    if (this.#functions[index] !== undefined) {
      throw new Error(`PCI slot ${slot.device}.${slot.function} is taken`);
    }
    this.#functions[index] = card;
  }

  /** Its own registers, and every function on it. */
  exchange(state: StateStream): void {
    this.#address = state.number('address', this.#address);
    this.#resetControl = state.number('resetControl', this.#resetControl);
    this.#driven = state.number('driven', this.#driven);
    for (const card of this.#functions) {
      if (card !== undefined) state.part('function', () => card.exchange(state));
    }
  }

  /** The address register takes whole double words; a byte beside it is the ISA bridge's. */
  portRead(port: number, size: number): number {
    if (port < PCI_DATA_PORT) {
      if (port === PCI_ADDRESS_PORT && size === 4) return this.#address;
      return port === RESET_CONTROL_PORT && size === 1 ? this.#resetControl : openBus(size);
    }
    const within = port & 3;
    const card = within + size <= 4 ? this.#selected() : undefined;
    return card?.read((this.#address & 0xfc) + within, size) ?? openBus(size);
  }

  portWrite(port: number, size: number, value: number): void {
    if (port < PCI_DATA_PORT) {
      // Bits 30:24 and 1:0 are reserved and read as zeros.
      if (port === PCI_ADDRESS_PORT && size === 4) this.#address = (value & 0x80ff_fffc) >>> 0;
      else if (port === RESET_CONTROL_PORT && size === 1) this.#writeReset(value);
      return;
    }
    const within = port & 3;
    if (within + size <= 4) this.#selected()?.write((this.#address & 0xfc) + within, size, value);
  }

  #selected(): PciFunction | undefined {
    const address = this.#address;
    const isOnBus0 = (address & PCI_ADDRESS_ENABLE) !== 0 && (address & 0xff_0000) === 0;
    return isOnBus0 ? this.#functions[(address >>> 8) & 0xff] : undefined;
  }

  #writeReset(value: number): void {
    const isRising = (value & ~this.#resetControl & ResetControl.resetProcessor) !== 0;
    this.#resetControl = value & (ResetControl.hard | ResetControl.resetProcessor);
    if (isRising) this.#reset();
  }
}
