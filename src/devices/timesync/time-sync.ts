import type { ChannelLookup } from '../../vmbus/device.ts';
import type { StateStream } from '../../core/state.ts';
import { NS_PER_REFERENCE_TICK, NS_PER_SECOND } from '../../core/clock.ts';
import type { VirtualClock } from '../../core/clock.ts';
import type { EventHandle } from '../../core/events.ts';
import { traceType } from '../../core/trace.ts';
import { u32, u64 } from '../../core/wire.ts';
import { DeviceClass, DeviceInstance } from '../../vmbus/spec/guids.ts';
import { IcDevice, type IcOptions } from '../ic/ic-device.ts';
import { IcMessageType } from '../ic/spec.ts';
import { buildBytes } from '../pipe/build.ts';
import {
  FILE_TIME_TO_UNIX_SECONDS,
  TimeSyncFlag,
  TimeSyncMessage,
  TimeSyncMessageV4,
  TimeSyncVersion,
} from './spec.ts';

const SAMPLE_INTERVAL_NS = 5 * NS_PER_SECOND;
const TICKS_PER_SECOND = NS_PER_SECOND / NS_PER_REFERENCE_TICK;

const sentEvent = traceType('timesync', 'sent', {
  channel: u32,
  flags: TimeSyncFlag,
  referenceTime: u64,
  ageNs: u64,
});

export interface TimeSyncOptions extends IcOptions {
  readonly clock: VirtualClock;
  /** Seconds since 1970 (UTC) at power-on: the same epoch as the real-time clock's. */
  readonly epochSeconds: number;
}

export interface TimeSyncExtra {
  /** The message left the host this long after its times were read: a late one. */
  readonly ageNs?: number;
  /** Overrides the reference time: old hosts are known to have sent 0 after a resume. */
  readonly referenceTime?: number;
}

/**
 * The time synchronisation component: one *sync* when the guest is there, then a *sample* every
 * five seconds of virtual time.
 */
export class TimeSync extends IcDevice {
  readonly #clock: VirtualClock;
  readonly #epochSeconds: number;
  #hostOffsetNs = 0;
  #sent = 0;
  #timer: EventHandle | undefined;
  readonly #onTimer = (): void => this.#tick('sample');

  constructor(options: TimeSyncOptions) {
    super(
      { name: 'timesync', interfaceId: DeviceClass.timeSync, instanceId: DeviceInstance.timeSync },
      IcMessageType.is.timeSync,
      Object.values(TimeSyncVersion),
      options,
    );
    this.#clock = options.clock;
    this.#epochSeconds = options.epochSeconds;
  }

  override exchange(state: StateStream, channelAt: ChannelLookup): void {
    super.exchange(state, channelAt);
    this.#hostOffsetNs = state.number('hostOffsetNs', this.#hostOffsetNs);
    this.#sent = state.number('sent', this.#sent);
    this.#timer = state.event('timer', this.#timer, this.#onTimer);
  }

  /** How far the host's clock is ahead of epoch plus virtual time, as after a saved state. */
  get hostOffsetNs(): number {
    return this.#hostOffsetNs;
  }

  set hostOffsetNs(offsetNs: number) {
    this.#hostOffsetNs = Math.round(offsetNs);
  }

  /** Messages so far. */
  get sentCount(): number {
    return this.#sent;
  }

  /**
   * Sends a time at once, beside the regular ones.
   * @returns false when no guest is there, or it leaves no room in its ring
   */
  sendTime(kind: 'sync' | 'sample', extra: TimeSyncExtra = {}): boolean {
    if (this.state !== 'ready' || !this.canSend) return false;
    const ageNs = extra.ageNs ?? 0;
    const readNs = Math.max(this.#clock.nowNs - ageNs, 0);
    const hostTime = this.#hostTime(readNs);
    const reference = extra.referenceTime ?? Math.floor(readNs / NS_PER_REFERENCE_TICK);
    const flags = TimeSyncFlag.bit[kind];
    this.abandon();
    this.#sent += 1;
    this.trace.emit(sentEvent, this.channelId, flags, reference, ageNs);
    // Sent as a transaction, since Windows ignores it otherwise; nothing follows from the answer.
    this.request(this.#body(hostTime, reference, flags), () => undefined, Infinity);
    return true;
  }

  protected override negotiated(): void {
    this.#tick('sync');
  }

  protected override ended(): void {
    if (this.#timer !== undefined) this.events.cancel(this.#timer);
    this.#timer = undefined;
  }

  #tick(kind: 'sync' | 'sample'): void {
    this.#timer = this.events.after(SAMPLE_INTERVAL_NS, this.#onTimer);
    this.sendTime(kind);
  }

  /** Units of 100 ns since 1601. */
  #hostTime(readNs: number): bigint {
    const seconds = BigInt(FILE_TIME_TO_UNIX_SECONDS) + BigInt(Math.floor(this.#epochSeconds));
    const ticks = BigInt(Math.floor((readNs + this.#hostOffsetNs) / NS_PER_REFERENCE_TICK));
    return BigInt.asUintN(64, seconds * BigInt(TICKS_PER_SECOND) + ticks);
  }

  #body(hostTime: bigint, referenceTime: number, flags: number): Uint8Array {
    if (this.messageVersion < TimeSyncVersion.v4) {
      return buildBytes(TimeSyncMessage, (message) => {
        message.hostTime = hostTime;
        message.flags = flags;
      });
    }
    return buildBytes(TimeSyncMessageV4, (message) => {
      message.hostTime = hostTime;
      message.referenceTime = BigInt(referenceTime);
      message.flags = flags;
    });
  }
}
