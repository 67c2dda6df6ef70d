import { NS_PER_REFERENCE_TICK } from '../core/clock.ts';
import type { EventHandle, EventQueue } from '../core/events.ts';
import type { StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import {
  MessageType,
  TIMER_AUTO_ENABLE,
  TIMER_CONFIG_MASK,
  TIMER_CONFIG_MASK_MESSAGE_ONLY,
  TIMER_DIRECT,
  TIMER_ENABLED,
  TIMER_PERIODIC,
  TIMER_SINT_SHIFT,
  TIMER_VECTOR_SHIFT,
  TimerMessagePayload,
} from './spec/synic.ts';
import type { Synic } from './synic.ts';
import type { PartitionTime } from './time.ts';
import { timerExpired } from './trace.ts';

const NO_EVENT: EventHandle = 0;
const U32 = 0x1_0000_0000;
/** Expirations of a periodic timer closer than 10 us are skipped, so that none floods the queue. */
const SHORTEST_PERIOD_TICKS = 100;
/** Beyond this the virtual clock never comes. */
const LAST_TICK = Math.floor(Number.MAX_SAFE_INTEGER / NS_PER_REFERENCE_TICK);

export interface TimerOwner {
  readonly index: number;
  readonly trace: Trace;
  readonly time: PartitionTime;
  readonly events: EventQueue;
  readonly synic: Synic;
  raiseVector(vector: number): void;
}

/**
 * One synthetic timer: TLFS "Synthetic Timers". It has one message buffer: while its message waits
 * for a slot, a one-shot has expired and a periodic timer skips its expirations.
 */
export class SyntheticTimer {
  readonly #owner: TimerOwner;
  readonly #index: number;
  readonly #hasDirectMode: boolean;
  readonly #onDeadline: () => void;
  readonly #payload = new Uint8Array(TimerMessagePayload.size);
  readonly #view = new DataView(this.#payload.buffer);
  configLow = 0;
  countLow = 0;
  countHigh = 0;
  /** Reference tick of the next expiration; Infinity when none is scheduled. */
  dueTick = Infinity;
  /** The expiration message is queued and has not reached its slot. */
  messageWaits = false;
  /** The expiration that the waiting message tells of. */
  waitingTick = 0;
  #event: EventHandle = NO_EVENT;

  constructor(owner: TimerOwner, index: number, hasDirectMode: boolean) {
    this.#owner = owner;
    this.#index = index;
    this.#hasDirectMode = hasDirectMode;
    this.#onDeadline = () => {
      this.#event = NO_EVENT;
      this.#expire();
    };
    this.#view.setUint32(TimerMessagePayload.offset.timerIndex, index, true);
  }

  reset(): void {
    this.#stop();
    this.configLow = 0;
    this.countLow = 0;
    this.countHigh = 0;
  }

  exchange(state: StateStream): void {
    this.configLow = state.number('configLow', this.configLow);
    this.countLow = state.number('countLow', this.countLow);
    this.countHigh = state.number('countHigh', this.countHigh);
    this.dueTick = state.number('dueTick', this.dueTick);
    this.messageWaits = state.flag('messageWaits', this.messageWaits);
    this.waitingTick = state.number('waitingTick', this.waitingTick);
    this.#event = state.event('event', this.#event, this.#onDeadline) ?? NO_EVENT;
  }

  get #sint(): number {
    return (this.configLow >>> TIMER_SINT_SHIFT) & 0xf;
  }

  get #isPeriodic(): boolean {
    return (this.configLow & TIMER_PERIODIC) !== 0;
  }

  /** Units of 100 ns; inexact above 2^53, where it is never reached. */
  get #count(): number {
    return this.countHigh * U32 + this.countLow;
  }

  /** @returns false for #GP: a reserved bit is set */
  writeConfig(low: number, high: number): boolean {
    const allowed = this.#hasDirectMode ? TIMER_CONFIG_MASK : TIMER_CONFIG_MASK_MESSAGE_ONLY;
    if (high !== 0 || (low & ~allowed) !== 0) return false;
    this.#stop();
    this.configLow = low;
    const hasNoTarget = (low & TIMER_DIRECT) === 0 && this.#sint === 0;
    if (hasNoTarget || this.#count === 0) this.configLow &= ~TIMER_ENABLED;
    this.#start();
    return true;
  }

  writeCount(low: number, high: number): void {
    this.#stop();
    this.countLow = low;
    this.countHigh = high;
    if (this.#count === 0) this.configLow &= ~TIMER_ENABLED;
    else if ((this.configLow & TIMER_AUTO_ENABLE) !== 0 && this.#hasTarget) {
      this.configLow |= TIMER_ENABLED;
    }
    this.#start();
  }

  get #hasTarget(): boolean {
    return (this.configLow & TIMER_DIRECT) !== 0 || this.#sint !== 0;
  }

  /** Writing either register withdraws an expiration that the guest has not seen yet. */
  #stop(): void {
    if (this.#event !== NO_EVENT) this.#owner.events.cancel(this.#event);
    this.#event = NO_EVENT;
    this.dueTick = Infinity;
    if (!this.messageWaits) return;
    this.messageWaits = false;
    this.#owner.synic.withdrawTimerMessage(this.#sint, this.#index);
  }

  #start(): void {
    if ((this.configLow & TIMER_ENABLED) === 0) return;
    const now = this.#owner.time.referenceCount;
    if (this.#isPeriodic) this.#schedule(now + this.#periodTicks);
    else if (this.#count <= now) {
      this.dueTick = this.#count;
      this.#expire();
    } else this.#schedule(this.#count);
  }

  /** The period, lengthened to a whole multiple of it that is not too short. */
  get #periodTicks(): number {
    const count = this.#count;
    return count >= SHORTEST_PERIOD_TICKS
      ? count
      : count * Math.ceil(SHORTEST_PERIOD_TICKS / count);
  }

  #schedule(tick: number): void {
    this.dueTick = tick;
    if (tick > LAST_TICK) return;
    this.#event = this.#owner.events.at(tick * NS_PER_REFERENCE_TICK, this.#onDeadline);
  }

  #expire(): void {
    const { trace, index, time } = this.#owner;
    const due = this.dueTick;
    this.dueTick = Infinity;
    if (!this.#isPeriodic) this.configLow &= ~TIMER_ENABLED;
    trace.emit(timerExpired, index, this.#index, due, time.referenceCount);
    if ((this.configLow & TIMER_DIRECT) !== 0) {
      this.#owner.raiseVector((this.configLow >>> TIMER_VECTOR_SHIFT) & 0xff);
      this.#continue(due);
      return;
    }
    const { expirationTime } = TimerMessagePayload.offset;
    this.#view.setUint32(expirationTime, due % U32, true);
    this.#view.setUint32(expirationTime + 4, Math.floor(due / U32), true);
    this.messageWaits = true;
    this.waitingTick = due;
    const type = MessageType.is.timerExpired;
    const { synic } = this.#owner;
    const isTaken = synic.post(this.#sint, type, this.#payload, 0, this.#payload.length, 0);
    if (!isTaken) this.messageDelivered();
  }

  /** The message is in its slot: a periodic timer goes on, in phase, without what it missed. */
  messageDelivered(): void {
    if (!this.messageWaits) return;
    this.messageWaits = false;
    this.#continue(this.waitingTick);
  }

  #continue(due: number): void {
    if (!this.#isPeriodic || (this.configLow & TIMER_ENABLED) === 0) return;
    const period = this.#periodTicks;
    const missed = Math.max(0, Math.floor((this.#owner.time.referenceCount - due) / period));
    this.#schedule(due + (missed + 1) * period);
  }
}
