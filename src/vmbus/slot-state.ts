/** What a snapshot holds of a channel: where it stands, and its open end. */
import type { GuestMemory } from '../core/memory.ts';
import { StateError, type StateStream } from '../core/state.ts';
import { HostChannel, type ChannelBus } from './channel.ts';
import { ringPair } from './ring-pair.ts';
import type { ChannelSlot, OpenRequest } from './slots.ts';

const NO_BYTES = new Uint8Array(0);

/** Everything but the open channel and the GPADLs. */
export function exchangeSlot(state: StateStream, slot: ChannelSlot): void {
  slot.state = state.text('state', slot.state);
  slot.channelId = state.number('channelId', slot.channelId);
  slot.connectionId = state.number('connectionId', slot.connectionId);
  slot.openConnectionId = state.number('openConnectionId', slot.openConnectionId);
  slot.monitorId = state.number('monitorId', slot.monitorId);
  slot.request = exchangeRequest(state, 'request', slot.request);
  slot.nextRequest = exchangeRequest(state, 'nextRequest', slot.nextRequest);
  slot.reservedTarget = state.data('reservedTarget', slot.reservedTarget);
  slot.isModifying = state.flag('isModifying', slot.isModifying);
  slot.nextTargetVp = state.number('nextTargetVp', slot.nextTargetVp);
}

function exchangeRequest(
  state: StateStream,
  name: string,
  request: OpenRequest | undefined,
): OpenRequest | undefined {
  const openId = state.optionalNumber(name, request?.openId);
  if (openId === undefined) return undefined;
  return {
    openId,
    ringGpadlId: state.number('ringGpadlId', request?.ringGpadlId ?? 0),
    targetVp: state.number('targetVp', request?.targetVp ?? 0),
    downstreamPageOffset: state.number('downstreamPageOffset', request?.downstreamPageOffset ?? 0),
    userData: state.bytes('userData', request?.userData ?? NO_BYTES),
    guestConnectionId: state.number('guestConnectionId', request?.guestConnectionId ?? 0),
    guestEventFlag: state.number('guestEventFlag', request?.guestEventFlag ?? 0),
  };
}

/** The open channel, whose rings lie in a GPADL of the slot. */
export function exchangeChannel(
  state: StateStream,
  slot: ChannelSlot,
  bus: ChannelBus,
  memory: GuestMemory,
): void {
  const channelId = state.optionalNumber('openChannel', slot.channel?.channelId);
  if (channelId === undefined) return;
  const vmbusVersion = state.number('vmbusVersion', slot.channel?.vmbusVersion ?? 0);
  if (state.isRestoring) slot.channel = restoredChannel(slot, channelId, vmbusVersion, bus, memory);
  const channel = slot.channel!;
  state.part('channel', () => channel.exchange(state));
}

function restoredChannel(
  slot: ChannelSlot,
  channelId: number,
  vmbusVersion: number,
  bus: ChannelBus,
  memory: GuestMemory,
): HostChannel {
  const { request } = slot;
  const ranges = request && slot.gpadls.get(request.ringGpadlId)?.ranges;
  const rings = ranges && ringPair(memory, ranges, request.downstreamPageOffset);
  if (request === undefined || rings === undefined) {
    throw new StateError(`channel ${channelId} is open without rings`);
  }
  return new HostChannel(bus, {
    channelId,
    subChannelIndex: slot.subChannelIndex,
    targetVp: request.targetVp,
    eventFlag: request.guestEventFlag || channelId,
    userData: request.userData,
    vmbusVersion,
    ...rings,
  });
}
