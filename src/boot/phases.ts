import { NS_PER_MS } from '../core/clock.ts';
import type { Trace } from '../core/trace.ts';
import { traceType } from '../core/trace.ts';

/** The firmware's part of a boot. The guest goes on with `kernel`. */
export type BootPhase = 'firmware' | 'boot-device' | 'loader';

/** A phase was reached. */
export const bootPhase = traceType('boot', 'phase', {}, 'phase');
/** What a phase found: the firmware's name, the device, the loader's file. */
export const bootDetail = traceType('boot', 'detail', {}, 'detail');

/** Virtual time that each phase takes, about what a real VM needs from its power button on. */
const PHASE_NS: Readonly<Record<BootPhase, number>> = {
  firmware: 450 * NS_PER_MS,
  'boot-device': 60 * NS_PER_MS,
  loader: 15 * NS_PER_MS,
};
/** Firmware reads a loader at some 200 MB/s. */
const LOAD_NS_PER_BYTE = 5;

export interface PhaseOptions {
  readonly trace: Trace;
  /** Lets that much virtual time pass, and with it whatever is due. */
  readonly advance: (ns: number) => void;
  /** Hears each sentence once. */
  readonly warn: (message: string) => void;
}

/**
 * Keeps the record of a power-on: phases in the trace, time spent, warnings told once. Warnings
 * stay out of the trace, since they name the user's files.
 */
export class PhaseLog {
  readonly #options: PhaseOptions;
  readonly #told = new Set<string>();
  #elapsedNs = 0;

  constructor(options: PhaseOptions) {
    this.#options = options;
  }

  /** Virtual nanoseconds charged so far. */
  get elapsedNs(): number {
    return this.#elapsedNs;
  }

  /** @param bytesRead what the phase had to read from a disk */
  enter(phase: BootPhase, detail: string, bytesRead = 0): void {
    const costNs = PHASE_NS[phase] + bytesRead * LOAD_NS_PER_BYTE;
    this.#elapsedNs += costNs;
    this.#options.advance(costNs);
    this.#options.trace.emitText(bootPhase, phase);
    this.#options.trace.emitText(bootDetail, detail);
  }

  readonly warn = (message: string): void => {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#options.warn(message);
  };
}
