/** The i8254 as FreeBSD's clock code uses it: a free-running counter 0, and DELAY upon it. */
import type { Task } from '../kernel/api.ts';
import type { Hardware } from '../kernel/hardware.ts';

export const I8254_HZ = 1_193_182;
export const I8254_MAX_COUNT = 0x1_0000;
export const PIT_COUNTER0 = 0x40;
export const PIT_MODE = 0x43;
const LATCH_COUNTER0 = 0x00;
/** Counter 0, low then high byte, mode 2. */
const RATE_GENERATOR = 0x34;

export class I8254 {
  readonly #hardware: Hardware;

  constructor(hardware: Hardware) {
    this.#hardware = hardware;
  }

  *start(): Task {
    this.#hardware.out8(PIT_MODE, RATE_GENERATOR);
    yield 0;
    this.#hardware.out8(PIT_COUNTER0, 0);
    yield 0;
    this.#hardware.out8(PIT_COUNTER0, 0);
    yield 0;
  }

  /** One latched read: three port accesses, each of which takes its time. */
  *read(): Task<number> {
    this.#hardware.out8(PIT_MODE, LATCH_COUNTER0);
    yield 0;
    const low = this.#hardware.in8(PIT_COUNTER0);
    yield 0;
    const high = this.#hardware.in8(PIT_COUNTER0);
    yield 0;
    return (high << 8) | low;
  }

  /** The same at one instant, for a timecounter's reader. */
  readNow(): number {
    this.#hardware.out8(PIT_MODE, LATCH_COUNTER0);
    const low = this.#hardware.in8(PIT_COUNTER0);
    return (this.#hardware.in8(PIT_COUNTER0) << 8) | low;
  }

  /**
   * Waits by summing downward steps; an upward one counts as a reload. Where no i8254 is, each read
   * gives all ones and the sum never grows.
   * @param mayGiveUp asked after each run of reads without progress; true ends the wait
   */
  *delay(microseconds: number, mayGiveUp: () => boolean): Task<boolean> {
    let previous = yield* this.read();
    let left = Math.ceil((microseconds * I8254_HZ) / 1_000_000);
    let standing = 0;
    while (left > 0) {
      const count = yield* this.read();
      let step = previous - count;
      previous = count;
      if (step < 0) step += I8254_MAX_COUNT;
      standing = step === 0 ? standing + 1 : 0;
      if (standing >= 1_000 && mayGiveUp()) return false;
      left -= step;
    }
    return true;
  }
}
