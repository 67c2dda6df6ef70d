import type { VirtualClock } from './clock.ts';
import type { StateStream } from './state.ts';
import type { Kind } from './wire.ts';

/** A kind of trace event: who says it, what it is called, and its numeric fields in order. */
export interface TraceType {
  readonly category: string;
  readonly name: string;
  readonly fieldNames: readonly string[];
  readonly fieldCount: number;
  readonly fieldKinds: readonly Kind[];
  /** Name of the text that may follow the numbers, if any. */
  readonly textName: string;
  /** Depends on the names alone, so that the digest does not depend on the order of loading. */
  readonly hash: number;
}

export const MAX_TRACE_FIELDS = 6;

/** Declares an event type, once, at module level, beside the code that emits it. */
export function traceType(
  category: string,
  name: string,
  fields: Record<string, Kind> = {},
  textName = 'text',
): TraceType {
  const fieldNames = Object.keys(fields);
  if (fieldNames.length > MAX_TRACE_FIELDS) {
    throw new Error(`trace event ${category}.${name} has more than ${MAX_TRACE_FIELDS} fields`);
  }
  let hash = 0x811c_9dc5;
  for (const character of `${category}.${name}(${fieldNames.join()})`) {
    hash = Math.imul(hash ^ character.codePointAt(0)!, 0x0100_0193);
  }
  const fieldCount = fieldNames.length;
  const fieldKinds = Object.values(fields);
  return { category, name, fieldNames, fieldCount, fieldKinds, textName, hash };
}

/**
 * Hears every event. `values` holds the numbers of this event and is reused for the next one.
 * @param text '' where the event has none
 */
export type TraceSink = (
  timeNs: number,
  type: TraceType,
  values: Float64Array,
  text: string,
) => void;

/**
 * The record of a run. Every event goes into a running 64-bit digest, whether or not anyone
 * listens: equal seeds and configurations give equal digests. Virtual time only.
 */
export class Trace {
  readonly #clock: VirtualClock;
  readonly #sinks: TraceSink[] = [];
  readonly #values = new Float64Array(MAX_TRACE_FIELDS);
  /** What goes into the digest next: time, type and fields, two words for each at the most. */
  readonly #words = new Int32Array(2 + 2 + 2 * MAX_TRACE_FIELDS);
  readonly #time = new Float64Array(this.#words.buffer, 0, 1);
  #low = 0x6a09_e667;
  #high = 0xbb67_ae85;
  #count = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** @returns a function that ends the subscription */
  subscribe(sink: TraceSink): () => void {
    this.#sinks.push(sink);
    return () => {
      const index = this.#sinks.indexOf(sink);
      if (index >= 0) this.#sinks.splice(index, 1);
    };
  }

  /** Records an event of up to six integers (each below 2^53). No allocation. */
  emit(type: TraceType, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    this.#record(type, a, b, c, d, e, f);
    if (this.#sinks.length > 0) this.#deliver(type, '', a, b, c, d, e, f);
  }

  /** Records an event that carries text; for rare events only. */
  emitText(type: TraceType, text: string, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    for (let index = 0; index < text.length; index += 1) {
      this.#words[0] = text.charCodeAt(index);
      this.#mix(1);
    }
    this.#record(type, a, b, c, d, e, f);
    if (this.#sinks.length > 0) this.#deliver(type, text, a, b, c, d, e, f);
  }

  #record(type: TraceType, a: number, b: number, c: number, d: number, e: number, f: number): void {
    const words = this.#words;
    // The time as the bits of a double: two words without a conversion.
    this.#time[0] = this.#clock.nowNs;
    words[2] = type.hash;
    let count = 3;
    const fields = type.fieldCount;
    if (fields > 0) count = put(words, count, a);
    if (fields > 1) count = put(words, count, b);
    if (fields > 2) count = put(words, count, c);
    if (fields > 3) count = put(words, count, d);
    if (fields > 4) count = put(words, count, e);
    if (fields > 5) count = put(words, count, f);
    this.#mix(count);
    this.#count += 1;
  }

  #deliver(
    type: TraceType,
    text: string,
    a: number,
    b: number,
    c: number,
    d: number,
    e: number,
    f: number,
  ): void {
    const values = this.#values;
    values[0] = a;
    values[1] = b;
    values[2] = c;
    values[3] = d;
    values[4] = e;
    values[5] = f;
    for (const sink of this.#sinks) sink(this.#clock.nowNs, type, values, text);
  }

  exchange(state: StateStream): void {
    this.#low = state.number('low', this.#low);
    this.#high = state.number('high', this.#high);
    this.#count = state.number('count', this.#count);
  }

  /** Events so far. */
  get count(): number {
    return this.#count;
  }

  /** 16 hexadecimal digits over everything recorded so far. */
  get digest(): string {
    const half = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return half(this.#high) + half(this.#low);
  }

  /** Takes the first words into the digest: two halves, each over all words, that meet at the end. */
  #mix(count: number): void {
    const words = this.#words;
    let low = this.#low;
    let high = this.#high;
    for (let index = 0; index < count; index += 1) {
      const word = words[index]!;
      low = Math.imul(low ^ word, 0x85eb_ca6b);
      low ^= low >>> 13;
      high = Math.imul(high + word, 0xc2b2_ae35);
      high = (high << 15) | (high >>> 17);
    }
    this.#low = (low + ((high << 9) | (high >>> 23))) | 0;
    this.#high = Math.imul(high ^ low, 0x27d4_eb2f) ^ (low >>> 16);
  }
}

/** Appends an integer as one word, or as two when it is wider. @returns how many there are then */
function put(words: Int32Array, at: number, value: number): number {
  words[at] = value;
  if (value >= 0 && value <= 0xffff_ffff) return at + 1;
  words[at + 1] = Math.floor(value / 0x1_0000_0000);
  return at + 2;
}
