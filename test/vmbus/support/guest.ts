/**
 * A guest for tests of the bus and of its devices: it speaks real bytes through the same entry
 * points as a virtual machine (post message, signal event, guest memory), and hears what the host
 * sends. Typical use:
 *
 *     const guest = new TestGuest();
 *     guest.plug(new SomeDevice(guest.events, ...));
 *     guest.connect();
 *     const channel = guest.open(guest.requestOffers()[0]!);
 *     channel.send(bytes, { transaction: 1, wantsCompletion: true });
 *     guest.run();
 *     const reply = channel.receive();
 */
import { VirtualClock } from '../../../src/core/clock.ts';
import { EventQueue } from '../../../src/core/events.ts';
import { GuestMemory, PAGE_BYTES } from '../../../src/core/memory.ts';
import { Trace } from '../../../src/core/trace.ts';
import { buildMessage } from '../../../src/vmbus/outbox.ts';
import type { OfferedDevice, VmbusDevice } from '../../../src/vmbus/device.ts';
import type { VmbusHost } from '../../../src/vmbus/host.ts';
import { GpaDirectExtension, RingMemory, RingPacket } from '../../../src/vmbus/ring.ts';
import { RingReader, RingWriter } from '../../../src/vmbus/ring.ts';
import type { RingOptions } from '../../../src/vmbus/ring.ts';
import { VmbusServer } from '../../../src/vmbus/server.ts';
import type { VmbusServerOptions } from '../../../src/vmbus/server.ts';
import { GPADL_BODY_PFNS, GPADL_HEADER_PFNS } from '../../../src/vmbus/spec/gpadl.ts';
import { ConnectionId } from '../../../src/vmbus/spec/ids.ts';
import * as wire from '../../../src/vmbus/spec/messages.ts';
import { MessageType } from '../../../src/vmbus/spec/messages.ts';
import { PacketFlag, PacketType } from '../../../src/vmbus/spec/ring.ts';
import { VmbusVersion } from '../../../src/vmbus/spec/versions.ts';

/** A message of the host as the guest found it in a slot. */
export interface ReceivedMessage {
  readonly type: number;
  readonly vp: number;
  readonly sint: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export interface ReceivedEvent {
  readonly vp: number;
  readonly sint: number;
  readonly flag: number;
}

export interface GuestOffer {
  readonly channelId: number;
  readonly interfaceId: string;
  readonly instanceId: string;
  readonly subChannelIndex: number;
  readonly connectionId: number;
  readonly monitorId: number;
  readonly monitorAllocated: number;
  readonly flags: number;
}

export interface ConnectOptions {
  readonly features?: number;
  readonly messageVp?: number;
  readonly interruptPageGpa?: number;
  readonly parentToChildMonitorGpa?: number;
  readonly childToParentMonitorGpa?: number;
  readonly sint?: number;
  readonly vtl?: number;
  readonly clientId?: string;
  /** Default: 4 from 5.0 on, else 1. */
  readonly connectionId?: number;
}

export interface OpenOptions extends RingOptions {
  /** Pages of each ring, control page included. Default 5. */
  readonly sendPages?: number;
  readonly receivePages?: number;
  readonly targetVp?: number;
  readonly userData?: Uint8Array;
  /** Physical pages of the rings, for rings that are not contiguous. */
  readonly pages?: readonly number[];
}

export interface PacketOptions {
  readonly type?: number;
  /** Low half of the transaction id. */
  readonly transaction?: number;
  readonly transactionHi?: number;
  readonly wantsCompletion?: boolean;
}

/** A packet of the host, copied out of the ring. */
export interface ReceivedPacket {
  readonly type: number;
  readonly flags: number;
  readonly transactionLo: number;
  readonly transactionHi: number;
  readonly payload: Uint8Array;
  readonly view: DataView;
}

/** What the guest sends in one GPA-direct range. */
export interface GpaRangeSpec {
  readonly gpa: number;
  readonly bytes: number;
}

const MEMORY_BYTES = 8 << 20;
const FIRST_FREE_GPA = 0x10_0000;

export type TestGuestOptions = Partial<Omit<VmbusServerOptions, 'host'>> & {
  readonly host?: Partial<VmbusHost>;
};

export class TestGuest {
  readonly memory: GuestMemory;
  readonly clock = new VirtualClock();
  readonly events = new EventQueue(this.clock);
  readonly trace: Trace;
  readonly server: VmbusServer;
  /** Messages in the order of arrival; tests may empty it. */
  readonly messages: ReceivedMessage[] = [];
  /** Interrupts that the host raised. */
  readonly interrupts: ReceivedEvent[] = [];
  readonly offers: GuestOffer[] = [];
  version = 0;
  /** Where messages go: the host names it at 5.0 and later. */
  messageConnectionId: number = ConnectionId.message;
  #nextGpa = FIRST_FREE_GPA;
  #nextGpadl = 0xe1e10;

  constructor(options: TestGuestOptions = {}) {
    const { host, ...rest } = options;
    this.memory =
      options.memory ?? new GuestMemory({ ramBytes: MEMORY_BYTES, lowGapStart: 0xf800_0000 });
    this.trace = options.trace ?? new Trace(this.clock);
    this.server = new VmbusServer({
      ...rest,
      memory: this.memory,
      trace: this.trace,
      host: {
        sendMessage: (vp, sint, payload, start, length) =>
          this.#hear(vp, sint, payload.slice(start, start + length)),
        signalEvent: (vp, sint, flag) => {
          this.interrupts.push({ vp, sint, flag });
        },
        after: (delayNs, run) => this.events.after(delayNs, run),
        cancel: (event) => this.events.cancel(event),
        ...host,
      },
    });
  }

  #hear(vp: number, sint: number, bytes: Uint8Array): boolean {
    const view = new DataView(bytes.buffer);
    const type = view.getUint32(0, true);
    this.messages.push({ type, vp, sint, bytes, view });
    if (type === MessageType.offerChannel) this.offers.push(readOffer(view));
    return true;
  }

  plug(device: VmbusDevice): OfferedDevice {
    return this.server.offer(device);
  }

  /** Runs scheduled work, of devices too, until none is left (or the limit is reached). */
  run(limit = 100_000): void {
    for (let count = 0; count < limit; count += 1) if (!this.events.runNext()) return;
  }

  /** Page-aligned, zeroed memory. @returns its guest physical address */
  allocate(bytes: number): number {
    const gpa = this.#nextGpa;
    const size = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    if (gpa + size > this.memory.ramBytes) throw new Error('the test guest is out of memory');
    this.#nextGpa += size;
    this.memory.u8.fill(0, gpa, gpa + size);
    return gpa;
  }

  /** HvPostMessage. @returns the hypercall's status */
  post(bytes: Uint8Array, connectionId = this.messageConnectionId): number {
    return this.server.receiveMessage(connectionId, bytes, 0, bytes.length);
  }

  /** The oldest message of a type, taken out of `messages`; throws when there is none. */
  take(type: number): ReceivedMessage {
    const index = this.messages.findIndex((message) => message.type === type);
    if (index < 0) throw new Error(`the host sent no message ${type}`);
    return this.messages.splice(index, 1)[0]!;
  }

  /** Sends InitiateContact and takes the answer. @returns whether the host agreed */
  connect(version: number = VmbusVersion.win10, options: ConnectOptions = {}): boolean {
    const isMultiClient = version >= VmbusVersion.rs3_1;
    const port = isMultiClient ? ConnectionId.multiClientMessage : ConnectionId.message;
    this.post(initiateContact(version, options), options.connectionId ?? port);
    const { view } = this.take(MessageType.versionResponse);
    const answer = wire.VersionResponse.cursor(view);
    if (answer.versionSupported === 0 || answer.connectionState !== 0) return false;
    this.version = version;
    this.messageConnectionId = isMultiClient
      ? answer.selectedVersionOrConnectionId
      : ConnectionId.message;
    return true;
  }

  requestOffers(): readonly GuestOffer[] {
    this.offers.length = 0;
    this.post(buildMessage(wire.RequestOffers, MessageType.requestOffers));
    this.take(MessageType.allOffersDelivered);
    return this.offers;
  }

  /** Connects, asks for offers and opens the first channel of a class. */
  openDevice(interfaceId: string, options: OpenOptions = {}): TestChannel {
    if (this.version === 0) this.connect();
    if (this.offers.length === 0) this.requestOffers();
    const offer = this.offers.find((candidate) => candidate.interfaceId === interfaceId);
    if (offer === undefined) throw new Error(`no offer of class ${interfaceId}`);
    return this.open(offer, options);
  }

  /** Creates the ring GPADL and opens; throws when the host refuses. */
  open(offer: GuestOffer, options: OpenOptions = {}): TestChannel {
    const channel = this.prepare(offer, options);
    this.post(channel.openMessage(options));
    const result = wire.OpenResult.cursor(this.take(MessageType.openResult).view);
    if (result.status !== 0) throw new Error(`open refused with 0x${result.status.toString(16)}`);
    return channel;
  }

  /** The rings and their GPADL, without the open. */
  prepare(offer: GuestOffer, options: OpenOptions = {}): TestChannel {
    const { sendPages = 5, receivePages = 5 } = options;
    const count = sendPages + receivePages;
    const base = options.pages === undefined ? this.allocate(count * PAGE_BYTES) : 0;
    const pfns =
      options.pages ?? Array.from({ length: count }, (_, page) => base / PAGE_BYTES + page);
    const gpadlId = this.createGpadl(offer.channelId, count * PAGE_BYTES, 0, pfns);
    return new TestChannel(this, offer, gpadlId, pfns, sendPages, options);
  }

  /** Sends header and bodies and takes the answer; throws when the host refuses. */
  createGpadl(channelId: number, bytes: number, offset: number, pfns: readonly number[]): number {
    this.#nextGpadl += 1;
    const gpadlId = this.#nextGpadl;
    for (const message of gpadlMessages(channelId, gpadlId, [{ bytes, offset, pfns }])) {
      this.post(message);
    }
    const created = wire.GpadlCreated.cursor(this.take(MessageType.gpadlCreated).view);
    if (created.status !== 0) throw new Error(`GPADL refused: 0x${created.status.toString(16)}`);
    return gpadlId;
  }

  tearDownGpadl(channelId: number, gpadlId: number): void {
    this.post(
      buildMessage(wire.GpadlTeardown, MessageType.gpadlTeardown, (message) => {
        message.channelId = channelId;
        message.gpadlId = gpadlId;
      }),
    );
  }

  closeChannel(channelId: number): void {
    this.post(
      buildMessage(wire.CloseChannel, MessageType.closeChannel, (message) => {
        message.channelId = channelId;
      }),
    );
  }

  releaseChannel(channelId: number): void {
    this.post(
      buildMessage(wire.RelIdReleased, MessageType.relIdReleased, (message) => {
        message.channelId = channelId;
      }),
    );
  }

  unload(): void {
    this.post(buildMessage(wire.Unload, MessageType.unload));
  }
}

/** An open channel, from the guest's side. */
export class TestChannel {
  readonly offer: GuestOffer;
  readonly gpadlId: number;
  readonly writer: RingWriter;
  readonly reader: RingReader;
  /** How often the guest signalled the host. */
  signals = 0;
  /** False: the guest reads and writes but never signals, as a fault to test. */
  isSignalling = true;
  readonly #guest: TestGuest;
  readonly #sendPages: number;
  readonly #extension = new GpaDirectExtension();

  constructor(
    guest: TestGuest,
    offer: GuestOffer,
    gpadlId: number,
    pfns: readonly number[],
    sendPages: number,
    options: RingOptions,
  ) {
    this.#guest = guest;
    this.offer = offer;
    this.gpadlId = gpadlId;
    this.#sendPages = sendPages;
    const pages = pfns.map((pfn) => guest.memory.resolve(pfn * PAGE_BYTES, PAGE_BYTES));
    const send = new RingMemory(guest.memory, pages, 0, sendPages);
    const receive = new RingMemory(guest.memory, pages, sendPages, pages.length - sendPages);
    send.clearControl();
    receive.clearControl();
    this.writer = new RingWriter(send, options);
    this.reader = new RingReader(receive, new RingPacket(RingPacket.capacityFor(receive)), options);
  }

  openMessage(options: OpenOptions = {}): Uint8Array {
    return buildMessage(wire.OpenChannel, MessageType.openChannel, (message) => {
      message.channelId = this.offer.channelId;
      message.openId = this.offer.channelId;
      message.ringBufferGpadlId = this.gpadlId;
      message.targetVp = options.targetVp ?? 0;
      message.downstreamRingBufferPageOffset = this.#sendPages;
      if (options.userData !== undefined) message.userData = options.userData;
    });
  }

  /** @returns false when the ring is full */
  send(payload: Uint8Array, options: PacketOptions = {}): boolean {
    const { type = PacketType.inBand, transaction = 0, transactionHi = 0 } = options;
    const flags = options.wantsCompletion === true ? PacketFlag.completionRequested : 0;
    const isSent = this.writer.write(
      type,
      flags,
      transaction,
      transactionHi,
      payload,
      0,
      payload.length,
    );
    if (isSent) this.#signalWriter();
    return isSent;
  }

  /** One packet that names guest memory; it asks for a completion. */
  sendGpaDirect(
    payload: Uint8Array,
    ranges: readonly GpaRangeSpec[],
    options: PacketOptions = {},
  ): boolean {
    this.#extension.clear();
    for (const { gpa, bytes } of ranges) {
      const first = Math.floor(gpa / PAGE_BYTES);
      const count = Math.ceil(((gpa % PAGE_BYTES) + bytes) / PAGE_BYTES);
      const pfns = Array.from({ length: count }, (_, page) => first + page);
      this.#extension.add(bytes, gpa % PAGE_BYTES, pfns);
    }
    const isSent = this.writer.write(
      PacketType.gpaDirect,
      PacketFlag.completionRequested,
      options.transaction ?? 0,
      options.transactionHi ?? 0,
      payload,
      0,
      payload.length,
      this.#extension.bytes,
      this.#extension.length,
    );
    if (isSent) this.#signalWriter();
    return isSent;
  }

  /** The next packet of the host, or undefined. */
  receive(): ReceivedPacket | undefined {
    if (!this.reader.receive()) return undefined;
    if (this.reader.signalDue) {
      this.reader.signalDue = false;
      this.signal();
    }
    const { type, flags, transactionLo, transactionHi, bytes, ...at } = this.reader.packet;
    const payload = bytes.slice(at.payloadStart, at.payloadStart + at.payloadLength);
    const view = new DataView(payload.buffer);
    return { type, flags, transactionLo, transactionHi, payload, view };
  }

  /** HvSignalEvent on the channel's connection. */
  signal(): void {
    this.signals += 1;
    if (this.isSignalling) this.#guest.server.receiveEvent(this.offer.connectionId, 0);
  }

  close(): void {
    this.#guest.closeChannel(this.offer.channelId);
  }

  #signalWriter(): void {
    if (!this.writer.signalDue) return;
    this.writer.signalDue = false;
    this.signal();
  }
}

export function readOffer(view: DataView): GuestOffer {
  const message = wire.OfferChannel.cursor(view);
  return {
    channelId: message.channelId,
    interfaceId: message.interfaceId,
    instanceId: message.instanceId,
    subChannelIndex: message.subChannelIndex,
    connectionId: message.connectionId,
    monitorId: message.monitorId,
    monitorAllocated: message.monitorAllocated,
    flags: message.flags,
  };
}

/** InitiateContact, or InitiateContact2 when there is a client id. */
export function initiateContact(version: number, options: ConnectOptions = {}): Uint8Array {
  const form = options.clientId === undefined ? wire.InitiateContact : wire.InitiateContact2;
  const bytes = new Uint8Array(form.size);
  const view = new DataView(bytes.buffer);
  const message = wire.InitiateContact.cursor(view);
  message.messageType = MessageType.initiateContact;
  message.versionRequested = version;
  message.targetMessageVp = options.messageVp ?? 0;
  message.parentToChildMonitorPageGpa = BigInt(options.parentToChildMonitorGpa ?? 0);
  message.childToParentMonitorPageGpa = BigInt(options.childToParentMonitorGpa ?? 0);
  if (version < VmbusVersion.rs3_1) {
    message.interruptPageOrTargetInfo = BigInt(options.interruptPageGpa ?? 0);
  } else {
    const at = wire.InitiateContact.offset.interruptPageOrTargetInfo;
    const target = wire.TargetInfo.cursor(view).at(at);
    target.sint = options.sint ?? 2;
    target.vtl = options.vtl ?? 0;
    target.featureFlags = options.features ?? 0;
  }
  if (options.clientId !== undefined) {
    wire.InitiateContact2.cursor(view).clientId = options.clientId;
  }
  return bytes;
}

/** One range for `gpadlMessages`. */
export interface GpadlRangeSpec {
  readonly bytes: number;
  readonly offset: number;
  readonly pfns: readonly number[];
}

/** GpadlHeader and the GpadlBody messages that go with it, cut as Linux and FreeBSD cut them. */
export function gpadlMessages(
  channelId: number,
  gpadlId: number,
  ranges: readonly GpadlRangeSpec[],
): Uint8Array[] {
  const words: number[] = [];
  for (const { bytes, offset, pfns } of ranges) {
    words.push(bytes, offset);
    for (const pfn of pfns) words.push(pfn >>> 0, Math.floor(pfn / 0x1_0000_0000));
  }
  const headerWords = (GPADL_HEADER_PFNS + 1) * 2;
  const bodyWords = GPADL_BODY_PFNS * 2;
  const header = buildMessage(wire.GpadlHeader, MessageType.gpadlHeader, (message) => {
    message.channelId = channelId;
    message.gpadlId = gpadlId;
    message.rangeBytes = words.length * 4;
    message.rangeCount = ranges.length;
  });
  const messages = [withWords(header, words.slice(0, headerWords))];
  for (let at = headerWords; at < words.length; at += bodyWords) {
    const body = buildMessage(wire.GpadlBody, MessageType.gpadlBody, (message) => {
      message.messageNumber = messages.length;
      message.gpadlId = gpadlId;
    });
    messages.push(withWords(body, words.slice(at, at + bodyWords)));
  }
  return messages;
}

function withWords(head: Uint8Array, words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(head.length + words.length * 4);
  bytes.set(head);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) {
    view.setUint32(head.length + index * 4, word, true);
  }
  return bytes;
}
