import type { StateStream } from '../../core/state.ts';
import type { InterruptLine, PortBus } from '../../core/bus.ts';
import type { VirtualClock } from '../../core/clock.ts';
import type { EventQueue } from '../../core/events.ts';
import { BytePortDevice } from '../byte-ports.ts';
import { nsOfTick, ticksAt } from '../ticks.ts';
import {
  ACPI_PM_PORT,
  ACPI_PM_PORT_COUNT,
  AcpiPmRegister,
  Pm1Control,
  Pm1Event,
  PM_TIMER_HZ,
  RESET_VALUE,
} from './spec.ts';

/** What the guest may ask of the machine. Called from within guest execution. */
export interface PowerHost {
  /** SLP_EN was written. @param sleepType SLP_TYP, 0 to 7; what it means is in the DSDT (\_S5) */
  powerOff(sleepType: number): void;
  reset(): void;
}

export interface AcpiPmOptions {
  /** The SCI: level-triggered, IRQ 9. */
  readonly line: InterruptLine;
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly host: PowerHost;
  /** TMR_VAL_EXT in the FADT: 32 on Hyper-V. */
  readonly timerBits?: 24 | 32;
  /** First port, 0x400 unless told. */
  readonly port?: number;
}

/** PM timer, sleep control, general-purpose events and the reset register. */
export class AcpiPm extends BytePortDevice {
  readonly #line: InterruptLine;
  readonly #clock: VirtualClock;
  readonly #events: EventQueue;
  readonly #host: PowerHost;
  readonly #port: number;
  /** Ticks after which the timer's top bit changes. */
  readonly #halfRange: number;
  /** Half ranges that were over when the timer status was cleared last. */
  #seenHalves = 0;
  #pm1Status = 0;
  #pm1Enable = 0;
  #pm1Control: number = Pm1Control.sciEnable;
  #gpeStatus = 0;
  #gpeEnable = 0;
  #timerEvent = 0;

  constructor(options: AcpiPmOptions) {
    super();
    this.#line = options.line;
    this.#clock = options.clock;
    this.#events = options.events;
    this.#host = options.host;
    this.#port = options.port ?? ACPI_PM_PORT;
    this.#halfRange = 2 ** ((options.timerBits ?? 32) - 1);
  }

  attach(ports: PortBus): void {
    ports.attach(this.#port, ACPI_PM_PORT_COUNT, this);
  }

  /** The user's power button. */
  pressPowerButton(): void {
    this.#pm1Status |= Pm1Event.powerButton;
    this.#updateLine();
  }

  /** @param index 0 to 15: the \_GPE method `_E0n` or `_L0n` of the DSDT */
  raiseGeneralPurposeEvent(index: number): void {
    this.#gpeStatus |= 1 << index;
    this.#updateLine();
  }

  override portRead(port: number, size: number): number {
    // Four byte reads of a running timer would tear.
    if (port - this.#port === AcpiPmRegister.timer && size === 4) return this.#timer;
    return super.portRead(port, size);
  }

  protected readByte(port: number): number {
    const offset = port - this.#port;
    const half = 8 * (offset & 1);
    switch (offset & ~1) {
      case AcpiPmRegister.pm1Status:
        this.#noteTimer();
        return (this.#pm1Status >> half) & 0xff;
      case AcpiPmRegister.pm1Enable:
        return (this.#pm1Enable >> half) & 0xff;
      case AcpiPmRegister.pm1Control:
        return (this.#pm1Control >> half) & 0xff;
      case AcpiPmRegister.gpe0Status:
        return (this.#gpeStatus >> half) & 0xff;
      case AcpiPmRegister.gpe0Enable:
        return (this.#gpeEnable >> half) & 0xff;
      case AcpiPmRegister.timer:
      case AcpiPmRegister.timer + 2:
        return (this.#timer >>> (8 * (offset & 3))) & 0xff;
      default:
        return offset === AcpiPmRegister.reset ? 0 : 0xff;
    }
  }

  protected writeByte(port: number, value: number): void {
    const offset = port - this.#port;
    const half = 8 * (offset & 1);
    const merge = (old: number): number => (old & (0xff00 >> half)) | (value << half);
    switch (offset & ~1) {
      case AcpiPmRegister.pm1Status:
        this.#noteTimer();
        this.#pm1Status &= ~(value << half);
        break;
      case AcpiPmRegister.pm1Enable:
        this.#pm1Enable = merge(this.#pm1Enable);
        this.#scheduleTimer();
        break;
      case AcpiPmRegister.pm1Control:
        this.#writeControl(merge(this.#pm1Control));
        break;
      case AcpiPmRegister.gpe0Status:
        this.#gpeStatus &= ~(value << half);
        break;
      case AcpiPmRegister.gpe0Enable:
        this.#gpeEnable = merge(this.#gpeEnable);
        break;
      default:
        if (offset === AcpiPmRegister.reset && value === RESET_VALUE) this.#host.reset();
        break;
    }
    this.#updateLine();
  }

  /** SLP_EN is write-only and takes the SLP_TYP beside it. */
  #writeControl(value: number): void {
    this.#pm1Control = (value & ~Pm1Control.sleepEnable) | Pm1Control.sciEnable;
    if ((value & Pm1Control.sleepEnable) !== 0) {
      this.#host.powerOff((value & Pm1Control.sleepTypeMask) >> Pm1Control.sleepTypeShift);
    }
  }

  get #timer(): number {
    return ticksAt(this.#clock.nowNs, PM_TIMER_HZ) % (2 * this.#halfRange);
  }

  /** TMR_STS is set whenever the timer's top bit changes, enabled or not. */
  #noteTimer(): void {
    const halves = Math.floor(ticksAt(this.#clock.nowNs, PM_TIMER_HZ) / this.#halfRange);
    if (halves !== this.#seenHalves) this.#pm1Status |= Pm1Event.timer;
    this.#seenHalves = halves;
  }

  #scheduleTimer(): void {
    this.#events.cancel(this.#timerEvent);
    if ((this.#pm1Enable & Pm1Event.timer) === 0) return;
    this.#noteTimer();
    this.#timerEvent = this.#events.at(
      nsOfTick((this.#seenHalves + 1) * this.#halfRange, PM_TIMER_HZ),
      this.#onTimer,
    );
  }

  readonly #onTimer = (): void => {
    this.#scheduleTimer();
    this.#updateLine();
  };

  exchange(state: StateStream): void {
    this.#seenHalves = state.number('seenHalves', this.#seenHalves);
    this.#pm1Status = state.number('pm1Status', this.#pm1Status);
    this.#pm1Enable = state.number('pm1Enable', this.#pm1Enable);
    this.#pm1Control = state.number('pm1Control', this.#pm1Control);
    this.#gpeStatus = state.number('gpeStatus', this.#gpeStatus);
    this.#gpeEnable = state.number('gpeEnable', this.#gpeEnable);
    this.#timerEvent = state.event('timer', this.#timerEvent, this.#onTimer) ?? 0;
  }

  #updateLine(): void {
    const isActive =
      (this.#pm1Status & this.#pm1Enable) !== 0 || (this.#gpeStatus & this.#gpeEnable) !== 0;
    this.#line.set(isActive);
  }
}
