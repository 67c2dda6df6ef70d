import type { VirtualClock } from '../core/clock.ts';
import type { EventQueue } from '../core/events.ts';
import type { ProcessorEngine } from '../hypervisor/processor.ts';

/** Why the loop came back without the machine having been stopped. */
export type Pause = 'deadline' | 'steps' | 'idle';

/** A guest that runs this often in one instant makes no progress: our fault, not the guest's. */
const MAX_STEPS_IN_ONE_INSTANT = 10_000_000;

/**
 * Takes the processors and the event queue forward in virtual time. Whoever is due first runs;
 * events come before processors of the same instant, and among processors the lowest index first.
 */
export class RunLoop {
  readonly #clock: VirtualClock;
  readonly #events: EventQueue;
  readonly #engines: readonly ProcessorEngine[];
  /** When each processor wants to run next; Infinity while it waits for an interrupt. */
  readonly #wakeNs: Float64Array;
  readonly #onTurn: (processor: number, busyNs: number) => void;
  #isStopped = false;
  #instantNs = -1;
  #stepsInInstant = 0;

  /** @param onTurn hears after each turn how long the processor works, 0 when it idles from now */
  constructor(
    clock: VirtualClock,
    events: EventQueue,
    engines: readonly ProcessorEngine[],
    onTurn: (processor: number, busyNs: number) => void = () => undefined,
  ) {
    this.#onTurn = onTurn;
    this.#clock = clock;
    this.#events = events;
    this.#engines = engines;
    this.#wakeNs = new Float64Array(engines.length).fill(Infinity);
  }

  /** An interrupt may be deliverable to this processor. */
  wake(processor: number): void {
    const nowNs = this.#clock.nowNs;
    if (this.#wakeNs[processor]! > nowNs) this.#wakeNs[processor] = nowNs;
  }

  /** All processors wait until they are woken. */
  sleepAll(): void {
    this.#wakeNs.fill(Infinity);
  }

  /** When the first of the processors wants to run; Infinity while all wait. */
  get nextWakeNs(): number {
    return this.#wakeNs[this.#earliest()]!;
  }

  /** Makes `run` return after the step that it is in. */
  stop(): void {
    this.#isStopped = true;
  }

  /**
   * @param deadlineNs virtual time beyond which nothing runs
   * @param maxSteps how many turns to take at most, so that the host can look up between
   * @returns undefined when `stop` was called
   */
  run(deadlineNs: number, maxSteps: number): Pause | undefined {
    this.#isStopped = false;
    for (let step = 0; step < maxSteps; step += 1) {
      if (this.#isStopped) return undefined;
      const processor = this.#earliest();
      const wakeNs = this.#wakeNs[processor]!;
      const eventNs = this.#events.nextDeadlineNs;
      const nextNs = Math.min(wakeNs, eventNs);
      if (nextNs === Infinity) return 'idle';
      if (nextNs > deadlineNs) {
        this.#clock.set(Math.max(deadlineNs, this.#clock.nowNs));
        return 'deadline';
      }
      this.#countStep(nextNs);
      if (eventNs <= wakeNs) {
        this.#events.runNext();
        continue;
      }
      this.#clock.set(Math.max(wakeNs, this.#clock.nowNs));
      const limitNs = Math.min(eventNs, deadlineNs, this.#secondWakeNs(processor));
      // The engine may be woken while it runs; only a later wish of its own replaces that.
      this.#wakeNs[processor] = Infinity;
      const startNs = this.#clock.nowNs;
      const wishNs = this.#engines[processor]!.run(Math.max(limitNs, startNs));
      this.#onTurn(processor, wishNs < Infinity ? wishNs - startNs : 0);
      this.#wakeNs[processor] = Math.min(this.#wakeNs[processor], wishNs);
    }
    return this.#isStopped ? undefined : 'steps';
  }

  #earliest(): number {
    let best = 0;
    for (let index = 1; index < this.#wakeNs.length; index += 1) {
      if (this.#wakeNs[index]! < this.#wakeNs[best]!) best = index;
    }
    return best;
  }

  #secondWakeNs(processor: number): number {
    let second = Infinity;
    for (let index = 0; index < this.#wakeNs.length; index += 1) {
      if (index !== processor && this.#wakeNs[index]! < second) second = this.#wakeNs[index]!;
    }
    return second;
  }

  #countStep(timeNs: number): void {
    if (timeNs !== this.#instantNs) {
      this.#instantNs = timeNs;
      this.#stepsInInstant = 0;
    }
    this.#stepsInInstant += 1;
    if (this.#stepsInInstant > MAX_STEPS_IN_ONE_INSTANT) {
      throw new Error(`no progress: ${MAX_STEPS_IN_ONE_INSTANT} steps at ${timeNs} ns`);
    }
  }
}
