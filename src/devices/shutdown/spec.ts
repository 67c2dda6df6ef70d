/** The shutdown component (hyperv-host.md 2.10; OpenVMM hyperv_ic_protocol/shutdown.rs, MIT). */
import { bytes, flags, struct, u32 } from '../../core/wire.ts';

/** 3.1 brought restart, 3.2 hibernation. */
export const ShutdownVersion = {
  v1: 0x1_0000,
  v3: 0x3_0000,
  v3_1: 0x3_0001,
  v3_2: 0x3_0002,
} as const;

/** SHTDN_REASON_FLAG_PLANNED of the Windows SDK. */
export const SHUTDOWN_REASON_PLANNED = 0x8000_0000;

export const ShutdownFlag = flags(u32, { force: 1, restart: 2, hibernate: 4 });

export const SHUTDOWN_TEXT_BYTES = 2048;

export const ShutdownMessage = struct('ShutdownMessage', 2060, {
  reason: u32,
  timeoutSeconds: u32,
  flags: ShutdownFlag,
  /** UTF-16, with terminator. */
  text: bytes(SHUTDOWN_TEXT_BYTES),
});
