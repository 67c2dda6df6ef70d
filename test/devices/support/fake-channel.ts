import type { GuestMemory } from '../../../src/core/memory.ts';
import type { GuestRanges, IncomingPacket, OpenChannel } from '../../../src/vmbus/device.ts';
import { rangesOf } from './scsi-runner.ts';

export interface SentPacket {
  readonly isCompletion: boolean;
  readonly transactionLo: number;
  readonly transactionHi: number;
  readonly bytes: Uint8Array;
}

export interface QueuedPacket {
  readonly type: number;
  readonly flags: number;
  readonly transactionLo: number;
  readonly transactionHi: number;
  readonly payload: Uint8Array;
  readonly ranges: GuestRanges;
}

/** An open channel without rings: packets wait in a list, answers are kept in another. */
export class FakeChannel implements OpenChannel {
  readonly channelId: number;
  readonly subChannelIndex: number;
  readonly targetVp = 0;
  readonly userData = new Uint8Array(120);
  readonly memory: GuestMemory;
  readonly vmbusVersion = 0x0005_0003;
  readonly packet: IncomingPacket;
  readonly queued: QueuedPacket[] = [];
  readonly sent: SentPacket[] = [];
  /** Tests of devices that wait for the guest to read say here what it has left. */
  unreadBytes = 0;
  /** Packets that the host may still send before the ring is full. */
  room = Infinity;

  constructor(memory: GuestMemory, subChannelIndex = 0) {
    this.memory = memory;
    this.subChannelIndex = subChannelIndex;
    this.channelId = 10 + subChannelIndex;
    const bytes = new Uint8Array(4096);
    this.packet = {
      type: 0,
      flags: 0,
      transactionLo: 0,
      transactionHi: 0,
      bytes,
      view: new DataView(bytes.buffer),
      words: new Uint32Array(bytes.buffer),
      payloadStart: 0,
      payloadLength: 0,
      ranges: rangesOf([]),
    };
  }

  receive(): boolean {
    const next = this.queued.shift();
    if (next === undefined) return false;
    const { packet } = this;
    packet.type = next.type;
    packet.flags = next.flags;
    packet.transactionLo = next.transactionLo;
    packet.transactionHi = next.transactionHi;
    packet.bytes.fill(0xcc);
    packet.payloadStart = 16;
    packet.payloadLength = next.payload.length;
    packet.bytes.set(next.payload, 16);
    Object.assign(packet.ranges, next.ranges);
    return true;
  }

  sendInBand(
    source: Uint8Array,
    start: number,
    length: number,
    low: number,
    high: number,
  ): boolean {
    return this.#send(false, source, start, length, low, high);
  }

  sendCompletion(
    source: Uint8Array,
    start: number,
    length: number,
    low: number,
    high: number,
  ): boolean {
    return this.#send(true, source, start, length, low, high);
  }

  sendTransferPages(
    _setId: number,
    _ranges: Uint32Array,
    _rangeCount: number,
    source: Uint8Array,
    start: number,
    length: number,
    low: number,
    high: number,
  ): boolean {
    return this.#send(false, source, start, length, low, high);
  }

  gpadl(): undefined {
    return undefined;
  }

  #send(
    isCompletion: boolean,
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
  ): boolean {
    if (this.room <= 0) return false;
    this.room -= 1;
    const bytes = source.slice(start, start + length);
    this.sent.push({ isCompletion, transactionLo, transactionHi, bytes });
    return true;
  }
}
