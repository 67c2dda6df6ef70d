import type { StateStream } from '../../core/state.ts';
import type { EventHandle, EventHandler } from '../../core/events.ts';
import type { OpenChannel } from '../../vmbus/device.ts';
import { MAX_IN_FLIGHT } from './completions.ts';

/** One open channel of a controller: when it is served, which completions wait for ring room. */
export class StorvscChannel {
  readonly channel: OpenChannel;
  /** Differs for every opening, so that completions of an earlier one are dropped. */
  readonly opening: number;
  /** The event that will look at the ring, while there is one. */
  workEvent: EventHandle | undefined;
  /** Packets were left in the ring for lack of room here: look again when there is some. */
  isStalled = false;
  readonly #parked = new Int32Array(MAX_IN_FLIGHT);
  #head = 0;
  #count = 0;

  constructor(channel: OpenChannel, opening: number) {
    this.channel = channel;
    this.opening = opening;
  }

  exchange(state: StateStream, serve: EventHandler): void {
    this.workEvent = state.event('work', this.workEvent, serve);
    this.isStalled = state.flag('isStalled', this.isStalled);
    state.array('parked', this.#parked);
    this.#head = state.number('head', this.#head);
    this.#count = state.number('count', this.#count);
  }

  get hasParked(): boolean {
    return this.#count > 0;
  }

  /** Keeps the slot of a completion for which the ring has no room. */
  park(slot: number): void {
    this.#parked[(this.#head + this.#count) % MAX_IN_FLIGHT] = slot;
    this.#count += 1;
  }

  firstParked(): number {
    return this.#parked[this.#head]!;
  }

  dropFirstParked(): void {
    this.#head = (this.#head + 1) % MAX_IN_FLIGHT;
    this.#count -= 1;
  }
}
