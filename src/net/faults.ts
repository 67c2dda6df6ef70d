import type { StateStream } from '../core/state.ts';
import type { Random } from '../core/random.ts';

export interface LinkFaultOptions {
  /** Share of frames lost, 0 to 1. */
  readonly loss?: number;
  /** Share of frames that arrive twice. */
  readonly duplication?: number;
  /** Added to every frame. */
  readonly delayNs?: number;
  /** Up to this much more, drawn for each frame: frames overtake each other. */
  readonly jitterNs?: number;
  /**
   * Sees every frame first and may decide alone: -1 loses it, a positive number delays it by so many
   * nanoseconds, 0 leaves it to chance. The bytes are valid during the call only.
   */
  readonly decide?: (bytes: Uint8Array, start: number, length: number) => number;
}

/** What goes wrong on a port's way into the switch; drawn from the seed. */
export class LinkFaults {
  readonly #random: Random;
  readonly #options: LinkFaultOptions;
  /** What the last `next` added, in nanoseconds. */
  delayNs = 0;

  constructor(random: Random, options: LinkFaultOptions) {
    this.#random = random;
    this.#options = options;
  }

  exchange(state: StateStream): void {
    state.part('random', () => this.#random.exchange(state));
    this.delayNs = state.number('delayNs', this.delayNs);
  }

  /** Decides for one frame. @returns how many copies of it go on: 0, 1 or 2 */
  next(bytes: Uint8Array, start: number, length: number): number {
    const { loss = 0, duplication = 0, delayNs = 0, jitterNs = 0, decide } = this.#options;
    const fate = decide?.(bytes, start, length) ?? 0;
    this.delayNs = delayNs + (jitterNs > 0 ? this.#random.below(jitterNs + 1) : 0);
    if (fate < 0) return 0;
    if (fate > 0) {
      this.delayNs = fate;
      return 1;
    }
    if (loss > 0 && this.#random.fraction() < loss) return 0;
    return duplication > 0 && this.#random.fraction() < duplication ? 2 : 1;
  }
}
