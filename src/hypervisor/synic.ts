import type { StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import { MessageQueue } from './message-queue.ts';
import type { OverlaySpace } from './overlay.ts';
import { OverlayPage } from './overlay.ts';
import { PAGE_ENABLE, pageNumberOf } from './spec/msrs.ts';
import {
  EVENT_FLAG_COUNT,
  FIRST_VALID_VECTOR,
  MESSAGE_PAYLOAD_BYTES,
  MESSAGE_PENDING,
  MessageHeader,
  MessageType,
  SCONTROL_ENABLE,
  SINT_AUTO_EOI,
  SINT_COUNT,
  SINT_MASKED,
  SINT_POLLING,
  SINT_VECTOR_MASK,
  SLOT_BYTES,
  TimerMessagePayload,
} from './spec/synic.ts';
import { flagRaised, messageDelivered, messageRefused } from './trace.ts';

const { type: TYPE, flags: FLAGS } = MessageHeader.offset;
const TIMER_INDEX = MessageHeader.size + TimerMessagePayload.offset.timerIndex;
const DELIVERY_TIME = MessageHeader.size + TimerMessagePayload.offset.deliveryTime;
const FLAG_BYTES = EVENT_FLAG_COUNT / 8;

/** What the interrupt controller needs of its processor. */
export interface SynicOwner {
  readonly index: number;
  readonly trace: Trace;
  readonly overlays: OverlaySpace;
  /** Units of 100 ns, for the delivery time of timer messages. */
  referenceCount(): number;
  raiseVector(vector: number): void;
  /** A timer's expiration message has reached its slot. */
  timerMessageDelivered(timer: number): void;
}

/**
 * The synthetic interrupt controller of one virtual processor: TLFS "Inter-Partition
 * Communication". Register halves, queues and flags are plain fields.
 */
export class Synic {
  readonly #owner: SynicOwner;
  controlLow = 0;
  controlHigh = 0;
  messagePageLow = 0;
  messagePageHigh = 0;
  flagPageLow = 0;
  flagPageHigh = 0;
  /** SINTx as pairs of halves. */
  readonly sources = new Uint32Array(SINT_COUNT * 2);
  readonly messagePage = new OverlayPage('message');
  readonly flagPage = new OverlayPage('event-flag');
  readonly queues: readonly MessageQueue[] = Array.from(
    { length: SINT_COUNT },
    () => new MessageQueue(),
  );
  /** Bit n: queue n is not empty. */
  queuedSources = 0;
  /** Flags that came while their source could not take them; raised when it can. */
  readonly heldFlags = new Uint8Array(SINT_COUNT * FLAG_BYTES);
  /** Bit n: source n has held flags. */
  heldSources = 0;
  /** One bit for each vector that some unmasked source delivers with auto-EOI. */
  readonly autoEoiVectors = new Uint32Array(8);

  constructor(owner: SynicOwner) {
    this.#owner = owner;
    this.#resetSources();
  }

  /** Power-on state: pages disabled and zero, sources masked, queues empty. */
  reset(): void {
    const { overlays } = this.#owner;
    this.controlLow = 0;
    this.controlHigh = 0;
    this.messagePageLow = 0;
    this.messagePageHigh = 0;
    this.flagPageLow = 0;
    this.flagPageHigh = 0;
    overlays.unmap(this.messagePage);
    overlays.unmap(this.flagPage);
    this.messagePage.clear();
    this.flagPage.clear();
    for (const queue of this.queues) queue.clear();
    this.queuedSources = 0;
    this.heldFlags.fill(0);
    this.heldSources = 0;
    this.#resetSources();
  }

  #resetSources(): void {
    for (let sint = 0; sint < SINT_COUNT; sint += 1) {
      this.sources[sint * 2] = SINT_MASKED;
      this.sources[sint * 2 + 1] = 0;
    }
    this.autoEoiVectors.fill(0);
  }

  /** Its pages are the partition's overlays. */
  exchange(state: StateStream): void {
    this.controlLow = state.number('controlLow', this.controlLow);
    this.controlHigh = state.number('controlHigh', this.controlHigh);
    this.messagePageLow = state.number('messagePageLow', this.messagePageLow);
    this.messagePageHigh = state.number('messagePageHigh', this.messagePageHigh);
    this.flagPageLow = state.number('flagPageLow', this.flagPageLow);
    this.flagPageHigh = state.number('flagPageHigh', this.flagPageHigh);
    state.array('sources', this.sources);
    for (const queue of this.queues) state.part('queue', () => queue.exchange(state));
    this.queuedSources = state.number('queuedSources', this.queuedSources);
    state.array('heldFlags', this.heldFlags);
    this.heldSources = state.number('heldSources', this.heldSources);
    if (state.isRestoring) this.#collectAutoEoi();
  }

  writeControl(low: number, high: number): void {
    this.controlLow = low;
    this.controlHigh = high;
    this.#rescanAll();
  }

  writeMessagePage(low: number, high: number): void {
    this.messagePageLow = low;
    this.messagePageHigh = high;
    this.#place(this.messagePage, low, high);
    this.#rescanAll();
  }

  writeFlagPage(low: number, high: number): void {
    this.flagPageLow = low;
    this.flagPageHigh = high;
    this.#place(this.flagPage, low, high);
    this.#rescanAll();
  }

  #place(page: OverlayPage, low: number, high: number): void {
    if ((low & PAGE_ENABLE) !== 0) this.#owner.overlays.map(page, pageNumberOf(low, high));
    else this.#owner.overlays.unmap(page);
  }

  /** @returns false for #GP: an unmasked source needs a vector of at least 16 */
  writeSource(sint: number, low: number, high: number): boolean {
    const isUnmasked = (low & SINT_MASKED) === 0;
    if (isUnmasked && (low & SINT_VECTOR_MASK) < FIRST_VALID_VECTOR) return false;
    this.sources[sint * 2] = low;
    this.sources[sint * 2 + 1] = high;
    this.#collectAutoEoi();
    this.#rescan(sint);
    return true;
  }

  #collectAutoEoi(): void {
    this.autoEoiVectors.fill(0);
    for (let sint = 0; sint < SINT_COUNT; sint += 1) {
      const source = this.sources[sint * 2]!;
      if ((source & SINT_AUTO_EOI) === 0 || (source & SINT_MASKED) !== 0) continue;
      const vector = source & SINT_VECTOR_MASK;
      this.autoEoiVectors[vector >> 5]! |= 1 << (vector & 31);
    }
  }

  isAutoEoi(vector: number): boolean {
    return ((this.autoEoiVectors[vector >> 5]! >>> (vector & 31)) & 1) !== 0;
  }

  /** EOM: every queue is scanned, and a masked source may be drained without interrupts. */
  endOfMessage(): void {
    for (let waiting = this.queuedSources; waiting !== 0; waiting &= waiting - 1) {
      this.#deliver(31 - Math.clz32(waiting & -waiting), true);
    }
  }

  /** The guest's EOI of a vector also scans the queues of the sources that use it. */
  endOfInterrupt(vector: number): void {
    for (let waiting = this.queuedSources; waiting !== 0; waiting &= waiting - 1) {
      const sint = 31 - Math.clz32(waiting & -waiting);
      if ((this.sources[sint * 2]! & SINT_VECTOR_MASK) === vector) this.#deliver(sint, false);
    }
  }

  /**
   * Takes a message for a slot, at once or when the guest makes room. Order is kept.
   * @param sender goes into the header as it is
   * @returns false when the queue of this source is full (4096 messages): nothing was taken
   */
  post(
    sint: number,
    type: number,
    payload: Uint8Array,
    start: number,
    length: number,
    sender: number,
  ): boolean {
    if (length > MESSAGE_PAYLOAD_BYTES) throw new Error(`message of ${length} bytes`);
    const queue = this.queues[sint]!;
    if (!queue.push(type, payload, start, length, sender)) {
      this.#owner.trace.emit(messageRefused, this.#owner.index, sint);
      return false;
    }
    this.queuedSources |= 1 << sint;
    this.#deliver(sint, false);
    return true;
  }

  /** Withdraws a timer message that has not reached its slot. */
  withdrawTimerMessage(sint: number, timer: number): void {
    const queue = this.queues[sint]!;
    for (let index = 0; index < queue.count; index += 1) {
      const at = queue.at(index);
      if (queue.view.getUint32(at + TYPE, true) !== MessageType.is.timerExpired) continue;
      if (queue.view.getUint32(at + TIMER_INDEX, true) !== timer) continue;
      queue.remove(index);
      break;
    }
    if (queue.count === 0) this.queuedSources &= ~(1 << sint);
  }

  /** Forgets the messages of VMBus that wait; those of timers stay. */
  dropMessages(): void {
    for (let sint = 0; sint < SINT_COUNT; sint += 1) {
      const queue = this.queues[sint]!;
      for (let index = queue.count - 1; index >= 0; index -= 1) {
        const type = queue.view.getUint32(queue.at(index) + TYPE, true);
        if (type !== MessageType.is.timerExpired) queue.remove(index);
      }
      if (queue.count === 0) this.queuedSources &= ~(1 << sint);
    }
  }

  /**
   * Sets an event flag. While the controller, its page or the source is disabled the flag is held
   * and raised when they are enabled.
   * @returns true when the flag was clear and is now set in the page
   */
  signal(sint: number, flag: number): boolean {
    if (!this.#takesFlags(sint)) {
      this.heldFlags[sint * FLAG_BYTES + (flag >> 3)]! |= 1 << (flag & 7);
      this.heldSources |= 1 << sint;
      return false;
    }
    return this.#setFlag(sint, flag);
  }

  #setFlag(sint: number, flag: number): boolean {
    const page = this.flagPage;
    const at = page.base + sint * FLAG_BYTES + (flag >> 3);
    const mask = 1 << (flag & 7);
    const before = page.u8[at]!;
    if ((before & mask) !== 0) return false;
    page.u8[at] = before | mask;
    this.#owner.trace.emit(flagRaised, this.#owner.index, sint, flag);
    this.#raise(sint);
    return true;
  }

  #isOpen(sint: number): boolean {
    const source = this.sources[sint * 2]!;
    return (source & SINT_MASKED) === 0 || (source & SINT_POLLING) !== 0;
  }

  #takesFlags(sint: number): boolean {
    return (
      (this.controlLow & SCONTROL_ENABLE) !== 0 &&
      (this.flagPageLow & PAGE_ENABLE) !== 0 &&
      this.#isOpen(sint)
    );
  }

  #raise(sint: number): void {
    const source = this.sources[sint * 2]!;
    if ((source & (SINT_MASKED | SINT_POLLING)) === 0) {
      this.#owner.raiseVector(source & SINT_VECTOR_MASK);
    }
  }

  #rescanAll(): void {
    if ((this.queuedSources | this.heldSources) === 0) return;
    for (let sint = 0; sint < SINT_COUNT; sint += 1) this.#rescan(sint);
  }

  #rescan(sint: number): void {
    const bit = 1 << sint;
    if ((this.heldSources & bit) !== 0 && this.#takesFlags(sint)) {
      this.heldSources &= ~bit;
      for (let byte = 0; byte < FLAG_BYTES; byte += 1) {
        const held = this.heldFlags[sint * FLAG_BYTES + byte]!;
        if (held === 0) continue;
        this.heldFlags[sint * FLAG_BYTES + byte] = 0;
        for (let bits = held; bits !== 0; bits &= bits - 1) {
          this.#setFlag(sint, byte * 8 + (31 - Math.clz32(bits & -bits)));
        }
      }
    }
    if ((this.queuedSources & bit) !== 0) this.#deliver(sint, false);
  }

  /**
   * Moves the oldest message into its slot, if that is free. The TLFS loses the interrupt of a
   * masked source; keeping the message until the source is unmasked, as OpenVMM does, gives every
   * guest the same content and one that polls with EOM its drain.
   */
  #deliver(sint: number, drainsMasked: boolean): void {
    const page = this.messagePage;
    const queue = this.queues[sint]!;
    if (queue.count === 0 || (this.controlLow & SCONTROL_ENABLE) === 0) return;
    if ((this.messagePageLow & PAGE_ENABLE) === 0) return;
    if (!drainsMasked && !this.#isOpen(sint)) return;
    const slot = page.base + sint * SLOT_BYTES;
    if (page.view.getUint32(slot + TYPE, true) !== MessageType.is.none) {
      page.u8[slot + FLAGS]! |= MESSAGE_PENDING;
      return;
    }
    const from = queue.at(0);
    const type = queue.view.getUint32(from + TYPE, true);
    const isTimer = type === MessageType.is.timerExpired;
    if (isTimer) this.#stampDelivery(queue, from);
    const timer = queue.view.getUint32(from + TIMER_INDEX, true);
    const bytes = queue.take(page.u8, slot);
    if (queue.count === 0) this.queuedSources &= ~(1 << sint);
    else page.u8[slot + FLAGS] = MESSAGE_PENDING;
    const { trace, index } = this.#owner;
    trace.emit(messageDelivered, index, sint, type, bytes, queue.count);
    this.#raise(sint);
    if (isTimer) this.#owner.timerMessageDelivered(timer);
  }

  #stampDelivery(queue: MessageQueue, from: number): void {
    const now = this.#owner.referenceCount();
    queue.view.setUint32(from + DELIVERY_TIME, now % 0x1_0000_0000, true);
    queue.view.setUint32(from + DELIVERY_TIME + 4, Math.floor(now / 0x1_0000_0000), true);
  }
}
