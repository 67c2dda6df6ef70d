/**
 * The monitor page ("MNF"): a guest sets a bit instead of a hypercall, and the host looks after the
 * latency of the channel (hyperv-host.md 2.2 "Monitor page").
 */
import { bytes, struct, u16, u32 } from '../../core/wire.ts';

export const MONITOR_GROUPS = 4;
export const MONITORS_PER_GROUP = 32;
export const MONITOR_COUNT = MONITOR_GROUPS * MONITORS_PER_GROUP;

/** One group of 32 triggers. */
export const MonitorTriggerGroup = struct('MonitorTriggerGroup', 8, { pending: u32, armed: u32 });

export const MonitorParameter = struct('MonitorParameter', 8, {
  connectionId: u32,
  flagNumber: u16,
  reserved: u16,
});

/** `triggerState` bits 3:0 enable the groups. Monitor `id` is bit `id % 32` of group `id / 32`. */
export const MonitorPage = struct('MonitorPage', 4096, {
  triggerState: u32,
  reserved1: u32,
  triggerGroups: bytes(MONITOR_GROUPS * MonitorTriggerGroup.size),
  reserved2: bytes(24),
  /** u32 for each monitor. */
  nextCheckTime: bytes(512),
  /** u16 for each monitor, in units of 100 ns. */
  latency: bytes(256),
  reserved3: bytes(256),
  /** `MonitorParameter` for each monitor. */
  parameter: bytes(1024),
  reserved4: bytes(1984),
});

/** Byte offset of a group's pending word in the page. */
export function monitorPendingOffset(group: number): number {
  return MonitorPage.offset.triggerGroups + group * MonitorTriggerGroup.size;
}
