import type { VirtualClock } from './clock.ts';
import type { StateStream } from './state.ts';

/** What runs at a deadline. While it runs the clock stands at that deadline. */
export type EventHandler = (argument: number) => void;

/** Names one scheduled event, for `cancel`. Never reused within a run. */
export type EventHandle = number;

/** What is known of an event that is still to come. */
export interface PendingEvent {
  readonly deadlineNs: number;
  readonly handler: EventHandler;
  readonly argument: number;
  /** It tells somebody outside of the machine, and the machine does not depend on it. */
  readonly isHostCall: boolean;
  /** Whose it is, where several share a queue. */
  readonly owner: object | undefined;
}

const NOBODY = (): void => undefined;

/**
 * The queue of future work, a binary heap ordered by (deadline, sequence number), so that events of
 * one instant run first-in-first-out. Cancelled entries stay in the heap and are dropped when they
 * come up.
 */
export class EventQueue {
  readonly #clock: VirtualClock;
  readonly #deadlines: number[] = [];
  readonly #sequences: number[] = [];
  readonly #pending = new Map<number, PendingEvent>();
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
    return this.add(deadlineNs, handler, argument, false, undefined);
  }

  /**
   * Tells somebody outside of the machine, a script for example, from an event of its own at this
   * time. In a machine that is restored from a snapshot the event comes as well, and tells nobody.
   */
  tell(callback: () => void): EventHandle {
    return this.add(this.#clock.nowNs, callback, 0, true, undefined);
  }

  /** For owners of a part of the queue, who name themselves; `clearOwned` forgets by that. */
  add(
    deadline: number,
    handler: EventHandler,
    argument: number,
    isHostCall: boolean,
    owner: object | undefined,
  ): EventHandle {
    if (Number.isNaN(deadline)) throw new Error('event deadline is not a number');
    const sequence = this.#nextSequence;
    this.#nextSequence += 1;
    const deadlineNs = Math.ceil(Math.max(deadline, this.#clock.nowNs));
    this.#pending.set(sequence, { deadlineNs, handler, argument, isHostCall, owner });
    this.#push(deadlineNs, sequence);
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

  pendingEvent(handle: EventHandle): PendingEvent | undefined {
    return this.#pending.get(handle);
  }

  /** Puts an event of a snapshot back in its place, under the handle that it had. */
  restoreEvent(
    handle: EventHandle,
    deadlineNs: number,
    handler: EventHandler,
    argument: number,
    isHostCall = false,
    owner?: object,
  ): void {
    this.#pending.set(handle, { deadlineNs, handler, argument, isHostCall, owner });
    this.#push(deadlineNs, handle);
  }

  /**
   * What belongs to no owner: the next handle, and calls to the outside. Owners exchange their own
   * events, before this.
   * @param claimed the handles that owners have written; an event that nobody did cannot be saved
   */
  exchange(state: StateStream, claimed: ReadonlySet<EventHandle>): void {
    this.#nextSequence = state.number('nextHandle', this.#nextSequence);
    const calls: EventHandle[] = [];
    if (!state.isRestoring) {
      for (const [handle, event] of this.#pending) {
        if (event.isHostCall) calls.push(handle);
        else if (!claimed.has(handle)) {
          throw new Error(`no part owns the event of ${event.handler.name || 'a closure'}`);
        }
      }
    }
    state.list('hostCalls', calls, (call) => {
      const handle = state.number('handle', call ?? 0);
      const known = call === undefined ? undefined : this.#pending.get(call);
      const deadlineNs = state.number('deadlineNs', known?.deadlineNs ?? 0);
      if (state.isRestoring) this.restoreEvent(handle, deadlineNs, NOBODY, 0, true);
      return handle;
    });
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

  clearOwned(owner: object): void {
    for (const [handle, event] of this.#pending) {
      if (event.owner === owner) this.#pending.delete(handle);
    }
  }

  countOwned(owner: object): number {
    let count = 0;
    for (const event of this.#pending.values()) if (event.owner === owner) count += 1;
    return count;
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
