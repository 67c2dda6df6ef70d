import type { StateStream } from '../../core/state.ts';
import { FIFO_BYTES, FIFO_TRIGGER_LEVELS, LineStatus } from './spec.ts';

/** The receiving half of a 16550A: its FIFO (or one register) with the errors of each byte. */
export class Receiver {
  readonly #bytes = new Uint8Array(FIFO_BYTES);
  readonly #errors = new Uint8Array(FIFO_BYTES);
  #head = 0;
  #count = 0;
  #capacity = 1;
  #trigger = 1;
  #overrun = false;
  #last = 0;

  exchange(state: StateStream): void {
    state.array('bytes', this.#bytes);
    state.array('errors', this.#errors);
    this.#head = state.number('head', this.#head);
    this.#count = state.number('count', this.#count);
    this.#capacity = state.number('capacity', this.#capacity);
    this.#trigger = state.number('trigger', this.#trigger);
    this.#overrun = state.flag('overrun', this.#overrun);
    this.#last = state.number('last', this.#last);
  }

  get count(): number {
    return this.#count;
  }

  get room(): number {
    return this.#capacity - this.#count;
  }

  get isAtTrigger(): boolean {
    return this.#count >= this.#trigger;
  }

  /** The byte at the head carries an error, or one was lost. */
  get hasError(): boolean {
    return this.#overrun || (this.#count > 0 && this.#errors[this.#head] !== 0);
  }

  /** @param triggerCode FCR bits 7:6 */
  configure(hasFifo: boolean, triggerCode: number): void {
    this.#capacity = hasFifo ? FIFO_BYTES : 1;
    this.#trigger = hasFifo ? FIFO_TRIGGER_LEVELS[triggerCode & 3]! : 1;
  }

  clear(): void {
    this.#head = 0;
    this.#count = 0;
    this.#overrun = false;
  }

  /** @param errors `LineStatus` error bits that belong to this byte */
  push(byte: number, errors: number): void {
    if (this.#count === this.#capacity) {
      this.#overrun = true;
      return;
    }
    const tail = (this.#head + this.#count) % FIFO_BYTES;
    this.#bytes[tail] = byte;
    this.#errors[tail] = errors;
    this.#count += 1;
  }

  /** The oldest byte; the last one once more when there is none. */
  pop(): number {
    if (this.#count === 0) return this.#last;
    this.#last = this.#bytes[this.#head]!;
    this.#head = (this.#head + 1) % FIFO_BYTES;
    this.#count -= 1;
    return this.#last;
  }

  /** The receiver's bits of LSR. Reading clears the errors of the byte at the head. */
  takeStatus(): number {
    let status = this.#overrun ? LineStatus.overrunError : 0;
    this.#overrun = false;
    if (this.#count === 0) return status;
    status |= LineStatus.dataReady | this.#errors[this.#head]!;
    for (let index = 0; index < this.#count; index += 1) {
      if (this.#errors[(this.#head + index) % FIFO_BYTES] !== 0 && this.#capacity > 1) {
        status |= LineStatus.fifoError;
      }
    }
    this.#errors[this.#head] = 0;
    return status;
  }
}
