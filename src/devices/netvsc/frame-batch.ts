import { wordsOf } from '../../core/words.ts';
import type { PacketLink } from '../../net/link.ts';
import { MAX_FRAME_BYTES, VLAN_TAG_BYTES } from '../../net/spec/ethernet.ts';

const MAX_FRAMES = 64;
/** More of them would not stay in a processor's first cache until they are sent. */
const FULL_BYTES = 16 * 1024;
/** Before each frame, so that a tag has room and the frame stays aligned. */
const FRAME_ALIGNMENT = 8;

/**
 * Frames on their way from a guest to the link. They are collected and sent together: many frames
 * through one short piece of code cost less than each through all of it.
 */
export class FrameBatch {
  /** For frames that cannot be sent as they lie in the guest's memory. */
  readonly bytes = new Uint8Array(FULL_BYTES + MAX_FRAME_BYTES + 2 * FRAME_ALIGNMENT);
  readonly words = wordsOf(this.bytes);
  /** Where in `bytes` the next frame may be put together, with room for a tag before it. */
  next = FRAME_ALIGNMENT;
  #count = 0;
  readonly #guest: Uint8Array;
  readonly #isOwn = new Uint8Array(MAX_FRAMES);
  readonly #starts = new Float64Array(MAX_FRAMES);
  readonly #lengths = new Int32Array(MAX_FRAMES);

  /** @param guest the memory in which plain frames are left until they are sent */
  constructor(guest: Uint8Array) {
    this.#guest = guest;
  }

  get isFull(): boolean {
    return this.#count === MAX_FRAMES || this.next > FULL_BYTES;
  }

  /** Adds a frame of the guest's memory. */
  addGuest(start: number, length: number): void {
    this.#add(0, start, length);
  }

  /** Adds the frame that was put together at `next`. @param start that, or before it by a tag */
  addOwn(start: number, length: number): void {
    this.#add(1, start, length);
    const end = this.next + length + VLAN_TAG_BYTES;
    this.next = (end + 2 * FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT;
  }

  #add(isOwn: number, start: number, length: number): void {
    const index = this.#count;
    this.#isOwn[index] = isOwn;
    this.#starts[index] = start;
    this.#lengths[index] = length;
    this.#count = index + 1;
  }

  /** Sends the frames in their order, or forgets them when there is no link. */
  flush(link: PacketLink | undefined): void {
    const count = this.#count;
    this.#count = 0;
    this.next = FRAME_ALIGNMENT;
    if (link === undefined) return;
    for (let index = 0; index < count; index += 1) {
      const bytes = this.#isOwn[index] === 0 ? this.#guest : this.bytes;
      link.send(bytes, this.#starts[index]!, this.#lengths[index]!);
    }
  }
}
