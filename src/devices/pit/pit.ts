import type { StateStream } from '../../core/state.ts';
import type { InterruptLine, PortBus } from '../../core/bus.ts';
import type { VirtualClock } from '../../core/clock.ts';
import type { EventQueue } from '../../core/events.ts';
import { BytePortDevice } from '../byte-ports.ts';
import { nsOfTick, ticksAt } from '../ticks.ts';
import { Counter } from './counter.ts';
import type { PitAnomaly } from './spec.ts';
import {
  PIT_CONTROL_PORT,
  PIT_HZ,
  PIT_PORT,
  PIT_PORT_COUNT,
  PitAccess,
  READ_BACK_CHANNEL,
  ReadBack,
  REFRESH_COUNTS,
  SYSTEM_CONTROL_PORT,
  SystemControl,
} from './spec.ts';

export interface PitOptions {
  /** Output of channel 0: IRQ 0. Each rise is one interrupt. */
  readonly line: InterruptLine;
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  /** How channel 0's count strays; null for a sound timer. */
  readonly anomaly: PitAnomaly | null;
}

/** The 8254 with its three counters, and port 61h, of a Gen-1 machine. Gen-2 has neither. */
export class Pit extends BytePortDevice {
  readonly #line: InterruptLine;
  readonly #clock: VirtualClock;
  readonly #events: EventQueue;
  readonly #counters: readonly [Counter, Counter, Counter];
  #riseEvent = 0;
  #speaker = false;

  constructor(options: PitOptions) {
    super();
    this.#line = options.line;
    this.#clock = options.clock;
    this.#events = options.events;
    this.#counters = [new Counter(options.anomaly), new Counter(null), new Counter(null)];
    this.#counters[2].setGate(false, 0);
  }

  attach(ports: PortBus): void {
    ports.attach(PIT_PORT, PIT_PORT_COUNT, this);
    ports.attach(SYSTEM_CONTROL_PORT, 1, this);
  }

  exchange(state: StateStream): void {
    for (const counter of this.#counters) state.part('counter', () => counter.exchange(state));
    this.#riseEvent = state.event('rise', this.#riseEvent, this.#rise) ?? 0;
    this.#speaker = state.flag('speaker', this.#speaker);
  }

  protected readByte(port: number): number {
    const now = ticksAt(this.#clock.nowNs, PIT_HZ);
    if (port === SYSTEM_CONTROL_PORT) return this.#readSystemControl(now);
    // The control word cannot be read: the chip leaves the bus floating.
    if (port < PIT_PORT || port >= PIT_CONTROL_PORT) return 0xff;
    return this.#counters[port - PIT_PORT]!.read(now);
  }

  protected writeByte(port: number, value: number): void {
    const now = ticksAt(this.#clock.nowNs, PIT_HZ);
    if (port === SYSTEM_CONTROL_PORT) {
      this.#speaker = (value & SystemControl.speaker) !== 0;
      this.#counters[2].setGate((value & SystemControl.timer2Gate) !== 0, now);
    } else if (port === PIT_CONTROL_PORT) {
      this.#writeControl(value, now);
    } else if (port >= PIT_PORT && port < PIT_CONTROL_PORT) {
      this.#counters[port - PIT_PORT]!.write(value, now);
      if (port === PIT_PORT) this.#followChannel0(now);
    }
  }

  #readSystemControl(now: number): number {
    const isRefreshing = Math.floor(now / REFRESH_COUNTS) % 2 === 1;
    return (
      (this.#counters[2].gate ? SystemControl.timer2Gate : 0) |
      (this.#speaker ? SystemControl.speaker : 0) |
      (isRefreshing ? SystemControl.refreshToggle : 0) |
      (this.#counters[2].output(now) ? SystemControl.timer2Output : 0)
    );
  }

  #writeControl(value: number, now: number): void {
    const channel = value >> 6;
    if (channel === READ_BACK_CHANNEL) {
      for (let index = 0; index < 3; index += 1) {
        if ((value & (2 << index)) === 0) continue;
        const counter = this.#counters[index]!;
        if ((value & ReadBack.noCount) === 0) counter.latchCount(now);
        if ((value & ReadBack.noStatus) === 0) counter.latchStatus(now);
      }
      return;
    }
    const counter = this.#counters[channel]!;
    const access = (value >> 4) & 3;
    if (access === PitAccess.latch) {
      counter.latchCount(now);
      return;
    }
    counter.control(access, (value >> 1) & 7, (value & 1) !== 0);
    if (channel === 0) this.#followChannel0(now);
  }

  #followChannel0(now: number): void {
    this.#line.set(this.#counters[0].output(now));
    this.#scheduleRise(now);
  }

  #scheduleRise(now: number): void {
    this.#events.cancel(this.#riseEvent);
    const rise = this.#counters[0].nextRise(now);
    if (rise !== Infinity)
      this.#riseEvent = this.#events.at(nsOfTick(rise, PIT_HZ), this.#rise, rise);
  }

  readonly #rise = (tick: number): void => {
    this.#line.set(false);
    this.#line.set(true);
    this.#scheduleRise(tick);
  };
}
