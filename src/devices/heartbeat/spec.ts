/**
 * The heartbeat component (hyperv-host.md 2.10; Linux checks for all 40 bytes, OpenVMM's
 * hyperv_ic_protocol names the state).
 */
import { bytes, openEnum, struct, u32, u64 } from '../../core/wire.ts';

export const HeartbeatVersion = { v1: 0x1_0000, v3: 0x3_0000 } as const;

export const GuestHealth = openEnum(u32, { unknown: 0, healthy: 1, critical: 2, stopped: 3 });

/** The guest answers with the sequence number plus one. */
export const HeartbeatMessage = struct('HeartbeatMessage', 40, {
  sequence: u64,
  health: GuestHealth,
  reserved: bytes(28),
});
