/** The network time protocol: RFC 5905, 7.3, without extension fields. */
import { struct, u32be, u64be, u8 } from '../../core/wire.ts';

export const NTP_PORT = 123;

/** Times are seconds since 1900 in 32.32 fixed point. */
export const NtpPacket = struct('NtpPacket', 48, {
  /** Leap indicator in bits 7:6, version in bits 5:3, mode in bits 2:0. */
  leapVersionMode: u8,
  stratum: u8,
  poll: u8,
  precision: u8,
  rootDelay: u32be,
  rootDispersion: u32be,
  referenceId: u32be,
  referenceTime: u64be,
  originTime: u64be,
  receiveTime: u64be,
  transmitTime: u64be,
});

export const NtpMode = { client: 3, server: 4 } as const;
export const NTP_VERSION = 4;
/** From 1900 to 1970. */
export const NTP_TO_UNIX_SECONDS = 2_208_988_800;
