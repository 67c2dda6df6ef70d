import type { StateStream } from '../core/state.ts';
import type { ChannelControl } from './channels.ts';
import * as contact from './connection.ts';
import type { ContactAnswer, ContactRequest, HostVersions } from './connection.ts';
import type { BusCore } from './core.ts';
import type { GpadlTable } from './gpadls.ts';
import type { OfferTable } from './offer-table.ts';
import type { Outbox } from './outbox.ts';
import type { ChannelSlot, OpenRequest, SlotTable } from './slots.ts';
import { ConnectionId, MAX_CHANNEL_ID, NO_INTERRUPT_VP, NtStatus, VMBUS_SINT } from './spec/ids.ts';
import * as wire from './spec/messages.ts';
import { ConnectionState, MessageType } from './spec/messages.ts';
import { USER_DEFINED_BYTES } from './spec/offers.ts';
import { messageForm, messageRow } from './spec/protocol.ts';
import type { MessageName } from './spec/protocol.ts';
import { FeatureFlag } from './spec/versions.ts';
import { vmbusVersion } from './trace.ts';

const SYNIC_SINTS = 16;
/** All that a guest may send while it has the host's messages paused. */
const ENDS_PAUSE: readonly MessageName[] = ['resume', 'unload', 'initiateContact'];

interface Parts {
  readonly core: BusCore;
  readonly slots: SlotTable;
  readonly gpadls: GpadlTable;
  readonly channels: ChannelControl;
  readonly offers: OfferTable;
  readonly outbox: Outbox;
  readonly host: HostVersions;
  readonly messageConnectionId: number;
  readonly serverMonitorPages: contact.MonitorPageAddresses | undefined;
}

/** What happens when the last channel and GPADL of a connection are released. */
type AfterDisconnect =
  | { readonly kind: 'unload'; readonly version: number }
  | { readonly kind: 'contact'; readonly request: ContactRequest };

/** @returns '' or what is wrong with the message */
type Handler = (view: DataView, length: number, connectionId: number) => string;

/** What each message of the table does. */
export class MessageHandlers {
  readonly #parts: Parts;
  readonly #core: BusCore;
  #afterDisconnect: AfterDisconnect | undefined;
  readonly #handlers: Partial<Record<MessageName, Handler>> = {
    requestOffers: () => this.#requestOffers(),
    openChannel: (view, length) => this.#openChannel(view, length),
    closeChannel: (view) => this.#closeChannel(view),
    gpadlHeader: (view, length) => this.#gpadlHeader(view, length),
    gpadlBody: (view, length) => this.#gpadlBody(view, length),
    gpadlTeardown: (view) => this.#gpadlTeardown(view),
    relIdReleased: (view) => this.#relIdReleased(view),
    initiateContact: (view, length, connectionId) =>
      this.#initiateContact(view, length, connectionId),
    unload: () => this.#unload(),
    openReservedChannel: (view) => this.#openReservedChannel(view),
    closeReservedChannel: (view) => this.#closeReservedChannel(view),
    tlConnectRequest: (view) => this.#tlConnectRequest(view),
    modifyChannel: (view) => this.#modifyChannel(view),
    modifyConnection: (view) => this.#modifyConnection(view),
    pause: () => this.#pause(),
    resume: () => '',
  };

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#core = parts.core;
  }

  /**
   * @param view the message, with zeros behind it up to 240 bytes
   * @returns '' or why it was refused
   */
  handle(type: number, view: DataView, length: number, connectionId: number): string {
    const row = messageRow(type);
    const handler = row && this.#handlers[row.name];
    if (row === undefined || handler === undefined) {
      return length < 8 ? `${length} bytes are no message` : `no guest sends message ${type}`;
    }
    const { version, features } = this.#core.connection;
    const form = messageForm(row, version, features, length);
    if (form === undefined) return `${row.name} is not a message of this connection`;
    if (form === 'short') return `${row.name} of ${length} bytes is cut off`;
    const { outbox } = this.#parts;
    if (outbox.isPaused) {
      if (!ENDS_PAUSE.includes(row.name)) {
        return `${row.name} while the guest paused messages`;
      }
      outbox.isPaused = false;
      outbox.flush();
    }
    return handler(view, length, connectionId);
  }

  exchange(state: StateStream): void {
    this.#afterDisconnect = state.data('afterDisconnect', this.#afterDisconnect);
  }

  reset(): void {
    this.#afterDisconnect = undefined;
  }

  #initiateContact(view: DataView, length: number, connectionId: number): string {
    const request = contact.readContact(view, length, connectionId !== ConnectionId.message);
    if (typeof request === 'string') return request;
    if (request.sint !== VMBUS_SINT || request.vtl !== 0) {
      // There is no bus for another trust level, and no other SINT to serve.
      if (request.sint < SYNIC_SINTS) this.#answer(request, 0, ConnectionState.successful, 0);
      return `no bus at SINT ${request.sint} of VTL ${request.vtl}`;
    }
    this.#disconnect({ kind: 'contact', request });
    return '';
  }

  #unload(): string {
    this.#disconnect({ kind: 'unload', version: this.#core.connection.version });
    return '';
  }

  /** Takes every channel and GPADL back first; a device that is slow to close delays the rest. */
  #disconnect(next: AfterDisconnect): void {
    const { connection } = this.#core;
    this.#afterDisconnect = next;
    if (connection.state === 'connected') {
      // Nothing but a new InitiateContact is understood until this one has ended.
      contact.disconnect(connection);
      connection.state = 'disconnecting';
      const { slots, channels } = this.#parts;
      for (const slot of slots.all()) if (!slot.isReserved) channels.release(slot);
    }
    this.checkDisconnected();
  }

  /** Goes on when nothing of the old connection is left. */
  checkDisconnected(): void {
    const next = this.#afterDisconnect;
    if (next === undefined) return;
    const isLeft = (slot: ChannelSlot): boolean =>
      !slot.isReserved && (slot.state !== 'client-released' || slot.gpadls.size > 0);
    if (this.#parts.slots.all().some(isLeft)) return;
    this.#afterDisconnect = undefined;
    const { connection } = this.#core;
    if (next.kind === 'contact') {
      contact.disconnect(connection);
      this.#contact(next.request);
      return;
    }
    // The last word in the connection's own version.
    connection.version = next.version;
    this.#core.send(MessageType.unloadComplete, wire.UnloadComplete);
    contact.disconnect(connection);
  }

  #contact(request: ContactRequest): void {
    const { host, serverMonitorPages } = this.#parts;
    const { connection, memory } = this.#core;
    connection.messageVp = request.messageVp;
    if (!contact.isVersionSupported(request.version, host)) {
      this.#answer(request, 0, ConnectionState.successful, 0);
      return;
    }
    let features = request.features & host.supportedFeatures;
    if (serverMonitorPages === undefined) features &= ~FeatureFlag.serverSpecifiedMonitorPages;
    const hasServerPages = (features & FeatureFlag.serverSpecifiedMonitorPages) !== 0;
    const pages = hasServerPages ? serverMonitorPages : undefined;
    const asked = pages && {
      ...request,
      parentToChildMonitorGpa: pages.parentToChildGpa,
      childToParentMonitorGpa: pages.childToParentGpa,
    };
    const state = contact.connect(connection, memory, asked ?? request, features);
    this.#answer(request, request.version, state, features, pages);
  }

  #answer(
    request: ContactRequest,
    version: number,
    state: number,
    features: number,
    monitorPages?: contact.MonitorPageAddresses,
  ): void {
    const { outbox, messageConnectionId } = this.#parts;
    const answer: ContactAnswer = {
      version,
      state,
      features,
      messageConnectionId,
      ...(monitorPages === undefined ? {} : { monitorPages }),
    };
    const agreed = state === ConnectionState.successful ? version : 0;
    const { messageVp } = request;
    this.#core.trace.emit(vmbusVersion, request.version, agreed, features, messageVp);
    const bytes = contact.versionResponse(answer);
    outbox.post({ type: MessageType.versionResponse, vp: messageVp, sint: request.sint, bytes });
  }

  #requestOffers(): string {
    const { connection } = this.#core;
    if (connection.offersSent) return 'offers were requested before';
    connection.offersSent = true;
    this.#parts.offers.offerAll();
    this.#core.send(MessageType.allOffersDelivered, wire.AllOffersDelivered);
    return '';
  }

  #openChannel(view: DataView, length: number): string {
    const message = wire.OpenChannel2.cursor(view);
    const slot = this.#parts.slots.find(message.channelId);
    if (slot === undefined) {
      this.#refuseOpen(message.channelId, message.openId);
      return `open of unknown channel ${message.channelId}`;
    }
    const request: OpenRequest = {
      openId: message.openId,
      ringGpadlId: message.ringBufferGpadlId,
      targetVp: message.targetVp,
      downstreamPageOffset: message.downstreamRingBufferPageOffset,
      userData: message.userData,
      guestConnectionId: 0,
      guestEventFlag: 0,
    };
    const { features } = this.#core.connection;
    const hasSignal = (features & FeatureFlag.guestSpecifiedSignalParameters) !== 0;
    if (!hasSignal || length < wire.OpenChannel2.size) {
      return this.#parts.channels.open(slot, request, undefined);
    }
    if (message.eventFlag > MAX_CHANNEL_ID) {
      this.#refuseOpen(message.channelId, message.openId);
      return `event flag ${message.eventFlag} is none of SINT ${VMBUS_SINT}`;
    }
    const guestSignal = {
      guestConnectionId: message.connectionId,
      guestEventFlag: message.eventFlag,
    };
    return this.#parts.channels.open(slot, { ...request, ...guestSignal }, undefined);
  }

  #refuseOpen(channelId: number, openId: number): void {
    this.#core.send(MessageType.openResult, wire.OpenResult, (result) => {
      result.channelId = channelId;
      result.openId = openId;
      result.status = NtStatus.invalidParameter;
    });
  }

  #closeChannel(view: DataView): string {
    const { channelId } = wire.CloseChannel.cursor(view);
    const slot = this.#parts.slots.find(channelId);
    if (slot === undefined) return `close of unknown channel ${channelId}`;
    return this.#parts.channels.close(slot);
  }

  #gpadlHeader(view: DataView, length: number): string {
    const message = wire.GpadlHeader.cursor(view);
    const { channelId, gpadlId, rangeBytes, rangeCount } = message;
    const slot = this.#parts.slots.find(channelId);
    const start = wire.GpadlHeader.size;
    return this.#parts.gpadls.create(
      slot,
      channelId,
      gpadlId,
      rangeBytes,
      rangeCount,
      view,
      start,
      length - start,
    );
  }

  #gpadlBody(view: DataView, length: number): string {
    const start = wire.GpadlBody.size;
    const { gpadlId } = wire.GpadlBody.cursor(view);
    return this.#parts.gpadls.extend(gpadlId, view, start, length - start);
  }

  #gpadlTeardown(view: DataView): string {
    const { channelId, gpadlId } = wire.GpadlTeardown.cursor(view);
    return this.#parts.gpadls.teardown(this.#parts.slots.find(channelId), gpadlId);
  }

  #relIdReleased(view: DataView): string {
    const { channelId } = wire.RelIdReleased.cursor(view);
    const slot = this.#parts.slots.find(channelId);
    if (slot === undefined) return `release of unknown channel ${channelId}`;
    return this.#parts.offers.relIdReleased(slot);
  }

  #openReservedChannel(view: DataView): string {
    const message = wire.OpenReservedChannel.cursor(view);
    const { channelId, targetVp, targetSint } = message;
    const slot = this.#parts.slots.find(channelId);
    if (slot === undefined) return `open of unknown channel ${channelId}`;
    if (!this.#isTarget(targetVp, targetSint)) return 'no such processor or SINT';
    const request: OpenRequest = {
      openId: 0,
      ringGpadlId: message.ringBufferGpadlId,
      targetVp: NO_INTERRUPT_VP,
      downstreamPageOffset: message.downstreamRingBufferPageOffset,
      userData: new Uint8Array(USER_DEFINED_BYTES),
      guestConnectionId: 0,
      guestEventFlag: 0,
    };
    return this.#parts.channels.open(slot, request, { vp: targetVp, sint: targetSint });
  }

  #closeReservedChannel(view: DataView): string {
    const { channelId, targetVp, targetSint } = wire.CloseReservedChannel.cursor(view);
    const slot = this.#parts.slots.find(channelId);
    if (slot === undefined) return `close of unknown channel ${channelId}`;
    if (!this.#isTarget(targetVp, targetSint)) return 'no such processor or SINT';
    return this.#parts.channels.closeReserved(slot, { vp: targetVp, sint: targetSint });
  }

  #isTarget(vp: number, sint: number): boolean {
    return vp < this.#core.processorCount && sint < SYNIC_SINTS;
  }

  /** Nothing listens on a hvsocket here; success would be an offer, not a reply. */
  #tlConnectRequest(view: DataView): string {
    const { endpointId, serviceId } = wire.TlConnectRequest.cursor(view);
    this.#core.send(MessageType.tlConnectResult, wire.TlConnectResult, (result) => {
      result.endpointId = endpointId;
      result.serviceId = serviceId;
      result.status = NtStatus.connectionRefused;
    });
    return '';
  }

  #modifyChannel(view: DataView): string {
    const { channelId, targetVp } = wire.ModifyChannel.cursor(view);
    return this.#parts.channels.modify(this.#parts.slots.find(channelId), channelId, targetVp);
  }

  #modifyConnection(view: DataView): string {
    const { connection, memory } = this.#core;
    const message = wire.ModifyConnection.cursor(view);
    const position =
      (connection.features & FeatureFlag.serverSpecifiedMonitorPages) !== 0
        ? undefined
        : contact.monitorPosition(
            memory,
            Number(message.parentToChildMonitorPageGpa),
            Number(message.childToParentMonitorPageGpa),
          );
    const isGood = position !== undefined;
    if (isGood) connection.childToParentMonitorPage = position;
    this.#core.send(
      MessageType.modifyConnectionResponse,
      wire.ModifyConnectionResponse,
      (reply) => {
        reply.connectionState = isGood
          ? ConnectionState.successful
          : ConnectionState.failedUnknownFailure;
      },
    );
    return isGood ? '' : 'monitor pages must be two pages of RAM, or none';
  }

  #pause(): string {
    this.#core.send(MessageType.pauseResponse, wire.PauseResponse);
    this.#parts.outbox.isPaused = true;
    return '';
  }
}
