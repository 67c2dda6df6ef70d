import type { StateStream } from './state.ts';

/**
 * Virtual time. One clock for a run, integer nanoseconds in a JavaScript number (exact for 104
 * days), moved only by processors that charge for their work and by the run loop that jumps to the
 * next event when all processors idle.
 */
export class VirtualClock {
  #nowNs = 0;

  /** Nanoseconds since power-on. */
  get nowNs(): number {
    return this.#nowNs;
  }

  /**
   * Sets the time. The run loop keeps it from going back for the model guest; processors that run
   * in turn may each start from their own local time.
   */
  set(timeNs: number): void {
    if (!Number.isSafeInteger(timeNs) || timeNs < 0) throw new Error(`bad virtual time ${timeNs}`);
    this.#nowNs = timeNs;
  }

  exchange(state: StateStream): void {
    this.#nowNs = state.number('nowNs', this.#nowNs);
  }
}

export const NS_PER_US = 1_000;
export const NS_PER_MS = 1_000_000;
export const NS_PER_SECOND = 1_000_000_000;
/** Hyper-V counts time in units of 100 ns (TLFS, "Partition Reference Counter"). */
export const NS_PER_REFERENCE_TICK = 100;
