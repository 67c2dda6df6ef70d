import type { GuestMemory } from '../../core/memory.ts';
import type { StateStream } from '../../core/state.ts';
import type { AddressFilter } from './filter.ts';
import type { DescriptorList } from './ring.ts';
import {
  JABBER_BYTES,
  LEAST_FRAME_BYTES,
  SETUP_BYTES,
  SETUP_DONE,
  TransmitControl,
  TransmitError,
} from './spec.ts';

/** Most bytes of one descriptor. */
const DESCRIPTOR_BYTES = 2 * 2047;

/** How a turn of the transmitter ended. */
export const TransmitTurn = {
  /** Nothing more is the adapter's. */
  empty: 0,
  /** A descriptor is done, and the frame goes on in the next one. */
  part: 1,
  frame: 2,
  setup: 3,
  jabber: 4,
  /** A descriptor or a buffer is not in RAM. */
  busError: 5,
} as const;

/** Takes frames out of the transmit list, a descriptor at a time. */
export class Transmitter {
  readonly #memory: GuestMemory;
  readonly #list: DescriptorList;
  readonly #filter: AddressFilter;
  readonly frame = new Uint8Array(JABBER_BYTES + DESCRIPTOR_BYTES);
  #length = 0;
  /** The last descriptor that was done asks for an interrupt. */
  wantsInterrupt = false;

  constructor(memory: GuestMemory, list: DescriptorList, filter: AddressFilter) {
    this.#memory = memory;
    this.#list = list;
    this.#filter = filter;
  }

  exchange(state: StateStream): void {
    this.#length = state.number('length', this.#length);
    state.array('frame', this.frame.subarray(0, this.#length));
    this.wantsInterrupt = state.flag('wantsInterrupt', this.wantsInterrupt);
  }

  /** Bytes of the frame that the last turn completed. */
  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
  }

  /** Does the current descriptor. @returns one of `TransmitTurn` */
  turn(skipBytes: number): number {
    const list = this.#list;
    if (!list.load()) return TransmitTurn.busError;
    if (!list.isOwned) return TransmitTurn.empty;
    const { control } = list;
    if ((control & TransmitControl.setup) !== 0) return this.#setUp(control, skipBytes);
    if ((control & TransmitControl.first) !== 0) this.#length = 0;
    if (!this.#gather(list.address1, list.size1) || !this.#gather(list.address2, list.size2)) {
      return TransmitTurn.busError;
    }
    this.wantsInterrupt = (control & TransmitControl.interrupt) !== 0;
    const isTooLong = this.#length > JABBER_BYTES;
    const isLast = (control & TransmitControl.last) !== 0;
    list.release(isTooLong ? TransmitError.jabber | TransmitError.summary : 0);
    list.advance(skipBytes);
    if (isTooLong) {
      this.#length = 0;
      return TransmitTurn.jabber;
    }
    if (!isLast) return TransmitTurn.part;
    const isPadded = (control & TransmitControl.noPadding) === 0;
    if (isPadded && this.#length < LEAST_FRAME_BYTES) {
      this.frame.fill(0, this.#length, LEAST_FRAME_BYTES);
      this.#length = LEAST_FRAME_BYTES;
    }
    return TransmitTurn.frame;
  }

  #setUp(control: number, skipBytes: number): number {
    const list = this.#list;
    const at = this.#memory.locate(list.address1, SETUP_BYTES);
    if (at < 0) return TransmitTurn.busError;
    // A setup frame of another size is none, and changes nothing.
    if (list.size1 === SETUP_BYTES) {
      this.#filter.load(this.#memory.u8.subarray(at, at + SETUP_BYTES), control);
    }
    this.wantsInterrupt = (control & TransmitControl.interrupt) !== 0;
    list.release(SETUP_DONE);
    list.advance(skipBytes);
    return TransmitTurn.setup;
  }

  #gather(gpa: number, length: number): boolean {
    if (length === 0) return true;
    const at = this.#memory.locate(gpa, length);
    if (at < 0) return false;
    // What is beyond the longest frame is never sent.
    if (this.#length <= JABBER_BYTES) {
      this.frame.set(this.#memory.u8.subarray(at, at + length), this.#length);
      this.#length += length;
    }
    return true;
  }
}
