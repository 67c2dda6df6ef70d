/** A time server of stratum 1 on the host's network. */
import type { StateStream } from '../core/state.ts';
import { NS_PER_SECOND, type VirtualClock } from '../core/clock.ts';
import { NTP_TO_UNIX_SECONDS, NTP_VERSION, NtpMode, NtpPacket } from './spec/ntp.ts';

/** "LOCL": an uncalibrated local clock. */
const REFERENCE_ID = 0x4c4f_434c;

export interface NtpOptions {
  /** Seconds since 1970 (UTC) when the virtual clock stands at zero. */
  readonly epochSeconds: number;
}

export class NtpServer {
  readonly #clock: VirtualClock;
  readonly #epochSeconds: number;
  /** How far this server's time is ahead of epoch plus virtual time. */
  offsetNs = 0;

  constructor(clock: VirtualClock, options: NtpOptions) {
    this.#clock = clock;
    this.#epochSeconds = options.epochSeconds;
  }

  exchange(state: StateStream): void {
    this.offsetNs = state.number('offsetNs', this.offsetNs);
  }

  /**
   * Answers a request.
   * @param target where the answer's `NtpPacket.size` bytes go
   * @returns false for what is no request of a client
   */
  handle(request: DataView, at: number, length: number, target: DataView, to: number): boolean {
    if (length < NtpPacket.size) return false;
    const asked = NtpPacket.cursor(request).at(at);
    const version = (asked.leapVersionMode >>> 3) & 7;
    if ((asked.leapVersionMode & 7) !== NtpMode.client || version === 0) return false;
    const now = this.#now();
    const { poll, transmitTime } = asked;
    const answer = NtpPacket.cursor(target).at(to);
    answer.leapVersionMode = (Math.min(version, NTP_VERSION) << 3) | NtpMode.server;
    answer.stratum = 1;
    answer.poll = poll;
    // 2^-20 s.
    answer.precision = 0xec;
    answer.rootDelay = 0;
    answer.rootDispersion = 0;
    answer.referenceId = REFERENCE_ID;
    answer.referenceTime = now;
    answer.originTime = transmitTime;
    answer.receiveTime = now;
    answer.transmitTime = now;
    return true;
  }

  #now(): bigint {
    const ns = this.#clock.nowNs + this.offsetNs;
    const seconds = Math.floor(ns / NS_PER_SECOND);
    const rest = ns - seconds * NS_PER_SECOND;
    const whole = BigInt(Math.floor(this.#epochSeconds) + seconds + NTP_TO_UNIX_SECONDS);
    return (whole << 32n) | BigInt(Math.floor((rest / NS_PER_SECOND) * 0x1_0000_0000));
  }
}
