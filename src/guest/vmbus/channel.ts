import { PAGE_BYTES } from '../../core/memory.ts';
import {
  GpaDirectExtension,
  RingMemory,
  RingPacket,
  RingReader,
  RingWriter,
} from '../../vmbus/ring.ts';
import { GPADL_BODY_PFNS, GPADL_HEADER_PFNS } from '../../vmbus/spec/gpadl.ts';
import { ConnectionId } from '../../vmbus/spec/ids.ts';
import * as wire from '../../vmbus/spec/messages.ts';
import { MessageType } from '../../vmbus/spec/messages.ts';
import { MONITORS_PER_GROUP, monitorPendingOffset } from '../../vmbus/spec/monitor.ts';
import { PacketFlag, PacketType } from '../../vmbus/spec/ring.ts';
import { VmbusVersion } from '../../vmbus/spec/versions.ts';
import type { Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { QueuedTask } from '../kernel/taskqueue.ts';
import type {
  ChannelOffer,
  ChannelOpenOptions,
  GuestChannel,
  GuestDevice,
  GuestPacket,
  PageRange,
} from './api.ts';
import { Errno } from './api.ts';
import type { Connection } from './connection.ts';
import { build } from './connection.ts';
import { gpadlBody, gpadlHeader } from './gpadl.ts';
import type { Synic } from './synic.ts';

/** Processor time to hand one event to a channel. */
const EVENT_NS = 1_500;
/** To put a packet into a ring, or to take one out. */
const PACKET_NS = 350;
/** How long a rescinded channel waits for the result of its open (REVOKE_LINGER). */
const REVOKE_LINGER_TICKS = 100;
const EMPTY_PACKET = new RingPacket(16);

/** What a channel needs of the bus. */
export interface ChannelHost {
  readonly kernel: Kernel;
  readonly synic: Synic;
  readonly connection: Connection;
  nextGpadlId(): number;
  /** The host's events for this channel may come from now on, or no longer. */
  mapChannel(channel: Channel): void;
  unmapChannel(channel: Channel): void;
}

export class Channel implements GuestChannel {
  // Fixed configuration.
  readonly offer: ChannelOffer;
  readonly #host: ChannelHost;
  readonly #kernel: Kernel;

  // Glue.
  device: GuestDevice | undefined;
  primary: Channel | undefined;
  readonly subChannels: Channel[] = [];
  /** The modern kernel's event task. */
  readonly eventTask: QueuedTask;

  // Volatile state.
  processor = 0;
  isOpen = false;
  isRevoked = false;
  #options: ChannelOpenOptions | undefined;
  #writer: RingWriter | undefined;
  #reader: RingReader | undefined;
  #ringGpa = 0;
  #ringPages = 0;
  #ringGpadl = 0;
  readonly #extension = new GpaDirectExtension();
  /** How often the host was told that its ring has room again. */
  writableSignals = 0;
  /** Signals of new packets. */
  signals = 0;
  interrupts = 0;
  /** Node of its sysctls, '' for none. */
  #sysctls = '';

  constructor(offer: ChannelOffer, host: ChannelHost) {
    this.offer = offer;
    this.#host = host;
    this.#kernel = host.kernel;
    this.eventTask = { isPending: false, run: () => this.#drain() };
  }

  get id(): number {
    return this.offer.channelId;
  }

  get packet(): GuestPacket {
    return this.#reader?.packet ?? EMPTY_PACKET;
  }

  get isBatched(): boolean {
    return this.#options?.batchedReading !== false;
  }

  assignProcessor(processor: number): void {
    if (!this.isOpen) this.processor = processor % this.#kernel.processorCount;
  }

  *open(options: ChannelOpenOptions): Task<number> {
    const kernel = this.#kernel;
    if (this.isOpen || options.sendPages < 2 || options.receivePages < 2) return Errno.EINVAL;
    if (this.isRevoked) return Errno.ENXIO;
    this.#options = options;
    this.#ringPages = options.sendPages + options.receivePages;
    this.#ringGpa = kernel.allocatePages(this.#ringPages);
    this.#makeRings(options.sendPages, options.receivePages);
    this.#ringGpadl = yield* this.connectGpadl(this.#wholeRing());
    if (this.#ringGpadl === 0) {
      this.#freeRings();
      return Errno.EIO;
    }
    // The host may signal before its answer has been read.
    const isEarly = kernel.switches.mapBeforeOpen;
    if (isEarly) this.#takeEvents();
    const status = yield* this.#requestOpen(options);
    if (status === 0) {
      if (!isEarly) this.#takeEvents();
      kernel.bootverbose(`vmbus0: chan${this.id} opened\n`);
      this.#addSysctls();
      return 0;
    }
    this.isOpen = false;
    this.#host.unmapChannel(this);
    yield* this.disconnectGpadl(this.#ringGpadl);
    this.#freeRings();
    return status;
  }

  /** dev.NAME.UNIT.channel.ID, with the sub-channels of a primary below it (vmbus_chan.c). */
  #addSysctls(): void {
    const kernel = this.#kernel;
    const { device } = this;
    if (device === undefined || kernel.isLegacy) return;
    const { subChannelIndex } = this.offer;
    const root = `dev.${device.driverName}.${device.unit}.channel.${device.channel.id}`;
    const node = subChannelIndex === 0 ? root : `${root}.sub.${subChannelIndex}`;
    this.#sysctls = node;
    if (subChannelIndex > 0) kernel.addSysctl(`${node}.chanid`, () => String(this.id));
    kernel.addSysctl(`${node}.cpu`, () => String(this.processor));
    kernel.addSysctl(`${node}.mnf`, () => (this.offer.isMonitored ? '1' : '0'));
    kernel.addSysctl(`${node}.br.rx.state`, () => this.ringState('rx'));
    kernel.addSysctl(`${node}.br.tx.state`, () => this.ringState('tx'));
  }

  #takeEvents(): void {
    this.#host.mapChannel(this);
    this.isOpen = true;
  }

  #wholeRing(): PageRange {
    const first = this.#ringGpa / PAGE_BYTES;
    const pfns = Float64Array.from({ length: this.#ringPages }, (_, index) => first + index);
    return { length: this.#ringPages * PAGE_BYTES, offset: 0, pfns };
  }

  #makeRings(sendPages: number, receivePages: number): void {
    const { memory } = this.#kernel.hw;
    const base = memory.resolve(this.#ringGpa, this.#ringPages * PAGE_BYTES);
    const options = { pendingSendSize: this.#kernel.switches.ringWritableSignal };
    const send = RingMemory.contiguous(memory, base, sendPages * PAGE_BYTES);
    const receive = RingMemory.contiguous(
      memory,
      base + sendPages * PAGE_BYTES,
      receivePages * PAGE_BYTES,
    );
    this.#writer = new RingWriter(send, options);
    this.#reader = new RingReader(
      receive,
      new RingPacket(RingPacket.capacityFor(receive)),
      options,
    );
  }

  #freeRings(): void {
    this.#kernel.freePages(this.#ringGpa, this.#ringPages);
    this.#writer = undefined;
    this.#reader = undefined;
    this.#ringGpadl = 0;
  }

  *#requestOpen(options: ChannelOpenOptions): Task<number> {
    const { fields, bytes } = build(wire.OpenChannel, MessageType.openChannel);
    fields.channelId = this.id;
    fields.openId = this.id;
    fields.ringBufferGpadlId = this.#ringGpadl;
    fields.targetVp = this.#host.synic.vpIndexOf(this.processor);
    fields.downstreamRingBufferPageOffset = options.sendPages;
    if (options.userData !== undefined) fields.userData = options.userData;
    const { isLegacy, switches } = this.#kernel;
    const answer = yield* this.#host.connection.request(
      bytes,
      `open ${this.id}`,
      isLegacy ? this.#host.connection.timeoutNs : Infinity,
      switches.openPollsRescind ? this.#lingerWhenRevoked() : undefined,
    );
    if (answer === undefined) return this.isRevoked ? Errno.ENXIO : Errno.ETIMEDOUT;
    return wire.OpenResult.cursor(answer).at(0).status;
  }

  /**
   * A host may not answer the open of a channel that it has rescinded, or answer it late.
   * @returns whether the wait is over, looked at every tick
   */
  #lingerWhenRevoked(): () => boolean {
    let ticks = 0;
    return () => {
      if (!this.isRevoked) return false;
      if (ticks === 0) {
        this.#kernel.printf(`vmbus0: chan${this.id} is revoked, when it is being opened\n`);
      }
      ticks += 1;
      return ticks > REVOKE_LINGER_TICKS;
    };
  }

  /** Tells the driver of a sub-channel, where it wants to know. */
  *announceSubChannel(channel: Channel): Task {
    const { onSubChannel } = this.#options ?? {};
    if (onSubChannel !== undefined) yield* onSubChannel(channel);
  }

  /** Sub-channels first; the host does not answer a close. */
  *close(): Task {
    for (const channel of this.subChannels) yield* channel.close();
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#kernel.removeSysctls(this.#sysctls);
    this.#host.unmapChannel(this);
    const { fields, bytes } = build(wire.CloseChannel, MessageType.closeChannel);
    fields.channelId = this.id;
    yield* this.#host.connection.send(bytes);
    yield* this.disconnectGpadl(this.#ringGpadl);
    this.#freeRings();
  }

  *connectGpadl(range: PageRange): Task<number> {
    const id = this.#host.nextGpadlId();
    const connection = this.#host.connection;
    const count = Math.ceil((range.offset + range.length) / PAGE_BYTES);
    const key = `gpadl ${id}`;
    const waiter = connection.expect(key);
    let sent = yield* connection.send(gpadlHeader(this.id, id, range, count));
    let done = Math.min(count, GPADL_HEADER_PFNS);
    for (let number = 1; sent && done < count; number += 1) {
      sent = yield* connection.send(gpadlBody(id, number, range.pfns, done, count));
      done = Math.min(count, done + GPADL_BODY_PFNS);
    }
    const isLegacy = this.#kernel.isLegacy;
    const answer = yield* connection.wait(
      key,
      waiter,
      sent ? (isLegacy ? connection.timeoutNs : Infinity) : 0,
      isLegacy ? undefined : () => this.isRevoked,
    );
    if (answer === undefined || wire.GpadlCreated.cursor(answer).at(0).status !== 0) return 0;
    this.#kernel.bootverbose(`vmbus0: gpadl_conn(chan${this.id}) succeeded\n`);
    return id;
  }

  *disconnectGpadl(gpadlId: number): Task {
    if (gpadlId === 0) return;
    const { fields, bytes } = build(wire.GpadlTeardown, MessageType.gpadlTeardown);
    fields.channelId = this.id;
    fields.gpadlId = gpadlId;
    const { connection } = this.#host;
    yield* connection.request(
      bytes,
      `torndown ${gpadlId}`,
      connection.timeoutNs,
      () => this.isRevoked,
    );
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
    const isSent =
      this.#writer?.write(
        PacketType.inBand,
        flags,
        transactionLo,
        transactionHi,
        source,
        start,
        length,
      ) === true;
    return this.#afterWrite(isSent);
  }

  sendCompletion(
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
  ): boolean {
    const isSent =
      this.#writer?.write(
        PacketType.completion,
        0,
        transactionLo,
        transactionHi,
        source,
        start,
        length,
      ) === true;
    return this.#afterWrite(isSent);
  }

  sendGpaDirect(
    ranges: readonly PageRange[],
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
  ): boolean {
    const extension = this.#extension;
    extension.clear();
    for (const range of ranges) extension.add(range.length, range.offset, range.pfns);
    const isSent =
      this.#writer?.write(
        PacketType.gpaDirect,
        PacketFlag.completionRequested,
        transactionLo,
        transactionHi,
        source,
        start,
        length,
        extension.bytes,
        extension.length,
      ) === true;
    return this.#afterWrite(isSent);
  }

  #afterWrite(isSent: boolean): boolean {
    this.#kernel.charge(PACKET_NS);
    if (this.#writer?.signalDue === true) {
      this.#writer.signalDue = false;
      this.signals += 1;
      this.#signalHost();
    }
    return isSent;
  }

  receive(): boolean {
    const reader = this.#reader;
    if (reader === undefined || !reader.receive()) return false;
    this.#kernel.charge(PACKET_NS);
    if (reader.signalDue) {
      reader.signalDue = false;
      this.writableSignals += 1;
      this.#signalHost();
    }
    return true;
  }

  /** Its bit in the interrupt page, then the monitor page or the hypercall. */
  #signalHost(): void {
    const { view } = this.#kernel.hw.memory;
    const { connection, synic } = this.#host;
    setBit(view, connection.sendFlags, this.id);
    if (this.offer.isMonitored) {
      const group = Math.floor(this.offer.monitorId / MONITORS_PER_GROUP);
      const at = connection.monitorPage + monitorPendingOffset(group);
      setBit(view, at, this.offer.monitorId % MONITORS_PER_GROUP);
      return;
    }
    const isOldest = connection.version === VmbusVersion.v1;
    synic.signal(isOldest ? ConnectionId.sharedEvent : this.offer.connectionId);
  }

  /** Today's interrupt handler: no more interrupts until the task has drained the ring. */
  maskForTask(): void {
    if (this.isBatched) this.#reader?.setMask(true);
  }

  /** Runs the driver until the ring is empty and stays so after the mask is off. */
  *#drain(): Task {
    for (;;) {
      yield EVENT_NS;
      const options = this.#options;
      const reader = this.#reader;
      if (options === undefined || reader === undefined || !this.isOpen) return;
      if (this.isBatched) reader.setMask(true);
      yield* options.onEvent(this);
      if (!this.isBatched) return;
      reader.setMask(false);
      if (!this.isOpen || !this.#kernel.switches.ringRecheck) return;
      if (reader.availableBytes === 0) return;
    }
  }

  /** The legacy software interrupt calls the driver itself. */
  handleEvent(): Task {
    return this.#drain();
  }

  *waitSubChannels(count: number, timeoutNs: number): Task<readonly GuestChannel[]> {
    const end = this.#kernel.uptimeNs() + timeoutNs;
    while (this.subChannels.length < count && !this.isRevoked) {
      const left = end - this.#kernel.uptimeNs();
      if (left <= 0) break;
      yield* this.#kernel.tsleep(this.subChannels, left);
    }
    return this.subChannels.slice(0, count);
  }

  /** "rindex: ...", as dev.X.N.channel.ID.br.rx.state shows a ring. */
  ringState(which: 'rx' | 'tx'): string {
    const ring = which === 'rx' ? this.#reader?.ring : this.#writer?.ring;
    if (ring === undefined) return '';
    const { inIndex, outIndex } = ring;
    const used = (inIndex - outIndex + ring.dataBytes) % ring.dataBytes;
    return (
      `intrcnt:${which === 'rx' ? this.writableSignals : this.signals} ` +
      `rindex:${outIndex} windex:${inIndex} imask:${ring.interruptMask} ` +
      `psndsz:${ring.pendingSendSize} fvalue:${ring.featureBits} ` +
      `ravail:${used} wavail:${ring.dataBytes - used}`
    );
  }
}

function setBit(view: DataView, base: number, bit: number): void {
  const at = base + (bit >>> 5) * 4;
  view.setUint32(at, (view.getUint32(at, true) | (1 << (bit & 31))) >>> 0, true);
}
