/** CPU ticks: how the kernel turns TSC counts into the run times of processes (kern_tc, calcru). */
import { NS_PER_SECOND } from '../../core/clock.ts';
import type { Task } from '../kernel/api.ts';
import { IA32_TSC } from '../kernel/hardware.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** The calibrator looks this often (cpu_tick_calibrate). */
const CALIBRATION_PERIOD_NS = 16 * NS_PER_SECOND;
/** calcru says nothing of smaller steps back. */
const TOLERATED_US = 3;

export class CpuTicks {
  readonly #kernel: Kernel;
  /** Believed rate in hertz. With a rate that may vary it is only ever raised. */
  frequencyHz = 0;
  /** The TSC's rate as it was first found. */
  tscHz = 0;
  #isVariable = false;
  /** Ticks in a nanosecond of a thread's run time, as measured with `frequencyHz`. */
  #ticksPerNs = 0;
  #lastTicks = 0;
  #lastUptimeNs = 0;
  /** Run time that calcru gave last, in microseconds, by process id. */
  readonly #shown = new Map<number, number>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get isKnown(): boolean {
    return this.frequencyHz > 0;
  }

  /** Measures the TSC over what DELAY takes for a second. */
  *measure(): Task {
    const thread = this.#kernel.scheduler.currentThread;
    const startTicks = this.#read();
    const startNs = thread?.runtimeNs ?? 0;
    yield* this.#kernel.delay(1_000_000);
    const ticks = this.#read() - startTicks;
    this.frequencyHz = ticks;
    this.tscHz = ticks;
    const spentNs = (thread?.runtimeNs ?? 0) - startNs;
    this.#ticksPerNs = spentNs > 0 ? ticks / spentNs : ticks / NS_PER_SECOND;
  }

  /** The rate as the hypervisor tells it. */
  adopt(frequencyHz: number): void {
    this.frequencyHz = frequencyHz;
    this.tscHz = frequencyHz;
    this.#ticksPerNs = frequencyHz / NS_PER_SECOND;
  }

  /** @param isInvariant the processor says that its TSC never changes rate */
  startCalibrator(isInvariant: boolean): void {
    this.#isVariable = !isInvariant;
    if (!this.#isVariable) return;
    this.#lastTicks = this.#read();
    this.#lastUptimeNs = this.#kernel.uptimeNs();
    this.#again();
  }

  #again(): void {
    this.#kernel.callouts.schedule(0, CALIBRATION_PERIOD_NS, () => this.#calibrate());
  }

  #calibrate(): void {
    const ticks = this.#read();
    const uptimeNs = this.#kernel.uptimeNs();
    const measured = Math.floor(
      ((ticks - this.#lastTicks) * NS_PER_SECOND) / (uptimeNs - this.#lastUptimeNs),
    );
    this.#lastTicks = ticks;
    this.#lastUptimeNs = uptimeNs;
    if (measured > this.frequencyHz) {
      this.#kernel.bootverbose(`cpu_tick increased to ${measured} Hz\n`);
      this.frequencyHz = measured;
    }
    this.#again();
  }

  #read(): number {
    return this.#kernel.hw.readMsrNumber(IA32_TSC);
  }

  /**
   * Run time of a process in microseconds; warns when it went backwards.
   * @param runtimeNs processor time that its threads were charged
   */
  calcru(pid: number, name: string, runtimeNs: number): number {
    const ticks = runtimeNs * this.#ticksPerNs;
    const total = Math.floor((ticks * 1_000_000) / this.frequencyHz);
    const before = this.#shown.get(pid) ?? 0;
    if (total + TOLERATED_US < before && total * 101 < before * 100) {
      this.#kernel.printf(
        `calcru: runtime went backwards from ${before} usec to ${total} usec ` +
          `for pid ${pid} (${name})\n`,
      );
    }
    this.#shown.set(pid, total);
    return total;
  }
}
