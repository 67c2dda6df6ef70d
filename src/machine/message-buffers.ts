import type { StateStream } from '../core/state.ts';

/** How fast a host takes messages that a guest posts (HvPostMessage; TLFS 11.10). */
export interface MessageRate {
  /** Messages that wait at the host at most: its message buffers for this guest. */
  readonly buffers: number;
  /** Time that the host spends on one, after which its buffer is free again. */
  readonly perMessageNs: number;
}

/** Message buffers of a host that looks at one message after the other. */
export class MessageBuffers {
  readonly #rate: MessageRate;
  /** When the last message that came will have been looked at. */
  #idleNs = 0;

  constructor(rate: MessageRate) {
    this.#rate = rate;
  }

  exchange(state: StateStream): void {
    this.#idleNs = state.number('idleNs', this.#idleNs);
  }

  /** Takes a buffer for a message. @returns false when there is none: "insufficient buffers" */
  take(nowNs: number): boolean {
    const { buffers, perMessageNs } = this.#rate;
    const startNs = Math.max(this.#idleNs, nowNs);
    if (Math.ceil((startNs - nowNs) / perMessageNs) >= buffers) return false;
    this.#idleNs = startNs + perMessageNs;
    return true;
  }
}
