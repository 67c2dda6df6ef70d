/** Messages to the guest that are held up on their way, in order. */
import type { EventQueue } from '../core/events.ts';
import type { VirtualClock } from '../core/clock.ts';

const RETRY_NS = 1_000_000;

interface LateMessage {
  readonly vp: number;
  readonly sint: number;
  readonly bytes: Uint8Array;
  readonly dueNs: number;
}

export class LateMessages {
  readonly #clock: VirtualClock;
  readonly #events: EventQueue;
  readonly #post: (vp: number, sint: number, bytes: Uint8Array) => boolean;
  readonly #waiting: LateMessage[] = [];

  /** @param post puts a message in its slot; false: there is no room now */
  constructor(
    clock: VirtualClock,
    events: EventQueue,
    post: (vp: number, sint: number, bytes: Uint8Array) => boolean,
  ) {
    this.#clock = clock;
    this.#events = events;
    this.#post = post;
  }

  /** Takes a message, which is never refused. */
  send(vp: number, sint: number, bytes: Uint8Array, delayNs: number): void {
    const last = this.#waiting.at(-1)?.dueNs ?? 0;
    const dueNs = Math.max(last, this.#clock.nowNs + delayNs);
    this.#waiting.push({ vp, sint, bytes, dueNs });
    if (dueNs <= this.#clock.nowNs && this.#waiting.length === 1) this.#deliver();
    else this.#events.at(dueNs, this.#deliver);
  }

  readonly #deliver = (): void => {
    while (this.#waiting.length > 0) {
      const { vp, sint, bytes, dueNs } = this.#waiting[0]!;
      if (dueNs > this.#clock.nowNs) return;
      if (!this.#post(vp, sint, bytes)) {
        this.#events.after(RETRY_NS, this.#deliver);
        return;
      }
      this.#waiting.shift();
    }
  };
}
