import type { StateStream } from '../../core/state.ts';
import { PACKET_BYTES_V2 } from './spec.ts';

/** Requests that one controller works on at a time; further packets wait in the guest's ring. */
export const MAX_IN_FLIGHT = 1024;

/**
 * The completions that a controller owes, in arrays made once: a free list, and a heap ordered by
 * (due time, sequence number).
 */
export class Completions {
  /** Packets, `PACKET_BYTES_V2` apart. */
  readonly bytes = new Uint8Array(MAX_IN_FLIGHT * PACKET_BYTES_V2);
  readonly view = new DataView(this.bytes.buffer);
  readonly lengths = new Uint8Array(MAX_IN_FLIGHT);
  readonly transactionLo = new Uint32Array(MAX_IN_FLIGHT);
  readonly transactionHi = new Uint32Array(MAX_IN_FLIGHT);
  /** Index of the channel that the completion belongs to, and which opening of it. */
  readonly channels = new Uint16Array(MAX_IN_FLIGHT);
  readonly openings = new Float64Array(MAX_IN_FLIGHT);
  /** 1 for the completion of an EXECUTE_SRB that ran, 0 for any other answer. */
  readonly isRequest = new Uint8Array(MAX_IN_FLIGHT);
  readonly dueNs = new Float64Array(MAX_IN_FLIGHT);
  readonly #sequences = new Float64Array(MAX_IN_FLIGHT);
  readonly #free = new Int32Array(MAX_IN_FLIGHT);
  #freeCount = MAX_IN_FLIGHT;
  readonly #heap = new Int32Array(MAX_IN_FLIGHT);
  #heapCount = 0;
  #nextSequence = 0;

  constructor() {
    for (let index = 0; index < MAX_IN_FLIGHT; index += 1) {
      this.#free[index] = MAX_IN_FLIGHT - 1 - index;
    }
  }

  exchange(state: StateStream): void {
    state.array('bytes', this.bytes);
    state.array('lengths', this.lengths);
    state.array('transactionLo', this.transactionLo);
    state.array('transactionHi', this.transactionHi);
    state.array('channels', this.channels);
    state.array('openings', this.openings);
    state.array('isRequest', this.isRequest);
    state.array('dueNs', this.dueNs);
    state.array('sequences', this.#sequences);
    state.array('free', this.#free);
    this.#freeCount = state.number('freeCount', this.#freeCount);
    state.array('heap', this.#heap);
    this.#heapCount = state.number('heapCount', this.#heapCount);
    this.#nextSequence = state.number('nextSequence', this.#nextSequence);
  }

  get hasRoom(): boolean {
    return this.#freeCount > 0;
  }

  /** The caller has checked `hasRoom`. */
  take(): number {
    this.#freeCount -= 1;
    return this.#free[this.#freeCount]!;
  }

  release(slot: number): void {
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
  }

  /** When the earliest completion is due, or Infinity. */
  get nextDueNs(): number {
    return this.#heapCount > 0 ? this.dueNs[this.#heap[0]!]! : Infinity;
  }

  push(slot: number, dueNs: number): void {
    this.dueNs[slot] = dueNs;
    this.#sequences[slot] = this.#nextSequence;
    this.#nextSequence += 1;
    const heap = this.#heap;
    let index = this.#heapCount;
    this.#heapCount += 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(slot, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = slot;
  }

  /** Takes the earliest completion off the heap; its slot stays taken until `release`. */
  pop(): number {
    const heap = this.#heap;
    const first = heap[0]!;
    this.#heapCount -= 1;
    const count = this.#heapCount;
    if (count === 0) return first;
    const last = heap[count]!;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= count) break;
      if (child + 1 < count && this.#isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!this.#isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }

  #isBefore(left: number, right: number): boolean {
    const difference = this.dueNs[left]! - this.dueNs[right]!;
    return difference < 0 || (difference === 0 && this.#sequences[left]! < this.#sequences[right]!);
  }
}
