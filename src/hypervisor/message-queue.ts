import type { StateStream } from '../core/state.ts';
import { MessageHeader, SLOT_BYTES } from './spec/synic.ts';

/** Two VMBus connections' worth of offers; a guest that reads nothing cannot make it longer. */
export const QUEUED_MESSAGES_MAX = 4096;
const FIRST_CAPACITY = 8;

const { payloadBytes: PAYLOAD_BYTES, sender: SENDER } = MessageHeader.offset;

/**
 * Messages on their way to one slot, oldest first: a ring of whole slots that doubles when it is
 * full, so that a message costs no allocation once the ring has its size.
 */
export class MessageQueue {
  u8 = new Uint8Array(0);
  view = new DataView(this.u8.buffer);
  count = 0;
  /** Slot of the oldest message. */
  first = 0;

  get #capacity(): number {
    return this.u8.length / SLOT_BYTES;
  }

  clear(): void {
    this.count = 0;
    this.first = 0;
  }

  /** Position in `u8` of the message that is `index` places behind the oldest. */
  at(index: number): number {
    const capacity = this.#capacity;
    const place = this.first + index;
    return (place >= capacity ? place - capacity : place) * SLOT_BYTES;
  }

  /** @returns false when the queue is full */
  push(type: number, payload: Uint8Array, start: number, length: number, sender: number): boolean {
    if (this.count === QUEUED_MESSAGES_MAX) return false;
    if (this.count === this.#capacity) this.#grow();
    const at = this.at(this.count);
    const { u8, view } = this;
    view.setUint32(at, type, true);
    view.setUint32(at + PAYLOAD_BYTES, length, true);
    view.setUint32(at + SENDER, sender, true);
    view.setUint32(at + SENDER + 4, 0, true);
    const to = at + MessageHeader.size;
    for (let index = 0; index < length; index += 1) u8[to + index] = payload[start + index]!;
    this.count += 1;
    return true;
  }

  /**
   * Copies the oldest message to a slot, its type last, and forgets it.
   * @returns bytes of its payload
   */
  take(target: Uint8Array, slot: number): number {
    const from = this.at(0);
    const { u8 } = this;
    const length = u8[from + PAYLOAD_BYTES]!;
    for (let index = MessageHeader.size + length - 1; index >= 0; index -= 1) {
      target[slot + index] = u8[from + index]!;
    }
    this.first = (this.first + 1) % this.#capacity;
    this.count -= 1;
    return length;
  }

  /** Takes one message out of the middle; the others keep their order. */
  remove(index: number): void {
    for (let later = index + 1; later < this.count; later += 1) {
      const from = this.at(later);
      this.u8.copyWithin(this.at(later - 1), from, from + SLOT_BYTES);
    }
    this.count -= 1;
  }

  exchange(state: StateStream): void {
    const count = state.number('count', this.count);
    const whole = new Uint8Array(count * SLOT_BYTES);
    for (let index = 0; index < this.count; index += 1) {
      const from = this.at(index);
      whole.set(this.u8.subarray(from, from + SLOT_BYTES), index * SLOT_BYTES);
    }
    state.array('messages', whole);
    if (!state.isRestoring) return;
    this.u8 = whole;
    this.view = new DataView(whole.buffer);
    this.first = 0;
    this.count = count;
  }

  #grow(): void {
    const capacity = Math.max(FIRST_CAPACITY, this.#capacity * 2);
    const u8 = new Uint8Array(capacity * SLOT_BYTES);
    for (let index = 0; index < this.count; index += 1) {
      const from = this.at(index);
      u8.set(this.u8.subarray(from, from + SLOT_BYTES), index * SLOT_BYTES);
    }
    this.u8 = u8;
    this.view = new DataView(u8.buffer);
    this.first = 0;
  }
}
