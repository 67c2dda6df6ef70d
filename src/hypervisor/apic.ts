import type { StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import type { ApicTimer } from './apic-timer.ts';
import {
  APIC_BASE_BSP,
  APIC_BASE_ENABLE,
  APIC_BASE_X2APIC,
  APIC_DEFAULT_BASE,
  DELIVERY_MASK,
  DELIVERY_SHIFT,
  DESTINATION_FORMAT_FLAT,
  DeliveryMode,
  ERROR_RECEIVE_ILLEGAL_VECTOR,
  LVT_COUNT,
  LVT_ERROR,
  LVT_LINT0,
  LVT_MASKED,
  SPURIOUS_AT_RESET,
  SPURIOUS_ENABLE,
  VECTOR_MASK,
} from './spec/apic.ts';
import { FIRST_VALID_VECTOR } from './spec/synic.ts';
import { apicError, interruptLost } from './trace.ts';

/** What a local APIC needs of its processor and partition. */
export interface ApicOwner {
  readonly index: number;
  readonly trace: Trace;
  isAutoEoi(vector: number): boolean;
  /** The guest ended an interrupt; a level-triggered one is told to the I/O APIC. */
  interruptEnded(vector: number, isLevel: boolean): void;
  /** Something may now be deliverable. */
  interruptPending(): void;
  /** An NMI, INIT or start-up that a local vector asks for. */
  signal(deliveryMode: number, vector: number): void;
}

/** The highest set bit of 256, or -1. */
function highest(words: Uint32Array): number {
  for (let word = 7; word >= 0; word -= 1) {
    const bits = words[word]!;
    if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
  }
  return -1;
}

/**
 * The local APIC of one processor: priorities, acceptance and end of interrupt (SDM volume 3,
 * 11.8). The register file is in apic-registers.ts, the timer in apic-timer.ts. All state is in
 * plain fields.
 */
export class LocalApic {
  readonly owner: ApicOwner;
  readonly id: number;
  baseLow = 0;
  baseHigh = 0;
  /** 8 bits; the upper four are CR8. */
  taskPriority = 0;
  logicalDestination = 0;
  destinationFormat = DESTINATION_FORMAT_FLAT;
  spurious = SPURIOUS_AT_RESET;
  readonly inService = new Uint32Array(8);
  readonly triggerMode = new Uint32Array(8);
  readonly requested = new Uint32Array(8);
  /** Highest bits of `requested` and `inService`, -1 for none. */
  topRequested = -1;
  topInService = -1;
  errorStatus = 0;
  /** Errors since the last write of the status register. */
  errorsSeen = 0;
  commandLow = 0;
  commandHigh = 0;
  /** Timer, thermal, performance, LINT0, LINT1, error. */
  readonly localVectors = new Uint32Array(LVT_COUNT);
  timer: ApicTimer | undefined;

  constructor(owner: ApicOwner) {
    this.owner = owner;
    this.id = owner.index;
    this.reset();
  }

  /** Power-on. */
  reset(): void {
    this.baseLow = APIC_DEFAULT_BASE | APIC_BASE_ENABLE;
    if (this.owner.index === 0) this.baseLow |= APIC_BASE_BSP;
    this.baseLow >>>= 0;
    this.baseHigh = 0;
    this.initialize();
  }

  /** What INIT does: all but the base register. */
  initialize(): void {
    this.taskPriority = 0;
    this.logicalDestination = 0;
    this.destinationFormat = DESTINATION_FORMAT_FLAT;
    this.spurious = SPURIOUS_AT_RESET;
    this.inService.fill(0);
    this.triggerMode.fill(0);
    this.requested.fill(0);
    this.topRequested = -1;
    this.topInService = -1;
    this.errorStatus = 0;
    this.errorsSeen = 0;
    this.commandLow = 0;
    this.commandHigh = 0;
    this.localVectors.fill(LVT_MASKED);
    this.timer?.reset();
  }

  exchange(state: StateStream): void {
    this.baseLow = state.number('baseLow', this.baseLow);
    this.baseHigh = state.number('baseHigh', this.baseHigh);
    this.taskPriority = state.number('taskPriority', this.taskPriority);
    this.logicalDestination = state.number('logicalDestination', this.logicalDestination);
    this.destinationFormat = state.number('destinationFormat', this.destinationFormat);
    this.spurious = state.number('spurious', this.spurious);
    state.array('inService', this.inService);
    state.array('triggerMode', this.triggerMode);
    state.array('requested', this.requested);
    this.errorStatus = state.number('errorStatus', this.errorStatus);
    this.errorsSeen = state.number('errorsSeen', this.errorsSeen);
    this.commandLow = state.number('commandLow', this.commandLow);
    this.commandHigh = state.number('commandHigh', this.commandHigh);
    state.array('localVectors', this.localVectors);
    this.topRequested = highest(this.requested);
    this.topInService = highest(this.inService);
    const { timer } = this;
    if (timer !== undefined) state.part('timer', () => timer.exchange(state));
  }

  /** What firmware leaves behind: enabled, 8259 through LINT0, NMI through LINT1 (virtual wire). */
  enableVirtualWire(): void {
    this.spurious = SPURIOUS_AT_RESET | SPURIOUS_ENABLE;
    this.localVectors[LVT_LINT0] = DeliveryMode.external << DELIVERY_SHIFT;
    this.localVectors[LVT_LINT0 + 1] = DeliveryMode.nmi << DELIVERY_SHIFT;
  }

  get isHardwareEnabled(): boolean {
    return (this.baseLow & APIC_BASE_ENABLE) !== 0;
  }

  get isX2Apic(): boolean {
    return (this.baseLow & APIC_BASE_X2APIC) !== 0;
  }

  get isSoftwareEnabled(): boolean {
    return (this.spurious & SPURIOUS_ENABLE) !== 0 && (this.baseLow & APIC_BASE_ENABLE) !== 0;
  }

  /** Asks for a fixed interrupt. A disabled APIC loses it; so do vectors below 16, with an error. */
  request(vector: number, isLevel: boolean): void {
    if (!this.isSoftwareEnabled) {
      this.owner.trace.emit(interruptLost, this.owner.index, vector);
      return;
    }
    if (vector < FIRST_VALID_VECTOR) {
      this.raiseError(ERROR_RECEIVE_ILLEGAL_VECTOR);
      return;
    }
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    this.requested[word]! |= bit;
    if (isLevel) this.triggerMode[word]! |= bit;
    else this.triggerMode[word]! &= ~bit;
    if (vector > this.topRequested) this.topRequested = vector;
    this.owner.interruptPending();
  }

  /** Processor priority: the higher of task priority and the class in service (SDM 11.8.3.1). */
  get processorPriority(): number {
    const service = this.topInService < 0 ? 0 : this.topInService & 0xf0;
    return (this.taskPriority & 0xf0) >= service ? this.taskPriority : service;
  }

  /** The vector whose class is above the processor priority, or -1. */
  deliverable(): number {
    const vector = this.topRequested;
    if (vector < 0 || !this.isSoftwareEnabled) return -1;
    return vector >> 4 > this.processorPriority >> 4 ? vector : -1;
  }

  /** Takes that vector into service; with auto-EOI it never shows there. */
  accept(vector: number): void {
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    this.requested[word]! &= ~bit;
    this.topRequested = highest(this.requested);
    if (this.owner.isAutoEoi(vector)) {
      this.owner.interruptEnded(vector, false);
      return;
    }
    this.inService[word]! |= bit;
    this.topInService = vector;
  }

  /** Ends the highest interrupt in service; without one it does nothing. */
  endOfInterrupt(): void {
    const vector = this.topInService;
    if (vector < 0) return;
    const word = vector >> 5;
    const bit = 1 << (vector & 31);
    this.inService[word]! &= ~bit;
    this.topInService = highest(this.inService);
    this.owner.interruptEnded(vector, (this.triggerMode[word]! & bit) !== 0);
    if (this.deliverable() >= 0) this.owner.interruptPending();
  }

  setTaskPriority(value: number): void {
    this.taskPriority = value & 0xff;
    if (this.deliverable() >= 0) this.owner.interruptPending();
  }

  raiseError(error: number): void {
    this.owner.trace.emit(apicError, this.owner.index, error);
    const isNew = (this.errorsSeen & error) === 0;
    this.errorsSeen |= error;
    // An error vector that is itself illegal must not raise errors without end.
    if (isNew) this.deliverLocal(LVT_ERROR);
  }

  /** Fires an entry of the local vector table, if it is not masked. */
  deliverLocal(entry: number): void {
    const value = this.localVectors[entry]!;
    if ((value & LVT_MASKED) !== 0 || !this.isHardwareEnabled) return;
    const vector = value & VECTOR_MASK;
    const isPlain = entry === LVT_ERROR || entry === 0;
    const mode = isPlain ? DeliveryMode.fixed : (value >>> DELIVERY_SHIFT) & DELIVERY_MASK;
    if (mode === DeliveryMode.fixed) this.request(vector, false);
    else if (mode !== DeliveryMode.external) this.owner.signal(mode, vector);
  }

  /** True when the output of the 8259s reaches the processor: LINT0 as ExtINT, or no APIC at all. */
  get takesExternal(): boolean {
    if (!this.isHardwareEnabled) return true;
    const value = this.localVectors[LVT_LINT0]!;
    const mode = (value >>> DELIVERY_SHIFT) & DELIVERY_MASK;
    return (value & LVT_MASKED) === 0 && mode === DeliveryMode.external;
  }
}
