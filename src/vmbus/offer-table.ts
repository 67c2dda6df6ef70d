import { StateError, type StateStream } from '../core/state.ts';
import type { ChannelControl, ChannelOwner } from './channels.ts';
import type { BusCore } from './core.ts';
import type { OfferedDevice, VmbusDevice } from './device.ts';
import type { GpadlTable } from './gpadls.ts';
import type { Monitors } from './monitors.ts';
import { exchangeSlot } from './slot-state.ts';
import { ChannelSlot, compareOffers } from './slots.ts';
import type { DeviceEntry, SlotTable } from './slots.ts';
import { channelConnectionId } from './spec/ids.ts';
import { MessageType, OfferChannel, RescindChannelOffer } from './spec/messages.ts';
import { NO_MONITOR_ID, OfferFlag, USER_DEFINED_BYTES } from './spec/offers.ts';
import { FeatureFlag, VmbusVersion } from './spec/versions.ts';
import { vmbusOffer, vmbusRescind } from './trace.ts';

/** A device's way to the bus. */
class BusDevice implements DeviceEntry {
  readonly device: VmbusDevice;
  readonly primary: ChannelSlot;
  readonly subChannels: ChannelSlot[] = [];
  readonly #table: OfferTable;

  constructor(table: OfferTable, device: VmbusDevice) {
    this.#table = table;
    this.device = device;
    this.primary = new ChannelSlot(this, 0);
  }

  offerSubChannels(count: number): number {
    return this.#table.offerSubChannels(this, count);
  }

  rescind(): void {
    this.#table.rescind(this);
  }
}

/** What the bus offers: devices, their sub-channels, and how both go away again. */
export class OfferTable implements ChannelOwner {
  channels!: ChannelControl;
  readonly #core: BusCore;
  readonly #slots: SlotTable;
  readonly #gpadls: GpadlTable;
  readonly #monitors: Monitors;
  readonly #gone = new Set<DeviceEntry>();

  constructor(core: BusCore, slots: SlotTable, gpadls: GpadlTable, monitors: Monitors) {
    this.#core = core;
    this.#slots = slots;
    this.#gpadls = gpadls;
    this.#monitors = monitors;
  }

  offer(device: VmbusDevice): OfferedDevice {
    if (device.offer.userDefined.length > USER_DEFINED_BYTES) {
      throw new Error(
        `${device.offer.name}: user-defined data of over ${USER_DEFINED_BYTES} bytes`,
      );
    }
    const before = this.#slots.findDevice(device);
    if (before !== undefined && before.state !== 'revoked') {
      throw new Error(`${device.offer.name} is on the bus twice: ${device.offer.instanceId}`);
    }
    const entry = new BusDevice(this, device);
    const slot = entry.primary;
    if (before !== undefined) this.#takeOver(slot, before);
    this.#slots.add(slot);
    device.attached(entry);
    if (before === undefined && this.#core.connection.offersSent) this.#offerSlot(slot);
    return entry;
  }

  /** The guest still holds the id of the device that was there before. */
  #takeOver(slot: ChannelSlot, before: ChannelSlot): void {
    slot.state = 'reoffered';
    this.#slots.inheritId(slot, before);
    this.#monitors.inherit(slot);
    slot.gpadls = before.gpadls;
    for (const gpadl of slot.gpadls.values()) gpadl.slot = slot;
    before.gpadls = new Map();
    before.state = 'client-released';
    this.#slots.remove(before);
    this.#gone.delete(before.entry);
  }

  /** RequestOffers: everything, in stable order. Reserved channels are known already. */
  offerAll(): void {
    const slots = this.#slots.all().filter((slot) => slot.state === 'client-released');
    for (const slot of slots.sort(compareOffers)) this.#offerSlot(slot);
  }

  /** @returns false when all channel ids are taken */
  #offerSlot(slot: ChannelSlot): boolean {
    if (!this.#slots.assignId(slot)) return false;
    slot.connectionId = channelConnectionId(slot.channelId);
    if (slot.device.offer.monitorLatency100ns !== undefined) this.#monitors.assign(slot);
    slot.state = 'closed';
    this.#sendOffer(slot);
    return true;
  }

  #sendOffer(slot: ChannelSlot): void {
    const { features, childToParentMonitorPage } = this.#core.connection;
    const { offer } = slot.device;
    let { flags } = offer;
    if ((features & FeatureFlag.confidentialChannels) === 0) {
      flags &= ~(OfferFlag.confidentialRingBuffer | OfferFlag.confidentialExternalMemory);
    }
    if ((features & FeatureFlag.gpaPinning) === 0) flags &= ~OfferFlag.requirePinnedExternalMemory;
    const monitorId = childToParentMonitorPage < 0 ? NO_MONITOR_ID : slot.monitorId;
    const { channelId, connectionId, subChannelIndex } = slot;
    this.#core.trace.emitText(
      vmbusOffer,
      `${offer.name} ${offer.interfaceId} ${offer.instanceId}`,
      channelId,
      subChannelIndex,
      connectionId,
      monitorId,
      flags,
    );
    this.#core.send(MessageType.offerChannel, OfferChannel, (message) => {
      message.interfaceId = offer.interfaceId;
      message.instanceId = offer.instanceId;
      message.flags = flags;
      message.mmioMegabytes = offer.mmioMegabytes;
      message.userDefined = offer.userDefined;
      message.subChannelIndex = subChannelIndex;
      message.mmioMegabytesOptional = offer.mmioMegabytesOptional;
      message.channelId = channelId;
      message.monitorId = monitorId;
      message.monitorAllocated = monitorId === NO_MONITOR_ID ? 0 : 1;
      message.isDedicated = 1;
      message.connectionId = connectionId;
    });
  }

  offerSubChannels(entry: DeviceEntry, count: number): number {
    const { primary, subChannels } = entry;
    if (this.#core.connection.version < VmbusVersion.win8) return 0;
    if (primary.state !== 'open' && primary.state !== 'opening') return 0;
    let offered = 0;
    for (let index = 1; index <= count; index += 1) {
      if (subChannels.some((slot) => slot.subChannelIndex === index)) continue;
      const slot = new ChannelSlot(entry, index);
      this.#slots.add(slot);
      if (!this.#offerSlot(slot)) {
        this.#slots.remove(slot);
        break;
      }
      subChannels.push(slot);
      offered += 1;
    }
    return offered;
  }

  rescind(entry: DeviceEntry): void {
    if (this.#gone.has(entry) || !this.#slots.all().includes(entry.primary)) return;
    this.#gone.add(entry);
    this.revokeSubChannels(entry.primary);
    this.#revoke(entry.primary);
    this.#core.checkDisconnected();
  }

  revokeSubChannels(slot: ChannelSlot): void {
    for (const sub of slot.entry.subChannels.splice(0)) this.#revoke(sub);
  }

  /** The device of a channel is gone; the guest learns it when it knows the channel. */
  #revoke(slot: ChannelSlot): void {
    if (slot.state === 'revoked') return;
    if (slot.isReleased) {
      this.channels.closeDevice(slot);
      this.#gpadls.dropAll(slot);
      this.#drop(slot);
      return;
    }
    const isTold = slot.state !== 'reoffered';
    const { reservedTarget } = slot;
    slot.state = 'revoked';
    slot.request = slot.channel === undefined ? undefined : slot.request;
    slot.nextRequest = undefined;
    slot.reservedTarget = undefined;
    this.channels.closeDevice(slot);
    this.#gpadls.revokeAll(slot, isTold);
    if (!isTold) return;
    const { channelId } = slot;
    this.#core.trace.emit(vmbusRescind, channelId);
    // A reserved channel that outlived its connection is unknown to the guest's bus driver.
    if (reservedTarget !== undefined && this.#core.connection.state !== 'connected') {
      this.channels.release(slot);
      return;
    }
    this.#core.send(MessageType.rescindChannelOffer, RescindChannelOffer, (message) => {
      message.channelId = channelId;
    });
  }

  /** RelIdReleased. @returns '' or why nothing is done */
  relIdReleased(slot: ChannelSlot): string {
    const { state } = slot;
    if (state === 'reoffered') {
      this.#gpadls.dropAll(slot);
      slot.state = 'closed';
      this.#sendOffer(slot);
      return '';
    }
    if ((state !== 'closed' && state !== 'closing' && state !== 'revoked') || slot.isReserved) {
      return `release of a channel in state ${state}`;
    }
    this.channels.release(slot);
    this.#core.checkDisconnected();
    return '';
  }

  released(slot: ChannelSlot): void {
    this.#slots.releaseId(slot);
    this.#slots.disconnect(slot);
    this.#monitors.release(slot);
    if (slot.state !== 'client-released') return;
    // A sub-channel is offered anew by its device, for each opening of the primary channel.
    if (slot.subChannelIndex > 0 || this.#gone.has(slot.entry)) this.#drop(slot);
  }

  #drop(slot: ChannelSlot): void {
    this.#monitors.release(slot);
    this.#slots.remove(slot);
    const { subChannels } = slot.entry;
    const index = subChannels.indexOf(slot);
    if (index >= 0) subChannels.splice(index, 1);
    if (slot === slot.entry.primary) this.#gone.delete(slot.entry);
  }

  /**
   * Which channels there are, in their order, and where each stands. A device itself cannot be made
   * here: it must be on the bus already.
   */
  exchange(state: StateStream): void {
    const before = this.#slots.all();
    const slots = state.list('slots', before, (known) => {
      const interfaceId = state.text('interfaceId', known?.device.offer.interfaceId ?? '');
      const instanceId = state.text('instanceId', known?.device.offer.instanceId ?? '');
      const index = state.number('subChannelIndex', known?.subChannelIndex ?? 0);
      const slot = known ?? this.#restoredSlot(before, interfaceId, instanceId, index);
      exchangeSlot(state, slot);
      const isGone = state.flag('isGone', this.#gone.has(slot.entry));
      if (isGone) this.#gone.add(slot.entry);
      return slot;
    });
    if (!state.isRestoring) return;
    this.#slots.restore(slots);
    this.#monitors.restore(slots);
  }

  #restoredSlot(
    before: readonly ChannelSlot[],
    interfaceId: string,
    instanceId: string,
    index: number,
  ): ChannelSlot {
    const primary = before.find(
      ({ device: { offer }, subChannelIndex }) =>
        subChannelIndex === 0 &&
        offer.interfaceId === interfaceId &&
        offer.instanceId === instanceId,
    );
    if (primary === undefined)
      throw new StateError(`has a device ${instanceId}, this bus has none`);
    if (index === 0) {
      primary.entry.subChannels.length = 0;
      return primary;
    }
    const slot = new ChannelSlot(primary.entry, index);
    primary.entry.subChannels.push(slot);
    return slot;
  }

  /** No guest, no ids: all channels are as they were when the devices came. */
  reset(): void {
    for (const slot of this.#slots.all()) {
      slot.state = 'client-released';
      slot.nextRequest = undefined;
      slot.reservedTarget = undefined;
      this.channels.closeDevice(slot);
      slot.request = undefined;
      this.#gpadls.dropAll(slot);
      this.released(slot);
    }
  }
}
