import type { StateStream } from '../core/state.ts';

/** Entries; when a probe finds no free one, the oldest of its run makes way. */
const SLOTS = 1024;
const PROBE = 16;
/** What Windows' and most other switches forget a silent station after. */
export const DEFAULT_AGE_NS = 300_000_000_000;

/** Which port a station was last heard on, by VLAN and address. Open addressing in typed arrays. */
export class MacTable {
  readonly #high = new Uint32Array(SLOTS);
  readonly #low = new Uint32Array(SLOTS);
  readonly #ports = new Int16Array(SLOTS).fill(-1);
  readonly #seenNs = new Float64Array(SLOTS);
  readonly #ageNs: number;

  constructor(ageNs: number = DEFAULT_AGE_NS) {
    this.#ageNs = ageNs;
  }

  exchange(state: StateStream): void {
    state.array('high', this.#high);
    state.array('low', this.#low);
    state.array('ports', this.#ports);
    state.array('seenNs', this.#seenNs);
  }

  #hash(high: number, low: number): number {
    const mixed = Math.imul(high ^ Math.imul(low, 0x9e37_79b1), 0x85eb_ca6b);
    return (mixed ^ (mixed >>> 15)) & (SLOTS - 1);
  }

  /** @param at position of six address bytes. The two numbers of a key are made from them. */
  #keyHigh(bytes: Uint8Array, at: number): number {
    return (
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
    );
  }

  #keyLow(bytes: Uint8Array, at: number, vlan: number): number {
    return ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | vlan) >>> 0;
  }

  /** @returns the port, or -1 when the station is not known */
  find(bytes: Uint8Array, at: number, vlan: number, nowNs: number): number {
    const high = this.#keyHigh(bytes, at);
    const low = this.#keyLow(bytes, at, vlan);
    const home = this.#hash(high, low);
    for (let step = 0; step < PROBE; step += 1) {
      const slot = (home + step) & (SLOTS - 1);
      if (this.#high[slot] === high && this.#low[slot] === low && this.#ports[slot]! >= 0) {
        return nowNs - this.#seenNs[slot]! <= this.#ageNs ? this.#ports[slot]! : -1;
      }
    }
    return -1;
  }

  /** @returns the port on which the station was known, or -1 when it was not */
  learn(bytes: Uint8Array, at: number, vlan: number, port: number, nowNs: number): number {
    const high = this.#keyHigh(bytes, at);
    const low = this.#keyLow(bytes, at, vlan);
    const home = this.#hash(high, low);
    let place = -1;
    let placeSeenNs = Infinity;
    for (let step = 0; step < PROBE; step += 1) {
      const slot = (home + step) & (SLOTS - 1);
      const known = this.#ports[slot]!;
      const seenNs = known >= 0 ? this.#seenNs[slot]! : -1;
      if (known >= 0 && this.#high[slot] === high && this.#low[slot] === low) {
        this.#ports[slot] = port;
        this.#seenNs[slot] = nowNs;
        return nowNs - seenNs <= this.#ageNs ? known : -1;
      }
      if (seenNs < placeSeenNs) {
        place = slot;
        placeSeenNs = seenNs;
      }
    }
    this.#high[place] = high;
    this.#low[place] = low;
    this.#ports[place] = port;
    this.#seenNs[place] = nowNs;
    return -1;
  }

  /** Forgets the stations of a port that went away. */
  forgetPort(port: number): void {
    for (let slot = 0; slot < SLOTS; slot += 1)
      if (this.#ports[slot] === port) this.#ports[slot] = -1;
  }
}
