import type { HostChannel } from './channel.ts';
import type { OfferedDevice, VmbusDevice } from './device.ts';
import type { Gpadl } from './gpadls.ts';
import { MAX_CHANNEL_ID, MIN_CHANNEL_ID } from './spec/ids.ts';
import { NO_MONITOR_ID } from './spec/offers.ts';

/**
 * Where a channel stands between guest and device. "Released" states belong to no connection: the
 * guest knows nothing of such a channel.
 */
export type ChannelState =
  | 'client-released'
  /** Offered. */
  | 'closed'
  | 'opening'
  | 'open'
  | 'closing'
  /** CloseChannel has no reply, so an OpenChannel may come while the device still closes. */
  | 'closing-reopen'
  /** Rescinded, and the guest still holds the id. */
  | 'revoked'
  /** Rescinded, and the device is there again: offered once the guest lets go of the id. */
  | 'reoffered'
  | 'closing-client-release'
  | 'opening-client-release';

/** What a guest asked for in OpenChannel. */
export interface OpenRequest {
  readonly openId: number;
  readonly ringGpadlId: number;
  readonly targetVp: number;
  readonly downstreamPageOffset: number;
  readonly userData: Uint8Array;
  /** 0: the ids of the offer hold. */
  readonly guestConnectionId: number;
  readonly guestEventFlag: number;
}

/** A processor and SINT that take a reserved channel's replies. */
export interface ReplyTarget {
  readonly vp: number;
  readonly sint: number;
}

/** A device on the bus, with the offers it made. */
export interface DeviceEntry extends OfferedDevice {
  readonly device: VmbusDevice;
  readonly primary: ChannelSlot;
  readonly subChannels: ChannelSlot[];
}

/** One channel that a device offers. */
export class ChannelSlot {
  readonly entry: DeviceEntry;
  readonly subChannelIndex: number;
  state: ChannelState = 'client-released';
  /** 0 while the guest holds no id. */
  channelId = 0;
  /** The offer's, for HvSignalEvent. */
  connectionId = 0;
  monitorId: number = NO_MONITOR_ID;
  /** The open that is under way or in force. */
  request: OpenRequest | undefined;
  /** The open that waits for a close, in `closing-reopen`. */
  nextRequest: OpenRequest | undefined;
  reservedTarget: ReplyTarget | undefined;
  channel: HostChannel | undefined;
  /** What the guest signals while the channel is open. */
  openConnectionId = 0;
  isModifying = false;
  /** ModifyChannel that came while one was under way, below 5.3. */
  nextTargetVp = -1;
  gpadls = new Map<number, Gpadl>();

  constructor(entry: DeviceEntry, subChannelIndex: number) {
    this.entry = entry;
    this.subChannelIndex = subChannelIndex;
  }

  get device(): VmbusDevice {
    return this.entry.device;
  }

  get isReleased(): boolean {
    return (
      this.state === 'client-released' ||
      this.state === 'closing-client-release' ||
      this.state === 'opening-client-release'
    );
  }

  get isRevoked(): boolean {
    return this.state === 'revoked' || this.state === 'reoffered';
  }

  /** A reserved channel outlives the connection it was opened on. */
  get isReserved(): boolean {
    return (
      this.reservedTarget !== undefined &&
      (this.state === 'opening' || this.state === 'open' || this.state === 'closing')
    );
  }
}

/** All channels of the partition, and the ids that the guest knows them by. */
export class SlotTable {
  readonly #byId: (ChannelSlot | undefined)[] = Array.from({ length: MAX_CHANNEL_ID + 1 });
  readonly #byConnection = new Map<number, ChannelSlot>();
  #slots: ChannelSlot[] = [];

  /** A copy, in the order in which they were added: callers may add and remove. */
  all(): ChannelSlot[] {
    return [...this.#slots];
  }

  get size(): number {
    return this.#slots.length;
  }

  /** These slots and no others, each with the ids that it has. */
  restore(slots: readonly ChannelSlot[]): void {
    this.#slots = [...slots];
    this.#byId.fill(undefined);
    this.#byConnection.clear();
    for (const slot of slots) {
      if (slot.channelId !== 0) this.#byId[slot.channelId] = slot;
      if (slot.openConnectionId !== 0) this.#byConnection.set(slot.openConnectionId, slot);
    }
  }

  add(slot: ChannelSlot): void {
    this.#slots.push(slot);
  }

  remove(slot: ChannelSlot): void {
    this.#slots = this.#slots.filter((other) => other !== slot);
    this.releaseId(slot);
  }

  /** Gives the lowest free id. @returns false when all 2047 are taken */
  assignId(slot: ChannelSlot): boolean {
    for (let id = MIN_CHANNEL_ID; id <= MAX_CHANNEL_ID; id += 1) {
      if (this.#byId[id] === undefined) {
        this.#byId[id] = slot;
        slot.channelId = id;
        return true;
      }
    }
    return false;
  }

  /** A new slot takes over the id of a revoked one. */
  inheritId(slot: ChannelSlot, from: ChannelSlot): void {
    slot.channelId = from.channelId;
    slot.connectionId = from.connectionId;
    slot.monitorId = from.monitorId;
    this.#byId[slot.channelId] = slot;
    from.channelId = 0;
    from.monitorId = NO_MONITOR_ID;
  }

  releaseId(slot: ChannelSlot): void {
    if (slot.channelId !== 0) this.#byId[slot.channelId] = undefined;
    slot.channelId = 0;
  }

  /** @param channelId any number that a guest sent */
  find(channelId: number): ChannelSlot | undefined {
    return channelId <= MAX_CHANNEL_ID ? this.#byId[channelId] : undefined;
  }

  /** @returns false when an open channel has that connection id already */
  connect(slot: ChannelSlot, connectionId: number): boolean {
    if (this.#byConnection.has(connectionId)) return false;
    this.#byConnection.set(connectionId, slot);
    slot.openConnectionId = connectionId;
    return true;
  }

  disconnect(slot: ChannelSlot): void {
    if (this.#byConnection.get(slot.openConnectionId) === slot) {
      this.#byConnection.delete(slot.openConnectionId);
    }
    slot.openConnectionId = 0;
  }

  findConnection(connectionId: number): ChannelSlot | undefined {
    return this.#byConnection.get(connectionId);
  }

  findChannel(channel: HostChannel): ChannelSlot | undefined {
    return this.#slots.find((slot) => slot.channel === channel);
  }

  /** The primary channel with the same class and instance, if there is one. */
  findDevice(device: VmbusDevice): ChannelSlot | undefined {
    const { interfaceId, instanceId } = device.offer;
    return this.#slots.find(
      (slot) =>
        slot.subChannelIndex === 0 &&
        slot.device.offer.interfaceId === interfaceId &&
        slot.device.offer.instanceId === instanceId,
    );
  }
}

/** Offers are made in this order, so that a guest finds the same ids at every boot. */
export function compareOffers(left: ChannelSlot, right: ChannelSlot): number {
  const a = left.device.offer;
  const b = right.device.offer;
  return (
    a.order - b.order ||
    compareText(a.interfaceId, b.interfaceId) ||
    compareText(a.instanceId, b.instanceId)
  );
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
