import type { EventHandle, EventQueue } from '../core/events.ts';
import type { StateStream } from '../core/state.ts';
import type { LocalApic } from './apic.ts';
import { LVT_TIMER, LVT_TIMER_MODE_MASK, LVT_TIMER_MODE_SHIFT, TimerMode } from './spec/apic.ts';
import type { PartitionTime } from './time.ts';
import { nsToTicks, ticksToNs } from './time.ts';

const NO_EVENT: EventHandle = 0;
/** Periodic expirations closer than this are skipped: a guest must not stall the event queue. */
const SHORTEST_PERIOD_NS = 10_000;

/** TSC of one processor: the partition's, plus what the guest added by writing IA32_TSC. */
export interface LocalTsc {
  readonly offsetLow: number;
  readonly offsetHigh: number;
}

/**
 * The APIC timer: one-shot, periodic and TSC-deadline (SDM volume 3, 11.5.4). Counts are computed
 * from the start time, so that nothing runs while nobody looks.
 */
export class ApicTimer {
  readonly #apic: LocalApic;
  readonly #time: PartitionTime;
  readonly #events: EventQueue;
  readonly #tsc: LocalTsc;
  readonly hz: number;
  readonly #onDeadline: () => void;
  initialCount = 0;
  divideRegister = 0;
  /** Virtual time at which the present count-down began. */
  startNs = 0;
  /** TSC-deadline mode: IA32_TSC_DEADLINE, 0 when it is disarmed. */
  deadlineLow = 0;
  deadlineHigh = 0;
  #event: EventHandle = NO_EVENT;

  constructor(apic: LocalApic, time: PartitionTime, events: EventQueue, tsc: LocalTsc, hz: number) {
    this.#apic = apic;
    this.#time = time;
    this.#events = events;
    this.#tsc = tsc;
    this.hz = hz;
    this.#onDeadline = () => this.#expire();
  }

  reset(): void {
    this.#disarm();
    this.initialCount = 0;
    this.divideRegister = 0;
    this.startNs = 0;
    this.deadlineLow = 0;
    this.deadlineHigh = 0;
  }

  exchange(state: StateStream): void {
    this.initialCount = state.number('initialCount', this.initialCount);
    this.divideRegister = state.number('divideRegister', this.divideRegister);
    this.startNs = state.number('startNs', this.startNs);
    this.deadlineLow = state.number('deadlineLow', this.deadlineLow);
    this.deadlineHigh = state.number('deadlineHigh', this.deadlineHigh);
    this.#event = state.event('event', this.#event, this.#onDeadline) ?? NO_EVENT;
  }

  get mode(): number {
    return (this.#apic.localVectors[LVT_TIMER]! >>> LVT_TIMER_MODE_SHIFT) & LVT_TIMER_MODE_MASK;
  }

  /** 1, 2, 4 ... 128 from bits 3, 1, 0; 111b means 1. */
  get divider(): number {
    const code = (this.divideRegister & 3) | ((this.divideRegister & 8) >> 1);
    return 1 << ((code + 1) & 7);
  }

  writeInitialCount(value: number): void {
    if (this.mode === TimerMode.tscDeadline) return;
    this.initialCount = value;
    this.startNs = this.#time.clock.nowNs;
    this.#arm();
  }

  writeDivide(value: number): void {
    const current = this.currentCount;
    this.divideRegister = value & 0xb;
    if (this.initialCount === 0 || this.mode === TimerMode.tscDeadline) return;
    // The count goes on from where it is, at the new rate.
    const done = (this.initialCount - current) * this.divider;
    this.startNs = this.#time.clock.nowNs - ticksToNs(done, this.hz);
    this.#arm();
  }

  /** The local vector entry changed from `before`: a change of mode to or from deadline disarms. */
  modeChanged(before: number): void {
    const { mode } = this;
    if (mode === before) return;
    if (mode === TimerMode.tscDeadline || before === TimerMode.tscDeadline) {
      this.#disarm();
      this.initialCount = 0;
      this.deadlineLow = 0;
      this.deadlineHigh = 0;
      return;
    }
    this.#arm();
  }

  writeDeadline(low: number, high: number): void {
    if (this.mode !== TimerMode.tscDeadline) return;
    this.deadlineLow = low;
    this.deadlineHigh = high;
    this.armDeadline();
  }

  /** Arms the deadline by the processor's TSC as it is now; called again when the TSC is written. */
  armDeadline(): void {
    if (this.mode !== TimerMode.tscDeadline) return;
    this.#disarm();
    if (this.deadlineLow === 0 && this.deadlineHigh === 0) return;
    let low = this.deadlineLow - this.#tsc.offsetLow;
    let high = this.deadlineHigh - this.#tsc.offsetHigh;
    if (low < 0) {
      low += 0x1_0000_0000;
      high -= 1;
    }
    const target = (high | 0) * 0x1_0000_0000 + low;
    this.#schedule(target <= 0 ? 0 : ticksToNs(target, this.#time.tscHz));
  }

  get currentCount(): number {
    if (this.initialCount === 0 || this.mode === TimerMode.tscDeadline) return 0;
    const elapsedNs = this.#time.clock.nowNs - this.startNs;
    const counted = Math.floor(nsToTicks(elapsedNs, this.hz) / this.divider);
    if (this.mode === TimerMode.oneShot) return Math.max(0, this.initialCount - counted);
    return this.initialCount - (counted % this.initialCount);
  }

  #arm(): void {
    this.#disarm();
    if (this.initialCount === 0) return;
    const { nowNs } = this.#time.clock;
    const periodTicks = this.initialCount * this.divider;
    const elapsedTicks = nsToTicks(nowNs - this.startNs, this.hz);
    if (this.mode === TimerMode.oneShot) {
      if (elapsedTicks < periodTicks)
        this.#schedule(this.startNs + ticksToNs(periodTicks, this.hz));
      return;
    }
    let periods = Math.floor(elapsedTicks / periodTicks) + 1;
    const periodNs = ticksToNs(periodTicks, this.hz);
    if (periodNs < SHORTEST_PERIOD_NS) periods += Math.ceil(SHORTEST_PERIOD_NS / periodNs) - 1;
    this.#schedule(this.startNs + ticksToNs(periods * periodTicks, this.hz));
  }

  #schedule(deadlineNs: number): void {
    if (deadlineNs > Number.MAX_SAFE_INTEGER) return;
    this.#event = this.#events.at(deadlineNs, this.#onDeadline);
  }

  #disarm(): void {
    if (this.#event !== NO_EVENT) this.#events.cancel(this.#event);
    this.#event = NO_EVENT;
  }

  #expire(): void {
    this.#event = NO_EVENT;
    const { mode } = this;
    if (mode === TimerMode.tscDeadline) {
      this.deadlineLow = 0;
      this.deadlineHigh = 0;
    } else if (mode === TimerMode.periodic) {
      this.#arm();
    }
    this.#apic.deliverLocal(LVT_TIMER);
  }
}
