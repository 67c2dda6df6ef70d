/** Between the host's UTF-16 messages and what the daemon reads and writes. */
import { readUtf16 } from '../../core/text.ts';
import {
  AddressFamily,
  KVP_KEY_BYTES,
  KVP_VALUE_BYTES,
  KvpDelete,
  KvpEnumerate,
  KvpHeader,
  KvpIpText,
  KvpOperation,
  KvpValue,
  KvpValueType,
} from '../../devices/kvp/spec.ts';
import type { IcMessage } from './message.ts';

/** The text form of an adapter's addresses; lists are separated by semicolons. */
export interface KvpIpFields {
  readonly adapterId: string;
  readonly family: number;
  readonly isDhcp: boolean;
  readonly addresses: string;
  readonly subnets: string;
  readonly gateways: string;
  readonly dnsServers: string;
}

/** What the daemon reads: every value is text there. */
export interface KvpRequest {
  readonly operation: number;
  readonly pool: number;
  readonly key: string;
  readonly value: string;
  readonly index: number;
  readonly ip: KvpIpFields | undefined;
}

/** What the daemon writes. `status` is an IcStatus. */
export interface KvpAnswer {
  readonly status: number;
  readonly key: string;
  readonly value: string;
  readonly ip?: KvpIpFields;
}

const UTF16_UNIT = 2;
const TEXT_LISTS = ['addresses', 'subnets', 'gateways', 'dnsServers'] as const;
const GATEWAY_BYTES = 1024;
const LIST_BYTES = 2048;
const ADAPTER_BYTES = 256;

/** Cut to fit with its terminator; the rest of the field is zero. @returns bytes with terminator */
function writeText(view: DataView, at: number, room: number, text: string): number {
  const units = Math.min(text.length, room / UTF16_UNIT - 1);
  for (let index = 0; index < room / UTF16_UNIT; index += 1) {
    const unit = index < units ? text.charCodeAt(index) : 0;
    view.setUint16(at + index * UTF16_UNIT, unit, true);
  }
  return (units + 1) * UTF16_UNIT;
}

/** Numbers become decimal text, as in the daemon's pool files. */
function readValue(view: DataView, at: number): string {
  const { valueType, valueBytes } = KvpValue.cursor(view).at(at);
  const start = at + KvpValue.offset.value;
  const { is } = KvpValueType;
  if (valueType === is.u32) return String(view.getUint32(start, true));
  if (valueType === is.u64OfLinux || valueType === is.u64) {
    return String(view.getBigUint64(start, true));
  }
  return readUtf16(view, start, Math.min(valueBytes, KVP_VALUE_BYTES));
}

function readIp(view: DataView, bodyStart: number): KvpIpFields {
  const base = bodyStart + KvpHeader.offset.padding;
  const { family, dhcpEnabled } = KvpIpText.cursor(view).at(base);
  const list = (name: (typeof TEXT_LISTS)[number]): string =>
    readUtf16(view, base + KvpIpText.offset[name], roomOf(name));
  return {
    adapterId: readUtf16(view, base + KvpIpText.offset.adapterId, ADAPTER_BYTES),
    family,
    isDhcp: dhcpEnabled !== 0,
    addresses: list('addresses'),
    subnets: list('subnets'),
    gateways: list('gateways'),
    dnsServers: list('dnsServers'),
  };
}

function roomOf(name: (typeof TEXT_LISTS)[number]): number {
  return name === 'gateways' ? GATEWAY_BYTES : LIST_BYTES;
}

export function requestForDaemon({ view, bodyStart }: IcMessage): KvpRequest {
  const { operation, pool } = KvpHeader.cursor(view).at(bodyStart);
  const { is } = KvpOperation;
  const body = bodyStart + KvpHeader.size;
  const request = { operation, pool, key: '', value: '', index: 0, ip: undefined };
  if (operation === is.get || operation === is.set) {
    const { keyBytes } = KvpValue.cursor(view).at(body);
    const key = readUtf16(view, body + KvpValue.offset.key, Math.min(keyBytes, KVP_KEY_BYTES));
    return { ...request, key, value: operation === is.set ? readValue(view, body) : '' };
  }
  if (operation === is.delete) {
    const { keyBytes } = KvpDelete.cursor(view).at(body);
    const key = readUtf16(view, body + KvpDelete.offset.key, Math.min(keyBytes, KVP_KEY_BYTES));
    return { ...request, key };
  }
  if (operation === is.enumerate) {
    return { ...request, index: KvpEnumerate.cursor(view).at(body).index };
  }
  if (operation === is.getIpInfo || operation === is.setIpInfo) {
    return { ...request, ip: readIp(view, bodyStart) };
  }
  return request;
}

/** Puts the daemon's answer into the host's message. */
export function answerForHost({ view, bodyStart }: IcMessage, answer: KvpAnswer): void {
  const { operation } = KvpHeader.cursor(view).at(bodyStart);
  const { is } = KvpOperation;
  if (operation === is.getIpInfo) {
    if (answer.ip !== undefined) writeIp(view, bodyStart, answer.ip);
    return;
  }
  const isEnumeration = operation === is.enumerate;
  if (!isEnumeration && operation !== is.get) return;
  const at = bodyStart + KvpHeader.size + (isEnumeration ? KvpEnumerate.size : 0);
  const value = KvpValue.cursor(view).at(at);
  if (isEnumeration) {
    value.keyBytes = writeText(view, at + KvpValue.offset.key, KVP_KEY_BYTES, answer.key);
  }
  value.valueBytes = writeText(view, at + KvpValue.offset.value, KVP_VALUE_BYTES, answer.value);
  value.valueType = KvpValueType.is.string;
}

function writeIp(view: DataView, bodyStart: number, ip: KvpIpFields): void {
  const base = bodyStart + KvpHeader.offset.padding;
  const fields = KvpIpText.cursor(view).at(base);
  fields.family = ip.family === 0 ? AddressFamily.is.none : ip.family;
  fields.dhcpEnabled = Number(ip.isDhcp);
  writeText(view, base + KvpIpText.offset.adapterId, ADAPTER_BYTES, ip.adapterId);
  for (const name of TEXT_LISTS) {
    writeText(view, base + KvpIpText.offset[name], roomOf(name), ip[name]);
  }
}
