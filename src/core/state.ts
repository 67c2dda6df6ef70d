import type { EventHandle, EventHandler, EventQueue } from './events.ts';

/** Arrays of numbers whose content is state and whose length is configuration. */
export type StateArray =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int16Array
  | Int32Array
  | Float64Array;

/**
 * One pass over the state of a machine, out of it or into it. Every part describes its state once,
 * in `exchange`, and that serves both ways: `this.x = state.number('x', this.x)` writes the value
 * and gives it back, or gives the one that was written. Values go by name, in order.
 */
export interface StateStream {
  /** True when values come from outside: what is derived from them is to be made anew. */
  readonly isRestoring: boolean;
  /** Any number, Infinity and NaN too. */
  number(name: string, value: number): number;
  flag(name: string, value: boolean): boolean;
  text<Text extends string>(name: string, value: Text): Text;
  optionalNumber(name: string, value: number | undefined): number | undefined;
  /** What JSON can hold as it is; undefined as a whole is allowed. */
  data<Data>(name: string, value: Data): Data;
  /** 64 bits, unsigned. */
  wide(name: string, value: bigint): bigint;
  /** Bytes whose number may change; a fresh array when restoring. */
  bytes(name: string, value: Uint8Array): Uint8Array;
  /** An array whose length is given by the configuration: filled in place. */
  array(name: string, value: StateArray): void;
  /** Calls `each` with every item, or with undefined as often as there were items. */
  list<Item>(name: string, items: readonly Item[], each: (item: Item | undefined) => Item): Item[];
  /** A part of its own: its names are its own. */
  part(name: string, body: () => void): void;
  /** An event that the caller has scheduled, if it is still to come. */
  event(
    name: string,
    handle: EventHandle | undefined,
    handler: EventHandler,
  ): EventHandle | undefined;
}

/** Anything that has state. */
export interface Stateful {
  exchange(state: StateStream): void;
}

/** Exchanges every number of an object that holds numbers, such as counters, under its own name. */
export function exchangeNumbers(state: StateStream, numbers: object): void {
  const record = numbers as Record<string, unknown>;
  for (const [name, value] of Object.entries(record)) {
    if (typeof value === 'number') record[name] = state.number(name, value);
  }
}

/** State that cannot be taken as it is: damaged, or of another shape. */
export class StateError extends Error {}

const Tag = {
  integer: 1,
  float: 2,
  false: 3,
  true: 4,
  text: 5,
  bytes: 6,
  wide: 7,
  list: 8,
  part: 9,
  none: 11,
  event: 12,
} as const;

/** In the place of a name, whose numbers begin at 1. */
const PART_END = 0;

const FIRST_CAPACITY = 4096;

function bytesOf(array: StateArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Writes the state of one section. */
export class StateWriter implements StateStream {
  readonly isRestoring = false;
  readonly #events: EventQueue;
  readonly #names = new Map<string, number>();
  readonly #claimed: Set<EventHandle>;
  #bytes = new Uint8Array(FIRST_CAPACITY);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** @param claimed gets the handle of every pending event that some part calls its own */
  constructor(events: EventQueue, claimed: Set<EventHandle> = new Set()) {
    this.#events = events;
    this.#claimed = claimed;
  }

  /** What was written, a copy. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  number(name: string, value: number): number {
    this.#name(name);
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.#byte(value < 0 ? Tag.integer | 0x80 : Tag.integer);
      this.#count(Math.abs(value));
    } else {
      this.#byte(Tag.float);
      this.#reserve(8);
      this.#view.setFloat64(this.#length, value, true);
      this.#length += 8;
    }
    return value;
  }

  optionalNumber(name: string, value: number | undefined): number | undefined {
    if (value !== undefined) return this.number(name, value);
    this.#name(name);
    this.#byte(Tag.none);
    return undefined;
  }

  flag(name: string, value: boolean): boolean {
    this.#name(name);
    this.#byte(value ? Tag.true : Tag.false);
    return value;
  }

  text<Text extends string>(name: string, value: Text): Text {
    this.#name(name);
    this.#byte(Tag.text);
    this.#blob(new TextEncoder().encode(value));
    return value;
  }

  data<Data>(name: string, value: Data): Data {
    this.text(name, value === undefined ? '' : JSON.stringify(value));
    return value;
  }

  wide(name: string, value: bigint): bigint {
    this.#name(name);
    this.#byte(Tag.wide);
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, value, true);
    this.#length += 8;
    return value;
  }

  bytes(name: string, value: Uint8Array): Uint8Array {
    this.#name(name);
    this.#byte(Tag.bytes);
    this.#blob(value);
    return value;
  }

  array(name: string, value: StateArray): void {
    this.bytes(name, bytesOf(value));
  }

  list<Item>(name: string, items: readonly Item[], each: (item: Item | undefined) => Item): Item[] {
    this.#name(name);
    this.#byte(Tag.list);
    this.#count(items.length);
    for (const item of items) each(item);
    return [...items];
  }

  part(name: string, body: () => void): void {
    this.#name(name);
    this.#byte(Tag.part);
    body();
    this.#count(PART_END);
  }

  event(name: string, handle: EventHandle | undefined): EventHandle | undefined {
    const pending = handle === undefined ? undefined : this.#events.pendingEvent(handle);
    this.#name(name);
    if (handle === undefined || pending === undefined) {
      this.#byte(Tag.none);
      return handle;
    }
    if (this.#claimed.has(handle)) throw new Error(`the event ${name} belongs to two parts`);
    this.#claimed.add(handle);
    this.#byte(Tag.event);
    this.#count(handle);
    this.#count(pending.deadlineNs);
    this.#count(pending.argument);
    return handle;
  }

  #name(name: string): void {
    const known = this.#names.get(name);
    if (known !== undefined) {
      this.#count(known);
      return;
    }
    const number = this.#names.size + 1;
    this.#count(number);
    this.#names.set(name, number);
    this.#blob(new TextEncoder().encode(name));
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  /** Seven bits a byte, the lowest first. */
  #count(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${value} is not a count`);
    let rest = value;
    while (rest >= 0x80) {
      this.#byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#byte(rest);
  }

  #blob(value: Uint8Array): void {
    this.#count(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** Gives back what a `StateWriter` wrote. Throws `StateError` where the shapes differ. */
export class StateReader implements StateStream {
  readonly isRestoring = true;
  readonly #events: EventQueue;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #names: string[] = [];
  #at = 0;

  constructor(bytes: Uint8Array, events: EventQueue) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#events = events;
  }

  /** Throws when something was not read. */
  finish(): void {
    if (this.#at !== this.#bytes.length) {
      throw new StateError(`${this.#bytes.length - this.#at} bytes are left over`);
    }
  }

  number(name: string): number {
    this.#name(name);
    return this.#number(name, this.#byte());
  }

  optionalNumber(name: string): number | undefined {
    this.#name(name);
    const tag = this.#byte();
    return tag === Tag.none ? undefined : this.#number(name, tag);
  }

  #number(name: string, tag: number): number {
    if (tag === Tag.float) {
      const at = this.#take(8);
      return this.#view.getFloat64(at, true);
    }
    if ((tag & 0x7f) !== Tag.integer) throw wrong(name, 'a number');
    const value = this.#count();
    return tag === Tag.integer ? value : -value;
  }

  flag(name: string): boolean {
    this.#name(name);
    const tag = this.#byte();
    if (tag !== Tag.true && tag !== Tag.false) throw wrong(name, 'true or false');
    return tag === Tag.true;
  }

  text(name: string): never {
    this.#expect(name, Tag.text, 'a text');
    return new TextDecoder().decode(this.#blob()) as never;
  }

  data(name: string): never {
    const text: string = this.text(name);
    return (text === '' ? undefined : JSON.parse(text)) as never;
  }

  wide(name: string): bigint {
    this.#expect(name, Tag.wide, '64 bits');
    const at = this.#take(8);
    return this.#view.getBigUint64(at, true);
  }

  bytes(name: string): Uint8Array {
    this.#expect(name, Tag.bytes, 'bytes');
    return this.#blob().slice();
  }

  array(name: string, value: StateArray): void {
    this.#expect(name, Tag.bytes, 'bytes');
    const bytes = this.#blob();
    if (bytes.length !== value.byteLength) {
      throw new StateError(`${name} has ${bytes.length} bytes, expected ${value.byteLength}`);
    }
    bytesOf(value).set(bytes);
  }

  list<Item>(
    name: string,
    _items: readonly Item[],
    each: (item: Item | undefined) => Item,
  ): Item[] {
    this.#expect(name, Tag.list, 'a list');
    const count = this.#count();
    const items: Item[] = [];
    for (let index = 0; index < count; index += 1) items.push(each(undefined));
    return items;
  }

  part(name: string, body: () => void): void {
    this.#expect(name, Tag.part, 'a part');
    body();
    if (this.#count() !== PART_END) throw wrong(name, 'a part that ends here');
  }

  event(
    name: string,
    _handle: EventHandle | undefined,
    handler: EventHandler,
  ): EventHandle | undefined {
    this.#name(name);
    const tag = this.#byte();
    if (tag === Tag.none) return undefined;
    if (tag !== Tag.event) throw wrong(name, 'an event');
    const handle = this.#count();
    const deadlineNs = this.#count();
    const argument = this.#count();
    this.#events.restoreEvent(handle, deadlineNs, handler, argument);
    return handle;
  }

  #expect(name: string, tag: number, what: string): void {
    this.#name(name);
    if (this.#byte() !== tag) throw wrong(name, what);
  }

  #name(expected: string): void {
    const number = this.#count();
    if (number > this.#names.length) this.#names.push(new TextDecoder().decode(this.#blob()));
    const name = number === PART_END ? 'the end of a part' : this.#names[number - 1];
    if (name !== expected) throw new StateError(`holds "${name ?? '?'}" in place of "${expected}"`);
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #count(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 0x80;
      if (scale > Number.MAX_SAFE_INTEGER) throw new StateError('holds a number that is too large');
    }
    return value;
  }

  #blob(): Uint8Array {
    const length = this.#count();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new StateError('ends in the middle');
    this.#at += count;
    return at;
  }
}

/** The name of the value that holds a byte of a section, with the parts that it is in: "apic.timer.mode". */
export function fieldAt(bytes: Uint8Array, position: number): string {
  const names: string[] = [];
  const parts: string[] = [];
  let at = 0;
  const count = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = bytes[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  for (;;) {
    const number = count();
    if (number === PART_END) {
      parts.pop();
      if (at > position || at >= bytes.length) return parts.join('.');
      continue;
    }
    if (number > names.length) {
      const length = count();
      names.push(new TextDecoder().decode(bytes.subarray(at, at + length)));
      at += length;
    }
    const name = names[number - 1] ?? '?';
    const tag = bytes[at] ?? 0;
    at += 1;
    if (tag === Tag.part) parts.push(name);
    else if ((tag & 0x7f) === Tag.integer || tag === Tag.list) count();
    else if (tag === Tag.float || tag === Tag.wide) at += 8;
    else if (tag === Tag.text || tag === Tag.bytes) at += count();
    else if (tag === Tag.event) for (let number = 0; number < 3; number += 1) count();
    if (at > position || at >= bytes.length) return [...parts, name].join('.');
  }
}

function wrong(name: string, expected: string): StateError {
  return new StateError(`${name} is not ${expected}`);
}
