/** Protocol versions and feature flags (hyperv-host.md 2.2 "Versions", "Feature flags"). */
import { flags, u32 } from '../../core/wire.ts';

/** major << 16 | minor. A host accepts exactly these, capped by its own newest. */
export const VmbusVersion = {
  /** 0.13, Windows Server 2008: interrupt page both ways, shared event connection. */
  v1: 0x0000_000d,
  /** 1.1, Windows 7: a connection id for each channel, Unload. */
  win7: 0x0001_0001,
  /** 2.4, Windows 8: event flags instead of the interrupt page, sub-channels. */
  win8: 0x0002_0004,
  /** 3.0, Windows 8.1: messages go to the processor the guest names. */
  win8_1: 0x0003_0000,
  /** 4.0: reserved channels, TlConnect. */
  win10: 0x0004_0000,
  /** 4.1: ModifyChannel, TlConnectResult. */
  rs3_0: 0x0004_0001,
  /** 5.0: multi-client port, message connection id returned, SINT and VTL in the request. */
  rs3_1: 0x0005_0000,
  /** 5.1: VTL honoured. */
  rs4: 0x0005_0001,
  /** 5.2: TlConnect with a silo id. */
  rs5: 0x0005_0002,
  /** 5.3: ModifyChannelResponse. */
  iron: 0x0005_0003,
  /** 6.0: feature flags. */
  copper: 0x0006_0000,
} as const;

/** Ascending. */
export const VMBUS_VERSIONS: readonly number[] = Object.values(VmbusVersion);

/** "5.3" for 0x00050003. */
export function showVmbusVersion(version: number): string {
  return `${version >>> 16}.${version & 0xffff}`;
}

export const FeatureFlag = {
  guestSpecifiedSignalParameters: 0x01,
  channelInterruptRedirection: 0x02,
  modifyConnection: 0x04,
  clientId: 0x08,
  confidentialChannels: 0x10,
  pauseResume: 0x20,
  serverSpecifiedMonitorPages: 0x40,
  gpaPinning: 0x80,
} as const;

/** Feature flags, from version 6.0 on; both sides use the intersection. */
export const featureFlags = flags(u32, FeatureFlag);
