import type { StateStream } from '../../core/state.ts';
import {
  Mii,
  MII_ABILITIES,
  MII_ACKNOWLEDGE,
  MII_ADDRESS,
  MII_REGISTERS,
  MiiControl,
  MiiOperation,
  MiiStatus,
} from './spec.ts';

/** Start, operation, transceiver and register; then the turnaround and the data. */
const HEADER_BITS = 14;
const TURNAROUND_BITS = 2;
const DATA_BITS = 16;
const START = 1;

const Phase = { idle: 0, header: 1, reading: 2, writing: 3 } as const;

/**
 * The transceiver behind the adapter, on the two wires of IEEE 802.3, 22.2.4: it negotiates 100 Mb/s in full
 * duplex with the switch at once. It has no identifier, which 22.2.4.3.1 allows.
 */
export class Transceiver {
  readonly #isLinkUp: () => boolean;
  #control: number = MiiControl.negotiate;
  #advertisement = MII_ABILITIES;
  #isClockUp = false;
  #phase: number = Phase.idle;
  #count = 0;
  #shift = 0;
  #register = 0;
  #isMine = false;
  #output = 1;

  constructor(isLinkUp: () => boolean) {
    this.#isLinkUp = isLinkUp;
  }

  exchange(state: StateStream): void {
    this.#control = state.number('control', this.#control);
    this.#advertisement = state.number('advertisement', this.#advertisement);
    this.#isClockUp = state.flag('isClockUp', this.#isClockUp);
    this.#phase = state.number('phase', this.#phase);
    this.#count = state.number('count', this.#count);
    this.#shift = state.number('shift', this.#shift);
    this.#register = state.number('register', this.#register);
    this.#isMine = state.flag('isMine', this.#isMine);
    this.#output = state.number('output', this.#output);
  }

  /** The data line as the adapter sees it; pulled up. */
  get output(): number {
    return this.#output;
  }

  /** @param data what the adapter drives, 1 while it does not */
  drive(isClockUp: boolean, data: number): void {
    const isRising = isClockUp && !this.#isClockUp;
    this.#isClockUp = isClockUp;
    if (isRising) this.#clock(data);
  }

  #clock(data: number): void {
    switch (this.#phase) {
      case Phase.idle:
        this.#output = 1;
        if (data === 0) this.#enter(Phase.header, 1);
        return;
      case Phase.header:
        this.#shift = (this.#shift << 1) | data;
        this.#count += 1;
        if (this.#count === HEADER_BITS) this.#headerEnds();
        return;
      case Phase.reading:
        this.#count += 1;
        this.#output = this.#isMine ? this.#bitOut() : 1;
        if (this.#count === TURNAROUND_BITS + DATA_BITS) {
          this.#output = 1;
          this.#enter(Phase.idle, 0);
        }
        return;
      default:
        this.#shift = ((this.#shift << 1) | data) & 0xffff;
        this.#count += 1;
        if (this.#count < TURNAROUND_BITS + DATA_BITS) return;
        if (this.#isMine) this.#write(this.#register, this.#shift);
        this.#enter(Phase.idle, 0);
    }
  }

  #enter(phase: number, count: number): void {
    this.#phase = phase;
    this.#count = count;
    if (phase !== Phase.reading) this.#shift = 0;
  }

  #headerEnds(): void {
    const header = this.#shift;
    const operation = (header >> 10) & 3;
    this.#register = header & (MII_REGISTERS - 1);
    this.#isMine = ((header >> 5) & 0x1f) === MII_ADDRESS;
    if (header >> 12 !== START) this.#enter(Phase.idle, 0);
    else if (operation === MiiOperation.read) {
      this.#shift = this.#read(this.#register);
      this.#enter(Phase.reading, 0);
    } else if (operation === MiiOperation.write) this.#enter(Phase.writing, 0);
    else this.#enter(Phase.idle, 0);
  }

  /** The second bit of the turnaround is a zero, then comes the data. */
  #bitOut(): number {
    const at = this.#count - TURNAROUND_BITS;
    return at < 0 ? 0 : (this.#shift >> (DATA_BITS - 1 - at)) & 1;
  }

  #read(register: number): number {
    switch (register) {
      case Mii.control:
        return this.#control;
      case Mii.status: {
        if (!this.#isLinkUp()) return MiiStatus.abilities;
        const isNegotiated = (this.#control & MiiControl.negotiate) !== 0;
        return MiiStatus.abilities | MiiStatus.linkUp | (isNegotiated ? MiiStatus.negotiated : 0);
      }
      case Mii.advertisement:
        return this.#advertisement;
      case Mii.partner:
        return this.#isLinkUp() ? MII_ABILITIES | MII_ACKNOWLEDGE : 0;
      case Mii.expansion:
        return this.#isLinkUp() ? 1 : 0;
      default:
        return 0;
    }
  }

  #write(register: number, value: number): void {
    if (register === Mii.advertisement) this.#advertisement = value;
    else if (register !== Mii.control) return;
    else if ((value & MiiControl.reset) !== 0) {
      this.#control = MiiControl.negotiate;
      this.#advertisement = MII_ABILITIES;
    } else this.#control = value & MiiControl.stored;
  }
}
