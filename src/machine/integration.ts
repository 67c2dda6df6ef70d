/** The integration components and input devices of a machine, by host. */
import type { VirtualClock } from '../core/clock.ts';
import type { EventQueue } from '../core/events.ts';
import type { Trace } from '../core/trace.ts';
import { FileCopyVersion } from '../devices/file-copy/spec.ts';
import { GuestFileCopy } from '../devices/file-copy/file-copy.ts';
import { Heartbeat } from '../devices/heartbeat/heartbeat.ts';
import { SyntheticKeyboard } from '../devices/keyboard/keyboard.ts';
import { KeyValuePair } from '../devices/kvp/key-value-pair.ts';
import { KvpVersion } from '../devices/kvp/spec.ts';
import { SyntheticMouse } from '../devices/mouse/mouse.ts';
import { DEFAULT_EPOCH_SECONDS } from '../devices/rtc/spec.ts';
import { Shutdown } from '../devices/shutdown/shutdown.ts';
import { ShutdownVersion } from '../devices/shutdown/spec.ts';
import { TimeSyncVersion } from '../devices/timesync/spec.ts';
import { TimeSync } from '../devices/timesync/time-sync.ts';
import { VssVersion } from '../devices/vss/spec.ts';
import { VolumeShadowCopy } from '../devices/vss/vss.ts';
import type { VmbusDevice } from '../vmbus/device.ts';
import { OfferOrder } from './offers.ts';

/** Which versions of its components a host proposes, major << 16 | minor, ascending. */
export interface IntegrationProfile {
  readonly shutdown: readonly number[];
  readonly timeSync: readonly number[];
  readonly keyValuePair: readonly number[];
  readonly volumeShadowCopy: readonly number[];
  readonly guestFileCopy: readonly number[];
  /**
   * After so many nanoseconds the host proposes again to a guest that found no common version;
   * undefined for a host that leaves it at that.
   */
  readonly renegotiateNs: number | undefined;
}

const V = { shutdown: ShutdownVersion, time: TimeSyncVersion, kvp: KvpVersion, vss: VssVersion };

/** Windows Server 2012 asks on and on (Linux commit ed9ba608e485); how often is our choice. */
export const INTEGRATION_2012: IntegrationProfile = {
  shutdown: [V.shutdown.v1, V.shutdown.v3],
  timeSync: [V.time.v1, V.time.v3],
  keyValuePair: [V.kvp.v3, V.kvp.v4],
  volumeShadowCopy: [V.vss.win8],
  guestFileCopy: [FileCopyVersion.v1],
  renegotiateNs: 1_000_000_000,
};

export const INTEGRATION_2012R2: IntegrationProfile = {
  ...INTEGRATION_2012,
  volumeShadowCopy: [V.vss.win8, V.vss.blue],
  guestFileCopy: Object.values(FileCopyVersion),
  renegotiateNs: undefined,
};

export const INTEGRATION_2016: IntegrationProfile = {
  ...INTEGRATION_2012R2,
  shutdown: [V.shutdown.v1, V.shutdown.v3, V.shutdown.v3_1],
  timeSync: Object.values(TimeSyncVersion),
  keyValuePair: Object.values(KvpVersion),
  volumeShadowCopy: Object.values(VssVersion),
};

export const INTEGRATION_2019: IntegrationProfile = {
  ...INTEGRATION_2016,
  shutdown: Object.values(ShutdownVersion),
};

export interface Integration {
  readonly heartbeat: Heartbeat;
  readonly keyValuePair: KeyValuePair;
  readonly shutdown: Shutdown;
  readonly timeSync: TimeSync;
  readonly volumeShadowCopy: VolumeShadowCopy;
  readonly guestFileCopy: GuestFileCopy;
}

export interface IntegrationOptions {
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly trace: Trace;
  readonly profile: IntegrationProfile;
  /** Told to the guest by key-value pairs. */
  readonly hostFacts?: ReadonlyMap<string, string>;
}

/** @param offer puts a device on the bus */
export function buildIntegration(
  options: IntegrationOptions,
  offer: (device: VmbusDevice) => void,
): Integration {
  const { clock, events, trace, profile } = options;
  const { renegotiateNs } = profile;
  const common = { events, trace, ...(renegotiateNs === undefined ? {} : { renegotiateNs }) };
  const integration: Integration = {
    heartbeat: new Heartbeat({ ...common, order: OfferOrder.heartbeat }),
    keyValuePair: new KeyValuePair({
      ...common,
      order: OfferOrder.keyValuePair,
      versions: profile.keyValuePair,
      ...(options.hostFacts === undefined ? {} : { hostFacts: options.hostFacts }),
    }),
    shutdown: new Shutdown({
      ...common,
      order: OfferOrder.shutdown,
      versions: profile.shutdown,
    }),
    timeSync: new TimeSync({
      ...common,
      order: OfferOrder.timeSync,
      versions: profile.timeSync,
      clock,
      epochSeconds: DEFAULT_EPOCH_SECONDS,
    }),
    volumeShadowCopy: new VolumeShadowCopy({
      ...common,
      order: OfferOrder.volumeShadowCopy,
      versions: profile.volumeShadowCopy,
    }),
    guestFileCopy: new GuestFileCopy({
      ...common,
      order: OfferOrder.guestFileCopy,
      versions: profile.guestFileCopy,
    }),
  };
  for (const device of Object.values(integration) as VmbusDevice[]) offer(device);
  return integration;
}

export interface Input {
  readonly keyboard: SyntheticKeyboard;
  readonly mouse: SyntheticMouse;
}

/** @param offer puts a device on the bus */
export function buildInput(
  { clock, events, trace }: Omit<IntegrationOptions, 'profile'>,
  offer: (device: VmbusDevice) => void,
): Input {
  const keyboard = new SyntheticKeyboard({ events, trace, clock, order: OfferOrder.keyboard });
  const mouse = new SyntheticMouse({ events, trace, order: OfferOrder.mouse });
  offer(keyboard);
  offer(mouse);
  return { keyboard, mouse };
}
