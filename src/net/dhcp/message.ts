/** Reading and writing of DHCP messages. Cold code: a client sends two in its life. */
import { hexBytes } from '../../core/text.ts';
import { DHCP_MAGIC, DhcpMessage, DhcpOption, MIN_MESSAGE_BYTES } from '../spec/dhcp.ts';

const ETHERNET = 1;

/** What the server looks at in a client's message. */
export interface DhcpRequest {
  readonly type: number;
  readonly transactionId: number;
  readonly flags: number;
  readonly clientIp: number;
  readonly relayIp: number;
  readonly clientMac: Uint8Array;
  /** Option 61, or the hardware address where there is none; in hexadecimal. */
  readonly clientKey: string;
  /** Option 50; 0 without it. */
  readonly requestedIp: number;
  /** Option 54; 0 without it. */
  readonly serverId: number;
  readonly hostName: string;
}

/** The options by number; of one that comes twice the parts are joined (RFC 3396). */
export function parseOptions(
  bytes: Uint8Array,
  start: number,
  end: number,
): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  let at = start;
  while (at < end) {
    const code = bytes[at]!;
    at += 1;
    if (code === DhcpOption.pad) continue;
    if (code === DhcpOption.end || at >= end) break;
    const length = bytes[at]!;
    at += 1;
    if (at + length > end) break;
    const value = bytes.slice(at, at + length);
    const before = options.get(code);
    options.set(code, before === undefined ? value : Uint8Array.of(...before, ...value));
    at += length;
  }
  return options;
}

function address(option: Uint8Array | undefined): number {
  if (option?.length !== 4) return 0;
  return new DataView(option.buffer, option.byteOffset).getUint32(0);
}

/** @returns undefined for what is no DHCP request over Ethernet */
export function parseRequest(
  bytes: Uint8Array,
  start: number,
  length: number,
): DhcpRequest | undefined {
  if (length < DhcpMessage.size) return undefined;
  const whole = bytes.slice(start, start + length);
  const message = DhcpMessage.cursor(new DataView(whole.buffer)).at(0);
  if (message.operation !== 1 || message.magic !== DHCP_MAGIC) return undefined;
  if (message.hardware !== ETHERNET || message.hardwareBytes !== 6) return undefined;
  const options = parseOptions(whole, DhcpMessage.size, length);
  const type = options.get(DhcpOption.messageType);
  if (type?.length !== 1) return undefined;
  const { clientMac } = message;
  const name = options.get(DhcpOption.hostName) ?? new Uint8Array(0);
  return {
    type: type[0]!,
    transactionId: message.transactionId,
    flags: message.flags,
    clientIp: message.clientIp,
    relayIp: message.relayIp,
    clientMac,
    clientKey: hexBytes(options.get(DhcpOption.clientId) ?? Uint8Array.of(ETHERNET, ...clientMac)),
    requestedIp: address(options.get(DhcpOption.requestedIp)),
    serverId: address(options.get(DhcpOption.serverId)),
    hostName: String.fromCharCode(...name.filter((byte) => byte >= 0x20 && byte < 0x7f)),
  };
}

export interface DhcpReply {
  readonly type: number;
  readonly yourIp: number;
  readonly serverIp: number;
  /** Numbers are four bytes. */
  readonly options: readonly (readonly [code: number, value: number | readonly number[]])[];
}

/** Writes an answer at `at`. @returns its bytes */
export function writeReply(
  bytes: Uint8Array,
  at: number,
  request: DhcpRequest,
  reply: DhcpReply,
): number {
  bytes.fill(0, at, at + MIN_MESSAGE_BYTES + 256);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const message = DhcpMessage.cursor(view).at(at);
  message.operation = 2;
  message.hardware = ETHERNET;
  message.hardwareBytes = 6;
  message.transactionId = request.transactionId;
  message.flags = request.flags;
  message.clientIp = request.clientIp;
  message.yourIp = reply.yourIp;
  message.serverIp = reply.serverIp;
  message.relayIp = request.relayIp;
  message.clientMac = request.clientMac;
  message.magic = DHCP_MAGIC;
  let end = at + DhcpMessage.size;
  const put = (code: number, values: readonly number[]): void => {
    bytes.set([code, values.length, ...values], end);
    end += 2 + values.length;
  };
  put(DhcpOption.messageType, [reply.type]);
  for (const [code, value] of reply.options) {
    put(code, typeof value === 'number' ? fourBytes(value) : value);
  }
  bytes[end] = DhcpOption.end;
  return Math.max(end + 1 - at, MIN_MESSAGE_BYTES);
}

function fourBytes(value: number): readonly number[] {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
}
