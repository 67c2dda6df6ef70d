import type { StateStream } from '../../core/state.ts';
import type { PitAnomaly } from './spec.ts';
import { PitAccess, PitMode, PitStatus } from './spec.ts';

/**
 * One counter of an 8254. Nothing runs between accesses: count and output follow from the ticks of
 * the input clock since the counter was loaded. All times are whole ticks since power-on.
 */
export class Counter {
  readonly #anomaly: PitAnomaly | null;
  #mode: number = PitMode.terminalCount;
  #access: number = PitAccess.lowThenHigh;
  #isBcd = false;
  /** Counts in a period: 1 to 65536 (10000 in BCD). */
  #period = 0x1_0000;
  /** A count was written since the control word. */
  #hasCount = false;
  /** The counter counts, from `#startedAt` on. Modes 1 and 5 wait for the gate. */
  #isRunning = false;
  #startedAt = 0;
  /** Ticks counted when the gate closed; meaningful while it is closed. */
  #pausedElapsed = 0;
  /** A periodic mode takes up `#nextPeriod` at this tick; Infinity when none is waiting. */
  #switchAt = Infinity;
  #nextStartedAt = 0;
  #nextPeriod = 0;
  #gate = true;
  #latchedCount = -1;
  #latchedStatus = -1;
  #writesHigh = false;
  #readsHigh = false;
  #lowByte = 0;

  /** @param anomaly shows in mode 2 only */
  constructor(anomaly: PitAnomaly | null) {
    this.#anomaly = anomaly;
  }

  exchange(state: StateStream): void {
    this.#mode = state.number('mode', this.#mode);
    this.#access = state.number('access', this.#access);
    this.#isBcd = state.flag('isBcd', this.#isBcd);
    this.#period = state.number('period', this.#period);
    this.#hasCount = state.flag('hasCount', this.#hasCount);
    this.#isRunning = state.flag('isRunning', this.#isRunning);
    this.#startedAt = state.number('startedAt', this.#startedAt);
    this.#pausedElapsed = state.number('pausedElapsed', this.#pausedElapsed);
    this.#switchAt = state.number('switchAt', this.#switchAt);
    this.#nextStartedAt = state.number('nextStartedAt', this.#nextStartedAt);
    this.#nextPeriod = state.number('nextPeriod', this.#nextPeriod);
    this.#gate = state.flag('gate', this.#gate);
    this.#latchedCount = state.number('latchedCount', this.#latchedCount);
    this.#latchedStatus = state.number('latchedStatus', this.#latchedStatus);
    this.#writesHigh = state.flag('writesHigh', this.#writesHigh);
    this.#readsHigh = state.flag('readsHigh', this.#readsHigh);
    this.#lowByte = state.number('lowByte', this.#lowByte);
  }

  get gate(): boolean {
    return this.#gate;
  }

  /** A control word: the counter stops until a count is written. */
  control(access: number, modeBits: number, isBcd: boolean): void {
    this.#access = access;
    // Bit 2 of the mode is "don't care" for modes 2 and 3, so that 6 and 7 mean them too.
    this.#mode = modeBits > 5 ? modeBits - 4 : modeBits;
    this.#isBcd = isBcd;
    this.#hasCount = false;
    this.#isRunning = false;
    this.#switchAt = Infinity;
    this.#writesHigh = false;
    this.#readsHigh = false;
    this.#latchedCount = -1;
    this.#latchedStatus = -1;
  }

  write(byte: number, now: number): void {
    this.#settle(now);
    if (this.#access === PitAccess.low) {
      this.#load(byte, now);
    } else if (this.#access === PitAccess.high) {
      this.#load(byte << 8, now);
    } else if (this.#writesHigh) {
      this.#writesHigh = false;
      this.#load(this.#lowByte | (byte << 8), now);
    } else {
      this.#writesHigh = true;
      this.#lowByte = byte;
      // In mode 0 the first byte stops the count.
      if (this.#mode === PitMode.terminalCount) this.#isRunning = false;
    }
  }

  #load(word: number, now: number): void {
    const period = this.#isBcd ? fromBcd(word) || 10_000 : word || 0x1_0000;
    this.#hasCount = true;
    if (this.#isTriggered) {
      if (!this.#isRunning) this.#period = period;
      this.#nextPeriod = period;
    } else if (this.#isPeriodic && this.#isRunning) {
      this.#switchLater(period, now);
    } else {
      this.#period = period;
      this.#isRunning = true;
      this.#startedAt = now;
      this.#pausedElapsed = 0;
      if (this.#anomaly !== null) this.#startedAt -= this.#anomaly.startPhase % period;
    }
  }

  /** Mode 2 takes a new count up after the period, mode 3 after the half of it (data sheet). */
  #switchLater(period: number, now: number): void {
    const phase = (now - this.#startedAt) % this.#period;
    const high = Math.ceil(this.#period / 2);
    this.#nextPeriod = period;
    if (this.#mode === PitMode.squareWave && phase < high) {
      this.#switchAt = now - phase + high;
      this.#nextStartedAt = this.#switchAt - Math.ceil(period / 2);
    } else {
      this.#switchAt = now - phase + this.#period;
      this.#nextStartedAt = this.#switchAt;
    }
  }

  #settle(now: number): void {
    if (now < this.#switchAt) return;
    this.#startedAt = this.#nextStartedAt;
    this.#period = this.#nextPeriod;
    this.#switchAt = Infinity;
  }

  setGate(gate: boolean, now: number): void {
    if (gate === this.#gate) return;
    this.#settle(now);
    if (!gate) this.#pausedElapsed = now - this.#startedAt;
    this.#gate = gate;
    if (!gate || !this.#hasCount) return;
    if (this.#isTriggered) {
      this.#isRunning = true;
      this.#period = this.#nextPeriod;
      this.#startedAt = now;
    } else if (this.#isPeriodic) {
      this.#startedAt = now;
      if (this.#switchAt !== Infinity) this.#period = this.#nextPeriod;
      this.#switchAt = Infinity;
    } else {
      this.#startedAt = now - this.#pausedElapsed;
    }
  }

  get #isPeriodic(): boolean {
    return this.#mode === PitMode.rateGenerator || this.#mode === PitMode.squareWave;
  }

  /** Modes that the gate starts and does not stop. */
  get #isTriggered(): boolean {
    return this.#mode === PitMode.oneShot || this.#mode === PitMode.hardwareStrobe;
  }

  #elapsed(now: number): number {
    return this.#gate || this.#isTriggered ? now - this.#startedAt : this.#pausedElapsed;
  }

  latchCount(now: number): void {
    if (this.#latchedCount < 0) this.#latchedCount = this.#count(now);
  }

  latchStatus(now: number): void {
    if (this.#latchedStatus >= 0) return;
    const output = this.output(now);
    const isNull = !this.#hasCount || this.#switchAt !== Infinity;
    this.#latchedStatus =
      (output ? PitStatus.output : 0) |
      (isNull ? PitStatus.nullCount : 0) |
      (this.#access << 4) |
      (this.#mode << 1) |
      (this.#isBcd ? 1 : 0);
  }

  read(now: number): number {
    if (this.#latchedStatus >= 0) {
      const status = this.#latchedStatus;
      this.#latchedStatus = -1;
      return status;
    }
    const count = this.#latchedCount >= 0 ? this.#latchedCount : this.#count(now);
    if (this.#access === PitAccess.lowThenHigh) {
      this.#readsHigh = !this.#readsHigh;
      if (this.#readsHigh) return count & 0xff;
    }
    this.#latchedCount = -1;
    return this.#access === PitAccess.low ? count & 0xff : count >> 8;
  }

  /** The counting element as a guest reads it: 16 bits, in BCD where so programmed. */
  #count(now: number): number {
    this.#settle(now);
    const modulus = this.#isBcd ? 10_000 : 0x1_0000;
    const count = this.#isRunning ? this.#binaryCount(this.#elapsed(now)) : this.#period;
    const wrapped = ((count % modulus) + modulus) % modulus;
    return this.#isBcd ? toBcd(wrapped) : wrapped;
  }

  #binaryCount(elapsed: number): number {
    const period = this.#period;
    if (this.#mode === PitMode.rateGenerator) {
      return period - (this.#shownElapsed(elapsed) % period);
    }
    if (this.#mode === PitMode.squareWave) {
      const phase = elapsed % period;
      const high = Math.ceil(period / 2);
      return (period & ~1) - 2 * (phase < high ? phase : phase - high);
    }
    return period - elapsed;
  }

  /**
   * Ticks as the anomaly shows them: too fast by `aheadCounts` in a period, right again where the
   * shown count is `reanchorAfter` past its reload, which is that much less in true ticks.
   */
  #shownElapsed(elapsed: number): number {
    const anomaly = this.#anomaly;
    if (anomaly === null || this.#period <= anomaly.reanchorAfter) return elapsed;
    const anchor = anomaly.reanchorAfter - anomaly.aheadCounts;
    if (elapsed < anchor) return elapsed;
    const sinceAnchor = (elapsed - anchor + this.#period) % this.#period;
    return elapsed + Math.floor((sinceAnchor * anomaly.aheadCounts) / this.#period);
  }

  output(now: number): boolean {
    this.#settle(now);
    const elapsed = this.#elapsed(now);
    switch (this.#mode) {
      case PitMode.terminalCount:
        return this.#isRunning && elapsed >= this.#period;
      case PitMode.oneShot:
        return !this.#isRunning || elapsed >= this.#period;
      case PitMode.rateGenerator:
        return !this.#isRunning || !this.#gate || elapsed % this.#period !== this.#period - 1;
      case PitMode.squareWave:
        return (
          !this.#isRunning || !this.#gate || elapsed % this.#period < Math.ceil(this.#period / 2)
        );
      default:
        return !this.#isRunning || elapsed !== this.#period;
    }
  }

  /** The next tick after `now` at which the output rises, or Infinity. */
  nextRise(now: number): number {
    this.#settle(now);
    if (!this.#isRunning || (!this.#gate && !this.#isTriggered)) return Infinity;
    const elapsed = now - this.#startedAt;
    if (this.#isPeriodic) {
      const boundary = now - (elapsed % this.#period) + this.#period;
      // A count that is waiting moves the rest of the wave; the rise is then found from there.
      if (this.#switchAt >= boundary) return boundary;
      return this.#nextStartedAt + this.#nextPeriod;
    }
    const isStrobe = this.#mode === PitMode.softwareStrobe || this.#mode === PitMode.hardwareStrobe;
    const rise = this.#period + (isStrobe ? 1 : 0);
    return elapsed < rise ? this.#startedAt + rise : Infinity;
  }
}

function fromBcd(word: number): number {
  let value = 0;
  for (let shift = 12; shift >= 0; shift -= 4) value = value * 10 + ((word >> shift) & 0xf);
  return value;
}

function toBcd(value: number): number {
  let word = 0;
  for (let shift = 0, rest = value; shift < 16; shift += 4, rest = Math.floor(rest / 10)) {
    word |= (rest % 10) << shift;
  }
  return word;
}
