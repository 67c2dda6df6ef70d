import { RTC_DATA_PORT, RTC_INDEX_PORT, RtcRegister, StatusB } from '../../devices/rtc/spec.ts';
import type { Hardware } from '../kernel/hardware.ts';

const US_PER_SECOND = 1_000_000;
const SECONDS_PER_DAY = 86_400;
const MONTH_DAYS = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
/** What an absent port reads as. */
const ABSENT = 0xff;

/** CLOCK_REALTIME: uptime on top of the time of day at boot, in microseconds since 1970 (UTC). */
export class TimeOfDay {
  readonly #hardware: Hardware;
  readonly #uptimeNs: () => number;
  #bootUs = 0;
  #hasBatteryClock = false;

  constructor(hardware: Hardware, uptimeNs: () => number) {
    this.#hardware = hardware;
    this.#uptimeNs = uptimeNs;
  }

  /** Whether `readBatteryClock` found one. */
  get hasBatteryClock(): boolean {
    return this.#hasBatteryClock;
  }

  get nowUs(): number {
    return this.#bootUs + Math.floor(this.#uptimeNs() / 1_000);
  }

  set nowUs(us: number) {
    this.#bootUs = us - Math.floor(this.#uptimeNs() / 1_000);
  }

  /** Takes the time of the battery clock, which knows whole seconds. @returns false without one */
  readBatteryClock(): boolean {
    if (this.#register(RtcRegister.statusA) === ABSENT) return false;
    this.#hasBatteryClock = true;
    const isBinary = (this.#register(RtcRegister.statusB) & StatusB.binary) !== 0;
    const value = (register: number): number => {
      const raw = this.#register(register);
      return isBinary ? raw : (raw >>> 4) * 10 + (raw & 0xf);
    };
    const year = value(RtcRegister.century) * 100 + value(RtcRegister.year);
    const days = daysFromEpoch(year, value(RtcRegister.month), value(RtcRegister.dayOfMonth));
    const minutes = value(RtcRegister.hours) * 60 + value(RtcRegister.minutes);
    const seconds = days * SECONDS_PER_DAY + minutes * 60 + value(RtcRegister.seconds);
    this.nowUs = seconds * US_PER_SECOND;
    return true;
  }

  #register(register: number): number {
    this.#hardware.out8(RTC_INDEX_PORT, register);
    return this.#hardware.in8(RTC_DATA_PORT);
  }
}

/** @param month 1 to 12 */
function daysFromEpoch(year: number, month: number, day: number): number {
  const before = year - 1;
  const leapDays = (to: number): number =>
    Math.floor(to / 4) - Math.floor(to / 100) + Math.floor(to / 400);
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const inYear = (MONTH_DAYS[month - 1] ?? 0) + (isLeap && month > 2 ? 1 : 0) + day - 1;
  return (year - 1970) * 365 + leapDays(before) - leapDays(1969) + inYear;
}

/** "Fri Jan  1 00:00:00 UTC 2016", as date(1) writes it. */
export function formatDate(us: number): string {
  const seconds = Math.floor(us / US_PER_SECOND);
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  const rest = seconds - days * SECONDS_PER_DAY;
  let year = 1970 + Math.floor(days / 366);
  while (daysFromEpoch(year + 1, 1, 1) <= days) year += 1;
  let month = 12;
  while (daysFromEpoch(year, month, 1) > days) month -= 1;
  const day = days - daysFromEpoch(year, month, 1) + 1;
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60].map(two).join(':');
  const weekday = 'ThuFriSatSunMonTueWed'.slice((days % 7) * 3, (days % 7) * 3 + 3);
  const name = 'JanFebMarAprMayJunJulAugSepOctNovDec'.slice((month - 1) * 3, month * 3);
  return `${weekday} ${name} ${String(day).padStart(2)} ${time} UTC ${year}`;
}
