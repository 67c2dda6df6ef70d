/** What hn tells the host of receive side scaling: the key, and which channel takes which hashes. */
import {
  NdisHash,
  Oid,
  RSS_KEY_BYTES,
  RSS_TABLE_ENTRIES,
  RssCapabilities,
  RssParameters,
} from '../../devices/netvsc/spec/oids.ts';
import { NdisObjectType } from '../../devices/netvsc/spec/rndis.ts';
import type { Task } from '../kernel/api.ts';
import type { RndisControl } from './rndis.ts';

/** The key of Microsoft's verification suite, which FreeBSD's driver uses (hn_rss_key_default). */
// prettier-ignore
export const RSS_KEY = Uint8Array.of(
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
  0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
  0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
  0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
);
export const RSS_HASH =
  NdisHash.toeplitz | NdisHash.ipv4 | NdisHash.tcpIpv4 | NdisHash.ipv6 | NdisHash.tcpIpv6;
/** The structure goes on to 40 bytes with a processor mask that is not used. */
const PARAMETER_BYTES = 40;
const PARAMETER_REVISION = 2;
const RSS_PARAMETERS_OBJECT = NdisObjectType.is.rssParameters;
const RSS_CAPABILITIES_OBJECT = NdisObjectType.is.rssCapabilities;

/** @returns how many receive queues the host has, 0 when it does not scale */
export function* queryReceiveQueues(rndis: RndisControl): Task<number> {
  const input = new Uint8Array(RssCapabilities.size);
  const ask = RssCapabilities.cursor(new DataView(input.buffer)).at(0);
  ask.objectType = RSS_CAPABILITIES_OBJECT;
  ask.revision = 2;
  ask.size = RssCapabilities.size;
  const answer = yield* rndis.query(Oid.is.receiveScaleCapabilities, input);
  if (answer === undefined || answer.length < RssCapabilities.size) return 0;
  const found = RssCapabilities.cursor(new DataView(answer.buffer)).at(0);
  return found.objectType === RSS_CAPABILITIES_OBJECT ? found.receiveQueues : 0;
}

/** Spreads hashes over the channels, round-robin. @returns 0 or an errno */
export function* setReceiveScaling(rndis: RndisControl, channels: number): Task<number> {
  const keyAt = PARAMETER_BYTES;
  const tableAt = keyAt + RSS_KEY_BYTES;
  const bytes = new Uint8Array(tableAt + RSS_TABLE_ENTRIES * 4);
  const view = new DataView(bytes.buffer);
  const parameters = RssParameters.cursor(view).at(0);
  parameters.objectType = RSS_PARAMETERS_OBJECT;
  parameters.revision = PARAMETER_REVISION;
  parameters.size = PARAMETER_BYTES;
  parameters.hashInformation = RSS_HASH;
  parameters.tableBytes = RSS_TABLE_ENTRIES * 4;
  parameters.tableOffset = tableAt;
  parameters.keyBytes = RSS_KEY_BYTES;
  parameters.keyOffset = keyAt;
  bytes.set(RSS_KEY, keyAt);
  for (let index = 0; index < RSS_TABLE_ENTRIES; index += 1) {
    view.setUint32(tableAt + index * 4, index % channels, true);
  }
  return yield* rndis.set(Oid.is.receiveScaleParameters, bytes);
}
