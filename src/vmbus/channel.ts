import type { EventHandle } from '../core/events.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import type { GuestRanges, IncomingPacket, OpenChannel } from './device.ts';
import { RangeList } from './gpa-ranges.ts';
import { packetBytes, RingPacket, RingReader, RingWriter } from './ring.ts';
import type { RingMemory } from './ring.ts';
import { NO_INTERRUPT_VP } from './spec/ids.ts';
import {
  GpaDirectHeader,
  PacketFlag,
  PacketHeader,
  PacketType,
  TransferPageHeader,
  TransferPageRange,
} from './spec/ring.ts';
import { vmbusRingFault, vmbusWriterParked, vmbusWriterWoken } from './trace.ts';

const FIRST_EXTENSION_BYTES = 512;

/** What an open channel asks of the bus. */
export interface ChannelBus {
  readonly memory: GuestMemory;
  readonly trace: Trace;
  /** Raises the channel's interrupt in the guest. */
  signalGuest(channel: HostChannel): void;
  /** Looks later whether a parked writer has room, if the host has a clock. */
  retryLater(channel: HostChannel): void;
  /** The time of `retryLater` has come. */
  retry(channel: HostChannel): void;
  dropRetry(event: EventHandle): void;
  gpadlOf(channel: HostChannel, gpadlId: number): GuestRanges | undefined;
}

export interface ChannelOpening {
  readonly channelId: number;
  readonly subChannelIndex: number;
  readonly targetVp: number;
  /** Host-to-guest event flag; the channel id unless the guest chose another. */
  readonly eventFlag: number;
  readonly userData: Uint8Array;
  readonly vmbusVersion: number;
  readonly guestToHost: RingMemory;
  readonly hostToGuest: RingMemory;
}

class HostPacket extends RingPacket implements IncomingPacket {
  readonly ranges = new RangeList();
}

/** The host's end of an open channel: two rings, and the signals that belong to them. */
export class HostChannel implements OpenChannel {
  readonly channelId: number;
  readonly subChannelIndex: number;
  readonly eventFlag: number;
  readonly userData: Uint8Array;
  readonly memory: GuestMemory;
  readonly vmbusVersion: number;
  readonly packet: IncomingPacket;
  targetVp: number;
  /** False once the channel is closed: every call is then without effect. */
  isOpen = true;
  /** The next look for room, while a packet is parked. */
  retryEvent: EventHandle | undefined;
  readonly onRetry = (): void => this.#bus.retry(this);
  readonly #bus: ChannelBus;
  readonly #packet: HostPacket;
  readonly #reader: RingReader<HostPacket>;
  readonly #writer: RingWriter;
  /** Where the extension of a transfer-page packet is put together. */
  #extension = new Uint8Array(FIRST_EXTENSION_BYTES);
  #extensionWords = new Uint32Array(this.#extension.buffer);
  #isDraining = true;
  /** Ring bytes that the packet refused last needs; 0 when none waits. */
  #parkedBytes = 0;
  #isFaultTold = false;

  constructor(bus: ChannelBus, opening: ChannelOpening) {
    this.#bus = bus;
    this.memory = bus.memory;
    this.channelId = opening.channelId;
    this.subChannelIndex = opening.subChannelIndex;
    this.targetVp = opening.targetVp;
    this.eventFlag = opening.eventFlag;
    this.userData = opening.userData;
    this.vmbusVersion = opening.vmbusVersion;
    this.#packet = new HostPacket(RingPacket.capacityFor(opening.guestToHost));
    this.packet = this.#packet;
    this.#reader = new RingReader(opening.guestToHost, this.#packet);
    this.#writer = new RingWriter(opening.hostToGuest);
    this.#reader.setMask(true);
  }

  /**
   * Lets the guest's signals through, once the device has the channel.
   * @returns true when the guest has written already: its signal was masked, so the device is told
   */
  begin(): boolean {
    this.#isDraining = false;
    this.#reader.setMask(false);
    return this.#reader.availableBytes > 0;
  }

  /** The channel is closed. */
  end(): void {
    this.isOpen = false;
    if (this.retryEvent !== undefined) this.#bus.dropRetry(this.retryEvent);
    this.retryEvent = undefined;
  }

  receive(): boolean {
    if (!this.isOpen) return false;
    const reader = this.#reader;
    if (!this.#isDraining) {
      this.#isDraining = true;
      reader.setMask(true);
    }
    if (this.#take()) return true;
    // A packet that came between the last look and the unmasking brought no signal.
    reader.setMask(false);
    if (reader.availableBytes > 0) {
      reader.setMask(true);
      if (this.#take()) return true;
      reader.setMask(false);
    }
    this.#isDraining = false;
    return false;
  }

  #take(): boolean {
    const reader = this.#reader;
    if (!reader.receive()) {
      if (reader.fault !== '') this.#tellFault(reader.fault);
      return false;
    }
    if (reader.signalDue) {
      reader.signalDue = false;
      this.#bus.signalGuest(this);
    }
    const packet = this.#packet;
    if (packet.type === PacketType.gpaDirect) this.#parseRanges(packet);
    else packet.ranges.clear();
    return true;
  }

  /** Ranges that are wrong leave the packet without any: its device fails the request. */
  #parseRanges(packet: HostPacket): void {
    const head = PacketHeader.size / 4;
    const first = head + GpaDirectHeader.size / 4;
    const end = packet.payloadStart / 4;
    let wrong = '';
    if (end < first) {
      packet.ranges.clear();
      wrong = `an extension of ${packet.extensionLength} bytes is no list of ranges`;
    } else {
      const count = packet.words[head + GpaDirectHeader.offset.rangeCount / 4]!;
      wrong = packet.ranges.parse(this.memory, packet.words, first, end, count);
      if (count === 0) wrong = 'a list without ranges';
    }
    if (wrong !== '') this.#bus.trace.emitText(vmbusRingFault, wrong, this.channelId);
  }

  sendInBand(
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
    wantsCompletion: boolean,
  ): boolean {
    const flags = wantsCompletion ? PacketFlag.completionRequested : 0;
    return this.#send(
      PacketType.inBand,
      flags,
      transactionLo,
      transactionHi,
      source,
      start,
      length,
    );
  }

  sendCompletion(
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
  ): boolean {
    return this.#send(
      PacketType.completion,
      0,
      transactionLo,
      transactionHi,
      source,
      start,
      length,
    );
  }

  sendTransferPages(
    setId: number,
    ranges: Uint32Array,
    rangeCount: number,
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
  ): boolean {
    const extensionLength = TransferPageHeader.size + rangeCount * TransferPageRange.size;
    this.#reserveExtension(extensionLength);
    const words = this.#extensionWords;
    words[0] = setId & 0xffff;
    words[1] = rangeCount;
    for (let index = 0; index < rangeCount * 2; index += 1) words[index + 2] = ranges[index]!;
    return this.#send(
      PacketType.transferPages,
      PacketFlag.completionRequested,
      transactionLo,
      transactionHi,
      source,
      start,
      length,
      extensionLength,
    );
  }

  #reserveExtension(bytes: number): void {
    if (bytes <= this.#extension.length) return;
    this.#extension = new Uint8Array(Math.max(bytes, this.#extension.length * 2));
    this.#extensionWords = new Uint32Array(this.#extension.buffer);
  }

  #send(
    type: number,
    flags: number,
    lo: number,
    hi: number,
    source: Uint8Array,
    start: number,
    length: number,
    extensionLength = 0,
  ): boolean {
    if (!this.isOpen) return false;
    const writer = this.#writer;
    const extension = this.#extension;
    if (!writer.write(type, flags, lo, hi, source, start, length, extension, extensionLength)) {
      return this.#park(type, flags, lo, hi, source, start, length, extensionLength);
    }
    if (writer.signalDue) {
      writer.signalDue = false;
      this.#bus.signalGuest(this);
    }
    return true;
  }

  #park(
    type: number,
    flags: number,
    lo: number,
    hi: number,
    source: Uint8Array,
    start: number,
    length: number,
    extensionLength: number,
  ): boolean {
    const writer = this.#writer;
    const needed = packetBytes(extensionLength, length);
    if (writer.fault !== '' || needed > writer.capacityBytes) {
      this.#tellFault(writer.fault || `${needed} bytes do not fit the ring to the guest`);
      return false;
    }
    // The guest may have read on between the refusal and the request.
    if (writer.awaitSpace(needed)) {
      return this.#send(type, flags, lo, hi, source, start, length, extensionLength);
    }
    const wasParked = this.#parkedBytes > 0;
    this.#parkedBytes = needed;
    this.#bus.trace.emit(vmbusWriterParked, this.channelId, needed);
    if (!wasParked) this.#bus.retryLater(this);
    return false;
  }

  /**
   * Looks whether a parked packet has room now.
   * @returns true when the device should write again
   */
  wake(): boolean {
    if (this.#parkedBytes === 0 || !this.isOpen) return false;
    if (this.#writer.freeBytes < this.#parkedBytes) return false;
    this.#parkedBytes = 0;
    this.#writer.ring.pendingSendSize = 0;
    this.#bus.trace.emit(vmbusWriterWoken, this.channelId);
    return true;
  }

  get isParked(): boolean {
    return this.#parkedBytes > 0 && this.isOpen && this.#writer.fault === '';
  }

  /** The rings themselves are guest memory. */
  exchange(state: StateStream): void {
    this.targetVp = state.number('targetVp', this.targetVp);
    this.#isDraining = state.flag('isDraining', this.#isDraining);
    this.#parkedBytes = state.number('parkedBytes', this.#parkedBytes);
    this.#isFaultTold = state.flag('isFaultTold', this.#isFaultTold);
    state.part('reader', () => this.#reader.exchange(state));
    state.part('writer', () => this.#writer.exchange(state));
    this.retryEvent = state.event('retry', this.retryEvent, this.onRetry);
  }

  get unreadBytes(): number {
    return this.isOpen ? this.#writer.unreadBytes : 0;
  }

  get hasInterrupt(): boolean {
    return this.targetVp !== NO_INTERRUPT_VP;
  }

  gpadl(gpadlId: number): GuestRanges | undefined {
    return this.isOpen ? this.#bus.gpadlOf(this, gpadlId) : undefined;
  }

  #tellFault(reason: string): void {
    if (this.#isFaultTold) return;
    this.#isFaultTold = true;
    this.#bus.trace.emitText(vmbusRingFault, reason, this.channelId);
  }
}
