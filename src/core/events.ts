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

/** One place in the queue. */
class Entry implements PendingEvent {
  readonly deadlineNs: number;
  /** Its handle, too. */
  readonly sequence: number;
  readonly handler: EventHandler;
  readonly argument: number;
  readonly isHostCall: boolean;
  readonly owner: object | undefined;
  isCancelled = false;

  constructor(
    deadlineNs: number,
    sequence: number,
    handler: EventHandler,
    argument: number,
    isHostCall: boolean,
    owner: object | undefined,
  ) {
    this.deadlineNs = deadlineNs;
    this.sequence = sequence;
    this.handler = handler;
    this.argument = argument;
    this.isHostCall = isHostCall;
    this.owner = owner;
  }

  isBefore(other: Entry): boolean {
    if (this.deadlineNs !== other.deadlineNs) return this.deadlineNs < other.deadlineNs;
    return this.sequence < other.sequence;
  }
}

/** Places for the events of the newest handles: a power of two. */
const PLACES = 256;

/**
 * What is pending, by handle. Handles count upwards and most events are over before many more have
 * been scheduled, so that the low bits of one are its place; events in the way move to a map.
 */
class PendingEvents {
  readonly #places: (Entry | undefined)[] = Array.from({ length: PLACES });
  readonly #late = new Map<EventHandle, Entry>();
  size = 0;

  get(handle: EventHandle): Entry | undefined {
    const entry = this.#places[handle & (PLACES - 1)];
    return entry !== undefined && entry.sequence === handle ? entry : this.#late.get(handle);
  }

  add(entry: Entry): void {
    const place = entry.sequence & (PLACES - 1);
    const other = this.#places[place];
    if (other !== undefined) this.#late.set(other.sequence, other);
    this.#places[place] = entry;
    this.size += 1;
  }

  delete(entry: Entry): void {
    const place = entry.sequence & (PLACES - 1);
    if (this.#places[place] === entry) this.#places[place] = undefined;
    else this.#late.delete(entry.sequence);
    this.size -= 1;
  }

  clear(): void {
    this.#places.fill(undefined);
    this.#late.clear();
    this.size = 0;
  }
}

/**
 * The queue of future work, a binary heap ordered by (deadline, sequence number), so that events of
 * one instant run first-in-first-out. Cancelled entries stay in the heap and are dropped when they
 * come up.
 */
export class EventQueue {
  readonly #clock: VirtualClock;
  readonly #heap: Entry[] = [];
  readonly #pending = new PendingEvents();
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
    const { nowNs } = this.#clock;
    const deadlineNs = deadline > nowNs ? Math.ceil(deadline) : nowNs;
    this.#push(new Entry(deadlineNs, sequence, handler, argument, isHostCall, owner));
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
    this.#push(new Entry(deadlineNs, handle, handler, argument, isHostCall, owner));
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
      for (const event of this.#all) {
        if (event.isHostCall) calls.push(event.sequence);
        else if (!claimed.has(event.sequence)) {
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
    const entry = this.#pending.get(handle);
    if (entry === undefined) return;
    entry.isCancelled = true;
    this.#pending.delete(entry);
  }

  isPending(handle: EventHandle): boolean {
    return this.#pending.get(handle) !== undefined;
  }

  /** The next deadline in virtual nanoseconds, or Infinity. */
  get nextDeadlineNs(): number {
    const first = this.#first();
    return first === undefined ? Infinity : first.deadlineNs;
  }

  /**
   * Runs the earliest event, with the clock set to its deadline.
   * @returns false when nothing was pending
   */
  runNext(): boolean {
    const event = this.#first();
    if (event === undefined) return false;
    this.#pop();
    this.#pending.delete(event);
    this.#clock.set(event.deadlineNs);
    event.handler(event.argument);
    return true;
  }

  /** Forgets everything that is pending, as a power cycle does. */
  clear(): void {
    this.#heap.length = 0;
    this.#pending.clear();
  }

  clearOwned(owner: object): void {
    for (const event of this.#all) {
      if (event.owner === owner) this.cancel(event.sequence);
    }
  }

  countOwned(owner: object): number {
    let count = 0;
    for (const event of this.#all) if (event.owner === owner) count += 1;
    return count;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** All that is pending, the oldest handle first. */
  get #all(): readonly Entry[] {
    const pending = this.#heap.filter(({ isCancelled }) => !isCancelled);
    return pending.toSorted((left, right) => left.sequence - right.sequence);
  }

  /** The earliest event, with what was cancelled before it thrown away. */
  #first(): Entry | undefined {
    const heap = this.#heap;
    while (heap.length > 0 && heap[0]!.isCancelled) this.#pop();
    return heap[0];
  }

  #push(entry: Entry): void {
    this.#pending.add(entry);
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent]!;
      if (!entry.isBefore(above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  /** Takes out the first entry: the last one finds its place from there. */
  #pop(): void {
    const heap = this.#heap;
    const entry = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= length) break;
      if (child + 1 < length && heap[child + 1]!.isBefore(heap[child]!)) child += 1;
      if (!heap[child]!.isBefore(entry)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = entry;
  }
}
