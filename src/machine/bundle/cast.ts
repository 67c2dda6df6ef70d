import type { VirtualClock } from '../../core/clock.ts';
import type { TextOut } from '../../core/trace-formats.ts';

/** Output of one burst becomes one event; a burst ends when nothing comes for so long. */
const BURST_NS = 1_000_000;
const COLUMNS = 80;
const ROWS = 25;

/**
 * Records the console as asciicast version 2: a header, and then one array a line of seconds of
 * virtual time, "o" or "i", and text.
 */
export class CastWriter {
  readonly #out: TextOut;
  readonly #clock: VirtualClock;
  #text = '';
  #sinceNs = 0;
  #lastNs = 0;

  constructor(out: TextOut, clock: VirtualClock, title: string) {
    this.#out = out;
    this.#clock = clock;
    out(`${JSON.stringify({ version: 2, width: COLUMNS, height: ROWS, title })}\n`);
  }

  /** A byte that the guest printed. */
  readonly output = (byte: number): void => {
    const { nowNs } = this.#clock;
    if (nowNs - this.#lastNs > BURST_NS) this.flush();
    if (this.#text === '') this.#sinceNs = nowNs;
    this.#text += String.fromCharCode(byte);
    this.#lastNs = nowNs;
  };

  input(timeNs: number, text: string): void {
    this.flush();
    this.#event(timeNs, 'i', text);
  }

  flush(): void {
    if (this.#text !== '') this.#event(this.#sinceNs, 'o', this.#text);
    this.#text = '';
  }

  #event(timeNs: number, kind: 'o' | 'i', text: string): void {
    this.#out(`${JSON.stringify([timeNs / 1e9, kind, text])}\n`);
  }
}
