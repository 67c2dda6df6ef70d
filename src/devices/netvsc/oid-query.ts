/** Answers to RNDIS QUERY, one row for each object identifier. */
import { utf16 } from '../../core/text.ts';
import type { AdapterState } from './adapter-state.ts';
import { OffloadConfig } from './offload-config.ts';
import {
  DRIVER_VERSION,
  ENCAPSULATION_ETHERNET,
  FRIENDLY_NAME_BYTES,
  LinkState,
  MAC_OPTIONS,
  NdisHash,
  Oid,
  OffloadEncapsulation,
  RSS_TABLE_ENTRIES,
  RssCapabilities,
  RssCapability,
  VENDOR_DESCRIPTION,
  VENDOR_ID,
} from './spec/oids.ts';
import { NdisObjectType, NdisStatus } from './spec/rndis.ts';
import type { NetvscStatistics } from './statistics.ts';
import { ETHERNET_BYTES } from '../../net/spec/ethernet.ts';

const { is } = Oid;
/** What vmswitch says; it means nothing for an adapter without a buffer of its own. */
const BUFFER_SPACE_BYTES = 256 * 1024;
const FRIENDLY_NAME = 'Network Adapter';

/** Which NDIS versions a row belongs to; `unlisted` rows answer but are not in the list. */
type Listing = 'all' | 'ndis6' | 'ndis630' | 'unlisted';
type Answer = (state: AdapterState) => Uint8Array;
type Row = readonly [oid: number, listing: Listing, answer: Answer | undefined];

function u32(value: number): Uint8Array {
  return words([value]);
}

function words(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value, true);
  return bytes;
}

function u64(value: number): Uint8Array {
  return words([value % 0x1_0000_0000, Math.floor(value / 0x1_0000_0000)]);
}

const number =
  (value: number): Answer =>
  () =>
    u32(value);
const counter =
  (read: (statistics: NetvscStatistics) => number): Answer =>
  ({ statistics }) =>
    u32(read(statistics) % 0x1_0000_0000);
const wideCounter =
  (read: (statistics: NetvscStatistics) => number): Answer =>
  ({ statistics }) =>
    u64(read(statistics));
const frameSize: Answer = ({ mtu }) => u32(mtu - ETHERNET_BYTES);
const totalSize: Answer = ({ mtu }) => u32(mtu);
const driverVersion: Answer = () => Uint8Array.of(DRIVER_VERSION & 0xff, DRIVER_VERSION >>> 8);

/** In the order in which OID_GEN_SUPPORTED_LIST names them. */
const ROWS: readonly Row[] = [
  [is.supportedList, 'all', supportedList],
  [is.hardwareStatus, 'all', number(0)],
  [is.mediaSupported, 'all', number(0)],
  [is.mediaInUse, 'all', number(0)],
  [is.maximumLookahead, 'all', frameSize],
  [is.currentLookahead, 'all', frameSize],
  [is.maximumFrameSize, 'all', frameSize],
  [is.maximumTotalSize, 'all', totalSize],
  [is.transmitBlockSize, 'all', totalSize],
  [is.receiveBlockSize, 'all', totalSize],
  [is.linkSpeed, 'all', ({ linkBitsPerSecond }) => u32(linkBitsPerSecond / 100)],
  [is.transmitBufferSpace, 'all', number(BUFFER_SPACE_BYTES)],
  [is.receiveBufferSpace, 'all', number(BUFFER_SPACE_BYTES)],
  [is.vendorId, 'all', number(VENDOR_ID)],
  [is.vendorDescription, 'all', () => new TextEncoder().encode(VENDOR_DESCRIPTION)],
  [is.vendorDriverVersion, 'all', driverVersion],
  [is.driverVersion, 'all', driverVersion],
  [is.currentPacketFilter, 'all', ({ filter }) => u32(filter)],
  [is.protocolOptions, 'all', undefined],
  [is.macOptions, 'all', number(MAC_OPTIONS)],
  [is.mediaConnectStatus, 'all', ({ isLinkUp }) => u32(isLinkUp ? 0 : 1)],
  [is.maximumSendPackets, 'all', number(0xffff_ffff)],
  [is.networkLayerAddresses, 'all', undefined],
  [is.friendlyName, 'all', friendlyName],
  [is.permanentAddress, 'all', ({ permanentMac }) => permanentMac.slice()],
  [is.currentAddress, 'all', ({ currentMac }) => currentMac.slice()],
  [is.multicastList, 'all', undefined],
  [is.maximumListSize, 'all', number(0)],
  [is.receiveErrorAlignment, 'all', number(0)],
  [is.transmitOneCollision, 'all', number(0)],
  [is.transmitMoreCollisions, 'all', number(0)],
  [is.rndisConfigParameter, 'all', undefined],
  [is.linkParameters, 'ndis6', undefined],
  [is.linkState, 'ndis6', linkState],
  [is.maxLinkSpeed, 'ndis6', maxLinkSpeed],
  [is.bytesReceived, 'ndis6', wideCounter((it) => it.bytesReceived)],
  [is.bytesTransmitted, 'ndis6', wideCounter((it) => it.bytesTransmitted)],
  [is.offloadParameters, 'ndis6', undefined],
  [is.offloadEncapsulation, 'ndis6', encapsulation],
  [
    is.offloadCapabilities,
    'ndis6',
    ({ mayCoalesce }) => OffloadConfig.capabilities(mayCoalesce).toBytes(),
  ],
  [is.offloadCurrentConfig, 'ndis6', ({ offload }) => offload.toBytes()],
  [is.receiveScaleCapabilities, 'ndis630', scaleCapabilities],
  [is.receiveScaleParameters, 'ndis630', undefined],
  [is.transmitOk, 'unlisted', counter((it) => it.framesTransmitted)],
  [is.receiveOk, 'unlisted', counter((it) => it.framesReceived)],
  [is.transmitError, 'unlisted', counter((it) => it.transmitErrors)],
  [is.receiveError, 'unlisted', counter((it) => it.receiveErrors)],
  [is.receiveNoBuffer, 'unlisted', counter((it) => it.receiveNoBuffer)],
  [is.directedBytesTransmitted, 'unlisted', wideCounter((it) => it.directedBytesTransmitted)],
  [is.directedFramesTransmitted, 'unlisted', wideCounter((it) => it.directedFramesTransmitted)],
  [is.multicastBytesTransmitted, 'unlisted', wideCounter((it) => it.multicastBytesTransmitted)],
  [is.multicastFramesTransmitted, 'unlisted', wideCounter((it) => it.multicastFramesTransmitted)],
  [is.broadcastBytesTransmitted, 'unlisted', wideCounter((it) => it.broadcastBytesTransmitted)],
  [is.broadcastFramesTransmitted, 'unlisted', wideCounter((it) => it.broadcastFramesTransmitted)],
  [is.directedBytesReceived, 'unlisted', wideCounter((it) => it.directedBytesReceived)],
  [is.directedFramesReceived, 'unlisted', wideCounter((it) => it.directedFramesReceived)],
  [is.multicastBytesReceived, 'unlisted', wideCounter((it) => it.multicastBytesReceived)],
  [is.multicastFramesReceived, 'unlisted', wideCounter((it) => it.multicastFramesReceived)],
  [is.broadcastBytesReceived, 'unlisted', wideCounter((it) => it.broadcastBytesReceived)],
  [is.broadcastFramesReceived, 'unlisted', wideCounter((it) => it.broadcastFramesReceived)],
  [is.receiveCrcError, 'unlisted', number(0)],
  [is.transmitQueueLength, 'unlisted', number(0)],
  [is.receiveDiscards, 'unlisted', wideCounter((it) => it.receiveNoBuffer + it.receiveErrors)],
  [is.transmitDiscards, 'unlisted', wideCounter((it) => it.transmitErrors)],
];

const ANSWERS = new Map(ROWS.map(([oid, , answer]) => [oid, answer]));

/** What OID_GEN_SUPPORTED_LIST names for a guest of that NDIS version. */
export function supportedOids(ndisMajor: number, ndisMinor: number): readonly number[] {
  const listings: Listing[] = ['all'];
  if (ndisMajor === 6) listings.push('ndis6');
  if (ndisMajor === 6 && ndisMinor >= 30) listings.push('ndis630');
  return ROWS.filter(([, listing]) => listings.includes(listing)).map(([oid]) => oid);
}

/** @returns the information, or the NDIS status of the failure */
export function queryOid(state: AdapterState, oid: number): Uint8Array | number {
  const answer = ANSWERS.get(oid);
  if (answer === undefined) return NdisStatus.is.notSupported;
  if (oid === is.supportedList && state.ndisMajor !== 5 && state.ndisMajor !== 6) {
    return NdisStatus.is.badVersion;
  }
  return answer(state);
}

function supportedList({ ndisMajor, ndisMinor }: AdapterState): Uint8Array {
  return words(supportedOids(ndisMajor, ndisMinor));
}

function friendlyName(): Uint8Array {
  const bytes = new Uint8Array(FRIENDLY_NAME_BYTES);
  bytes.set(utf16(FRIENDLY_NAME));
  return bytes;
}

function linkState({ isLinkUp, linkBitsPerSecond }: AdapterState): Uint8Array {
  const bytes = new Uint8Array(LinkState.size);
  const link = LinkState.cursor(new DataView(bytes.buffer)).at(0);
  link.objectType = NdisObjectType.is.default;
  link.revision = 1;
  link.size = LinkState.size;
  link.connectState = isLinkUp ? 1 : 2;
  link.transmitSpeed = BigInt(linkBitsPerSecond);
  link.receiveSpeed = BigInt(linkBitsPerSecond);
  return bytes;
}

function maxLinkSpeed({ linkBitsPerSecond }: AdapterState): Uint8Array {
  return Uint8Array.of(...u64(linkBitsPerSecond), ...u64(linkBitsPerSecond));
}

function encapsulation(): Uint8Array {
  const bytes = new Uint8Array(OffloadEncapsulation.size);
  const answer = OffloadEncapsulation.cursor(new DataView(bytes.buffer)).at(0);
  answer.objectType = NdisObjectType.is.encapsulation;
  answer.revision = 1;
  answer.size = OffloadEncapsulation.size;
  answer.ipv4Enabled = 1;
  answer.ipv4Type = ENCAPSULATION_ETHERNET;
  answer.ipv4HeaderBytes = ETHERNET_BYTES;
  answer.ipv6Enabled = 1;
  answer.ipv6Type = ENCAPSULATION_ETHERNET;
  answer.ipv6HeaderBytes = ETHERNET_BYTES;
  return bytes;
}

function scaleCapabilities({ profile }: AdapterState): Uint8Array {
  const bytes = new Uint8Array(RssCapabilities.size);
  const answer = RssCapabilities.cursor(new DataView(bytes.buffer)).at(0);
  answer.objectType = NdisObjectType.is.rssCapabilities;
  answer.revision = 2;
  answer.size = RssCapabilities.size;
  answer.capabilities = RssCapability.tcpIpv4 | RssCapability.tcpIpv6 | NdisHash.toeplitz;
  answer.interruptMessages = 1;
  answer.receiveQueues = profile.maxSubChannels + 1;
  // Never 0: DPDK takes that for an error even with one queue.
  answer.tableEntries = RSS_TABLE_ENTRIES;
  return bytes;
}
