/** Timecounters (kern_tc): free-running counters, and the uptime that the best one gives. */
import { NS_PER_SECOND } from '../../core/clock.ts';

export interface Timecounter {
  readonly name: string;
  /** Negative: only when nothing else is there, and never by DELAY. */
  readonly quality: number;
  frequencyHz: number;
  /** Counts after which it wraps: 2^16, 2^24, 2^32; 2^53 for one that never does here. */
  readonly modulus: number;
  read(): number;
}

const dummy: Timecounter = {
  name: 'dummy',
  quality: -1_000_000,
  frequencyHz: 1_000_000,
  modulus: 2 ** 32,
  read: () => 0,
};

export class Timecounters {
  readonly all: Timecounter[] = [dummy];
  #current: Timecounter = dummy;
  #offsetNs = 0;
  #lastCount = 0;

  get current(): Timecounter {
    return this.#current;
  }

  /** Adds one, and uses it when it is better than the one in use. */
  register(timecounter: Timecounter): void {
    this.all.unshift(timecounter);
    if (timecounter.quality < 0 && this.#current !== dummy) return;
    if (timecounter.quality > this.#current.quality) this.#use(timecounter);
  }

  #use(timecounter: Timecounter): void {
    this.windup();
    this.#current = timecounter;
    this.#lastCount = timecounter.read();
  }

  /** Takes the counter's progress into the uptime; must run more often than it wraps. */
  windup(): void {
    const count = this.#current.read();
    this.#offsetNs += this.#elapsedNs(count);
    this.#lastCount = count;
  }

  /** The uptime as of the last windup, at most a second ago: costs no look at the counter. */
  get coarseUptimeNs(): number {
    return Math.floor(this.#offsetNs);
  }

  uptimeNs(): number {
    return Math.floor(this.#offsetNs + this.#elapsedNs(this.#current.read()));
  }

  #elapsedNs(count: number): number {
    const { modulus, frequencyHz } = this.#current;
    const counts =
      count >= this.#lastCount ? count - this.#lastCount : count - this.#lastCount + modulus;
    return (counts * NS_PER_SECOND) / frequencyHz;
  }

  /** "name(quality) ...", as kern.timecounter.choice shows it. */
  get choice(): string {
    return this.all.map(({ name, quality }) => `${name}(${quality})`).join(' ');
  }
}
