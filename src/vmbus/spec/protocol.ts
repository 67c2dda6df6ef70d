/**
 * The VMBus control protocol as a table: number, direction, structure, first version and feature.
 * Dispatcher, trace names and the test that every row is handled come from it. Facts: hyperv-host.md
 * 2.2 "Message table"; where a host and its guests disagree, OpenVMM's `protocol.rs` decides.
 */
import type { Struct } from '../../core/wire.ts';
import * as wire from './messages.ts';
import { MessageType } from './messages.ts';
import { FeatureFlag, VmbusVersion } from './versions.ts';

export type MessageName = keyof typeof MessageType;

/** One form of a message. */
export interface MessageForm {
  readonly struct: Struct;
  /** First protocol version; 0 for messages that need no connection. */
  readonly since: number;
  /** One of these feature flags must be negotiated; 0 for none. */
  readonly features: number;
  /**
   * A message shorter than the structure is of the next form instead, where forms can be told apart
   * by size only. Without it a short message is malformed.
   */
  readonly bySize?: boolean;
}

export interface MessageRow {
  readonly type: number;
  readonly name: MessageName;
  readonly from: 'host' | 'guest';
  /** In the order in which they are tried: newest first. */
  readonly forms: readonly MessageForm[];
  /** Data of any length follows the structure. */
  readonly hasData?: boolean;
}

const V = VmbusVersion;
const F = FeatureFlag;

function form(struct: unknown, since: number, features = 0, bySize = false): MessageForm {
  return { struct: struct as Struct, since, features, bySize };
}

function row(from: 'host' | 'guest', name: MessageName, ...forms: MessageForm[]): MessageRow {
  return { type: MessageType[name], name, from, forms };
}

const openFeatures = F.guestSpecifiedSignalParameters | F.channelInterruptRedirection;

export const MESSAGES: readonly MessageRow[] = [
  row('host', 'offerChannel', form(wire.OfferChannel, V.v1)),
  row('host', 'rescindChannelOffer', form(wire.RescindChannelOffer, V.v1)),
  row('guest', 'requestOffers', form(wire.RequestOffers, V.v1)),
  row('host', 'allOffersDelivered', form(wire.AllOffersDelivered, V.v1)),
  row(
    'guest',
    'openChannel',
    form(wire.OpenChannel2, V.copper, openFeatures),
    form(wire.OpenChannel, V.v1),
  ),
  row('host', 'openResult', form(wire.OpenResult, V.v1)),
  row('guest', 'closeChannel', form(wire.CloseChannel, V.v1)),
  { ...row('guest', 'gpadlHeader', form(wire.GpadlHeader, V.v1)), hasData: true },
  { ...row('guest', 'gpadlBody', form(wire.GpadlBody, V.v1)), hasData: true },
  row('host', 'gpadlCreated', form(wire.GpadlCreated, V.v1)),
  row('guest', 'gpadlTeardown', form(wire.GpadlTeardown, V.v1)),
  row('host', 'gpadlTorndown', form(wire.GpadlTorndown, V.v1)),
  row('guest', 'relIdReleased', form(wire.RelIdReleased, V.v1)),
  row(
    'guest',
    'initiateContact',
    form(wire.InitiateContact2, 0, 0, true),
    form(wire.InitiateContact, 0),
  ),
  row(
    'host',
    'versionResponse',
    form(wire.VersionResponse3, V.copper, F.serverSpecifiedMonitorPages, true),
    form(wire.VersionResponse2, V.copper, 0, true),
    form(wire.VersionResponse, 0),
  ),
  // FreeBSD sends Unload at every version; 0.13 has no answer to it.
  row('guest', 'unload', form(wire.Unload, V.v1)),
  row('host', 'unloadComplete', form(wire.UnloadComplete, V.win7)),
  row('guest', 'openReservedChannel', form(wire.OpenReservedChannel, V.win10)),
  // Reserved channels outlive the connection.
  row('guest', 'closeReservedChannel', form(wire.CloseReservedChannel, 0)),
  row('host', 'closeReservedChannelResponse', form(wire.CloseReservedChannelResponse, 0)),
  row(
    'guest',
    'tlConnectRequest',
    form(wire.TlConnectRequest2, V.rs5, 0, true),
    form(wire.TlConnectRequest, V.win10),
  ),
  row('guest', 'modifyChannel', form(wire.ModifyChannel, V.rs3_0)),
  row('host', 'tlConnectResult', form(wire.TlConnectResult, V.rs3_0)),
  row('host', 'modifyChannelResponse', form(wire.ModifyChannelResponse, V.iron)),
  row('guest', 'modifyConnection', form(wire.ModifyConnection, V.copper, F.modifyConnection)),
  row(
    'host',
    'modifyConnectionResponse',
    form(wire.ModifyConnectionResponse, V.copper, F.modifyConnection),
  ),
  row('guest', 'pause', form(wire.Pause, V.copper, F.pauseResume)),
  row('host', 'pauseResponse', form(wire.PauseResponse, V.copper, F.pauseResume)),
  row('guest', 'resume', form(wire.Resume, V.copper, F.pauseResume)),
];

const byType = new Map(MESSAGES.map((message) => [message.type, message]));

/** The row of a message number, which may be any number that a guest sent. */
export function messageRow(type: number): MessageRow | undefined {
  return byType.get(type);
}

/**
 * The form that a message of this length has on a connection.
 * @param version 0 when there is no connection
 * @returns undefined when the connection has no such message; 'short' when it is cut off
 */
export function messageForm(
  message: MessageRow,
  version: number,
  features: number,
  length: number,
): MessageForm | 'short' | undefined {
  for (const candidate of message.forms) {
    if (candidate.since > version) continue;
    if (candidate.features !== 0 && (candidate.features & features) === 0) continue;
    if (length >= candidate.struct.size) return candidate;
    if (candidate.bySize !== true) return 'short';
  }
  return undefined;
}
