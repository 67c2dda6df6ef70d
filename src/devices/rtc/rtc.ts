import type { StateStream } from '../../core/state.ts';
import type { InterruptLine, PortBus } from '../../core/bus.ts';
import type { VirtualClock } from '../../core/clock.ts';
import { NS_PER_SECOND } from '../../core/clock.ts';
import type { EventQueue } from '../../core/events.ts';
import { BytePortDevice } from '../byte-ports.ts';
import { nsOfTick, ticksAt } from '../ticks.ts';
import { civilFromSeconds, secondsFromCivil } from './calendar.ts';
import {
  ALARM_ANY,
  CMOS_BYTES,
  CmosByte,
  CmosEquipment,
  DEFAULT_EPOCH_SECONDS,
  HOUR_PM,
  RTC_CRYSTAL_HZ,
  RTC_DATA_PORT,
  RTC_INDEX_PORT,
  RtcRegister,
  STATUS_D_VALID,
  StatusA,
  StatusB,
  StatusC,
  UPDATE_WARNING_NS,
} from './spec.ts';

export interface RtcOptions {
  /** IRQ 8. Active until register C is read. */
  readonly line: InterruptLine;
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  /** Seconds since 1970 (UTC) that the clock shows at power-on. */
  readonly epochSeconds?: number;
  /** RAM, for the CMOS bytes that say how much there is; without it they stay 0. */
  readonly ramBytes?: number;
  /** Where RAM stops below 4 GiB. */
  readonly lowGapStart?: number;
  /** Types of the floppy drives A: and B:, a half each; without it there is none. */
  readonly floppyType?: number;
}

const EIGHT_TIME_BYTES: readonly number[] = [
  RtcRegister.seconds,
  RtcRegister.minutes,
  RtcRegister.hours,
  RtcRegister.dayOfWeek,
  RtcRegister.dayOfMonth,
  RtcRegister.month,
  RtcRegister.year,
  RtcRegister.century,
];

/** The real-time clock: virtual time on top of a fixed epoch, so that every run sees the same. */
export class Rtc extends BytePortDevice {
  readonly #line: InterruptLine;
  readonly #clock: VirtualClock;
  readonly #events: EventQueue;
  readonly #cmos = new Uint8Array(CMOS_BYTES);
  #index = 0;
  /** Shown seconds = this + whole virtual seconds. */
  #offsetSeconds: number;
  #event = 0;
  /** Virtual time up to which flags were worked out. */
  #settledNs = 0;

  constructor(options: RtcOptions) {
    super();
    this.#line = options.line;
    this.#clock = options.clock;
    this.#events = options.events;
    this.#offsetSeconds = options.epochSeconds ?? DEFAULT_EPOCH_SECONDS;
    // 1.024 kHz periodic rate and 24-hour BCD: what PC firmware leaves behind.
    this.#cmos[RtcRegister.statusA] = StatusA.dividerRunning | 0x06;
    this.#cmos[RtcRegister.statusB] = StatusB.hours24;
    this.#cmos[RtcRegister.statusD] = STATUS_D_VALID;
    if (options.ramBytes !== undefined) {
      this.#storeMemorySizes(options.ramBytes, options.lowGapStart ?? options.ramBytes);
    }
    if (options.floppyType !== undefined) {
      this.#cmos[CmosByte.floppyType] = options.floppyType;
      this.#cmos[CmosByte.equipment] = CmosEquipment.floppy | CmosEquipment.coprocessor;
    }
  }

  attach(ports: PortBus): void {
    ports.attach(RTC_INDEX_PORT, 2, this);
  }

  exchange(state: StateStream): void {
    state.array('cmos', this.#cmos);
    this.#index = state.number('index', this.#index);
    this.#offsetSeconds = state.number('offsetSeconds', this.#offsetSeconds);
    this.#event = state.event('event', this.#event, this.#due) ?? 0;
    this.#settledNs = state.number('settledNs', this.#settledNs);
  }

  protected readByte(port: number): number {
    if (port === RTC_INDEX_PORT) return 0xff;
    const register = this.#index;
    if (EIGHT_TIME_BYTES.includes(register)) {
      this.#refreshTime();
      return this.#cmos[register]!;
    }
    if (register === RtcRegister.statusA) return this.#readStatusA();
    if (register === RtcRegister.statusC) return this.#readStatusC();
    return this.#cmos[register]!;
  }

  protected writeByte(port: number, value: number): void {
    if (port === RTC_INDEX_PORT) {
      this.#index = value & 0x7f;
      return;
    }
    if (port !== RTC_DATA_PORT) return;
    const register = this.#index;
    if (register === RtcRegister.statusC || register === RtcRegister.statusD) return;
    if (EIGHT_TIME_BYTES.includes(register)) {
      this.#refreshTime();
      this.#cmos[register] = value;
      if (!this.#isStopped) this.#adoptTime();
      return;
    }
    this.#settle();
    if (register === RtcRegister.statusB) this.#writeStatusB(value);
    else if (register === RtcRegister.statusA) this.#cmos[register] = value & 0x7f;
    else this.#cmos[register] = value;
    this.#update();
  }

  get #statusB(): number {
    return this.#cmos[RtcRegister.statusB]!;
  }

  get #isStopped(): boolean {
    const divider = this.#cmos[RtcRegister.statusA]! & StatusA.dividerMask;
    return (this.#statusB & StatusB.set) !== 0 || divider !== StatusA.dividerRunning;
  }

  /** Ticks of the crystal in one periodic interrupt, or 0 when the rate selects none. */
  get #periodicTicks(): number {
    const rate = this.#cmos[RtcRegister.statusA]! & StatusA.rateMask;
    if (rate === 0) return 0;
    // Rates 1 and 2 repeat 8 and 9 (data sheet, table 5).
    return 2 ** ((rate <= 2 ? rate + 7 : rate) - 1);
  }

  #writeStatusB(value: number): void {
    const wasStopped = this.#isStopped;
    if (!wasStopped && (value & StatusB.set) !== 0) this.#refreshTime();
    // The form bits say how the bytes are to be read, so they count from this write on.
    this.#cmos[RtcRegister.statusB] =
      (value & StatusB.set) === 0 ? value : value & ~StatusB.updateInterrupt;
    if (wasStopped && !this.#isStopped) this.#adoptTime();
  }

  #encode(value: number): number {
    if ((this.#statusB & StatusB.binary) !== 0) return value;
    return (Math.floor(value / 10) << 4) | (value % 10);
  }

  #decode(byte: number): number {
    return (this.#statusB & StatusB.binary) !== 0 ? byte : (byte >> 4) * 10 + (byte & 0xf);
  }

  #encodeHour(hour: number): number {
    if ((this.#statusB & StatusB.hours24) !== 0) return this.#encode(hour);
    return this.#encode(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? HOUR_PM : 0);
  }

  #decodeHour(byte: number): number {
    if ((this.#statusB & StatusB.hours24) !== 0) return this.#decode(byte);
    return (this.#decode(byte & 0x7f) % 12) + ((byte & HOUR_PM) !== 0 ? 12 : 0);
  }

  get #shownSeconds(): number {
    return this.#offsetSeconds + Math.floor(this.#clock.nowNs / NS_PER_SECOND);
  }

  #refreshTime(): void {
    if (this.#isStopped) return;
    const time = civilFromSeconds(this.#shownSeconds);
    const cmos = this.#cmos;
    cmos[RtcRegister.seconds] = this.#encode(time.second);
    cmos[RtcRegister.minutes] = this.#encode(time.minute);
    cmos[RtcRegister.hours] = this.#encodeHour(time.hour);
    cmos[RtcRegister.dayOfWeek] = this.#encode(time.weekday + 1);
    cmos[RtcRegister.dayOfMonth] = this.#encode(time.day);
    cmos[RtcRegister.month] = this.#encode(time.month);
    cmos[RtcRegister.year] = this.#encode(time.year % 100);
    cmos[RtcRegister.century] = this.#encode(Math.floor(time.year / 100));
  }

  /** The bytes that the guest wrote become the time from now on. */
  #adoptTime(): void {
    const cmos = this.#cmos;
    const seconds = secondsFromCivil({
      year: this.#decode(cmos[RtcRegister.century]!) * 100 + this.#decode(cmos[RtcRegister.year]!),
      month: Math.min(12, Math.max(1, this.#decode(cmos[RtcRegister.month]!))),
      day: this.#decode(cmos[RtcRegister.dayOfMonth]!),
      hour: this.#decodeHour(cmos[RtcRegister.hours]!),
      minute: this.#decode(cmos[RtcRegister.minutes]!),
      second: this.#decode(cmos[RtcRegister.seconds]!),
    });
    this.#offsetSeconds = seconds - Math.floor(this.#clock.nowNs / NS_PER_SECOND);
  }

  #readStatusA(): number {
    const untilSecond = NS_PER_SECOND - (this.#clock.nowNs % NS_PER_SECOND);
    const isUpdating = !this.#isStopped && untilSecond <= UPDATE_WARNING_NS;
    return this.#cmos[RtcRegister.statusA]! | (isUpdating ? StatusA.updateInProgress : 0);
  }

  #readStatusC(): number {
    this.#settle();
    const flags = this.#statusC;
    this.#cmos[RtcRegister.statusC] = 0;
    this.#update();
    return flags;
  }

  get #statusC(): number {
    const flags = this.#cmos[RtcRegister.statusC]!;
    return flags | ((flags & this.#statusB & 0x70) === 0 ? 0 : StatusC.interruptRequest);
  }

  /** Sets the flags of all that happened since the last time, whether or not they interrupt. */
  #settle(): void {
    const now = this.#clock.nowNs;
    const before = this.#settledNs;
    this.#settledNs = now;
    if (now <= before) return;
    let flags = 0;
    const period = this.#periodicTicks;
    if (period > 0) {
      const periods = (timeNs: number): number =>
        Math.floor(ticksAt(timeNs, RTC_CRYSTAL_HZ) / period);
      if (periods(now) !== periods(before)) flags |= StatusC.periodic;
    }
    const updates = Math.floor(now / NS_PER_SECOND) - Math.floor(before / NS_PER_SECOND);
    if (updates > 0 && !this.#isStopped) {
      flags |= StatusC.update;
      // While an alarm is enabled the clock settles every second, so that no match is missed.
      if (this.#matchesAlarm()) flags |= StatusC.alarm;
    }
    this.#cmos[RtcRegister.statusC]! |= flags;
  }

  #matchesAlarm(): boolean {
    const time = civilFromSeconds(this.#shownSeconds);
    const matches = (register: number, encoded: number): boolean =>
      this.#cmos[register]! >= ALARM_ANY || this.#cmos[register] === encoded;
    return (
      matches(RtcRegister.secondsAlarm, this.#encode(time.second)) &&
      matches(RtcRegister.minutesAlarm, this.#encode(time.minute)) &&
      matches(RtcRegister.hoursAlarm, this.#encodeHour(time.hour))
    );
  }

  readonly #due = (): void => {
    this.#settle();
    this.#update();
  };

  /** Drives the line, and asks for an event when an enabled source will fire. */
  #update(): void {
    this.#line.set((this.#statusC & StatusC.interruptRequest) !== 0);
    this.#events.cancel(this.#event);
    let deadlineNs = Infinity;
    const period = this.#periodicTicks;
    if ((this.#statusB & StatusB.periodicInterrupt) !== 0 && period > 0) {
      const periods = Math.floor(ticksAt(this.#clock.nowNs, RTC_CRYSTAL_HZ) / period);
      deadlineNs = nsOfTick((periods + 1) * period, RTC_CRYSTAL_HZ);
    }
    const secondBits = StatusB.updateInterrupt | StatusB.alarmInterrupt;
    if ((this.#statusB & secondBits) !== 0 && !this.#isStopped) {
      const nextSecond = (Math.floor(this.#clock.nowNs / NS_PER_SECOND) + 1) * NS_PER_SECOND;
      deadlineNs = Math.min(deadlineNs, nextSecond);
    }
    if (deadlineNs !== Infinity) this.#event = this.#events.at(deadlineNs, this.#due);
  }

  #storeMemorySizes(ramBytes: number, lowGapStart: number): void {
    const lowBytes = Math.min(ramBytes, lowGapStart);
    const kib = (bytes: number): number => Math.max(0, Math.floor(bytes / 1024));
    const store = (at: number, value: number, count: number): void => {
      for (let index = 0; index < count; index += 1) {
        this.#cmos[at + index] = Math.floor(value / 256 ** index) & 0xff;
      }
    };
    const extended = Math.min(0xffff, kib(lowBytes - 0x10_0000));
    store(CmosByte.baseMemory, 640, 2);
    store(CmosByte.extendedMemory, extended, 2);
    store(CmosByte.extendedMemoryFound, extended, 2);
    store(CmosByte.memoryAbove16Mib, Math.min(0xffff, kib(lowBytes - 0x100_0000) >> 6), 2);
    store(CmosByte.memoryAbove4Gib, Math.floor(kib(ramBytes - lowBytes) / 64), 3);
  }
}
