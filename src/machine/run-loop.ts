import type { StateStream } from '../core/state.ts';
import type { VirtualClock } from '../core/clock.ts';
import type { EventQueue } from '../core/events.ts';
import type { ProcessorEngine } from '../hypervisor/processor.ts';

/** Why the loop came back without the machine having been stopped. */
export type Pause = 'deadline' | 'steps' | 'idle';

/** A guest that runs this often in one instant makes no progress: our fault, not the guest's. */
const MAX_STEPS_IN_ONE_INSTANT = 10_000_000;
const NOBODY = -1;

export interface RunLoopOptions {
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly engines: readonly ProcessorEngine[];
  /**
   * Processors that execute instructions move the clock while they run, so they take turns: each at
   * most as long as this says, a function of the time at which it begins. Absent: a turn is an
   * instant.
   */
  readonly quantumNs?: (startNs: number) => number;
  /** How much later than it wishes a processor runs again, asked after each turn. */
  readonly lateNs?: (() => number) | undefined;
  /** Hears after each turn how long the processor worked, 0 when it idles from now. */
  readonly onTurn?: (processor: number, busyNs: number) => void;
}

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
  readonly #quantumNs: ((startNs: number) => number) | undefined;
  readonly #lateNs: (() => number) | undefined;
  readonly #onTurn: (processor: number, busyNs: number) => void;
  /** The processor whose turn it is, or -1. */
  #running = NOBODY;
  #lastTurn = NOBODY;
  /** The turn that runs, or is broken off, ends for the machine's own reasons, not its caller's. */
  #hasToEnd = false;
  /**
   * The processor whose turn a caller broke off, or -1. It goes on as if nothing had been, so that a
   * run does not depend on where its caller looked up.
   */
  #brokenOff = NOBODY;
  #brokenStartNs = 0;
  #brokenUntilNs = 0;
  /** True: no processor has a turn, while events go on. Wakes are kept. */
  isFrozen = false;
  #isStopped = false;
  #instantNs = -1;
  #stepsInInstant = 0;
  /** Turns that left the clock where it is. */
  #turnNs = -1;
  #turns = 0;

  constructor(options: RunLoopOptions) {
    this.#clock = options.clock;
    this.#events = options.events;
    this.#engines = options.engines;
    this.#quantumNs = options.quantumNs;
    this.#lateNs = options.lateNs;
    this.#onTurn = options.onTurn ?? (() => undefined);
    this.#wakeNs = new Float64Array(options.engines.length).fill(Infinity);
  }

  /** An interrupt may be deliverable to this processor. */
  wake(processor: number): void {
    const nowNs = this.#clock.nowNs;
    if (this.#wakeNs[processor]! > nowNs) this.#wakeNs[processor] = nowNs;
    this.#endTurn();
  }

  readonly #endTurn = (): void => {
    if (this.#running === NOBODY) return;
    this.#hasToEnd = true;
    this.#engines[this.#running]!.endTurn?.();
  };

  exchange(state: StateStream): void {
    state.array('wakeNs', this.#wakeNs);
    this.#lastTurn = state.number('lastTurn', this.#lastTurn);
    this.#brokenOff = state.number('brokenOff', this.#brokenOff);
    this.#brokenStartNs = state.number('brokenStartNs', this.#brokenStartNs);
    this.#brokenUntilNs = state.number('brokenUntilNs', this.#brokenUntilNs);
    this.#instantNs = state.number('instantNs', this.#instantNs);
    this.#stepsInInstant = state.number('stepsInInstant', this.#stepsInInstant);
    this.#turnNs = state.number('turnNs', this.#turnNs);
    this.#turns = state.number('turns', this.#turns);
  }

  /** All processors wait until they are woken. */
  sleepAll(): void {
    this.#wakeNs.fill(Infinity);
  }

  /** When the first of the processors wants to run; Infinity while all wait. */
  get nextWakeNs(): number {
    return this.isFrozen ? Infinity : this.#wakeNs[this.#earliest()]!;
  }

  /** How many turns were taken, as the clock stands now. */
  get turns(): number {
    return this.#turnNs === this.#clock.nowNs ? this.#turns : 0;
  }

  #countTurn(): void {
    const { nowNs } = this.#clock;
    if (nowNs !== this.#turnNs) this.#turns = 0;
    this.#turnNs = nowNs;
    this.#turns += 1;
  }

  /** Makes `run` return after the step that it is in. */
  stop(): void {
    this.#isStopped = true;
    if (this.#running !== NOBODY) this.#engines[this.#running]!.endTurn?.();
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
      if (this.#brokenOff !== NOBODY && !this.isFrozen) {
        if (!this.#goOn(deadlineNs)) return 'deadline';
        continue;
      }
      const processor = this.#earliest();
      const wakeNs = this.isFrozen ? Infinity : this.#wakeNs[processor]!;
      const eventNs = this.#events.nextDeadlineNs;
      const nextNs = Math.min(wakeNs, eventNs);
      if (nextNs === Infinity) return 'idle';
      // Instructions take time: a turn that would begin at the deadline is for the next call.
      const isTooLate =
        this.#quantumNs !== undefined && wakeNs < eventNs && this.#clock.nowNs >= deadlineNs;
      if (nextNs > deadlineNs || isTooLate) {
        this.#clock.set(Math.max(deadlineNs, this.#clock.nowNs));
        return 'deadline';
      }
      this.#countStep(nextNs);
      if (eventNs <= wakeNs) {
        this.#events.runNext();
        this.#countTurn();
        continue;
      }
      this.#turn(processor, eventNs, deadlineNs);
    }
    return this.#isStopped ? undefined : 'steps';
  }

  /** Goes on with the turn that was broken off. @returns false at the deadline */
  #goOn(deadlineNs: number): boolean {
    const { nowNs } = this.#clock;
    const eventNs = this.#events.nextDeadlineNs;
    if (eventNs <= nowNs) {
      this.#events.runNext();
      this.#countTurn();
      return true;
    }
    if (nowNs >= deadlineNs) return false;
    const processor = this.#brokenOff;
    const untilNs = Math.min(this.#brokenUntilNs, eventNs);
    this.#brokenOff = NOBODY;
    this.#countStep(nowNs);
    this.#execute(processor, this.#brokenStartNs, untilNs, deadlineNs);
    return true;
  }

  #turn(processor: number, eventNs: number, deadlineNs: number): void {
    this.#clock.set(Math.max(this.#wakeNs[processor]!, this.#clock.nowNs));
    const startNs = this.#clock.nowNs;
    const othersNs =
      this.#quantumNs === undefined
        ? this.#secondWakeNs(processor)
        : startNs + Math.max(1, this.#quantumNs(startNs));
    this.#execute(processor, startNs, Math.min(eventNs, othersNs), deadlineNs);
  }

  /**
   * @param startNs when the turn began
   * @param untilNs when it ends
   * @param deadlineNs the caller's
   */
  #execute(processor: number, startNs: number, untilNs: number, deadlineNs: number): void {
    const limitNs = Math.max(this.#clock.nowNs, Math.min(deadlineNs, untilNs));
    // The engine may be woken while it runs; only a later wish of its own replaces that.
    this.#wakeNs[processor] = Infinity;
    this.#running = processor;
    this.#hasToEnd = false;
    // Events beyond the caller's deadline end the turn too, as they do without one.
    this.#events.watch(untilNs, this.#endTurn);
    const wishNs = this.#engines[processor]!.run(limitNs);
    this.#events.unwatch();
    this.#running = NOBODY;
    const { nowNs } = this.#clock;
    if (this.#quantumNs !== undefined && wishNs <= nowNs && nowNs < untilNs && !this.#hasToEnd) {
      this.#wakeNs[processor] = nowNs;
      this.#brokenOff = processor;
      this.#brokenStartNs = startNs;
      this.#brokenUntilNs = untilNs;
      return;
    }
    this.#lastTurn = processor;
    const busyUntilNs = this.#quantumNs === undefined ? wishNs : this.#clock.nowNs;
    this.#onTurn(processor, busyUntilNs < Infinity ? busyUntilNs - startNs : 0);
    const lateNs = wishNs < Infinity ? (this.#lateNs?.() ?? 0) : 0;
    this.#wakeNs[processor] = Math.min(this.#wakeNs[processor], wishNs + lateNs);
    this.#countTurn();
  }

  /** Among equals the lowest index, or after a turn of a quantum the next in the round. */
  #earliest(): number {
    const { length } = this.#wakeNs;
    if (length === 1) return 0;
    let best = this.#quantumNs === undefined ? 0 : (this.#lastTurn + 1) % length;
    let index = best;
    for (let seen = 1; seen < length; seen += 1) {
      index = index + 1 === length ? 0 : index + 1;
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
