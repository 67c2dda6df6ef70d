import { IcMessageType } from '../../devices/ic/spec.ts';
import {
  FILE_TIME_TO_UNIX_SECONDS,
  TimeSyncFlag,
  TimeSyncMessage,
  TimeSyncMessageV4,
  TimeSyncVersion,
} from '../../devices/timesync/spec.ts';
import { Msr } from '../../hypervisor/spec/msrs.ts';
import type { KernelApi } from '../kernel/api.ts';
import type { WorkQueue } from '../vmbus/api.ts';
import type { IcService } from './component.ts';
import type { IcMessage } from './message.ts';
import type { IcVersions } from './negotiate.ts';

const US_PER_SECOND = 1_000_000;
const EPOCH_TICKS = BigInt(FILE_TIME_TO_UNIX_SECONDS) * 10_000_000n;
const MASK = 0xffff_ffff_ffff_ffffn;
/** hw.hvtimesync.sample_thresh: samples that are nearer are passed over, all of them below 0. */
const SAMPLE_THRESHOLD_MS = 100;
/** 10.2 corrects its clock only when it is further off than this, either way. */
const LEGACY_TOLERANCE_SECONDS = 5;

/** What the clock was set to, for a test or a scenario. */
export interface ClockStep {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Sets the guest's clock by the host's. */
export class TimeSyncService implements IcService {
  readonly type = IcMessageType.is.timeSync;
  readonly messageVersion = TimeSyncVersion.v4;
  readonly #kernel: KernelApi;
  readonly #versions: () => IcVersions;
  readonly #queue: WorkQueue | undefined;
  readonly #print: (text: string) => void;
  #isSyncIgnored = false;
  #sampleThresholdMs = SAMPLE_THRESHOLD_MS;
  /** Every time the clock was set. */
  readonly steps: ClockStep[] = [];

  /**
   * @param queue 10.2 sets the clock in a thread of its own
   * @param print a line of the driver's
   */
  constructor(
    kernel: KernelApi,
    versions: () => IcVersions,
    queue: WorkQueue | undefined,
    print: (text: string) => void,
  ) {
    this.#kernel = kernel;
    this.#versions = versions;
    this.#queue = queue;
    this.#print = print;
    if (!this.#isLegacy) this.#addSysctls();
  }

  #addSysctls(): void {
    const kernel = this.#kernel;
    kernel.addSysctl(
      'hw.hvtimesync.ignore_sync',
      () => String(Number(this.#isSyncIgnored)),
      (value) => {
        this.#isSyncIgnored = value !== '0';
        return /^[01]$/.test(value);
      },
    );
    kernel.addSysctl(
      'hw.hvtimesync.sample_thresh',
      () => String(this.#sampleThresholdMs),
      (value) => {
        if (!/^-?\d+$/.test(value)) return false;
        this.#sampleThresholdMs = Number(value);
        return true;
      },
    );
  }

  get #isLegacy(): boolean {
    return this.#kernel.switches.release === 'legacy';
  }

  /** From version 4.0 on the host says when it read its clock, and the way of a message counts. */
  get #countsRoundTrip(): boolean {
    return !this.#isLegacy && this.#versions().message >= TimeSyncVersion.v4;
  }

  negotiated(): void {
    if (this.#countsRoundTrip) this.#print('RTT');
  }

  request(message: IcMessage): undefined {
    if (message.bodyLength < TimeSyncMessageV4.size) {
      if (!this.#isLegacy) this.#print(`invalid timesync len ${message.bodyLength}`);
      return;
    }
    const { view, bodyStart } = message;
    const isOld = this.#versions().message < TimeSyncVersion.v4;
    // 10.2 knows the old layout only, and its versions never go beyond it.
    const old = TimeSyncMessage.cursor(view).at(bodyStart);
    const recent = TimeSyncMessageV4.cursor(view).at(bodyStart);
    if (this.#isLegacy) this.#setByOldRule(old.hostTime, old.flags);
    else this.#set(recent.hostTime, recent.referenceTime, isOld ? old.flags : recent.flags);
  }

  /** SYNC and SAMPLE alike: nothing for what is late, nothing below whole seconds. */
  #setByOldRule(hostTime: bigint, flags: number): void {
    if ((flags & (TimeSyncFlag.bit.sync | TimeSyncFlag.bit.sample)) === 0) return;
    const kernel = this.#kernel;
    const step = (): void => {
      const hostUs = unixUs(hostTime, 0n);
      const guestUs = kernel.wallClockUs();
      const difference = Math.floor(hostUs / US_PER_SECOND) - Math.floor(guestUs / US_PER_SECOND);
      if (Math.abs(difference) > LEGACY_TOLERANCE_SECONDS) this.#step(guestUs, hostUs);
    };
    this.#queue?.enqueue(function* () {
      yield 2_000;
      step();
    });
  }

  #set(hostTime: bigint, referenceTime: bigint, flags: number): void {
    const kernel = this.#kernel;
    const roundTrip = this.#countsRoundTrip ? referenceNow(kernel) - referenceTime : 0n;
    const hostUs = unixUs(hostTime, roundTrip);
    const guestUs = kernel.wallClockUs();
    const show = `hv: ${hostUs}000, vm: ${guestUs}000`;
    if ((flags & TimeSyncFlag.bit.sync) !== 0) {
      if (this.#isSyncIgnored) return;
      if (kernel.verbose) this.#print(`apply sync request, ${show}`);
      this.#step(guestUs, hostUs);
    } else if ((flags & TimeSyncFlag.bit.sample) !== 0) {
      const thresholdMs = this.#sampleThresholdMs;
      if (thresholdMs < 0 || Math.floor(Math.abs(hostUs - guestUs) / 1_000) <= thresholdMs) return;
      if (kernel.verbose) this.#print(`apply sample request, ${show}`);
      this.#step(guestUs, hostUs);
    }
  }

  #step(fromUs: number, toUs: number): void {
    if (this.steps.length < 1_000) this.steps.push({ fromUs, toUs });
    this.#kernel.setWallClockUs(toUs);
  }
}

function referenceNow(kernel: KernelApi): bigint {
  const halves = new Uint32Array(2);
  kernel.hardware.readMsr(Msr.TIME_REF_COUNT, halves);
  return BigInt(halves[1]!) * 0x1_0000_0000n + BigInt(halves[0]!);
}

/** Units of 100 ns since 1601, and how many more have passed since, to microseconds since 1970. */
function unixUs(hostTime: bigint, passed: bigint): number {
  return Number(((hostTime - EPOCH_TICKS + passed) & MASK) / 10n);
}
