import type { VirtualClock } from './clock.ts';
import { EventQueue, type EventHandle, type EventHandler, type PendingEvent } from './events.ts';
import type { StateStream } from './state.ts';

/**
 * One owner's part of a queue that others use too: `clear` forgets what was scheduled here and
 * nothing else. Order, deadlines and `runNext` are the whole queue's.
 */
export class EventGroup extends EventQueue {
  readonly #whole: EventQueue;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock, whole: EventQueue) {
    super(clock);
    this.#clock = clock;
    this.#whole = whole;
  }

  override after(delayNs: number, handler: EventHandler, argument = 0): EventHandle {
    const deadlineNs = this.#clock.nowNs + Math.max(0, delayNs);
    return this.#whole.add(deadlineNs, handler, argument, false, this);
  }

  override at(deadlineNs: number, handler: EventHandler, argument = 0): EventHandle {
    return this.#whole.add(deadlineNs, handler, argument, false, this);
  }

  override tell(callback: () => void): EventHandle {
    return this.#whole.add(this.#clock.nowNs, callback, 0, true, this);
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
    this.#whole.restoreEvent(handle, deadlineNs, handler, argument, isHostCall, this);
  }

  override exchange(state: StateStream, claimed: ReadonlySet<EventHandle>): void {
    this.#whole.exchange(state, claimed);
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
    this.#whole.clearOwned(this);
  }

  override get pendingCount(): number {
    return this.#whole.countOwned(this);
  }
}
