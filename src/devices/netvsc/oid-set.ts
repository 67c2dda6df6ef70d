/** RNDIS SET: what a guest may change. */
import { readUtf16 } from '../../core/text.ts';
import { viewOf } from '../../core/wire.ts';
import { ETHERNET_BYTES, MAC_BYTES } from '../../net/spec/ethernet.ts';
import type { AdapterState } from './adapter-state.ts';
import { isNdisObject } from './ndis.ts';
import { ReceiveScaling } from './rss.ts';
import {
  CONFIG_STRING,
  ConfigParameter,
  ENCAPSULATION_ETHERNET,
  MAX_CONFIG_BYTES,
  NdisHash,
  OffloadEncapsulation,
  Oid,
  RSS_KEY_BYTES,
  RSS_TABLE_ENTRIES,
  RssParameterFlag,
  RssParameters,
} from './spec/oids.ts';
import { NdisObjectType, NdisStatus } from './spec/rndis.ts';

const { is: status } = NdisStatus;

/** @param info the guest's information buffer, a copy. @returns an NDIS status */
export function setOid(state: AdapterState, oid: number, info: Uint8Array): number {
  const { is } = Oid;
  switch (oid) {
    case is.currentPacketFilter:
      if (info.length < 4) return status.invalidLength;
      state.filter = viewOf(info).getUint32(0, true);
      return status.success;
    case is.currentLookahead:
    case is.protocolOptions:
    case is.networkLayerAddresses:
      return status.success;
    case is.multicastList:
      // The list holds no address: a guest that wants multicast gets all of it by its filter.
      return info.length % MAC_BYTES === 0 ? status.success : status.invalidLength;
    case is.offloadParameters: {
      const result = state.offload.set(info, state.mayCoalesce);
      if (result === status.success) state.isOffloadChanged = state.profile.indicatesOffload;
      return result;
    }
    case is.offloadEncapsulation:
      return setEncapsulation(info);
    case is.receiveScaleParameters:
      return setScaling(state, info);
    case is.rndisConfigParameter:
      return setConfig(state, info);
    default:
      return status.notSupported;
  }
}

function setEncapsulation(info: Uint8Array): number {
  if (!isNdisObject(info, NdisObjectType.is.encapsulation, 1, OffloadEncapsulation.size)) {
    return status.invalidData;
  }
  const asked = OffloadEncapsulation.cursor(viewOf(info)).at(0);
  const isOther = (enabled: number, type: number, header: number): boolean =>
    enabled === 1 && (type !== ENCAPSULATION_ETHERNET || header !== ETHERNET_BYTES);
  const isRefused =
    isOther(asked.ipv4Enabled, asked.ipv4Type, asked.ipv4HeaderBytes) ||
    isOther(asked.ipv6Enabled, asked.ipv6Type, asked.ipv6HeaderBytes);
  return isRefused ? status.notSupported : status.success;
}

/** vmswitch does not look at this object's header. */
function setScaling(state: AdapterState, info: Uint8Array): number {
  const whole = new Uint8Array(RssParameters.size);
  whole.set(info.subarray(0, RssParameters.size));
  const asked = RssParameters.cursor(viewOf(whole)).at(0);
  const former = state.scaling;
  const keeps = (flag: number): boolean => former !== undefined && (asked.flags & flag) !== 0;
  const hash = keeps(RssParameterFlag.hashInfoUnchanged)
    ? former!.hashInformation
    : asked.hashInformation;
  const isOff = (asked.flags & RssParameterFlag.disable) !== 0;
  if (isOff || (hash & NdisHash.functionMask) === 0) {
    state.scaling = undefined;
    return status.success;
  }
  const key = keeps(RssParameterFlag.keyUnchanged) ? former!.key : readKey(asked, info);
  const table = keeps(RssParameterFlag.tableUnchanged)
    ? former!.table
    : readTable(asked, info, state.profile.maxSubChannels + 1);
  if (key === undefined || table === undefined) return status.invalidData;
  state.scaling = new ReceiveScaling(key, hash, table);
  return status.success;
}

type Parameters = ReturnType<typeof RssParameters.cursor>;

function readKey(asked: Parameters, info: Uint8Array): Uint8Array | undefined {
  const start = asked.keyOffset;
  if (asked.keyBytes !== RSS_KEY_BYTES || start + RSS_KEY_BYTES > info.length) return undefined;
  return info.slice(start, start + RSS_KEY_BYTES);
}

/** @param queues every entry is below it */
function readTable(asked: Parameters, info: Uint8Array, queues: number): Uint16Array | undefined {
  const { tableBytes, tableOffset } = asked;
  if (tableBytes === 0 || tableBytes % 4 !== 0) return undefined;
  const count = Math.min(tableBytes / 4, RSS_TABLE_ENTRIES);
  if (tableOffset + count * 4 > info.length) return undefined;
  const view = viewOf(info);
  const entries = Array.from({ length: count }, (_, index) =>
    view.getUint32(tableOffset + index * 4, true),
  );
  return entries.some((entry) => entry >= queues) ? undefined : ReceiveScaling.spread(entries);
}

function setConfig(state: AdapterState, info: Uint8Array): number {
  if (info.length < ConfigParameter.size) return status.invalidLength;
  const asked = ConfigParameter.cursor(viewOf(info)).at(0);
  const { nameLength, valueLength } = asked;
  if (nameLength > MAX_CONFIG_BYTES || valueLength > MAX_CONFIG_BYTES) return status.invalidData;
  const name = readText(info, asked.nameOffset, nameLength);
  if (name === undefined || asked.valueOffset + valueLength > info.length) {
    return status.invalidData;
  }
  if (asked.type !== CONFIG_STRING) return status.success;
  const value = readText(info, asked.valueOffset, valueLength);
  if (value === undefined) return status.invalidData;
  if (name === 'NetworkAddress') return setAddress(state, value);
  if (!/^\d/.test(value)) return status.invalidData;
  state.offload.setByName(name, Number(value[0]), state.mayCoalesce);
  return status.success;
}

function setAddress(state: AdapterState, value: string): number {
  const digits = value.replaceAll(/[:-]/g, '');
  if (!/^[0-9a-f]{12}$/i.test(digits)) return status.invalidData;
  const mac = Uint8Array.from({ length: MAC_BYTES }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  );
  if ((mac[0]! & 1) !== 0) return status.invalidData;
  state.currentMac = mac;
  return status.success;
}

/** UTF-16 up to the first zero. @returns undefined when it lies outside */
function readText(info: Uint8Array, start: number, length: number): string | undefined {
  if (start + length > info.length) return undefined;
  return readUtf16(viewOf(info), start, length);
}
