import type { VirtualClock } from './clock.ts';

/** What runs at a deadline. While it runs the clock stands at that deadline. */
export type EventHandler = (argument: number) => void;

/** Names one scheduled event, for `cancel`. Never reused within a run. */
export type EventHandle = number;

/**
 * The queue of future work, a binary heap ordered by (deadline, sequence number), so that events of
 * one instant run first-in-first-out. Cancelled entries stay in the heap and are dropped when they
 * come up.
 */
export class EventQueue {
  readonly #clock: VirtualClock;
  readonly #deadlines: number[] = [];
  readonly #sequences: number[] = [];
  readonly #pending = new Map<number, { handler: EventHandler; argument: number }>();
  #nextSequence = 1;
  #watchedNs = -Infinity;
  #onEarlier: () => void = () => undefined;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** @param delayNs from now, in virtual nanoseconds; negative counts as 0 */
  after(delayNs: number, handler: EventHandler, argument = 0): EventHandle {
    return this.at(this.#clock.nowNs + Math.max(0, delayNs), handler, argument);
  }

  /** @param deadlineNs absolute virtual time; a past one runs as soon as events run */
  at(deadlineNs: number, handler: EventHandler, argument = 0): EventHandle {
    if (Number.isNaN(deadlineNs)) throw new Error('event deadline is not a number');
    const sequence = this.#nextSequence;
    this.#nextSequence += 1;
    this.#pending.set(sequence, { handler, argument });
    this.#push(Math.ceil(Math.max(deadlineNs, this.#clock.nowNs)), sequence);
    if (deadlineNs < this.#watchedNs) this.#onEarlier();
    return sequence;
  }

  /** @param onEarlier hears of every event scheduled from now on for before `deadlineNs` */
  watch(deadlineNs: number, onEarlier: () => void): void {
    this.#watchedNs = deadlineNs;
    this.#onEarlier = onEarlier;
  }

  unwatch(): void {
    this.#watchedNs = -Infinity;
  }

  /** Does nothing if the event has run or was cancelled. */
  cancel(handle: EventHandle): void {
    this.#pending.delete(handle);
  }

  isPending(handle: EventHandle): boolean {
    return this.#pending.has(handle);
  }

  /** The next deadline in virtual nanoseconds, or Infinity. */
  get nextDeadlineNs(): number {
    while (this.#sequences.length > 0 && !this.#pending.has(this.#sequences[0]!)) this.#pop();
    return this.#deadlines[0] ?? Infinity;
  }

  /**
   * Runs the earliest event, with the clock set to its deadline.
   * @returns false when nothing was pending
   */
  runNext(): boolean {
    const deadlineNs = this.nextDeadlineNs;
    if (deadlineNs === Infinity) return false;
    const sequence = this.#sequences[0]!;
    const event = this.#pending.get(sequence)!;
    this.#pop();
    this.#pending.delete(sequence);
    this.#clock.set(deadlineNs);
    event.handler(event.argument);
    return true;
  }

  /** Forgets everything that is pending, as a power cycle does. */
  clear(): void {
    this.#deadlines.length = 0;
    this.#sequences.length = 0;
    this.#pending.clear();
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  #isBefore(left: number, right: number): boolean {
    const difference = this.#deadlines[left]! - this.#deadlines[right]!;
    return difference < 0 || (difference === 0 && this.#sequences[left]! < this.#sequences[right]!);
  }

  #swap(left: number, right: number): void {
    const deadline = this.#deadlines[left]!;
    this.#deadlines[left] = this.#deadlines[right]!;
    this.#deadlines[right] = deadline;
    const sequence = this.#sequences[left]!;
    this.#sequences[left] = this.#sequences[right]!;
    this.#sequences[right] = sequence;
  }

  #push(deadlineNs: number, sequence: number): void {
    let index = this.#deadlines.push(deadlineNs) - 1;
    this.#sequences.push(sequence);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #pop(): void {
    const last = this.#deadlines.length - 1;
    this.#swap(0, last);
    this.#deadlines.pop();
    this.#sequences.pop();
    let index = 0;
    for (;;) {
      const left = index * 2 + 1;
      if (left >= last) break;
      const right = left + 1;
      const child = right < last && this.#isBefore(right, left) ? right : left;
      if (!this.#isBefore(child, index)) break;
      this.#swap(index, child);
      index = child;
    }
  }
}
