import type { StateStream } from '../../core/state.ts';
import type { InterruptLine, PortBus, PortDevice } from '../../core/bus.ts';
import { I8259 } from './i8259.ts';
import {
  CASCADE_INPUT,
  ELCR_MASTER_WRITABLE,
  ELCR_PORT,
  ELCR_SLAVE_WRITABLE,
  PIC_MASTER_PORT,
  PIC_SLAVE_PORT,
} from './spec.ts';

const CASCADE_BIT = 1 << CASCADE_INPUT;
/** What an acknowledge cycle finds when the request is gone. */
const SPURIOUS_INPUT = 7;

/**
 * The two 8259As of a PC, 15 lines. The partition reads them as `ExternalInterrupts`: pass the
 * object to `Partition.attachExternal`, and `Partition.externalRaised` as the callback.
 */
export class DualPic implements PortDevice {
  readonly master = new I8259(ELCR_MASTER_WRITABLE);
  readonly slave = new I8259(ELCR_SLAVE_WRITABLE);
  readonly #onRaised: () => void;
  output = false;

  /** @param onRaised the output to the processor went from low to high */
  constructor(onRaised: () => void) {
    this.#onRaised = onRaised;
  }

  attach(ports: PortBus): void {
    ports.attach(PIC_MASTER_PORT, 2, this);
    ports.attach(PIC_SLAVE_PORT, 2, this);
    ports.attach(ELCR_PORT, 2, this);
  }

  exchange(state: StateStream): void {
    state.part('master', () => this.master.exchange(state));
    state.part('slave', () => this.slave.exchange(state));
    this.output = state.flag('output', this.output);
  }

  reset(): void {
    this.master.reset();
    this.slave.reset();
    this.output = false;
  }

  /** A device's end of IRQ 0 to 15; 2 is the cascade and has none. */
  line(irq: number): InterruptLine {
    if (irq < 0 || irq > 15 || irq === CASCADE_INPUT) throw new Error(`PIC has no IRQ ${irq}`);
    return { set: (active) => this.setLine(irq, active) };
  }

  setLine(irq: number, active: boolean): void {
    if (irq < 8) this.master.setLine(irq, active);
    else this.slave.setLine(irq - 8, active);
    this.#update();
  }

  get #cascaded(): number {
    return this.slave.pending(0) < 0 ? 0 : CASCADE_BIT;
  }

  #update(): void {
    const output = this.master.pending(this.#cascaded) >= 0;
    const rises = output && !this.output;
    this.output = output;
    if (rises) this.#onRaised();
  }

  /** The vector that an acknowledge cycle would give now, or -1 while the output is low. */
  pendingVector(): number {
    const input = this.master.pending(this.#cascaded);
    if (input < 0) return -1;
    if (input !== CASCADE_INPUT) return this.master.vectorBase + input;
    return this.slave.vectorBase + this.slave.pending(0);
  }

  /** INTA. Without a request the master answers with its spurious input 7, not in service. */
  acknowledge(): number {
    const input = this.master.pending(this.#cascaded);
    if (input < 0) return this.master.vectorBase + SPURIOUS_INPUT;
    this.master.accept(input);
    let vector = this.master.vectorBase + input;
    if (input === CASCADE_INPUT) {
      const slaveInput = this.slave.pending(0);
      this.slave.accept(slaveInput);
      vector = this.slave.vectorBase + slaveInput;
    }
    this.output = false;
    this.#update();
    return vector;
  }

  portRead(port: number, size: number): number {
    if (size !== 1) return this.portRead(port, 1) | (this.portRead(port | 1, 1) << 8);
    if (port >= ELCR_PORT) return this.#chip(port === ELCR_PORT + 1).levelTriggered;
    const isSlave = port >= PIC_SLAVE_PORT;
    const chip = this.#chip(isSlave);
    if ((port & 1) === 1) return chip.mask;
    const value = chip.readCommand(isSlave ? 0 : this.#cascaded);
    this.#update();
    return value;
  }

  portWrite(port: number, size: number, value: number): void {
    if (size !== 1) {
      this.portWrite(port, 1, value & 0xff);
      this.portWrite(port | 1, 1, (value >>> 8) & 0xff);
      return;
    }
    if (port >= ELCR_PORT) {
      this.#chip(port === ELCR_PORT + 1).writeLevelControl(value);
    } else {
      const chip = this.#chip(port >= PIC_SLAVE_PORT);
      if ((port & 1) === 1) chip.writeData(value);
      else chip.writeCommand(value);
    }
    this.#update();
  }

  #chip(isSlave: boolean): I8259 {
    return isSlave ? this.slave : this.master;
  }
}
