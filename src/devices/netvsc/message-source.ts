import { PAGE_BYTES, type GuestMemory } from '../../core/memory.ts';
import { wordsOf } from '../../core/words.ts';
import { copyBytes } from '../../core/copy.ts';
import type { GuestRanges } from '../../vmbus/device.ts';
import type { SharedBuffer } from './buffers.ts';
import { MAX_MDL_CHAIN } from './spec/nvsp.ts';

/** No RNDIS message is longer: as many pages as INIT_COMPLETE promises to take. */
export const MAX_MESSAGE_BYTES = MAX_MDL_CHAIN * PAGE_BYTES;

/**
 * Where the RNDIS message of one packet lies: in a section of the send buffer, in memory that the
 * packet names, or in both, the section first. One run is used where it is; several are copied
 * together.
 */
export class MessageSource {
  bytes: Uint8Array;
  words: Int32Array;
  start = 0;
  length = 0;
  readonly #memory: GuestMemory;
  readonly #joined = new Uint8Array(MAX_MESSAGE_BYTES);
  readonly #joinedWords = wordsOf(this.#joined);

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.bytes = memory.u8;
    this.words = memory.i32;
  }

  /**
   * @param offset of the section in the send buffer
   * @param sectionLength bytes used of it, 0 for none; within the buffer
   * @returns false when there is nothing, or too much
   */
  find(
    send: SharedBuffer | undefined,
    offset: number,
    sectionLength: number,
    ranges: GuestRanges,
  ): boolean {
    const length = sectionLength + ranges.totalBytes;
    if (length === 0 || length > MAX_MESSAGE_BYTES) return false;
    this.length = length;
    if (ranges.count === 0 && send !== undefined && send.runAt(offset) >= sectionLength) {
      return this.#use(send.positionOf(offset));
    }
    if (sectionLength === 0 && ranges.count === 1) return this.#use(ranges.offsets[0]!);
    this.bytes = this.#joined;
    this.words = this.#joinedWords;
    this.start = 0;
    let to = 0;
    if (send !== undefined) {
      while (to < sectionLength) {
        const run = Math.min(sectionLength - to, send.runAt(offset + to));
        this.#join(send.positionOf(offset + to), to, run);
        to += run;
      }
    }
    for (let run = 0; run < ranges.count; run += 1) {
      this.#join(ranges.offsets[run]!, to, ranges.lengths[run]!);
      to += ranges.lengths[run]!;
    }
    return true;
  }

  #use(position: number): boolean {
    const memory = this.#memory;
    this.bytes = memory.u8;
    this.words = memory.i32;
    this.start = position;
    return true;
  }

  #join(from: number, to: number, length: number): void {
    const { u8, i32 } = this.#memory;
    copyBytes(u8, i32, from, this.#joined, this.#joinedWords, to, length);
  }
}
