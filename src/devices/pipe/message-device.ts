import type { StateStream } from '../../core/state.ts';
import { NS_PER_US } from '../../core/clock.ts';
import type { EventHandle, EventQueue } from '../../core/events.ts';
import { traceType, type Trace } from '../../core/trace.ts';
import { openEnum, u32, u64 } from '../../core/wire.ts';
import type {
  ChannelLookup,
  OfferProperties,
  OpenChannel,
  VmbusDevice,
} from '../../vmbus/device.ts';
import { PacketType } from '../../vmbus/spec/ring.ts';
import { messageOffer, type Framing, type MessageOffer } from './offer.ts';
import { MAX_PIPE_MESSAGE_BYTES, PipeHeader, PipePacketType } from './spec.ts';

/** From the guest's signal until the host looks at the ring. */
const SIGNAL_NS = 4 * NS_PER_US;
/** Messages that one event handles before other work gets its turn, and what one costs the host. */
const MESSAGES_PER_EVENT = 64;
const MESSAGE_NS = 100;
/** Answers that may wait for room in the ring; with more, the guest's messages wait in theirs. */
const MAX_WAITING = 32;
/** STATUS_INVALID_PARAMETER: these devices have no sub-channels. */
const STATUS_INVALID_PARAMETER = 0xc000_000d;

const NO_BYTES = new Uint8Array(0);

/** Why a guest's message was dropped. */
export const Malformed = {
  packetType: 1,
  shortPipeHeader: 2,
  pipeType: 3,
  pipeLength: 4,
  shortMessage: 5,
  unknownMessage: 6,
  /** A message that makes no sense in the state of its protocol. */
  unexpected: 7,
  badValue: 8,
  /** A message of ours that the guest's ring could not take even when it was empty. */
  ringTooSmall: 9,
} as const;

const malformedEvent = traceType('message', 'malformed', {
  channel: u32,
  reason: openEnum(u32, Malformed),
  detail: u64,
});

/** One message of the guest: a host copy, valid until the handler returns. */
export interface GuestMessage {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The message within `bytes`, after the pipe header. */
  readonly start: number;
  readonly length: number;
}

export interface MessageDeviceOptions {
  /** Place among the offers. */
  readonly order: number;
  readonly events: EventQueue;
  readonly trace: Trace;
}

/**
 * A device with one channel over which host and guest exchange messages: input, video, integration
 * components, dynamic memory. It takes packets off the ring some time after the guest's signal, a
 * bounded number at a time, strips the pipe header, and keeps what does not fit the ring to the
 * guest until it does. It never completes packets: pipes have no completions, and guests that ask
 * for one (Linux' keyboard and mouse) do not wait for it.
 */
export abstract class MessageDevice implements VmbusDevice {
  readonly offer: OfferProperties;
  protected readonly events: EventQueue;
  protected readonly trace: Trace;
  readonly #framing: Framing;
  readonly #waiting: Uint8Array[] = [];
  readonly #message: { -readonly [Key in keyof GuestMessage]: GuestMessage[Key] } = {
    bytes: new Uint8Array(0),
    view: new DataView(new ArrayBuffer(0)),
    start: 0,
    length: 0,
  };
  readonly #serveHandler = (): void => this.#serve();
  #channel: OpenChannel | undefined;
  #workEvent: EventHandle | undefined;

  constructor(offer: Omit<MessageOffer, 'order'>, options: MessageDeviceOptions) {
    this.offer = messageOffer({ ...offer, order: options.order });
    this.#framing = offer.framing;
    this.events = options.events;
    this.trace = options.trace;
  }

  /** The guest has opened the channel; nothing has been exchanged. */
  protected abstract opened(): void;
  /** The channel is gone. */
  protected abstract closed(): void;
  protected abstract received(message: GuestMessage): void;

  /** Everything that waited has gone into the ring. */
  protected drained(): void {
    // Most devices only answer.
  }

  attached(): void {
    // There are no sub-channels to offer.
  }

  open(channel: OpenChannel): number {
    if (channel.subChannelIndex !== 0) return STATUS_INVALID_PARAMETER;
    if (this.#channel !== undefined) this.close(this.#channel);
    this.#channel = channel;
    this.opened();
    return 0;
  }

  close(channel: OpenChannel): void {
    if (channel !== this.#channel) return;
    if (this.#workEvent !== undefined) this.events.cancel(this.#workEvent);
    this.#workEvent = undefined;
    this.#waiting.length = 0;
    this.#channel = undefined;
    this.closed();
  }

  signaled(channel: OpenChannel): void {
    if (channel === this.#channel) this.#schedule(SIGNAL_NS);
  }

  writable(channel: OpenChannel): void {
    if (channel !== this.#channel) return;
    this.#flush();
    if (this.#waiting.length === 0) this.drained();
  }

  exchange(state: StateStream, channelAt: ChannelLookup): void {
    const isOpen = state.flag('isOpen', this.#channel !== undefined);
    if (state.isRestoring) this.#channel = isOpen ? channelAt(0) : undefined;
    const waiting = state.list('waiting', this.#waiting, (packet) =>
      state.bytes('packet', packet ?? NO_BYTES),
    );
    if (state.isRestoring) this.#waiting.splice(0, Infinity, ...waiting);
    this.#workEvent = state.event('work', this.#workEvent, this.#serveHandler);
  }

  protected get isOpen(): boolean {
    return this.#channel !== undefined;
  }

  /** Channel id for traces; 0 while closed. */
  protected get channelId(): number {
    return this.#channel?.channelId ?? 0;
  }

  /** False while an earlier message waits for room in the ring. */
  protected get canSend(): boolean {
    return this.#channel !== undefined && this.#waiting.length === 0;
  }

  /** True when the guest has read all that was sent. */
  protected get isAllRead(): boolean {
    return this.#waiting.length === 0 && (this.#channel?.unreadBytes ?? 0) === 0;
  }

  /**
   * Sends a message, or keeps it until the ring has room.
   * @param message without pipe header; the array now belongs to the device
   */
  protected send(message: Uint8Array): void {
    if (this.#channel === undefined) return;
    const packet = this.#framing === 'pipe' ? withPipeHeader(message) : message;
    this.#waiting.push(packet);
    this.#flush();
  }

  /** Sends what waits, as far as the ring has room. What can never fit an empty ring is dropped. */
  #flush(): void {
    const wasStalled = this.#waiting.length >= MAX_WAITING;
    let done = 0;
    while (done < this.#waiting.length && this.#channel !== undefined) {
      const packet = this.#waiting[done]!;
      if (!this.#channel.sendInBand(packet, 0, packet.length, 0, 0, false)) {
        if (this.#channel.unreadBytes > 0) break;
        this.refuse(Malformed.ringTooSmall, packet.length);
      }
      done += 1;
    }
    if (done > 0) this.#waiting.splice(0, done);
    if (wasStalled && this.#waiting.length < MAX_WAITING) this.#schedule(MESSAGE_NS);
  }

  /** Records that the guest sent something that this device drops. */
  protected refuse(reason: number, detail: number): void {
    this.trace.emit(malformedEvent, this.channelId, reason, detail);
  }

  #schedule(delayNs: number): void {
    if (this.#workEvent !== undefined) return;
    this.#workEvent = this.events.after(delayNs, this.#serveHandler);
  }

  #serve(): void {
    this.#workEvent = undefined;
    if (this.#waiting.length > 0) this.#flush();
    for (let count = 0; count < MESSAGES_PER_EVENT; count += 1) {
      // A handler may end in the channel being closed, and a full queue holds the guest back.
      if (this.#waiting.length >= MAX_WAITING || this.#channel?.receive() !== true) return;
      this.#take(this.#channel);
    }
    this.#schedule(MESSAGES_PER_EVENT * MESSAGE_NS);
  }

  #take({ packet }: OpenChannel): void {
    if (packet.type !== PacketType.inBand) {
      this.refuse(Malformed.packetType, packet.type);
      return;
    }
    const message = this.#message;
    message.bytes = packet.bytes;
    message.view = packet.view;
    message.start = packet.payloadStart;
    message.length = packet.payloadLength;
    if (this.#framing === 'plain' || this.#stripPipeHeader()) this.received(message);
  }

  #stripPipeHeader(): boolean {
    const message = this.#message;
    if (message.length < PipeHeader.size) {
      this.refuse(Malformed.shortPipeHeader, message.length);
      return false;
    }
    const { type, length } = PipeHeader.cursor(message.view).at(message.start);
    if (type !== PipePacketType.data) {
      this.refuse(Malformed.pipeType, type);
      return false;
    }
    if (length > message.length - PipeHeader.size || length > MAX_PIPE_MESSAGE_BYTES) {
      this.refuse(Malformed.pipeLength, length);
      return false;
    }
    message.start += PipeHeader.size;
    message.length = length;
    // No bytes mean the end of the guest's stream, which tells a device nothing.
    return length > 0;
  }
}

function withPipeHeader(message: Uint8Array): Uint8Array {
  const packet = new Uint8Array(PipeHeader.size + message.length);
  const header = PipeHeader.cursor(new DataView(packet.buffer));
  header.type = PipePacketType.data;
  header.length = message.length;
  packet.set(message, PipeHeader.size);
  return packet;
}
