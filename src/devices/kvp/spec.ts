/**
 * Key-value pairs between host and guest (hyperv-host.md 2.10; OpenVMM hyperv_ic_protocol/kvp.rs,
 * MIT). Strings are UTF-16 with a terminator that counts.
 */
import { bytes, openEnum, struct, u16, u32, u8 } from '../../core/wire.ts';

/** 5.0 brought binary addresses. */
export const KvpVersion = { v3: 0x3_0000, v4: 0x4_0000, v5: 0x5_0000 } as const;

export const KvpOperation = openEnum(u8, {
  get: 0,
  set: 1,
  delete: 2,
  enumerate: 3,
  getIpInfo: 4,
  setIpInfo: 5,
});

export const KvpPool = openEnum(u8, {
  /** Host to guest, set by people. */
  external: 0,
  /** Guest to host, set by people. */
  guest: 1,
  /** Guest to host, what the guest says of itself. */
  auto: 2,
  /** Host to guest, what the host says of itself. */
  autoExternal: 3,
});

export const KvpValueType = openEnum(u32, {
  string: 1,
  expandString: 2,
  u32: 4,
  /** What Linux' header calls a 64-bit number; the registry's own number is 11. */
  u64OfLinux: 8,
  u64: 11,
});

export const KVP_KEY_BYTES = 512;
export const KVP_VALUE_BYTES = 2048;

export const KvpHeader = struct('KvpHeader', 4, {
  operation: KvpOperation,
  pool: KvpPool,
  padding: u16,
});

/** Get and set, after the header. */
export const KvpValue = struct('KvpValue', 2572, {
  valueType: KvpValueType,
  keyBytes: u32,
  valueBytes: u32,
  key: bytes(KVP_KEY_BYTES),
  value: bytes(KVP_VALUE_BYTES),
});

/** After the header; a `KvpValue` follows. */
export const KvpEnumerate = struct('KvpEnumerate', 4, { index: u32 });

/** After the header. */
export const KvpDelete = struct('KvpDelete', 516, { keyBytes: u32, key: bytes(KVP_KEY_BYTES) });

/** Bytes of every message but those about addresses. */
export const KVP_MESSAGE_BYTES = 2580;

/** Families of addresses, as flags. */
export const AddressFamily = openEnum(u8, { none: 0, ipv4: 1, ipv6: 2, both: 3 });

export const ADAPTER_ID_BYTES = 256;

/** Versions 3.0 and 4.0: right after operation and pool. Lists are separated by semicolons. */
export const KvpIpText = struct(
  'KvpIpText',
  7426,
  {
    adapterId: bytes(ADAPTER_ID_BYTES),
    family: AddressFamily,
    dhcpEnabled: u8,
    addresses: bytes(2048),
    subnets: bytes(2048),
    gateways: bytes(1024),
    dnsServers: bytes(2048),
  },
  { packed: true },
);

/** Version 5.0: after the header of four bytes. Addresses are in network byte order. */
export const KvpIpBinary = struct('KvpIpBinary', 3712, {
  ipv4Count: u32,
  ipv6Count: u32,
  ipv4GatewayCount: u32,
  ipv6GatewayCount: u32,
  ipv4DnsCount: u32,
  ipv6DnsCount: u32,
  adapterId: bytes(ADAPTER_ID_BYTES),
  family: AddressFamily,
  dhcpEnabled: u8,
  padding: u16,
  ipv4Addresses: bytes(64 * 4),
  ipv6Addresses: bytes(64 * 16),
  ipv4Subnets: bytes(64 * 4),
  /** Prefix lengths, 32 bits each. */
  ipv6Subnets: bytes(64 * 4),
  ipv4Gateways: bytes(5 * 4),
  ipv6Gateways: bytes(5 * 16),
  ipv4DnsServers: bytes(64 * 4),
  ipv6DnsServers: bytes(64 * 16),
  /** 16 bits each: 0 unknown, 1 other (DHCP), 2 static; first those of IPv4, then of IPv6. */
  origins: bytes(128 * 2),
});

export const MAX_IP_ADDRESSES = 64;
export const MAX_IP_GATEWAYS = 5;

/** Bytes of a message about addresses, in either form. */
export const KVP_IP_MESSAGE_BYTES = 7428;

/** What the guest calls the items of the pool `auto`, by index (Linux' uapi/linux/hyperv.h). */
export const AUTO_KEYS = [
  'FullyQualifiedDomainName',
  'IntegrationServicesVersion',
  'NetworkAddressIPv4',
  'NetworkAddressIPv6',
  'OSBuildNumber',
  'OSName',
  'OSMajorVersion',
  'OSMinorVersion',
  'OSVersion',
  'ProcessorArchitecture',
] as const;
