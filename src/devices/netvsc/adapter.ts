import type { StateStream } from '../../core/state.ts';
import type { EventQueue } from '../../core/events.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { traceType, type Trace } from '../../core/trace.ts';
import { openEnum, u32, u64 } from '../../core/wire.ts';
import type { FrameReceiver, PacketLink } from '../../net/link.ts';
import {
  openChannelAt,
  type ChannelLookup,
  type IncomingPacket,
  type OfferedDevice,
  type OfferProperties,
  type OpenChannel,
  type VmbusDevice,
} from '../../vmbus/device.ts';
import { PacketFlag, PacketType } from '../../vmbus/spec/ring.ts';
import { VmbusVersion } from '../../vmbus/spec/versions.ts';
import { AdapterState } from './adapter-state.ts';
import { MAX_COMPLETIONS, NetvscChannel } from './channel.ts';
import { ControlQueue } from './control-queue.ts';
import { MessageSource } from './message-source.ts';
import { netvscOffer } from './offer.ts';
import type { NetvscProfile } from './profile.ts';
import { NvspProtocol } from './protocol.ts';
import { ReceivePath } from './receive-path.ts';
import {
  NO_SECTION,
  NVSP_HEADER_BYTES,
  NvspRndisPacket,
  NvspSendIndirectionTable,
  NvspStatus,
  NvspType,
  NvspVersion,
  SEND_TABLE_ENTRIES,
} from './spec/nvsp.ts';
import { NdisStatus, RNDIS_HEADER_BYTES, RndisType } from './spec/rndis.ts';
import { wordAt } from '../../core/words.ts';
import { NetvscStatistics } from './statistics.ts';
import { TransmitPath } from './transmit.ts';

const TYPE_RNDIS_PACKET = NvspType.is.sendRndisPacket;
const RNDIS_PACKET_BYTES = NvspRndisPacket.size;
const SECTION_INDEX_WORD = NvspRndisPacket.offset.sectionIndex / 4;
const SECTION_BYTES_WORD = NvspRndisPacket.offset.sectionBytes / 4;

/** Packets and bytes that one event handles before other work gets its turn. */
const PACKETS_PER_EVENT = 256;
const BYTES_PER_EVENT = 1024 * 1024;

/** Packets of a ring that came together and fared alike, by the transaction of the first. */
const transmitEvent = traceType('netvsc', 'transmit', {
  channel: u32,
  transaction: u32,
  packets: u32,
  frames: u32,
  bytes: u32,
  status: NvspStatus,
});
const malformedEvent = traceType('netvsc', 'malformed', {
  channel: u32,
  reason: openEnum(u32, {
    packetType: 1,
    shortPayload: 2,
    unknownCompletion: 3,
    notOnSubChannel: 4,
    notReady: 5,
    section: 6,
    message: 7,
    controlFlood: 8,
  }),
  detail: u64,
});

export interface NetvscOptions {
  readonly instanceId: string;
  /** Place among the offers. */
  readonly order: number;
  /** Six bytes; Hyper-V's own begin with 00:15:5d. */
  readonly mac: Uint8Array;
  /** The network; without it the cable is not plugged in. */
  readonly link: PacketLink | undefined;
  readonly events: EventQueue;
  readonly trace: Trace;
  readonly memory: GuestMemory;
  readonly profile: NetvscProfile;
}

/**
 * The network VSP: a synthetic Ethernet adapter between a guest's netvsc driver and a link. Packets
 * are taken from the ring some time after the guest's signal; frames from the link go into the
 * guest's receive buffer as they come, and the guest is told once for each batch.
 */
export class NetvscAdapter implements VmbusDevice, FrameReceiver {
  readonly offer: OfferProperties;
  readonly statistics = new NetvscStatistics();
  readonly #events: EventQueue;
  readonly #trace: Trace;
  readonly #profile: NetvscProfile;
  readonly #link: PacketLink | undefined;
  readonly #memory: GuestMemory;
  readonly #state: AdapterState;
  readonly #protocol: NvspProtocol;
  readonly #control: ControlQueue;
  readonly #transmit: TransmitPath;
  readonly #receive: ReceivePath;
  readonly #source: MessageSource;
  readonly #channels: (NetvscChannel | undefined)[] = [];
  /** Packets that were taken, and not completed yet. */
  #batchCount = 0;
  /** The last of them that fared alike, for the trace. */
  readonly #alike = { transaction: 0, packets: 0, frames: 0, bytes: 0, status: 0 };
  readonly #serveHandler = (index: number): void => this.#serve(index);
  /** GPADLs of buffers that a guest before VMBus 4.0 kept beyond the close of its channel. */
  readonly #orphans = new Set<number>();
  #bus: OfferedDevice | undefined;
  #isTableDue = false;

  constructor(options: NetvscOptions) {
    const { profile, link, trace } = options;
    this.offer = netvscOffer(options.instanceId, options.order);
    this.#events = options.events;
    this.#trace = trace;
    this.#profile = profile;
    this.#link = link;
    this.#memory = options.memory;
    this.#state = new AdapterState(profile, this.statistics, options.mac, link?.isUp === true);
    this.#protocol = new NvspProtocol(this.#state, trace);
    this.#control = new ControlQueue(this.#state, this.#protocol, trace);
    this.#transmit = new TransmitPath(profile, this.statistics, options.memory.u8);
    this.#receive = new ReceivePath(this.#state, this.#protocol, this.#channels, trace);
    this.#source = new MessageSource(options.memory);
    if (link !== undefined) link.receiver = this;
  }

  attached(bus: OfferedDevice): void {
    this.#bus = bus;
  }

  exchange(state: StateStream, channelAt: ChannelLookup): void {
    state.part('state', () => this.#state.exchange(state));
    state.part('protocol', () => this.#protocol.exchange(state, this.#memory));
    state.part('control', () => this.#control.exchange(state));
    const open = this.#channels.filter((channel) => channel !== undefined);
    if (state.isRestoring) this.#channels.length = 0;
    state.list('channels', open, (known) => {
      const index = state.number('index', known?.channel.subChannelIndex ?? 0);
      const channel = known ?? new NetvscChannel(openChannelAt(channelAt, index));
      channel.exchange(state, this.#serveHandler);
      this.#channels[index] = channel;
      return channel;
    });
    const orphans = state.list('orphans', [...this.#orphans], (id) => state.number('id', id ?? 0));
    this.#orphans.clear();
    for (const id of orphans) this.#orphans.add(id);
    this.#isTableDue = state.flag('isTableDue', this.#isTableDue);
  }

  /** The address that frames to the guest bear; the guest may change it. */
  get mac(): Uint8Array {
    return this.#state.currentMac;
  }

  /** `PacketFilter` bits that the guest has set. */
  get filter(): number {
    return this.#state.filter;
  }

  /** `NvspVersion` agreed on, 0 before that. */
  get version(): number {
    return this.#protocol.version;
  }

  frame(bytes: Uint8Array, start: number, length: number, facts: number): void {
    this.#receive.frame(bytes, start, length, facts);
  }

  framesEnd(): void {
    this.#receive.flush();
  }

  linkChanged(isUp: boolean): void {
    if (isUp === this.#state.isLinkUp) return;
    this.#state.isLinkUp = isUp;
    this.indicate(isUp ? NdisStatus.is.mediaConnect : NdisStatus.is.mediaDisconnect);
  }

  /**
   * Tells the guest a status, once RNDIS is up; `NdisStatus.is.networkChange`, for one, which the
   * host sends when the adapter moves to another switch.
   */
  indicate(status: number, buffer: Uint8Array = new Uint8Array(0)): void {
    if (!this.#state.isOperational) return;
    this.#control.indicate(status, buffer);
    this.#serveControl();
  }

  open(channel: OpenChannel): number {
    const index = channel.subChannelIndex;
    if (index > 0 && index > this.#protocol.subChannels) return 1;
    const former = this.#channels[index];
    if (former !== undefined) this.close(former.channel);
    if (index === 0) {
      this.#reset();
      this.#orphans.clear();
    }
    this.#channels[index] = new NetvscChannel(channel);
    if (index > 0) this.#tellTableOnceOpen();
    return 0;
  }

  close(channel: OpenChannel): void {
    const index = channel.subChannelIndex;
    const state = this.#channels[index];
    if (state === undefined) return;
    if (state.workEvent !== undefined) this.#events.cancel(state.workEvent);
    this.#channels[index] = undefined;
    const { receive, send } = this.#protocol;
    if (index > 0) {
      this.#dropBatch(state);
      receive?.releaseChannel(index);
      return;
    }
    if (channel.vmbusVersion < VmbusVersion.win10) {
      if (receive !== undefined) this.#orphans.add(receive.buffer.gpadlId);
      if (send !== undefined) this.#orphans.add(send.gpadlId);
    }
    this.#reset();
  }

  #reset(): void {
    this.#protocol.reset();
    this.#state.reset();
    this.#control.clear();
    this.#isTableDue = false;
    for (const channel of this.#channels) channel?.dropReceived();
  }

  /** Frames that a closed sub-channel was not told of go back to the buffer. */
  #dropBatch(state: NetvscChannel): void {
    const sections = this.#protocol.receive;
    const { batch } = state;
    if (sections !== undefined) {
      for (let range = 0; range < batch.count; range += 1) {
        sections.putBack(batch.ranges[range * 2 + 1]! / sections.sectionBytes);
      }
    }
    state.dropReceived();
  }

  releaseGpadl(gpadlId: number): boolean {
    if (this.#profile.bufferTeardown === 'any') return true;
    if (this.#orphans.has(gpadlId)) return false;
    const primary = this.#channels[0];
    if (primary === undefined || !this.#protocol.gpadls.has(gpadlId)) return true;
    if (primary.channel.vmbusVersion >= VmbusVersion.win10) return false;
    const { receive, send } = this.#protocol;
    return receive?.buffer.gpadlId !== gpadlId && send?.gpadlId !== gpadlId;
  }

  signaled(channel: OpenChannel): void {
    const state = this.#channels[channel.subChannelIndex];
    if (state !== undefined) this.#schedule(state, this.#profile.latency.signalNs);
  }

  writable(channel: OpenChannel): void {
    const state = this.#channels[channel.subChannelIndex];
    if (state === undefined || !state.resume(this.#protocol.receive)) return;
    this.#receive.resume(state);
    if (this.#isTableDue && state === this.#channels[0]) this.#tellTable();
    if (state.isStalled && !state.hasAnswer) {
      state.isStalled = false;
      this.#schedule(state, this.#profile.latency.packetNs);
    }
  }

  #schedule(state: NetvscChannel, delayNs: number): void {
    if (state.workEvent !== undefined) return;
    state.workEvent = this.#events.after(
      delayNs,
      this.#serveHandler,
      state.channel.subChannelIndex,
    );
  }

  /** Takes packets from a ring, at most a bounded number of them. */
  #serve(index: number): void {
    const state = this.#channels[index];
    if (state === undefined) return;
    state.workEvent = undefined;
    let bytes = 0;
    let count = 0;
    while (count < PACKETS_PER_EVENT && bytes < BYTES_PER_EVENT) {
      if (state.hasAnswer) {
        state.isStalled = true;
        return;
      }
      if (!state.channel.receive()) {
        this.#finishBatch(state);
        return;
      }
      bytes += this.#take(state, state.channel.packet);
      count += 1;
      // A packet may have closed the channel that it came on.
      if (this.#channels[index] !== state) return;
    }
    this.#finishBatch(state);
    this.#schedule(state, count * this.#profile.latency.packetNs);
  }

  #malformed(state: NetvscChannel, reason: number, detail: number): void {
    this.#trace.emit(malformedEvent, state.channel.channelId, reason, detail);
  }

  /** Handles one packet. @returns bytes of the frames in it */
  #take(state: NetvscChannel, packet: IncomingPacket): number {
    if (packet.type === PacketType.completion) {
      this.#release(state, packet);
      return 0;
    }
    if (packet.type !== PacketType.inBand && packet.type !== PacketType.gpaDirect) {
      this.#malformed(state, 1, packet.type);
      return 0;
    }
    const { payloadStart, payloadLength, words } = packet;
    const isShort = payloadLength < NVSP_HEADER_BYTES;
    const type = isShort ? NvspType.is.none : words[payloadStart >>> 2]!;
    if (type === TYPE_RNDIS_PACKET && payloadLength >= RNDIS_PACKET_BYTES) {
      const status = this.#rndis(state, packet);
      const { frames, bytes } = this.#transmit;
      this.#addToBatch(state, packet, frames, bytes, status);
      // The answer to a control message comes after the completion of its packet.
      if (this.#control.isWaiting) {
        this.#finishBatch(state);
        this.#serveControl();
      }
      return bytes;
    }
    this.#finishBatch(state);
    if (isShort) this.#malformed(state, 2, payloadLength);
    this.#converse(state, packet, type);
    return 0;
  }

  #addToBatch(
    state: NetvscChannel,
    packet: IncomingPacket,
    frames: number,
    bytes: number,
    status: number,
  ): void {
    const alike = this.#alike;
    if (status !== alike.status || alike.packets === 0) {
      this.#tellAlike(state);
      alike.transaction = packet.transactionLo;
      alike.status = status;
    }
    alike.packets += 1;
    alike.frames += frames;
    alike.bytes += bytes;
    this.#batchCount += 1;
    if ((packet.flags & PacketFlag.completionRequested) !== 0) {
      state.complete(status, packet.transactionLo, packet.transactionHi);
    }
    if (this.#batchCount === MAX_COMPLETIONS) this.#finishBatch(state);
  }

  /** Sends the frames of the packets that were taken, then tells the guest. */
  #finishBatch(state: NetvscChannel): void {
    if (this.#batchCount === 0) return;
    this.#batchCount = 0;
    this.#transmit.flush(this.#openLink);
    this.#tellAlike(state);
    state.sendCompletions();
  }

  #tellAlike(state: NetvscChannel): void {
    const alike = this.#alike;
    const { transaction, packets, frames, bytes, status } = alike;
    if (packets === 0) return;
    const { channelId } = state.channel;
    this.#trace.emit(transmitEvent, channelId, transaction, packets, frames, bytes, status);
    alike.packets = 0;
    alike.frames = 0;
    alike.bytes = 0;
  }

  /** Undefined while the cable is pulled. */
  get #openLink(): PacketLink | undefined {
    return this.#state.isLinkUp ? this.#link : undefined;
  }

  #respond(state: NetvscChannel, packet: IncomingPacket, answer: Uint8Array): void {
    if ((packet.flags & PacketFlag.completionRequested) === 0) return;
    state.answer(answer, packet.transactionLo, packet.transactionHi);
  }

  /** The guest is done with the sections of a packet that it was sent. */
  #release(state: NetvscChannel, packet: IncomingPacket): void {
    const { transactionLo, transactionHi } = packet;
    const sections = this.#protocol.receive;
    const { subChannelIndex } = state.channel;
    const isKnown =
      transactionHi === 0 && sections?.release(transactionLo, subChannelIndex) === true;
    if (!isKnown) {
      this.#malformed(state, 3, transactionLo);
      return;
    }
    if (this.#control.isWaiting) this.#serveControl();
  }

  /** NVSP messages but RNDIS packets. */
  #converse(state: NetvscChannel, packet: IncomingPacket, type: number): void {
    const protocol = this.#protocol;
    if (state.channel.subChannelIndex > 0) {
      this.#malformed(state, 4, type);
      protocol.answer.fill(0);
      this.#respond(state, packet, protocol.answer);
      return;
    }
    const { bytes, payloadStart, payloadLength } = packet;
    const message = bytes.slice(payloadStart, payloadStart + payloadLength);
    const former = protocol.receive;
    const granted = protocol.subChannels;
    protocol.handle(type, new DataView(message.buffer), state.channel);
    if (former !== undefined && protocol.receive === undefined) {
      for (const channel of this.#channels) channel?.dropReceived();
    }
    this.#respond(state, packet, protocol.answer);
    if (protocol.subChannels > granted) this.#bus?.offerSubChannels(protocol.subChannels);
  }

  /** An RNDIS message, of frames or of control. @returns `NvspStatus` */
  #rndis(state: NetvscChannel, packet: IncomingPacket): number {
    this.#transmit.frames = 0;
    this.#transmit.bytes = 0;
    const protocol = this.#protocol;
    if (!protocol.isReady) {
      this.#malformed(state, 5, 0);
      return NvspStatus.is.failure;
    }
    const { words: packetWords } = packet;
    const message = packet.payloadStart >>> 2;
    const index = packetWords[message + SECTION_INDEX_WORD]!;
    let offset = 0;
    let sectionLength = 0;
    if (index !== NO_SECTION) {
      sectionLength = packetWords[message + SECTION_BYTES_WORD]!;
      offset = index * this.#profile.sendSectionBytes;
      if (protocol.send === undefined || offset + sectionLength > protocol.send.bytes) {
        this.#malformed(state, 6, index);
        return NvspStatus.is.failure;
      }
    }
    const source = this.#source;
    if (!source.find(protocol.send, offset, sectionLength, packet.ranges)) {
      this.#malformed(state, 7, sectionLength + packet.ranges.totalBytes);
      return NvspStatus.is.invalidRndisPacket;
    }
    const { bytes, words, start, length } = source;
    if (length < RNDIS_HEADER_BYTES) return NvspStatus.is.invalidRndisPacket;
    if (wordAt(bytes, words, start) === RndisType.is.packet) {
      return this.#transmit.take(this.#openLink, bytes, words, start, length);
    }
    return this.#takeControl(state, bytes.slice(start, start + length));
  }

  #takeControl(state: NetvscChannel, message: Uint8Array): number {
    if (state.channel.subChannelIndex > 0) {
      this.#malformed(state, 4, NvspType.is.sendRndisPacket);
      return NvspStatus.is.failure;
    }
    const length = new DataView(message.buffer).getUint32(4, true);
    if (length < RNDIS_HEADER_BYTES || length > message.length) {
      return NvspStatus.is.invalidRndisPacket;
    }
    if (!this.#control.take(message.slice(0, length))) {
      this.#malformed(state, 8, message.length);
      return NvspStatus.is.busy;
    }
    return NvspStatus.is.success;
  }

  #serveControl(): void {
    const primary = this.#channels[0];
    if (primary !== undefined) this.#control.serve(primary);
  }

  #tellTableOnceOpen(): void {
    const count = this.#protocol.subChannels;
    if (this.#protocol.version < NvspVersion.v5) return;
    for (let index = 1; index <= count; index += 1) {
      if (this.#channels[index] === undefined) return;
    }
    this.#tellTable();
  }

  /** Which channel the guest is to send on, by the low bits of its own hash. */
  #tellTable(): void {
    const primary = this.#channels[0];
    if (primary === undefined) return;
    const bytes = new Uint8Array(NvspSendIndirectionTable.size);
    const view = new DataView(bytes.buffer);
    const message = NvspSendIndirectionTable.cursor(view).at(0);
    const { table } = NvspSendIndirectionTable.offset;
    message.type = NvspType.is.sendIndirectionTable;
    message.entryCount = SEND_TABLE_ENTRIES;
    message.tableOffset = table;
    const channels = this.#protocol.subChannels + 1;
    for (let entry = 0; entry < SEND_TABLE_ENTRIES; entry += 1) {
      view.setUint32(table + entry * 4, entry % channels, true);
    }
    this.#isTableDue = !primary.channel.sendInBand(bytes, 0, bytes.length, 0, 0, false);
  }
}
