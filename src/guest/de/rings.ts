/** de(4)'s lists of descriptors, each with a buffer of its own (tulip_txput, tulip_rx_intr). */
import {
  DESCRIPTOR_OWN,
  DescriptorControl,
  FRAME_CHECK_BYTES,
  ReceiveStatus,
  SETUP_BYTES,
  TransmitControl,
  TulipDescriptor,
} from '../../devices/tulip/spec.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import { HEADROOM, type Packet } from '../inet/packet.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** TULIP_RX_BUFLEN rounded to what a descriptor's size field holds. */
export const BUFFER_BYTES = 2048;
const BUFFER_ROOM = 2032;
const LENGTH_MASK = 0x3fff;

export class DescriptorRing {
  /** Of the first descriptor. */
  readonly gpa: number;
  readonly count: number;
  protected readonly kernel: Kernel;
  protected readonly buffersGpa: number;
  protected readonly cursor: ReturnType<typeof TulipDescriptor.cursor>;
  readonly #at: number;

  constructor(kernel: Kernel, count: number) {
    this.kernel = kernel;
    this.count = count;
    const { memory } = kernel.hw;
    const pages = Math.ceil((count * TulipDescriptor.size) / PAGE_BYTES);
    this.gpa = kernel.allocatePages(pages);
    this.buffersGpa = kernel.allocatePages((count * BUFFER_BYTES) / PAGE_BYTES);
    this.cursor = TulipDescriptor.cursor(memory.view);
    this.#at = memory.resolve(this.gpa, pages * PAGE_BYTES);
  }

  protected descriptor(index: number): ReturnType<typeof TulipDescriptor.cursor> {
    return this.cursor.at(this.#at + index * TulipDescriptor.size);
  }

  protected bufferGpa(index: number): number {
    return this.buffersGpa + index * BUFFER_BYTES;
  }

  protected buffer(index: number): number {
    return this.kernel.hw.memory.resolve(this.bufferGpa(index), BUFFER_BYTES);
  }

  /** The bit of the last descriptor. */
  protected endOf(index: number): number {
    return index === this.count - 1 ? DescriptorControl.endOfRing : 0;
  }
}

export class ReceiveRing extends DescriptorRing {
  #next = 0;

  /** Gives every buffer to the adapter. */
  start(): void {
    this.#next = 0;
    for (let index = 0; index < this.count; index += 1) this.#give(index);
  }

  #give(index: number): void {
    const descriptor = this.descriptor(index);
    descriptor.control = BUFFER_ROOM | this.endOf(index);
    descriptor.address1 = this.bufferGpa(index);
    descriptor.address2 = 0;
    descriptor.status = DESCRIPTOR_OWN;
  }

  /** @returns 1 with a frame in `packet`, -1 for a bad one, 0 when there is none */
  take(packet: Packet): number {
    const index = this.#next;
    const status = this.descriptor(index).status;
    if ((status & DESCRIPTOR_OWN) !== 0) return 0;
    const whole = ReceiveStatus.first | ReceiveStatus.last;
    const isGood = (status & whole) === whole && (status & ReceiveStatus.errorSummary) === 0;
    if (isGood) {
      const length = ((status >>> ReceiveStatus.lengthShift) & LENGTH_MASK) - FRAME_CHECK_BYTES;
      const at = this.buffer(index);
      packet.reset();
      packet.length = length;
      packet.bytes.set(this.kernel.hw.memory.u8.subarray(at, at + length), HEADROOM);
    }
    this.#give(index);
    this.#next = (index + 1) % this.count;
    return isGood ? 1 : -1;
  }
}

export class TransmitRing extends DescriptorRing {
  #next = 0;
  #oldest = 0;
  #used = 0;

  start(): void {
    this.#next = 0;
    this.#oldest = 0;
    this.#used = 0;
    for (let index = 0; index < this.count; index += 1) {
      this.descriptor(index).status = 0;
      this.descriptor(index).control = this.endOf(index);
    }
  }

  /** One descriptor stays free: it ends the list. */
  get isFull(): boolean {
    return this.#used >= this.count - 1;
  }

  /** @returns false when there is no room */
  put(packet: Packet): boolean {
    if (this.isFull || packet.length > BUFFER_ROOM) return false;
    const at = this.buffer(this.#next);
    const { start, length } = packet;
    this.kernel.hw.memory.u8.set(packet.bytes.subarray(start, start + length), at);
    const { first, last, interrupt } = TransmitControl;
    this.#give(length | first | last | interrupt);
    return true;
  }

  /** @param bytes of a setup frame */
  putSetup(bytes: Uint8Array): void {
    if (this.isFull) return;
    this.kernel.hw.memory.u8.set(bytes, this.buffer(this.#next));
    this.#give(SETUP_BYTES | TransmitControl.setup | TransmitControl.interrupt);
  }

  #give(control: number): void {
    const index = this.#next;
    const descriptor = this.descriptor(index);
    descriptor.address1 = this.bufferGpa(index);
    descriptor.address2 = 0;
    descriptor.control = (control | this.endOf(index)) >>> 0;
    descriptor.status = DESCRIPTOR_OWN;
    this.#next = (index + 1) % this.count;
    this.#used += 1;
  }

  /** Takes back what the adapter is done with. @returns whether there was any */
  reclaim(): boolean {
    let count = 0;
    while (this.#used > 0 && (this.descriptor(this.#oldest).status & DESCRIPTOR_OWN) === 0) {
      this.#oldest = (this.#oldest + 1) % this.count;
      this.#used -= 1;
      count += 1;
    }
    return count > 0;
  }
}
