/** The time synchronisation component (hyperv-host.md 2.10; OpenVMM hyperv_ic_protocol, MIT). */
import { bytes, flags, struct, u64, u8 } from '../../core/wire.ts';

/** 4.0 brought the reference time. */
export const TimeSyncVersion = { v1: 0x1_0000, v3: 0x3_0000, v4: 0x4_0000 } as const;

export const TimeSyncFlag = flags(u8, {
  /** Set the clock to this. */
  sync: 1,
  /** A measurement, for a clock that is steered. */
  sample: 2,
});

/** Before version 4.0. Times are UTC in units of 100 ns since 1601. */
export const TimeSyncMessage = struct('TimeSyncMessage', 28, {
  hostTime: u64,
  guestTime: u64,
  roundTripTime: u64,
  flags: TimeSyncFlag,
  reserved: bytes(3),
});

export const TimeSyncMessageV4 = struct('TimeSyncMessageV4', 24, {
  hostTime: u64,
  /** The partition's reference counter when `hostTime` was read. */
  referenceTime: u64,
  flags: TimeSyncFlag,
  leapIndicator: u8,
  stratum: u8,
  reserved: bytes(5),
});

/** Seconds from 1601 to 1970. */
export const FILE_TIME_TO_UNIX_SECONDS = 11_644_473_600;
