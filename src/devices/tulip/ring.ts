import type { GuestMemory } from '../../core/memory.ts';
import type { StateStream } from '../../core/state.ts';
import { DESCRIPTOR_OWN, DescriptorControl, TulipDescriptor } from './spec.ts';

/**
 * A list of descriptors in guest memory: a ring, whose entries are a fixed distance apart, or a chain, in
 * which each one names the next.
 */
export class DescriptorList {
  readonly #memory: GuestMemory;
  readonly #cursor: ReturnType<typeof TulipDescriptor.cursor>;
  #baseGpa = 0;
  #gpa = 0;
  /** Position of the current descriptor in the linear memory. */
  #at = -1;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.#cursor = TulipDescriptor.cursor(memory.view);
  }

  exchange(state: StateStream): void {
    this.#baseGpa = state.number('baseGpa', this.#baseGpa);
    this.#gpa = state.number('gpa', this.#gpa);
    this.#at = state.number('at', this.#at);
  }

  /** The first one is the current one. */
  set baseGpa(gpa: number) {
    this.#baseGpa = gpa;
    this.#gpa = gpa;
  }

  /** Of the current descriptor. */
  get gpa(): number {
    return this.#gpa;
  }

  get baseGpa(): number {
    return this.#baseGpa;
  }

  /** @returns false when the current descriptor is not in RAM */
  load(): boolean {
    this.#at = this.#memory.resolve(this.#gpa, TulipDescriptor.size);
    return this.#at >= 0;
  }

  get isOwned(): boolean {
    return (this.#cursor.at(this.#at).status & DESCRIPTOR_OWN) !== 0;
  }

  get control(): number {
    return this.#cursor.at(this.#at).control;
  }

  /** Gives the descriptor to the guest. */
  release(status: number): void {
    this.amend(this.#at, status);
  }

  /** Of the current descriptor, for `amend`. */
  get position(): number {
    return this.#at;
  }

  /** Changes the status of a descriptor that was released. */
  amend(position: number, status: number): void {
    this.#memory.written(position, 4);
    this.#cursor.at(position).status = (status & ~DESCRIPTOR_OWN) >>> 0;
  }

  get address1(): number {
    return this.#cursor.at(this.#at).address1;
  }

  get size1(): number {
    return this.control & DescriptorControl.size1Mask;
  }

  get address2(): number {
    return this.#cursor.at(this.#at).address2;
  }

  /** A chained descriptor has one buffer. */
  get size2(): number {
    if ((this.control & DescriptorControl.chained) !== 0) return 0;
    return (this.control >>> DescriptorControl.size2Shift) & DescriptorControl.size1Mask;
  }

  /** @param skipBytes between two descriptors of a ring */
  advance(skipBytes: number): void {
    if ((this.control & DescriptorControl.endOfRing) !== 0) this.#gpa = this.#baseGpa;
    else if ((this.control & DescriptorControl.chained) !== 0) this.#gpa = this.address2 & ~3;
    else this.#gpa = this.#gpa + TulipDescriptor.size + skipBytes;
    this.#gpa >>>= 0;
  }
}
