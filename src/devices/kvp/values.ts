import { readUtf16, utf16 } from '../../core/text.ts';
import { InputError } from '../../core/errors.ts';
import { buildBytes } from '../pipe/build.ts';
import type { GuestMessage } from '../pipe/message-device.ts';
import {
  KVP_KEY_BYTES,
  KVP_MESSAGE_BYTES,
  KVP_VALUE_BYTES,
  KvpDelete,
  KvpEnumerate,
  KvpHeader,
  KvpOperation,
  KvpPool,
  KvpValue,
  KvpValueType,
} from './spec.ts';

export type KvpData =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'u32'; readonly value: number }
  | { readonly type: 'u64'; readonly value: bigint };

export interface KvpEntry {
  readonly key: string;
  readonly data: KvpData;
}

export type KvpPoolName = keyof typeof KvpPool.is;

/** A key that fits; throws `InputError` for any other. */
export function encodeKey(key: string): Uint8Array {
  if (key === '' || key.includes('\0') || key.length >= KVP_KEY_BYTES / 2) {
    const most = KVP_KEY_BYTES / 2 - 1;
    throw new InputError(
      'key-value pair',
      `a key of ${key.length} characters: expected 1 to ${most}, none of them zero`,
    );
  }
  return utf16(key, KVP_KEY_BYTES);
}

function encodeData(data: KvpData): { readonly type: number; readonly bytes: Uint8Array } {
  if (data.type === 'string') {
    if (data.value.length >= KVP_VALUE_BYTES / 2) {
      const most = KVP_VALUE_BYTES / 2 - 1;
      throw new InputError(
        'key-value pair',
        `a value of ${data.value.length} characters: expected at most ${most}`,
      );
    }
    const bytes = utf16(data.value, KVP_VALUE_BYTES);
    return { type: KvpValueType.is.string, bytes };
  }
  const bytes = new Uint8Array(data.type === 'u32' ? 4 : 8);
  const view = new DataView(bytes.buffer);
  if (data.type === 'u32') view.setUint32(0, data.value, true);
  else view.setBigUint64(0, data.value, true);
  return { type: KvpValueType.is[data.type], bytes };
}

function message(operation: number, pool: KvpPoolName): Uint8Array {
  return buildBytes(
    KvpHeader,
    (header) => {
      header.operation = operation;
      header.pool = KvpPool.is[pool];
    },
    KVP_MESSAGE_BYTES,
  );
}

export function encodeGet(pool: KvpPoolName, key: string): Uint8Array {
  const bytes = message(KvpOperation.is.get, pool);
  const value = KvpValue.cursor(new DataView(bytes.buffer)).at(KvpHeader.size);
  const encoded = encodeKey(key);
  value.keyBytes = encoded.length;
  value.key = encoded;
  return bytes;
}

export function encodeSet(pool: KvpPoolName, key: string, data: KvpData): Uint8Array {
  const bytes = message(KvpOperation.is.set, pool);
  const value = KvpValue.cursor(new DataView(bytes.buffer)).at(KvpHeader.size);
  const encoded = encodeKey(key);
  const encodedData = encodeData(data);
  value.valueType = encodedData.type;
  value.keyBytes = encoded.length;
  value.key = encoded;
  value.valueBytes = encodedData.bytes.length;
  value.value = encodedData.bytes;
  return bytes;
}

export function encodeDelete(pool: KvpPoolName, key: string): Uint8Array {
  const bytes = message(KvpOperation.is.delete, pool);
  const body = KvpDelete.cursor(new DataView(bytes.buffer)).at(KvpHeader.size);
  const encoded = encodeKey(key);
  body.keyBytes = encoded.length;
  body.key = encoded;
  return bytes;
}

export function encodeEnumerate(pool: KvpPoolName, index: number): Uint8Array {
  const bytes = message(KvpOperation.is.enumerate, pool);
  KvpEnumerate.cursor(new DataView(bytes.buffer)).at(KvpHeader.size).index = index;
  return bytes;
}

/**
 * The entry in an answer to get or enumerate.
 * @param at where its `KvpValue` is, from the start of the message
 * @returns undefined when lengths or type make no sense
 */
export function decodeEntry(answer: GuestMessage, at: number): KvpEntry | undefined {
  if (answer.length < at + KvpValue.size) return undefined;
  const base = answer.start + at;
  const { valueType, keyBytes, valueBytes } = KvpValue.cursor(answer.view).at(base);
  if (keyBytes > KVP_KEY_BYTES || valueBytes > KVP_VALUE_BYTES) return undefined;
  const key = readUtf16(answer.view, base + KvpValue.offset.key, keyBytes);
  const data = decodeData(answer.view, base + KvpValue.offset.value, valueType, valueBytes);
  return data && { key, data };
}

function decodeData(view: DataView, at: number, type: number, length: number): KvpData | undefined {
  const { is } = KvpValueType;
  switch (type) {
    case is.string:
    case is.expandString:
      return { type: 'string', value: readUtf16(view, at, length) };
    case is.u32:
      return length === 4 ? { type: 'u32', value: view.getUint32(at, true) } : undefined;
    case is.u64:
    case is.u64OfLinux:
      return length === 8 ? { type: 'u64', value: view.getBigUint64(at, true) } : undefined;
    default:
      return undefined;
  }
}
