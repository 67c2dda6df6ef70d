import type { StateStream } from '../../core/state.ts';
import {
  ICW1,
  ICW1_NEEDS_ICW4,
  ICW1_SINGLE,
  ICW4_AUTO_EOI,
  ICW4_SPECIAL_FULLY_NESTED,
  OCW3,
  OCW3_MASK_SELECT,
  OCW3_POLL,
  OCW3_READ_ISR,
  OCW3_READ_SELECT,
  OCW3_SPECIAL_MASK,
  Ocw2,
} from './spec.ts';

/** Which initialization word the data port takes next; 0 means the mask register. */
type Step = 0 | 2 | 3 | 4;

/** One 8259A. Priorities rotate from `lowest` + 1 (highest) round to `lowest`. */
export class I8259 {
  readonly #elcrWritable: number;

  /** Inputs that are active now. */
  lines = 0;
  /** Interrupt request register; edges stay until they are taken. */
  requests = 0;
  inService = 0;
  mask = 0;
  levelTriggered = 0;
  vectorBase = 0;
  lowest = 7;
  autoEoi = false;
  rotateOnAutoEoi = false;
  specialMask = false;
  specialFullyNested = false;
  readsInService = false;
  pollPending = false;
  step: Step = 0;
  needsIcw4 = false;
  isSingle = false;

  constructor(elcrWritable: number) {
    this.#elcrWritable = elcrWritable;
  }

  exchange(state: StateStream): void {
    this.lines = state.number('lines', this.lines);
    this.requests = state.number('requests', this.requests);
    this.inService = state.number('inService', this.inService);
    this.mask = state.number('mask', this.mask);
    this.levelTriggered = state.number('levelTriggered', this.levelTriggered);
    this.vectorBase = state.number('vectorBase', this.vectorBase);
    this.lowest = state.number('lowest', this.lowest);
    this.autoEoi = state.flag('autoEoi', this.autoEoi);
    this.rotateOnAutoEoi = state.flag('rotateOnAutoEoi', this.rotateOnAutoEoi);
    this.specialMask = state.flag('specialMask', this.specialMask);
    this.specialFullyNested = state.flag('specialFullyNested', this.specialFullyNested);
    this.readsInService = state.flag('readsInService', this.readsInService);
    this.pollPending = state.flag('pollPending', this.pollPending);
    this.step = state.data('step', this.step);
    this.needsIcw4 = state.flag('needsIcw4', this.needsIcw4);
    this.isSingle = state.flag('isSingle', this.isSingle);
  }

  reset(): void {
    this.requests = 0;
    this.inService = 0;
    this.mask = 0;
    this.levelTriggered = 0;
    this.vectorBase = 0;
    this.step = 0;
    this.#initialize();
  }

  /** What ICW1 resets besides the registers. */
  #initialize(): void {
    this.lowest = 7;
    this.autoEoi = false;
    this.rotateOnAutoEoi = false;
    this.specialMask = false;
    this.specialFullyNested = false;
    this.readsInService = false;
    this.pollPending = false;
  }

  setLine(input: number, active: boolean): void {
    const bit = 1 << input;
    const rises = active && (this.lines & bit) === 0;
    if (active) this.lines |= bit;
    else this.lines &= ~bit;
    if (rises) this.requests |= bit;
    else if (!active && (this.levelTriggered & bit) !== 0) this.requests &= ~bit;
  }

  /** @returns how many places an input is below the highest priority */
  #rank(input: number): number {
    return (input - this.lowest - 1 + 8) & 7;
  }

  /**
   * The input that asks for service and may have it, or -1.
   * @param cascaded requests from slaves, which are not latched here
   */
  pending(cascaded: number): number {
    const asking = (this.requests | cascaded) & ~this.mask;
    if (asking === 0) return -1;
    let blocking = this.specialMask ? this.inService & ~this.mask : this.inService;
    // In special fully nested mode a slave may interrupt its own service routine.
    if (this.specialFullyNested) blocking &= ~cascaded;
    for (let rank = 0; rank < 8; rank += 1) {
      const input = (this.lowest + 1 + rank) & 7;
      const bit = 1 << input;
      if ((blocking & bit) !== 0) return -1;
      if ((asking & bit) !== 0) return input;
    }
    return -1;
  }

  /** The first INTA pulse for an input. */
  accept(input: number): void {
    const bit = 1 << input;
    if ((this.levelTriggered & bit) === 0) this.requests &= ~bit;
    if (!this.autoEoi) this.inService |= bit;
    else if (this.rotateOnAutoEoi) this.lowest = input;
  }

  /** @param cascaded see `pending` */
  readCommand(cascaded: number): number {
    if (this.pollPending) {
      this.pollPending = false;
      const input = this.pending(cascaded);
      if (input < 0) return 0;
      this.accept(input);
      return 0x80 | input;
    }
    return this.readsInService ? this.inService : this.requests | cascaded;
  }

  writeCommand(value: number): void {
    if ((value & ICW1) !== 0) {
      this.#initialize();
      this.requests = this.lines & this.levelTriggered;
      this.inService = 0;
      this.mask = 0;
      this.needsIcw4 = (value & ICW1_NEEDS_ICW4) !== 0;
      this.isSingle = (value & ICW1_SINGLE) !== 0;
      this.step = 2;
    } else if ((value & OCW3) !== 0) {
      if ((value & OCW3_READ_SELECT) !== 0) this.readsInService = (value & OCW3_READ_ISR) !== 0;
      if ((value & OCW3_POLL) !== 0) this.pollPending = true;
      if ((value & OCW3_MASK_SELECT) !== 0) this.specialMask = (value & OCW3_SPECIAL_MASK) !== 0;
    } else {
      this.#operate(value >> 5, value & 7);
    }
  }

  #operate(command: number, level: number): void {
    switch (command) {
      case Ocw2.setRotateOnAutoEoi:
      case Ocw2.clearRotateOnAutoEoi:
        this.rotateOnAutoEoi = command === Ocw2.setRotateOnAutoEoi;
        return;
      case Ocw2.setPriority:
        this.lowest = level;
        return;
      case Ocw2.specificEndOfInterrupt:
      case Ocw2.rotateOnSpecificEndOfInterrupt:
        this.inService &= ~(1 << level);
        if (command === Ocw2.rotateOnSpecificEndOfInterrupt) this.lowest = level;
        return;
      case Ocw2.endOfInterrupt:
      case Ocw2.rotateOnEndOfInterrupt: {
        const input = this.#highestInService();
        if (input < 0) return;
        this.inService &= ~(1 << input);
        if (command === Ocw2.rotateOnEndOfInterrupt) this.lowest = input;
        return;
      }
      default:
    }
  }

  #highestInService(): number {
    // In special mask mode a non-specific EOI leaves masked inputs in service (data sheet, page 15).
    const served = this.specialMask ? this.inService & ~this.mask : this.inService;
    let best = -1;
    for (let input = 0; input < 8; input += 1) {
      if ((served & (1 << input)) === 0) continue;
      if (best < 0 || this.#rank(input) < this.#rank(best)) best = input;
    }
    return best;
  }

  writeData(value: number): void {
    switch (this.step) {
      case 2:
        this.vectorBase = value & 0xf8;
        this.step = this.isSingle ? this.#lastStep : 3;
        return;
      case 3:
        this.step = this.#lastStep;
        return;
      case 4:
        this.autoEoi = (value & ICW4_AUTO_EOI) !== 0;
        this.specialFullyNested = (value & ICW4_SPECIAL_FULLY_NESTED) !== 0;
        this.step = 0;
        return;
      case 0:
        this.mask = value;
    }
  }

  get #lastStep(): Step {
    return this.needsIcw4 ? 4 : 0;
  }

  writeLevelControl(value: number): void {
    this.levelTriggered = value & this.#elcrWritable;
    // A level input follows its line.
    const followed = this.levelTriggered;
    this.requests = (this.requests & ~followed) | (this.lines & followed);
  }
}
