import { HostChannel } from './channel.ts';
import type { ChannelBus } from './channel.ts';
import type { BusCore } from './core.ts';
import type { GpadlTable } from './gpadls.ts';
import { ringPair } from './ring-pair.ts';
import type { ChannelSlot, OpenRequest, ReplyTarget, SlotTable } from './slots.ts';
import { NO_INTERRUPT_VP, NtStatus } from './spec/ids.ts';
import {
  CloseReservedChannelResponse,
  MessageType,
  ModifyChannelResponse,
  OpenResult,
} from './spec/messages.ts';
import { VmbusVersion } from './spec/versions.ts';
import { vmbusClose, vmbusOpen } from './trace.ts';

/** What opening and closing need of the bus beyond its core. */
export interface ChannelOwner {
  /** A slot that no longer belongs to the guest loses its ids, and sub-channels their place. */
  released(slot: ChannelSlot): void;
  /** A primary channel closed: its sub-channels are withdrawn. */
  revokeSubChannels(slot: ChannelSlot): void;
}

/** Opening, closing and retargeting of channels: the states between an offer and its end. */
export class ChannelControl {
  readonly #core: BusCore;
  readonly #bus: ChannelBus;
  readonly #slots: SlotTable;
  readonly #gpadls: GpadlTable;
  readonly #owner: ChannelOwner;

  constructor(
    core: BusCore,
    bus: ChannelBus,
    slots: SlotTable,
    gpadls: GpadlTable,
    owner: ChannelOwner,
  ) {
    this.#core = core;
    this.#bus = bus;
    this.#slots = slots;
    this.#gpadls = gpadls;
    this.#owner = owner;
  }

  /** OpenChannel and OpenReservedChannel. @returns '' or why nothing is done */
  open(slot: ChannelSlot, request: OpenRequest, reserved: ReplyTarget | undefined): string {
    if (slot.state === 'closed') {
      this.#start(slot, request, reserved);
      return '';
    }
    if (slot.state === 'closing' && reserved === undefined && !slot.isReserved) {
      slot.state = 'closing-reopen';
      slot.nextRequest = request;
      return '';
    }
    // After a rescind, which the guest may not have read yet, a host says no more.
    return slot.isRevoked ? '' : `open of a channel in state ${slot.state}`;
  }

  #start(slot: ChannelSlot, request: OpenRequest, reserved: ReplyTarget | undefined): void {
    slot.state = 'opening';
    slot.request = request;
    slot.reservedTarget = reserved;
    this.#core.perform('open', slot, () => this.#opened(slot, request));
  }

  #opened(slot: ChannelSlot, request: OpenRequest): void {
    if (slot.request !== request) return;
    if (slot.state === 'opening-client-release') {
      slot.request = undefined;
      this.#finishRelease(slot);
      return;
    }
    if (slot.state !== 'opening') return;
    const status = this.#openDevice(slot, request);
    // The device may have withdrawn itself, or the guest may be gone.
    if (slot.request !== request || slot.state !== 'opening') return;
    const { reservedTarget, channelId } = slot;
    slot.state = status === NtStatus.success ? 'open' : 'closed';
    this.#core.trace.emit(vmbusOpen, channelId, request.targetVp, status);
    this.#core.send(
      MessageType.openResult,
      OpenResult,
      (message) => {
        message.channelId = channelId;
        message.openId = request.openId;
        message.status = status;
      },
      reservedTarget,
    );
    const { channel } = slot;
    if (status !== NtStatus.success || channel === undefined) {
      slot.reservedTarget = undefined;
      slot.request = undefined;
      // A reserved open may outlast its connection, which did not wait for it.
      if (this.#core.connection.state !== 'connected') this.release(slot);
    } else if (channel.begin()) {
      slot.device.signaled(channel);
    }
  }

  /** @returns NTSTATUS */
  #openDevice(slot: ChannelSlot, request: OpenRequest): number {
    const { targetVp } = request;
    if (targetVp !== NO_INTERRUPT_VP && targetVp >= this.#core.processorCount) {
      return NtStatus.invalidParameter;
    }
    const ranges = this.#gpadls.ranges(slot, request.ringGpadlId);
    const rings = ranges && ringPair(this.#core.memory, ranges, request.downstreamPageOffset);
    if (rings === undefined) return NtStatus.invalidParameter;
    const connectionId = request.guestConnectionId || slot.connectionId;
    if (!this.#slots.connect(slot, connectionId)) return NtStatus.invalidParameter;
    const channel = new HostChannel(this.#bus, {
      channelId: slot.channelId,
      subChannelIndex: slot.subChannelIndex,
      targetVp,
      eventFlag: request.guestEventFlag || slot.channelId,
      userData: request.userData,
      vmbusVersion: this.#core.connection.version,
      guestToHost: rings.guestToHost,
      hostToGuest: rings.hostToGuest,
    });
    slot.channel = channel;
    const status = slot.device.open(channel);
    if (status !== NtStatus.success) {
      channel.end();
      if (slot.channel === channel) slot.channel = undefined;
      this.#slots.disconnect(slot);
    }
    return status >>> 0;
  }

  /** CloseChannel. @returns '' or why nothing is done */
  close(slot: ChannelSlot): string {
    if (slot.isRevoked) return '';
    if (slot.state !== 'open') return `close of a channel in state ${slot.state}`;
    if (slot.isReserved) return 'close of a reserved channel';
    slot.state = 'closing';
    this.#startClose(slot);
    return '';
  }

  /** CloseReservedChannel: the reply goes where this request says. */
  closeReserved(slot: ChannelSlot, target: ReplyTarget): string {
    if (slot.isRevoked) return '';
    if (slot.state !== 'open') return `close of a channel in state ${slot.state}`;
    if (!slot.isReserved) return 'the channel is not reserved';
    slot.reservedTarget = target;
    slot.state = 'closing';
    this.#startClose(slot);
    return '';
  }

  #startClose(slot: ChannelSlot): void {
    const { channel } = slot;
    this.#core.perform('close', slot, () => {
      if (slot.channel === channel) this.#closed(slot);
    });
  }

  #closed(slot: ChannelSlot): void {
    const { state } = slot;
    if (state !== 'closing' && state !== 'closing-reopen' && state !== 'closing-client-release') {
      return;
    }
    this.closeDevice(slot);
    if (slot.state !== state) return;
    if (state === 'closing-client-release') {
      this.#finishRelease(slot);
      return;
    }
    slot.state = 'closed';
    const { nextRequest, reservedTarget } = slot;
    slot.nextRequest = undefined;
    slot.reservedTarget = undefined;
    if (reservedTarget !== undefined) this.#reservedClosed(slot, reservedTarget);
    else if (nextRequest !== undefined) this.#start(slot, nextRequest, undefined);
  }

  #reservedClosed(slot: ChannelSlot, target: ReplyTarget): void {
    const { channelId } = slot;
    this.#core.send(
      MessageType.closeReservedChannelResponse,
      CloseReservedChannelResponse,
      (message) => {
        message.channelId = channelId;
      },
      target,
    );
    // The connection that offered it is gone, and did not wait for it.
    if (this.#core.connection.state !== 'connected') this.release(slot);
  }

  /** Takes an open channel from its device, whatever the state says. */
  closeDevice(slot: ChannelSlot): void {
    const { channel, request } = slot;
    slot.isModifying = false;
    slot.nextTargetVp = -1;
    if (channel === undefined) return;
    this.#core.trace.emit(vmbusClose, channel.channelId);
    channel.end();
    this.#slots.disconnect(slot);
    slot.device.close(channel);
    slot.channel = undefined;
    slot.request = undefined;
    if (slot.subChannelIndex === 0) this.#owner.revokeSubChannels(slot);
    if (request !== undefined) this.#gpadls.channelClosed(slot, request.ringGpadlId);
  }

  /**
   * The guest lets go of a channel: RelIdReleased, Unload, a new InitiateContact. Ends in
   * `client-released`, later if the device is still at work.
   */
  release(slot: ChannelSlot): void {
    const wasRevoked = slot.isRevoked;
    switch (slot.state) {
      case 'closed':
      case 'revoked':
      case 'reoffered':
        slot.state = 'client-released';
        break;
      case 'opening':
        slot.state = 'opening-client-release';
        break;
      case 'open':
      case 'closing':
      case 'closing-reopen': {
        const wasOpen = slot.state === 'open';
        slot.state = 'closing-client-release';
        slot.nextRequest = undefined;
        slot.reservedTarget = undefined;
        if (wasOpen) this.#startClose(slot);
        break;
      }
      case 'client-released':
      case 'closing-client-release':
      case 'opening-client-release':
        break;
      default:
        slot.state satisfies never;
    }
    this.#gpadls.releaseAll(slot, wasRevoked);
    this.#owner.released(slot);
  }

  #finishRelease(slot: ChannelSlot): void {
    slot.state = 'client-released';
    this.#owner.released(slot);
    this.#core.checkDisconnected();
  }

  /** ModifyChannel. @returns '' or why it failed */
  modify(slot: ChannelSlot | undefined, channelId: number, targetVp: number): string {
    if (slot?.isModifying === true && this.#core.connection.version >= VmbusVersion.iron) {
      // The guest must wait for the response, and gets that one only.
      return 'ModifyChannel before the response to the last one';
    }
    const wrong = this.#modify(slot, targetVp);
    if (wrong !== '') this.#sendModified(channelId, NtStatus.unsuccessful);
    return wrong;
  }

  #modify(slot: ChannelSlot | undefined, targetVp: number): string {
    const channel = slot?.channel;
    if (slot === undefined || channel === undefined || slot.state !== 'open' || slot.isReserved) {
      return 'the channel is not open';
    }
    if (targetVp >= this.#core.processorCount || targetVp === NO_INTERRUPT_VP) {
      return `processor ${targetVp} cannot be a target`;
    }
    if (!channel.hasInterrupt) return 'the channel was opened without interrupts';
    if (slot.isModifying) {
      // Below 5.3 the guest cannot know that the last one is still under way: the newest counts.
      slot.nextTargetVp = targetVp;
      return '';
    }
    slot.isModifying = true;
    this.#core.perform('modify', slot, () => this.#modified(slot, channel, targetVp));
    return '';
  }

  #modified(slot: ChannelSlot, channel: HostChannel, targetVp: number): void {
    if (slot.channel !== channel || slot.state !== 'open') return;
    channel.targetVp = targetVp;
    slot.isModifying = false;
    this.#sendModified(slot.channelId, NtStatus.success);
    const next = slot.nextTargetVp;
    slot.nextTargetVp = -1;
    if (next >= 0) this.modify(slot, slot.channelId, next);
  }

  #sendModified(channelId: number, status: number): void {
    this.#core.send(MessageType.modifyChannelResponse, ModifyChannelResponse, (message) => {
      message.channelId = channelId;
      message.status = status;
    });
  }
}
