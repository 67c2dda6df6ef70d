import { NS_PER_REFERENCE_TICK, NS_PER_SECOND } from '../core/clock.ts';
import type { VirtualClock } from '../core/clock.ts';

const U32 = 0x1_0000_0000;
const HALF = 0x1_0000;

/**
 * Whole ticks of a clock of `hz` in a time, exact in integer arithmetic: every product is split so
 * that it stays below 2^53.
 * @param ns below 2^53
 * @param hz below 2^34
 * @returns floor(ns * hz / 10^9) as a number, exact while it is below 2^53
 */
export function nsToTicks(ns: number, hz: number): number {
  const seconds = Math.floor(ns / NS_PER_SECOND);
  return seconds * hz + subSecondTicks(ns - seconds * NS_PER_SECOND, hz);
}

function subSecondTicks(ns: number, hz: number): number {
  const hzHigh = Math.floor(hz / HALF);
  const hzLow = hz % HALF;
  const high = ns * hzHigh;
  const whole = Math.floor(high / NS_PER_SECOND);
  const rest = (high - whole * NS_PER_SECOND) * HALF + ns * hzLow;
  return whole * HALF + Math.floor(rest / NS_PER_SECOND);
}

/**
 * The first nanosecond at which `nsToTicks` gives at least `ticks`: a timer armed there never fires
 * early.
 * @param ticks below 2^53
 * @returns ceil(ticks * 10^9 / hz); inexact beyond 2^53, where nothing is ever due
 */
export function ticksToNs(ticks: number, hz: number): number {
  const seconds = Math.floor(ticks / hz);
  const rest = ticks - seconds * hz;
  const restHigh = Math.floor(rest / HALF);
  const high = restHigh * NS_PER_SECOND;
  const whole = Math.floor(high / hz);
  const low = (high - whole * hz) * HALF + (rest % HALF) * NS_PER_SECOND;
  return seconds * NS_PER_SECOND + whole * HALF + Math.ceil(low / hz);
}

/** Time as a partition counts it: reference counter (100 ns) and TSC, both zero at power-on. */
export class PartitionTime {
  readonly clock: VirtualClock;
  readonly tscHz: number;
  readonly #hzHigh: number;
  readonly #hzLow: number;

  constructor(clock: VirtualClock, tscHz: number) {
    this.clock = clock;
    this.tscHz = tscHz;
    this.#hzHigh = Math.floor(tscHz / HALF);
    this.#hzLow = tscHz % HALF;
  }

  /** Units of 100 ns since power-on. */
  get referenceCount(): number {
    return Math.floor(this.clock.nowNs / NS_PER_REFERENCE_TICK);
  }

  /** Writes the halves of floor(now * tscHz / 10^9) to `out[0..1]`, exact for every time. */
  readTsc(out: Uint32Array): void {
    const now = this.clock.nowNs;
    const seconds = Math.floor(now / NS_PER_SECOND);
    const fraction = subSecondTicks(now - seconds * NS_PER_SECOND, this.tscHz);
    const high = seconds * this.#hzHigh;
    const low = (high % HALF) * HALF + seconds * this.#hzLow + fraction;
    out[0] = low % U32;
    out[1] = Math.floor(high / HALF) + Math.floor(low / U32);
  }

  /**
   * Scale of the reference TSC page: 10^7 * 2^64 / tscHz, rounded up. Rounding up makes the page
   * and the counter register agree to the tick for any TSC rate that is a multiple of 10 MHz,
   * where rounding down would leave the page one tick behind at every boundary.
   */
  get referenceTscScale(): bigint {
    const hz = BigInt(this.tscHz);
    return ((10_000_000n << 64n) + hz - 1n) / hz;
  }
}
