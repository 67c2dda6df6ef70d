import type { EventHandle } from '../core/events.ts';
import type { GuestMemory } from '../core/memory.ts';
import { StateError, type StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import type { Cursor, Field, Struct } from '../core/wire.ts';
import { HvStatus } from '../hypervisor/spec/hypercalls.ts';
import type { ChannelBus, HostChannel } from './channel.ts';
import { ChannelControl } from './channels.ts';
import { newConnection } from './connection.ts';
import type { ConnectionInfo, MonitorPageAddresses } from './connection.ts';
import type { BusCore } from './core.ts';
import type { GuestRanges, OfferedDevice, VmbusDevice } from './device.ts';
import { GpadlTable } from './gpadls.ts';
import type { DeviceWork, MessageFilter, OutgoingMessage, VmbusHost } from './host.ts';
import { MessageHandlers } from './messages.ts';
import { Monitors } from './monitors.ts';
import { OfferTable } from './offer-table.ts';
import { buildMessage, Outbox } from './outbox.ts';
import { SlotTable } from './slots.ts';
import { exchangeChannel } from './slot-state.ts';
import type { ChannelSlot, ReplyTarget } from './slots.ts';
import { ConnectionId, MAX_MESSAGE_BYTES, VMBUS_SINT } from './spec/ids.ts';
import { messageForm, messageRow } from './spec/protocol.ts';
import { FeatureFlag, VmbusVersion } from './spec/versions.ts';
import { vmbusMessageIn, vmbusMessageRefused, vmbusSignalIn, vmbusSignalOut } from './trace.ts';

/** Messages that may wait before the guest's own are refused for lack of buffers. */
const MAX_BACKLOG = 1024;
const HALF_INTERRUPT_PAGE_WORDS = 512;
const DEFAULT_RING_RETRY_NS = 100_000_000;

/** What a host can do that has no paravisor above it and no isolated guests. */
export const DEFAULT_FEATURES =
  FeatureFlag.guestSpecifiedSignalParameters |
  FeatureFlag.channelInterruptRedirection |
  FeatureFlag.modifyConnection |
  FeatureFlag.clientId |
  FeatureFlag.pauseResume;

export interface VmbusServerOptions {
  readonly memory: GuestMemory;
  readonly host: VmbusHost;
  readonly trace: Trace;
  /** The newest version to agree to, `VmbusVersion`. Default the newest of all. */
  readonly maxVersion?: number;
  /** `FeatureFlag` bits, from 6.0 on. */
  readonly supportedFeatures?: number;
  /** Target processors from here on are refused. */
  readonly processorCount?: number;
  /** What the host returns at 5.0 and later as the connection for messages. Default 1. */
  readonly messageConnectionId?: number;
  /** Pages that the host gives a guest of 6.0 that asks for them. */
  readonly serverMonitorPages?: MonitorPageAddresses;
  /** How often a writer looks for room that no guest told it of. Default 100 ms. */
  readonly ringRetryNs?: number;
}

/**
 * The host side of VMBus: a state machine between a guest's messages and signals and the devices on
 * the bus. It needs no machine: memory, and a `VmbusHost` that carries what it says. Whatever a
 * guest sends is answered as Hyper-V does, or leaves a trace event and nothing else.
 */
export class VmbusServer implements BusCore, ChannelBus {
  readonly memory: GuestMemory;
  readonly trace: Trace;
  readonly connection: ConnectionInfo = newConnection();
  readonly processorCount: number;
  readonly #host: VmbusHost;
  readonly #maxVersion: number;
  readonly #ringRetryNs: number;
  readonly #outbox: Outbox;
  readonly #slots = new SlotTable();
  readonly #monitors = new Monitors();
  readonly #gpadls: GpadlTable;
  readonly #channels: ChannelControl;
  readonly #offers: OfferTable;
  readonly #messages: MessageHandlers;
  readonly #message = new Uint8Array(MAX_MESSAGE_BYTES);
  readonly #messageView = new DataView(this.#message.buffer);
  /** Work from before a reset is not done after it. */
  #epoch = 0;

  constructor(options: VmbusServerOptions) {
    this.memory = options.memory;
    this.trace = options.trace;
    this.processorCount = options.processorCount ?? Infinity;
    this.#host = options.host;
    this.#maxVersion = options.maxVersion ?? VmbusVersion.copper;
    this.#ringRetryNs = options.ringRetryNs ?? DEFAULT_RING_RETRY_NS;
    this.#outbox = new Outbox(options.host, options.trace);
    this.#gpadls = new GpadlTable(this);
    this.#offers = new OfferTable(this, this.#slots, this.#gpadls, this.#monitors);
    this.#channels = new ChannelControl(this, this, this.#slots, this.#gpadls, this.#offers);
    this.#offers.channels = this.#channels;
    this.#messages = new MessageHandlers({
      core: this,
      slots: this.#slots,
      gpadls: this.#gpadls,
      channels: this.#channels,
      offers: this.#offers,
      outbox: this.#outbox,
      host: {
        maxVersion: this.#maxVersion,
        supportedFeatures: options.supportedFeatures ?? DEFAULT_FEATURES,
      },
      messageConnectionId: options.messageConnectionId ?? ConnectionId.message,
      serverMonitorPages: options.serverMonitorPages,
    });
  }

  /** Sees, drops, delays and reorders the host's messages; for scripts. */
  set messageFilter(filter: MessageFilter | undefined) {
    this.#outbox.filter = filter;
  }

  /** Sends a message that the filter took before, or one of a script's own. */
  deliver(message: OutgoingMessage): void {
    this.#outbox.deliver(message);
  }

  /** Tries again to send what `VmbusHost.sendMessage` refused. */
  flush(): void {
    this.#outbox.flush();
  }

  /**
   * A message of type 1 from HvPostMessage.
   * @returns `HvStatus`; success says only that the message was taken
   */
  receiveMessage(connectionId: number, bytes: Uint8Array, start: number, length: number): number {
    const status = HvStatus.is;
    if (!this.#isMessagePort(connectionId)) return status.invalidConnectionId;
    if (length > MAX_MESSAGE_BYTES) return status.invalidParameter;
    if (this.#outbox.backlog >= MAX_BACKLOG) return status.insufficientBuffers;
    const message = this.#message;
    message.fill(0);
    for (let index = 0; index < length; index += 1) message[index] = bytes[start + index]!;
    const type = length >= 8 ? this.#messageView.getUint32(0, true) : 0;
    this.trace.emit(vmbusMessageIn, type, connectionId, length);
    const wrong = this.#messages.handle(type, this.#messageView, length, connectionId);
    if (wrong !== '') this.trace.emitText(vmbusMessageRefused, wrong, type);
    return status.success;
  }

  /** Hosts before 5.0 have one port for messages only, and guests tell them by that. */
  #isMessagePort(connectionId: number): boolean {
    if (connectionId === ConnectionId.message) return true;
    if (this.#maxVersion < VmbusVersion.rs3_1) return false;
    return (
      connectionId === ConnectionId.multiClientMessage ||
      connectionId === ConnectionId.redirectedMessage
    );
  }

  /**
   * HvSignalEvent.
   * @param flag event number relative to the port's first; channel ports have one event
   * @returns `HvStatus`
   */
  receiveEvent(connectionId: number, flag: number): number {
    const status = HvStatus.is;
    if (connectionId === ConnectionId.sharedEvent) {
      this.#scanInterruptPage();
      return status.success;
    }
    if (connectionId === ConnectionId.monitor) {
      this.pollMonitor();
      return status.success;
    }
    const slot = this.#slots.findConnection(connectionId);
    if (slot === undefined) return status.invalidConnectionId;
    if (flag !== 0) return status.invalidParameter;
    this.#signalled(slot);
    return status.success;
  }

  #signalled(slot: ChannelSlot): void {
    const { channel } = slot;
    if (channel === undefined || slot.state !== 'open') return;
    this.trace.emit(vmbusSignalIn, channel.channelId);
    if (channel.wake()) slot.device.writable(channel);
    if (channel.isOpen) slot.device.signaled(channel);
  }

  /** The guest's half is the second: one bit for each channel, taken as it is read. */
  #scanInterruptPage(): void {
    const page = this.connection.interruptPage;
    if (page < 0) return;
    const { u32 } = this.memory;
    const first = page / 4 + HALF_INTERRUPT_PAGE_WORDS;
    // Channel ids end at 2047, which is 64 words of the half page.
    for (let index = 0; index < 64; index += 1) {
      let bits = u32[first + index]!;
      if (bits === 0) continue;
      u32[first + index] = 0;
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const slot = this.#slots.find(index * 32 + bit);
        if (slot !== undefined) this.#signalled(slot);
      }
    }
  }

  /**
   * Looks at the guest's monitor page and signals the channels triggered there. The machine calls
   * this every `monitorIntervalNs` of virtual time, or when it knows that the page was written.
   * @returns how many channels were signalled
   */
  pollMonitor(): number {
    const page = this.connection.childToParentMonitorPage;
    if (page < 0) return 0;
    return this.#monitors.poll(this.memory, page, (slot) => this.#signalled(slot));
  }

  /** Infinity while no monitored channel is open. */
  get monitorIntervalNs(): number {
    return this.connection.childToParentMonitorPage < 0 ? Infinity : this.#monitors.intervalNs;
  }

  /**
   * Puts a device on the bus. A guest that has its offers already gets this one at once, or, when
   * it still holds the id of a rescinded device of the same GUIDs, after it let that go.
   */
  offer(device: VmbusDevice): OfferedDevice {
    return this.#offers.offer(device);
  }

  /** Devices on the bus, each with its way to it; not those that were withdrawn. */
  get plugged(): readonly { readonly device: VmbusDevice; readonly bus: OfferedDevice }[] {
    return this.#slots
      .all()
      .filter(({ subChannelIndex, state }) => subChannelIndex === 0 && state !== 'revoked')
      .map(({ device, entry }) => ({ device, bus: entry }));
  }

  /** Power cycle: every channel is closed, and nothing is said to the guest. */
  reset(): void {
    this.#epoch += 1;
    Object.assign(this.connection, newConnection());
    this.#outbox.reset();
    this.#messages.reset();
    this.#offers.reset();
  }

  /**
   * Connection, offers, channels and GPADLs. Device work that the host does later, and messages that
   * a script took, are closures and are not in it.
   */
  exchange(state: StateStream): void {
    Object.assign(this.connection, state.data('connection', this.connection));
    state.part('messages', () => this.#messages.exchange(state));
    state.part('outbox', () => this.#outbox.exchange(state));
    state.part('slots', () => this.#offers.exchange(state));
    for (const slot of this.#slots.all()) {
      slot.gpadls = this.#gpadls.exchange(state, slot);
      exchangeChannel(state, slot, this, this.memory);
    }
    if (state.isRestoring) this.#gpadls.recount(this.#slots.all());
  }

  /** The devices on the bus, in the order in which they came. */
  get devices(): readonly VmbusDevice[] {
    const primaries = this.#slots.all().filter(({ subChannelIndex }) => subChannelIndex === 0);
    return primaries.map(({ device }) => device);
  }

  /** What one device holds, once the bus itself is there. */
  exchangeDevice(state: StateStream, device: VmbusDevice): void {
    const slot = this.#slots.findDevice(device);
    if (slot === undefined || device.exchange === undefined) {
      throw new StateError(`device ${device.offer.name} cannot be saved`);
    }
    device.exchange(state, (index) => {
      if (index === 0) return slot.channel;
      return slot.entry.subChannels.find((sub) => sub.subChannelIndex === index)?.channel;
    });
  }

  send<F extends Record<string, Field>>(
    type: number,
    struct: Struct<F>,
    fill?: (message: Cursor<F>) => void,
    target?: ReplyTarget,
  ): void {
    const bytes = buildMessage(struct, type, fill);
    if (target !== undefined) {
      this.#outbox.postUnqueued({ type, vp: target.vp, sint: target.sint, bytes });
      return;
    }
    const { version, features, messageVp } = this.connection;
    const row = messageRow(type);
    const form = row && messageForm(row, version, features, bytes.length);
    if (form === undefined || form === 'short') return;
    this.#outbox.post({ type, vp: messageVp, sint: VMBUS_SINT, bytes });
  }

  perform(work: DeviceWork, slot: ChannelSlot, run: () => void): void {
    if (this.#host.perform === undefined) {
      run();
      return;
    }
    const epoch = this.#epoch;
    this.#host.perform(work, slot.channelId, () => {
      if (epoch === this.#epoch) run();
    });
  }

  checkDisconnected(): void {
    this.#messages.checkDisconnected();
  }

  signalGuest(channel: HostChannel): void {
    if (!channel.hasInterrupt) return;
    const { interruptPage } = this.connection;
    if (interruptPage < 0) {
      this.trace.emit(vmbusSignalOut, channel.channelId, channel.targetVp, channel.eventFlag);
      this.#host.signalEvent(channel.targetVp, VMBUS_SINT, channel.eventFlag);
      return;
    }
    const word = interruptPage / 4 + (channel.channelId >>> 5);
    const bit = (1 << (channel.channelId & 31)) >>> 0;
    if ((this.memory.u32[word]! & bit) !== 0) return;
    this.memory.u32[word] = this.memory.u32[word]! | bit;
    this.trace.emit(vmbusSignalOut, channel.channelId, channel.targetVp, 0);
    this.#host.signalEvent(channel.targetVp, VMBUS_SINT, 0);
  }

  retryLater(channel: HostChannel): void {
    channel.retryEvent = this.#host.after?.(this.#ringRetryNs, channel.onRetry);
  }

  dropRetry(event: EventHandle): void {
    this.#host.cancel?.(event);
  }

  retry(channel: HostChannel): void {
    channel.retryEvent = undefined;
    if (!channel.isParked) return;
    if (channel.wake()) this.#slots.findChannel(channel)?.device.writable(channel);
    else this.retryLater(channel);
  }

  gpadlOf(channel: HostChannel, gpadlId: number): GuestRanges | undefined {
    const slot = this.#slots.findChannel(channel);
    return slot && this.#gpadls.ranges(slot, gpadlId);
  }
}
