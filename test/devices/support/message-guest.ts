import type { VirtualClock } from '../../../src/core/clock.ts';
import type { EventQueue } from '../../../src/core/events.ts';
import type { GuestMemory } from '../../../src/core/memory.ts';
import type { Trace } from '../../../src/core/trace.ts';
import type { VmbusDevice } from '../../../src/vmbus/device.ts';
import { type OpenOptions, type TestChannel, TestGuest } from '../../vmbus/support/guest.ts';
import { hex, unhex } from './scsi-runner.ts';

export interface MachineParts {
  readonly order: number;
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly trace: Trace;
  readonly memory: GuestMemory;
}

/** A guest on a real bus that exchanges messages with one device. Time is in the test's hand. */
export class MessageGuest<Device extends VmbusDevice> {
  readonly guest = new TestGuest();
  readonly device: Device;
  readonly isPipe: boolean;
  /** Names and reasons of messages that the device dropped. */
  readonly dropped: number[] = [];
  #channel: TestChannel | undefined;

  constructor(make: (parts: MachineParts) => Device) {
    const { clock, events, trace, memory } = this.guest;
    this.device = make({ order: 1, clock, events, trace, memory });
    this.isPipe = (this.device.offer.flags & 0x10) !== 0;
    this.guest.plug(this.device);
    trace.subscribe((_time, type, values) => {
      if (type.category === 'message') this.dropped.push(values[1]!);
    });
  }

  open(options: OpenOptions = {}): this {
    this.#channel = this.guest.openDevice(this.device.offer.interfaceId, options);
    return this;
  }

  get channel(): TestChannel {
    return this.#channel!;
  }

  /** Runs everything that is due within `ns`, and ends at exactly that time. */
  pass(ns: number): this {
    const { clock, events } = this.guest;
    const end = clock.nowNs + ns;
    while (events.nextDeadlineNs <= end) events.runNext();
    clock.set(end);
    return this;
  }

  /** Sends a message, in hexadecimal or as bytes, and gives the host a millisecond. */
  say(message: string | Uint8Array): this {
    const body = typeof message === 'string' ? unhex(message) : message;
    const packet = this.isPipe ? framed(body) : body;
    if (!this.channel.send(packet)) throw new Error('the ring to the host is full');
    return this.pass(1_000_000);
  }

  /** The next message of the host without its pipe header, or undefined. */
  hear(): Uint8Array | undefined {
    const packet = this.channel.receive();
    if (packet === undefined) return undefined;
    if (!this.isPipe) return packet.payload;
    const length = packet.view.getUint32(4, true);
    if (packet.view.getUint32(0, true) !== 1 || length > packet.payload.length - 8) {
      throw new Error(`bad pipe header ${hex(packet.payload.slice(0, 8))}`);
    }
    return packet.payload.slice(8, 8 + length);
  }

  /** The same in hexadecimal, '' for none; without padding to eight bytes of plain packets. */
  heard(bytes?: number): string {
    const message = this.hear();
    return message === undefined ? '' : hex(message.slice(0, bytes ?? message.length));
  }

  hearAll(): Uint8Array[] {
    const all: Uint8Array[] = [];
    for (let next = this.hear(); next !== undefined; next = this.hear()) all.push(next);
    return all;
  }
}

export function framed(body: Uint8Array): Uint8Array {
  const packet = new Uint8Array(8 + body.length);
  const view = new DataView(packet.buffer);
  view.setUint32(0, 1, true);
  view.setUint32(4, body.length, true);
  packet.set(body, 8);
  return packet;
}
