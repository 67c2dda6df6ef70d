import { crc32 } from '../../core/crc32.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { readWord } from '../../core/network-order.ts';
import { TYPE_AT } from '../../net/spec/ethernet.ts';
import type { DescriptorList } from './ring.ts';
import { FRAME_CHECK_BYTES, LONG_FRAME_BYTES, ReceiveStatus } from './spec.ts';

/** The least type; below it the field is a length. */
const LEAST_TYPE = 0x0600;

export const ReceiveTurn = { taken: 0, unavailable: 1, busError: 2 } as const;

/** Puts frames into the buffers of the receive list. */
export class Receiver {
  readonly #memory: GuestMemory;
  readonly #list: DescriptorList;
  readonly #check = new Uint8Array(FRAME_CHECK_BYTES);

  constructor(memory: GuestMemory, list: DescriptorList) {
    this.#memory = memory;
    this.#list = list;
  }

  /** @returns whether the next descriptor is the adapter's: one of `ReceiveTurn` */
  look(): number {
    if (!this.#list.load()) return ReceiveTurn.busError;
    return this.#list.isOwned ? ReceiveTurn.taken : ReceiveTurn.unavailable;
  }

  /**
   * A frame with its check sequence goes into as many descriptors as it takes; where those end, the last
   * one is marked.
   */
  put(
    bytes: Uint8Array,
    start: number,
    length: number,
    isFiltered: boolean,
    skipBytes: number,
  ): number {
    const first = this.look();
    if (first !== ReceiveTurn.taken) return first;
    const list = this.#list;
    const whole = length + FRAME_CHECK_BYTES;
    new DataView(this.#check.buffer).setUint32(0, crc32(bytes, start, length), true);
    const last = this.#lastStatus(bytes, start, whole);
    let done = 0;
    let flags: number = ReceiveStatus.first | (isFiltered ? 0 : ReceiveStatus.filteringFailed);
    for (;;) {
      const size1 = Math.min(list.size1, whole - done);
      const size2 = Math.min(list.size2, whole - done - size1);
      const isInRam =
        this.#fill(list.address1, bytes, start, length, done, size1) &&
        this.#fill(list.address2, bytes, start, length, done + size1, size2);
      if (!isInRam) return ReceiveTurn.busError;
      done += size1 + size2;
      const { position } = list;
      list.release(done === whole ? flags | last : flags);
      list.advance(skipBytes);
      if (done === whole) return ReceiveTurn.taken;
      const next = this.look();
      if (next === ReceiveTurn.taken) {
        flags &= ~ReceiveStatus.first;
        continue;
      }
      const { descriptorError, errorSummary } = ReceiveStatus;
      list.amend(position, flags | last | descriptorError | errorSummary);
      return next === ReceiveTurn.busError ? next : ReceiveTurn.taken;
    }
  }

  #lastStatus(bytes: Uint8Array, start: number, whole: number): number {
    const type = readWord(bytes, start + TYPE_AT);
    const isMulticast = (bytes[start]! & 1) !== 0;
    return (
      (whole << ReceiveStatus.lengthShift) |
      ReceiveStatus.last |
      (type >= LEAST_TYPE ? ReceiveStatus.typed : 0) |
      (isMulticast ? ReceiveStatus.multicast : 0) |
      (whole > LONG_FRAME_BYTES ? ReceiveStatus.tooLong : 0)
    );
  }

  /** Bytes of the frame from `done` on, or of the check sequence behind it. */
  #fill(
    gpa: number,
    bytes: Uint8Array,
    start: number,
    length: number,
    done: number,
    part: number,
  ): boolean {
    if (part === 0) return true;
    const memory = this.#memory;
    const at = memory.resolve(gpa, part);
    if (at < 0) return false;
    memory.written(at, part);
    const ofFrame = Math.max(0, Math.min(part, length - done));
    memory.u8.set(bytes.subarray(start + done, start + done + ofFrame), at);
    const from = done + ofFrame - length;
    const rest = part - ofFrame;
    if (rest > 0) memory.u8.set(this.#check.subarray(from, from + rest), at + ofFrame);
    return true;
  }
}
