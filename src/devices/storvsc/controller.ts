import type { StateStream } from '../../core/state.ts';
import type { VirtualClock } from '../../core/clock.ts';
import type { EventHandle, EventQueue } from '../../core/events.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { traceType, type Trace } from '../../core/trace.ts';
import { openEnum, u32, u64, u8 } from '../../core/wire.ts';
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
import type { LogicalUnit } from '../scsi/logical-unit.ts';
import { ScsiTask } from '../scsi/task.ts';
import { StorvscChannel } from './channel.ts';
import { Completions } from './completions.ts';
import { LunTable, type LunAddress } from './luns.ts';
import { storvscOffer, type StorvscKind } from './offer.ts';
import type { StorvscProfile } from './profile.ts';
import { VstorProtocol } from './protocol.ts';
import { executeSrb } from './request.ts';
import {
  PACKET_BYTES_V1,
  PACKET_BYTES_V2,
  VstorCreateSubChannels,
  VstorHeader,
  VstorOperation,
  VstorProperties,
  VstorPropertyFlags,
  VstorScsiRequest,
  VstorStatus,
  VstorVersion,
  VstorVersionQuery,
} from './spec.ts';

/** Packets and bytes that one event handles before other work gets its turn. */
const PACKETS_PER_EVENT = 64;
const BYTES_PER_EVENT = 4 * 1024 * 1024;
/** Host time for one packet, before the next batch of a long ring is looked at. */
const PACKET_NS = 100;

/** `address` is path << 16 | target << 8 | LUN, `transaction` the low half of the guest's id. */
const completeEvent = traceType('storvsc', 'complete', {
  channel: u32,
  address: u32,
  transaction: u32,
  srbStatus: u8,
  scsiStatus: u8,
  bytes: u32,
});
const controlEvent = traceType('storvsc', 'control', {
  channel: u32,
  operation: VstorOperation,
  operand: u32,
  status: VstorStatus,
});
const rescanEvent = traceType('storvsc', 'rescan', { channel: u32 });
const malformedEvent = traceType('storvsc', 'malformed', {
  channel: u32,
  reason: openEnum(u32, { packetType: 1, noCompletionWanted: 2, shortPayload: 3 }),
  detail: u64,
});

export interface StorvscOptions {
  readonly kind: StorvscKind;
  /** Place among the offers. */
  readonly order: number;
  readonly events: EventQueue;
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly memory: GuestMemory;
  readonly profile: StorvscProfile;
  readonly luns?: readonly { readonly address: LunAddress; readonly unit: LogicalUnit }[];
}

/**
 * The storage VSP: a synthetic SCSI controller, or the accelerator channel of an IDE disk. Packets
 * are taken from the ring some time after the guest's signal, executed at once, and completed when
 * their modelled latency has passed.
 */
export class StorvscController implements VmbusDevice {
  readonly offer: OfferProperties;
  readonly #events: EventQueue;
  readonly #clock: VirtualClock;
  readonly #trace: Trace;
  readonly #profile: StorvscProfile;
  readonly #protocol: VstorProtocol;
  readonly #luns: LunTable;
  readonly #task: ScsiTask;
  readonly #completions = new Completions();
  readonly #header = VstorHeader.cursor(this.#completions.view);
  readonly #request = VstorScsiRequest.cursor(this.#completions.view);
  readonly #notice = new Uint8Array(PACKET_BYTES_V2);
  readonly #channels: (StorvscChannel | undefined)[] = [];
  readonly #serveHandler = (index: number): void => this.#serve(index);
  readonly #completeHandler = (): void => this.#complete();
  #bus: OfferedDevice | undefined;
  #openings = 0;
  /** When the transfers so far will have passed the controller's data path. */
  #transferFreeNs = 0;
  #completeEvent: EventHandle | undefined;
  #completeEventNs = Infinity;
  #isRescanPending = false;
  #noticeOperation: number = VstorOperation.is.enumerateBus;

  constructor(options: StorvscOptions) {
    const { kind, order, profile } = options;
    this.offer = storvscOffer(kind, order);
    this.#events = options.events;
    this.#clock = options.clock;
    this.#trace = options.trace;
    this.#profile = profile;
    this.#protocol = new VstorProtocol(profile, kind.type === 'scsi');
    this.#luns = new LunTable(kind, profile);
    this.#task = new ScsiTask(options.memory);
    for (const { address, unit } of options.luns ?? []) this.#luns.attach(address, unit);
  }

  attached(bus: OfferedDevice): void {
    this.#bus = bus;
  }

  exchange(state: StateStream, channelAt: ChannelLookup): void {
    state.part('protocol', () => this.#protocol.exchange(state));
    state.part('luns', () => this.#luns.exchange(state));
    state.part('completions', () => this.#completions.exchange(state));
    state.array('notice', this.#notice);
    const open = this.#channels.filter((channel) => channel !== undefined);
    if (state.isRestoring) this.#channels.length = 0;
    state.list('channels', open, (known) => {
      const index = state.number('index', known?.channel.subChannelIndex ?? 0);
      const opening = state.number('opening', known?.opening ?? 0);
      const channel = known ?? new StorvscChannel(openChannelAt(channelAt, index), opening);
      channel.exchange(state, this.#serveHandler);
      this.#channels[index] = channel;
      return channel;
    });
    this.#openings = state.number('openings', this.#openings);
    this.#transferFreeNs = state.number('transferFreeNs', this.#transferFreeNs);
    this.#completeEvent = state.event('complete', this.#completeEvent, this.#completeHandler);
    this.#completeEventNs = state.number('completeEventNs', this.#completeEventNs);
    this.#isRescanPending = state.flag('isRescanPending', this.#isRescanPending);
    this.#noticeOperation = state.number('noticeOperation', this.#noticeOperation);
  }

  /** Hot-adds a unit; throws when the address is taken. The guest is told to scan its bus. */
  attach(address: LunAddress, unit: LogicalUnit): void {
    this.#luns.attach(address, unit);
    this.#rescan(VstorOperation.is.enumerateBus);
  }

  /**
   * Hot-removes a unit.
   * @param notice what the guest is told; both make it scan
   */
  detach(address: LunAddress, notice: 'enumerateBus' | 'removeDevice' = 'enumerateBus'): void {
    this.#luns.detach(address);
    this.#rescan(VstorOperation.is[notice]);
  }

  /** The unit at an address, for scenarios. */
  unitAt(address: LunAddress): LogicalUnit | undefined {
    return this.#luns.at(address);
  }

  open(channel: OpenChannel): number {
    const index = channel.subChannelIndex;
    if (index > this.#profile.maxSubChannels) return VstorStatus.is.invalidParameter;
    const former = this.#channels[index];
    if (former !== undefined) this.close(former.channel);
    this.#openings += 1;
    this.#channels[index] = new StorvscChannel(channel, this.#openings);
    if (index === 0) {
      this.#protocol.reset();
      this.#isRescanPending = false;
    }
    return 0;
  }

  close(channel: OpenChannel): void {
    const index = channel.subChannelIndex;
    const state = this.#channels[index];
    if (state === undefined) return;
    if (state.workEvent !== undefined) this.#events.cancel(state.workEvent);
    while (state.hasParked) {
      this.#completions.release(state.firstParked());
      state.dropFirstParked();
    }
    this.#channels[index] = undefined;
    if (index === 0) this.#protocol.reset();
    this.#serveStalled();
  }

  signaled(channel: OpenChannel): void {
    const state = this.#channels[channel.subChannelIndex];
    if (state !== undefined) this.#schedule(state, this.#profile.latency.signalNs);
  }

  writable(channel: OpenChannel): void {
    const state = this.#channels[channel.subChannelIndex];
    if (state === undefined) return;
    while (state.hasParked && this.#trySend(state, state.firstParked())) state.dropFirstParked();
    if (this.#isRescanPending && !state.hasParked) this.#rescan(this.#noticeOperation);
    this.#serveStalled();
  }

  #schedule(state: StorvscChannel, delayNs: number): void {
    if (state.workEvent !== undefined) return;
    const index = state.channel.subChannelIndex;
    state.workEvent = this.#events.after(delayNs, this.#serveHandler, index);
  }

  /** Takes packets from a ring, at most a bounded number of them. */
  #serve(index: number): void {
    const state = this.#channels[index];
    if (state === undefined) return;
    state.workEvent = undefined;
    // A sub-channel may be opened early; its packets wait for the end of the initialisation.
    if (index !== 0 && !this.#protocol.isReady) return;
    let bytes = 0;
    for (let count = 0; count < PACKETS_PER_EVENT && bytes < BYTES_PER_EVENT; count += 1) {
      if (state.hasParked || !this.#completions.hasRoom) {
        state.isStalled = true;
        return;
      }
      if (!state.channel.receive()) return;
      bytes += this.#take(state, state.channel.packet);
    }
    this.#schedule(state, PACKETS_PER_EVENT * PACKET_NS);
  }

  #serveStalled(): void {
    for (const state of this.#channels) {
      if (state?.isStalled === true && !state.hasParked && this.#completions.hasRoom) {
        state.isStalled = false;
        this.#schedule(state, PACKET_NS);
      }
    }
  }

  /** Handles one packet. @returns the bytes that it made the host move */
  #take(state: StorvscChannel, packet: IncomingPacket): number {
    const channelId = state.channel.channelId;
    if (packet.type !== PacketType.inBand && packet.type !== PacketType.gpaDirect) {
      this.#trace.emit(malformedEvent, channelId, 1, packet.type);
      return 0;
    }
    if ((packet.flags & PacketFlag.completionRequested) === 0) {
      this.#trace.emit(malformedEvent, channelId, 2, packet.flags);
      return 0;
    }
    const slot = this.#fillSlot(state, packet);
    const header = this.#header.at(slot * PACKET_BYTES_V2);
    const { operation } = header;
    header.operation = VstorOperation.is.completeIo;
    header.flags = 0;
    if (packet.payloadLength < VstorHeader.size) {
      this.#trace.emit(malformedEvent, channelId, 3, packet.payloadLength);
      this.#answerControl(state, slot, operation, 0, VstorStatus.is.invalidParameter);
      return 0;
    }
    if (operation === VstorOperation.is.executeSrb && this.#protocol.isReady) {
      if (packet.payloadLength >= PACKET_BYTES_V1) return this.#execute(state, slot, packet);
      this.#trace.emit(malformedEvent, channelId, 3, packet.payloadLength);
      this.#answerControl(state, slot, operation, 0, VstorStatus.is.invalidParameter);
      return 0;
    }
    this.#control(state, slot, operation);
    return 0;
  }

  /** Copies the request into a completion slot, where it is turned into its answer. */
  #fillSlot(state: StorvscChannel, packet: IncomingPacket): number {
    const completions = this.#completions;
    const slot = completions.take();
    const to = slot * PACKET_BYTES_V2;
    const { bytes } = completions;
    const length = Math.min(packet.payloadLength, PACKET_BYTES_V2);
    for (let index = 0; index < length; index += 1) {
      bytes[to + index] = packet.bytes[packet.payloadStart + index]!;
    }
    bytes.fill(0, to + length, to + PACKET_BYTES_V2);
    completions.channels[slot] = state.channel.subChannelIndex;
    completions.openings[slot] = state.opening;
    completions.isRequest[slot] = 0;
    completions.transactionLo[slot] = packet.transactionLo;
    completions.transactionHi[slot] = packet.transactionHi;
    // The negotiated size, or the larger one that this guest used already (Linux always does).
    completions.lengths[slot] =
      length > PACKET_BYTES_V1 ? PACKET_BYTES_V2 : this.#protocol.packetBytes;
    return slot;
  }

  #execute(state: StorvscChannel, slot: number, packet: IncomingPacket): number {
    const task = this.#task;
    const profile = this.#profile;
    task.inquiryVersion =
      this.#protocol.version >= VstorVersion.threshold
        ? profile.inquiryVersion
        : profile.inquiryVersionBefore62;
    const request = this.#request.at(slot * PACKET_BYTES_V2);
    executeSrb(this.#trace, state.channel.channelId, request, packet, this.#luns, task);
    this.#completions.isRequest[slot] = 1;
    const { requestNs, byteNs } = profile.latency;
    const transferEndNs =
      Math.max(this.#clock.nowNs, this.#transferFreeNs) + task.workBytes * byteNs;
    this.#transferFreeNs = transferEndNs;
    const dueNs = Math.ceil(transferEndNs + requestNs + task.extraDelayNs);
    this.#completions.push(slot, dueNs);
    this.#armCompletion();
    return task.workBytes;
  }

  #armCompletion(): void {
    const dueNs = this.#completions.nextDueNs;
    if (dueNs >= this.#completeEventNs) return;
    if (this.#completeEvent !== undefined) this.#events.cancel(this.#completeEvent);
    this.#completeEventNs = dueNs;
    this.#completeEvent = this.#events.at(dueNs, this.#completeHandler);
  }

  /** Sends every completion that is due; the guest sees those of one moment as a batch. */
  #complete(): void {
    const completions = this.#completions;
    this.#completeEvent = undefined;
    this.#completeEventNs = Infinity;
    const nowNs = this.#clock.nowNs;
    while (completions.nextDueNs <= nowNs) this.#finish(completions.pop());
    if (completions.nextDueNs < Infinity) this.#armCompletion();
    this.#serveStalled();
  }

  /** Sends a completion or parks it; drops it when its channel has been closed meanwhile. */
  #finish(slot: number): void {
    const completions = this.#completions;
    const state = this.#channels[completions.channels[slot]!];
    if (state === undefined || state.opening !== completions.openings[slot]) {
      completions.release(slot);
    } else if (state.hasParked || !this.#trySend(state, slot)) {
      state.park(slot);
    }
  }

  #trySend(state: StorvscChannel, slot: number): boolean {
    const completions = this.#completions;
    const start = slot * PACKET_BYTES_V2;
    const low = completions.transactionLo[slot]!;
    const wasSent = state.channel.sendCompletion(
      completions.bytes,
      start,
      completions.lengths[slot]!,
      low,
      completions.transactionHi[slot]!,
    );
    if (!wasSent) return false;
    if (completions.isRequest[slot] === 1) this.#traceCompletion(state, start, low);
    completions.release(slot);
    return true;
  }

  #traceCompletion(state: StorvscChannel, start: number, transaction: number): void {
    const request = this.#request.at(start);
    this.#trace.emit(
      completeEvent,
      state.channel.channelId,
      (request.path << 16) | (request.target << 8) | request.lun,
      transaction,
      request.srbStatus,
      request.scsiStatus,
      request.dataTransferLength,
    );
  }

  /** Every operation but an I/O of a ready connection. */
  #control(state: StorvscChannel, slot: number, operation: number): void {
    const { is } = VstorOperation;
    const at = slot * PACKET_BYTES_V2;
    const view = this.#completions.view;
    const isPrimary = state.channel.subChannelIndex === 0;
    let operand = 0;
    if (operation === is.queryProtocolVersion) {
      operand = VstorVersionQuery.cursor(view).at(at).version;
    } else if (operation === is.createSubChannels) {
      operand = VstorCreateSubChannels.cursor(view).at(at).count;
    }
    let status: number;
    const isReset =
      operation === is.resetLun || operation === is.resetBus || operation === is.resetAdapter;
    if (isReset || operation === is.executeSrb) {
      // Resets answer success and abort nothing: what was started completes in its own time.
      status = this.#protocol.isReady ? VstorStatus.is.success : VstorStatus.is.invalidDeviceState;
    } else if (isPrimary) {
      status = this.#protocol.step(operation, operand);
    } else {
      status = VstorStatus.is.invalidDeviceState;
    }
    this.#answerControl(state, slot, operation, operand, status);
    if (status === VstorStatus.is.success) this.#afterControl(operation, operand);
  }

  #answerControl(
    state: StorvscChannel,
    slot: number,
    operation: number,
    operand: number,
    status: number,
  ): void {
    const at = slot * PACKET_BYTES_V2;
    const { bytes, view } = this.#completions;
    const { is } = VstorOperation;
    bytes.fill(0, at + VstorHeader.size, at + PACKET_BYTES_V2);
    this.#header.at(at).status = status;
    if (operation === is.queryProtocolVersion) {
      VstorVersionQuery.cursor(view).at(at).version = operand;
    } else if (operation === is.queryProperties && status === VstorStatus.is.success) {
      const properties = VstorProperties.cursor(view).at(at);
      const maxSubChannels = this.#protocol.maxSubChannels;
      properties.maxSubChannels = maxSubChannels;
      properties.propertyFlags = maxSubChannels > 0 ? VstorPropertyFlags.bit.multiChannel : 0;
      properties.maxTransferBytes = this.#profile.maxTransferBytes;
    }
    this.#trace.emit(controlEvent, state.channel.channelId, operation, operand, status);
    this.#finish(slot);
  }

  #afterControl(operation: number, operand: number): void {
    if (operation === VstorOperation.is.createSubChannels && operand > 0) {
      this.#bus?.offerSubChannels(operand);
    } else if (operation === VstorOperation.is.endInitialization) {
      // The guest scans now anyway.
      this.#isRescanPending = false;
      for (const state of this.#channels) {
        if (state !== undefined && state.channel.subChannelIndex > 0) this.#schedule(state, 0);
      }
    }
  }

  /** Tells the guest that the set of units has changed; several changes become one packet. */
  #rescan(operation: number): void {
    const state = this.#channels[0];
    if (state === undefined || !this.#protocol.isReady) return;
    if (this.#protocol.version < VstorVersion.win7) return;
    this.#noticeOperation = operation;
    const notice = VstorHeader.cursor(new DataView(this.#notice.buffer)).at(0);
    notice.operation = operation;
    const length = this.#protocol.packetBytes;
    const wasSent =
      !state.hasParked && state.channel.sendInBand(this.#notice, 0, length, 0, 0, false);
    this.#isRescanPending = !wasSent;
    if (wasSent) this.#trace.emit(rescanEvent, state.channel.channelId);
  }
}
