/** DHCP over BOOTP (RFC 2131 2, RFC 2132). */
import { bytes, openEnum, struct, u16be, u32be, u8 } from '../../core/wire.ts';

export const DhcpPort = { server: 67, client: 68 } as const;
export const BootpOperation = { request: 1, reply: 2 } as const;
export const DHCP_MAGIC = 0x6382_5363;
/** `flags`: the client cannot take a unicast answer yet. */
export const DHCP_BROADCAST = 0x8000;
/** Clients from BOOTP's time drop shorter messages (RFC 1542 2.1). */
export const MIN_MESSAGE_BYTES = 300;

/** The part before the options. */
export const DhcpMessage = struct('DhcpMessage', 240, {
  operation: openEnum(u8, BootpOperation),
  hardware: u8,
  hardwareBytes: u8,
  hops: u8,
  transactionId: u32be,
  seconds: u16be,
  flags: u16be,
  clientIp: u32be,
  yourIp: u32be,
  serverIp: u32be,
  relayIp: u32be,
  clientMac: bytes(6),
  clientMacRest: bytes(10),
  serverName: bytes(64),
  bootFile: bytes(128),
  magic: u32be,
});

export const DhcpOption = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  domainNameServer: 6,
  hostName: 12,
  domainName: 15,
  requestedIp: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverId: 54,
  parameterList: 55,
  message: 56,
  renewalTime: 58,
  rebindingTime: 59,
  clientId: 61,
  end: 255,
} as const;

export const DhcpType = openEnum(u8, {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  acknowledge: 5,
  refuse: 6,
  release: 7,
  inform: 8,
});
