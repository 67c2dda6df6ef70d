/** The devices that can interrupt the model guest after a time: LAPIC, i8254, Hyper-V. */
import { NS_PER_REFERENCE_TICK, NS_PER_SECOND } from '../../core/clock.ts';
import {
  RTC_CRYSTAL_HZ,
  RTC_DATA_PORT,
  RTC_INDEX_PORT,
  RtcRegister,
  StatusA,
  StatusB,
} from '../../devices/rtc/spec.ts';
import { ApicRegister, LVT_MASKED } from '../../hypervisor/spec/apic.ts';
import { Msr } from '../../hypervisor/spec/msrs.ts';
import { TIMER_AUTO_ENABLE, TIMER_ENABLED, TIMER_SINT_SHIFT } from '../../hypervisor/spec/synic.ts';
import type { Task } from '../kernel/api.ts';
import type { LocalApic } from '../kernel/apic.ts';
import { Vector } from '../kernel/apic.ts';
import type { EventTimer } from '../kernel/callout.ts';
import type { Hardware } from '../kernel/hardware.ts';
import { I8254_HZ, PIT_COUNTER0, PIT_MODE } from './i8254.ts';

const LAPIC_MAX_COUNT = 0xffff_ffff;
/** Divide configuration for a divisor of 2, 4, 8 ... 128, 1 (SDM figure "Divide Configuration"). */
const DIVIDE_CODES = [0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa] as const;

/** The local APIC's timer, whose rate is only known by measuring it against DELAY. */
export class LapicTimer implements EventTimer {
  readonly name = 'LAPIC';
  readonly isPerProcessor = true;
  readonly quality: number;
  readonly #apic: LocalApic;
  #frequencyHz = 0;
  #divide: number = DIVIDE_CODES[0];

  constructor(apic: LocalApic, quality: number) {
    this.#apic = apic;
    this.quality = quality;
  }

  get frequencyHz(): number {
    return this.#frequencyHz;
  }

  /** Counts for as long as `delay` believes `microseconds` to be. */
  *calibrate(delay: (microseconds: number) => Task, microseconds: number): Task {
    for (const divide of DIVIDE_CODES) {
      this.#divide = divide;
      this.#apic.write(ApicRegister.timerDivide, divide);
      this.#apic.write(ApicRegister.lvtTimer, LVT_MASKED | Vector.timer);
      this.#apic.write(ApicRegister.timerInitialCount, LAPIC_MAX_COUNT);
      yield* delay(microseconds);
      const left = this.#apic.read(ApicRegister.timerCurrentCount);
      this.#apic.write(ApicRegister.timerInitialCount, 0);
      if (left === 0) continue;
      this.#frequencyHz = ((LAPIC_MAX_COUNT - left) * 1_000_000) / microseconds;
      return;
    }
  }

  start(delayNs: number): void {
    const count = Math.ceil((delayNs * this.#frequencyHz) / NS_PER_SECOND);
    this.#apic.write(ApicRegister.timerDivide, this.#divide);
    this.#apic.write(ApicRegister.lvtTimer, Vector.timer);
    this.#apic.write(ApicRegister.timerInitialCount, Math.min(LAPIC_MAX_COUNT, Math.max(1, count)));
  }

  stop(): void {
    this.#apic.write(ApicRegister.lvtTimer, LVT_MASKED | Vector.timer);
    this.#apic.write(ApicRegister.timerInitialCount, 0);
  }
}

/** The interrupt of an ISA device, which is off while its timer is not in use. */
export interface IsaInterrupt {
  enable(): void;
  disable(): void;
}

/** Counter 0 of the i8254 in mode 0: an interrupt at terminal count. One for all processors. */
export class PitTimer implements EventTimer {
  readonly name = 'i8254';
  readonly quality = 100;
  readonly frequencyHz = I8254_HZ;
  readonly isPerProcessor = false;
  readonly #hardware: Hardware;
  readonly #interrupt: IsaInterrupt;

  constructor(hardware: Hardware, interrupt: IsaInterrupt) {
    this.#hardware = hardware;
    this.#interrupt = interrupt;
  }

  start(delayNs: number): void {
    this.#interrupt.enable();
    const count = Math.min(0xffff, Math.max(1, Math.ceil((delayNs * I8254_HZ) / NS_PER_SECOND)));
    this.#hardware.out8(PIT_MODE, 0x30);
    this.#hardware.out8(PIT_COUNTER0, count & 0xff);
    this.#hardware.out8(PIT_COUNTER0, count >> 8);
  }

  /** Back to the free-running rate generator that the timecounter needs. */
  stop(): void {
    this.#interrupt.disable();
    this.#hardware.out8(PIT_MODE, 0x34);
    this.#hardware.out8(PIT_COUNTER0, 0);
    this.#hardware.out8(PIT_COUNTER0, 0);
  }
}

/** Rate 3 is 8192 interrupts a second, and each one up is half of it: rate 15 is two. */
const RTC_FASTEST = 3;
const RTC_SLOWEST = 15;

/** The battery clock's periodic interrupt, at powers of two a second. One for all processors. */
export class RtcTimer implements EventTimer {
  readonly name = 'RTC';
  readonly quality = 0;
  readonly frequencyHz = RTC_CRYSTAL_HZ;
  readonly isPerProcessor = false;
  readonly #hardware: Hardware;
  readonly #interrupt: IsaInterrupt;
  #rate = 0;

  constructor(hardware: Hardware, interrupt: IsaInterrupt) {
    this.#hardware = hardware;
    this.#interrupt = interrupt;
  }

  /** The longest period that is no longer than the delay; what comes too early is waited for again. */
  start(delayNs: number): void {
    this.#interrupt.enable();
    let rate = RTC_SLOWEST;
    while (rate > RTC_FASTEST && periodNs(rate) > delayNs) rate -= 1;
    if (rate === this.#rate) return;
    this.#rate = rate;
    this.#write(RtcRegister.statusA, StatusA.dividerRunning | rate);
    this.#write(RtcRegister.statusB, StatusB.hours24 | StatusB.periodicInterrupt);
  }

  stop(): void {
    this.#rate = 0;
    this.#write(RtcRegister.statusB, StatusB.hours24);
    this.#interrupt.disable();
  }

  /** Register C has to be read before the next interrupt comes. */
  acknowledge(): void {
    this.#hardware.out8(RTC_INDEX_PORT, RtcRegister.statusC);
    this.#hardware.in8(RTC_DATA_PORT);
  }

  #write(register: number, value: number): void {
    this.#hardware.out8(RTC_INDEX_PORT, register);
    this.#hardware.out8(RTC_DATA_PORT, value);
  }
}

function periodNs(rate: number): number {
  return (2 ** (rate - 1) * NS_PER_SECOND) / RTC_CRYSTAL_HZ;
}

/** Message source of the timer: SINT 4, beside VMBus's SINT 2 (FreeBSD's vmbus_et). */
export const TIMER_SINT = 4;

/** Synthetic timer 0 of each processor, one-shot, in units of 100 ns (TLFS, "Synthetic Timers"). */
export class HypervTimer implements EventTimer {
  readonly name = 'Hyper-V';
  readonly quality = 1000;
  readonly frequencyHz = 10_000_000;
  readonly isPerProcessor = true;
  readonly #hardware: Hardware;

  constructor(hardware: Hardware) {
    this.#hardware = hardware;
  }

  /** Makes the calling processor's timer ready: auto-enable, SINT 4, disarmed. */
  prepare(): void {
    const config = TIMER_AUTO_ENABLE | (TIMER_SINT << TIMER_SINT_SHIFT);
    this.#hardware.writeMsr(Msr.STIMER0_CONFIG, config);
    // A timer that was armed by firmware may take a moment to stop.
    for (let tries = 0; tries < 10; tries += 1) {
      this.#hardware.readMsr(Msr.STIMER0_CONFIG);
      if ((this.#hardware.low & TIMER_ENABLED) === 0) return;
    }
  }

  start(delayNs: number): void {
    const now = this.#hardware.readMsrNumber(Msr.TIME_REF_COUNT);
    this.#hardware.writeMsrNumber(
      Msr.STIMER0_COUNT,
      now + Math.ceil(delayNs / NS_PER_REFERENCE_TICK),
    );
  }

  stop(): void {
    this.#hardware.writeMsr(Msr.STIMER0_COUNT, 0);
  }
}
