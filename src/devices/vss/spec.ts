/**
 * The volume shadow copy component (hyperv-host.md 2.10; OpenVMM hyperv_ic_protocol/vss.rs, MIT;
 * Linux' include/uapi/linux/hyperv.h for the flags of a hot backup).
 */
import { bytes, flags, guid, openEnum, struct, u32, u8 } from '../../core/wire.ts';

export const VssVersion = {
  win8: 0x4_0000,
  blue: 0x5_0000,
  threshold: 0x6_0000,
  thresholdUpdate1: 0x7_0000,
} as const;

export const VssOperation = openEnum(u8, {
  create: 0,
  delete: 1,
  checkHotBackup: 2,
  directMappedDevices: 3,
  backupComplete: 4,
  /** From here on since 5.0. */
  freeze: 5,
  thaw: 6,
  autoRecover: 7,
  /** Since 6.0. */
  clusterInformation: 8,
});

export const VssHeader = struct('VssHeader', 8, { operation: VssOperation, reserved: bytes(7) });

/** A guest that can be backed up while it runs answers with both; Linux and FreeBSD do. */
export const HotBackupFlag = flags(u32, { supported: 1, noAutoRecovery: 4 });

/** Most operations: a word of flags, or the GUID of a snapshot set. */
export const VssMessage = struct('VssMessage', 32, {
  operation: VssOperation,
  reserved: bytes(7),
  flags: u32,
  reserved2: bytes(20),
});

/** Freeze and automatic recovery: followed by `VSS_MAX_LUNS` entries, twice since 6.0. */
export const VssLunMessage = struct('VssLunMessage', 20, {
  operation: VssOperation,
  reserved: bytes(7),
  backupType: u32,
  flags: u32,
  lunCount: u32,
});

export const VssLun = struct(
  'VssLun',
  24,
  {
    busType: u8,
    reserved: bytes(3),
    controller: guid,
    port: u8,
    target: u8,
    lun: u8,
    reserved2: u8,
  },
  { packed: true },
);

export const VSS_MAX_LUNS = 260;
