import type { VirtualClock } from './clock.ts';
import { EventQueue, type EventHandle, type EventHandler, type PendingEvent } from './events.ts';
import type { StateStream } from './state.ts';

/** Handles beyond which those that have run are looked for and dropped. */
const PRUNE_AT = 1024;

/**
 * One owner's part of a queue that others use too: `clear` forgets what was scheduled here and
 * nothing else. Order, deadlines and `runNext` are the whole queue's.
 */
export class EventGroup extends EventQueue {
  readonly #whole: EventQueue;
  readonly #handles = new Set<EventHandle>();
  #pruneAt = PRUNE_AT;

  constructor(clock: VirtualClock, whole: EventQueue) {
    super(clock);
    this.#whole = whole;
  }

  override after(delayNs: number, handler: EventHandler, argument = 0): EventHandle {
    return this.#own(this.#whole.after(delayNs, handler, argument));
  }

  override at(deadlineNs: number, handler: EventHandler, argument = 0): EventHandle {
    return this.#own(this.#whole.at(deadlineNs, handler, argument));
  }

  override tell(callback: () => void): EventHandle {
    return this.#own(this.#whole.tell(callback));
  }

  override pendingEvent(handle: EventHandle): PendingEvent | undefined {
    return this.#whole.pendingEvent(handle);
  }

  override restoreEvent(
    handle: EventHandle,
    deadlineNs: number,
    handler: EventHandler,
    argument: number,
    isHostCall = false,
  ): void {
    this.#whole.restoreEvent(handle, deadlineNs, handler, argument, isHostCall);
    this.#own(handle);
  }

  override exchange(state: StateStream, claimed: ReadonlySet<EventHandle>): void {
    this.#whole.exchange(state, claimed);
  }

  #own(handle: EventHandle): EventHandle {
    this.#handles.add(handle);
    if (this.#handles.size >= this.#pruneAt) this.#prune();
    return handle;
  }

  #prune(): void {
    for (const handle of this.#handles) {
      if (!this.#whole.isPending(handle)) this.#handles.delete(handle);
    }
    this.#pruneAt = Math.max(PRUNE_AT, this.#handles.size * 2);
  }

  override cancel(handle: EventHandle): void {
    this.#whole.cancel(handle);
  }

  override isPending(handle: EventHandle): boolean {
    return this.#whole.isPending(handle);
  }

  override get nextDeadlineNs(): number {
    return this.#whole.nextDeadlineNs;
  }

  override runNext(): boolean {
    return this.#whole.runNext();
  }

  override clear(): void {
    for (const handle of this.#handles) this.#whole.cancel(handle);
    this.#handles.clear();
  }

  override get pendingCount(): number {
    this.#prune();
    return this.#handles.size;
  }
}
