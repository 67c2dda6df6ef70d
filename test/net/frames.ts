/** Frames for tests, built with plain arithmetic of their own, and independent checks of them. */

export type Bytes = Uint8Array<ArrayBuffer>;

export function hex(text: string): Bytes {
  return Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function be16(value: number): number[] {
  return [(value >>> 8) & 255, value & 255];
}

export function be32(value: number): number[] {
  return [...be16(value >>> 16), ...be16(value)];
}

/** RFC 1071 in the plainest way: 16-bit words, end-around carry after each. */
export function plainSum(bytes: readonly number[], seed = 0): number {
  let sum = seed;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes[at]! * 256 + (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

export interface FrameSpec {
  readonly destination?: readonly number[];
  readonly source?: readonly number[];
  readonly from?: readonly number[];
  readonly to?: readonly number[];
  readonly fromPort?: number;
  readonly toPort?: number;
  readonly payload?: readonly number[];
  readonly protocol?: 'tcp' | 'udp';
  /** The transport checksum: right, 0, the seed of the pseudo header, or a number. */
  readonly checksum?: 'right' | 'seed' | number;
  readonly options?: number;
  readonly flags?: number;
  /** Of TCP; default 0x10000000. */
  readonly sequence?: number;
  /** Of TCP; default 7. */
  readonly acknowledgment?: number;
}

export const HOST_A = [0x00, 0x15, 0x5d, 0x01, 0x02, 0x03] as const;
export const HOST_B = [0x00, 0x15, 0x5d, 0x0a, 0x0b, 0x0c] as const;

/** Addresses of 4 bytes make IPv4, of 16 IPv6. */
export function ipFrame(spec: FrameSpec = {}): Bytes {
  const from = spec.from ?? [10, 0, 0, 1];
  const to = spec.to ?? [10, 0, 0, 2];
  const payload = spec.payload ?? [1, 2, 3, 4, 5];
  const isUdp = spec.protocol === 'udp';
  const protocol = isUdp ? 17 : 6;
  const ports = [...be16(spec.fromPort ?? 1234), ...be16(spec.toPort ?? 80)];
  const transport = isUdp
    ? [...ports, ...be16(8 + payload.length), 0, 0, ...payload]
    : [
        ...ports,
        ...be32(spec.sequence ?? 0x1000_0000),
        ...be32(spec.acknowledgment ?? 7),
        0x50 + (spec.options ?? 0) * 16,
        spec.flags ?? 0x18,
        ...be16(8192),
        0,
        0,
        0,
        0,
        ...Array.from({ length: (spec.options ?? 0) * 4 }, () => 1),
        ...payload,
      ];
  const field = isUdp ? 6 : 16;
  const pseudo = plainSum([...from, ...to, 0, protocol, ...be16(transport.length)]);
  const right = ~plainSum(transport, pseudo) & 0xffff;
  let checksum = isUdp && right === 0 ? 0xffff : right;
  if (spec.checksum === 'seed') checksum = pseudo;
  else if (typeof spec.checksum === 'number') ({ checksum } = spec as { checksum: number });
  transport.splice(field, 2, ...be16(checksum));
  const ethernet = [...(spec.destination ?? HOST_B), ...(spec.source ?? HOST_A)];
  if (from.length === 16) {
    const ip = [0x60, 0, 0, 0, ...be16(transport.length), protocol, 64, ...from, ...to];
    return Uint8Array.from([...ethernet, 0x86, 0xdd, ...ip, ...transport]);
  }
  const ip = [
    0x45,
    0,
    ...be16(20 + transport.length),
    0,
    1,
    0x40,
    0,
    64,
    protocol,
    0,
    0,
    ...from,
    ...to,
  ];
  ip.splice(10, 2, ...be16(~plainSum(ip) & 0xffff));
  return Uint8Array.from([...ethernet, 0x08, 0x00, ...ip, ...transport]);
}

/** Checks an untagged TCP or UDP frame by plain sums. @returns what is wrong, '' for nothing */
export function wrongChecksum(frame: Uint8Array): string {
  const bytes = [...frame];
  const isIpv6 = bytes[12] === 0x86;
  const header = isIpv6 ? 40 : (bytes[14]! & 15) * 4;
  if (!isIpv6 && plainSum(bytes.slice(14, 14 + header)) !== 0xffff) return 'ip header';
  const total = isIpv6 ? 40 + bytes[18]! * 256 + bytes[19]! : bytes[16]! * 256 + bytes[17]!;
  const transport = bytes.slice(14 + header, 14 + total);
  const addresses = isIpv6 ? bytes.slice(22, 54) : bytes.slice(26, 34);
  const protocol = isIpv6 ? bytes[20]! : bytes[23]!;
  const pseudo = plainSum([...addresses, 0, protocol, ...be16(transport.length)]);
  return plainSum(transport, pseudo) === 0xffff ? '' : 'transport';
}

/** Inserts a tag after the addresses. */
export function tagged(frame: Uint8Array, control: number): Bytes {
  return Uint8Array.from([...frame.slice(0, 12), 0x81, 0x00, ...be16(control), ...frame.slice(12)]);
}
