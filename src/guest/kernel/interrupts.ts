import type { LocalApic } from './apic.ts';

interface Source {
  /** As `vmstat -i` shows it; undefined when the kernel does not count it. */
  readonly name: ((processor: number) => string) | undefined;
  readonly handler: (processor: number) => void;
  readonly isAutoEoi: boolean;
  readonly counts: Float64Array;
}

/** One line of `vmstat -i`. */
export interface InterruptCount {
  readonly name: string;
  readonly total: number;
}

/** The interrupt vectors, their handlers and counters. */
export class InterruptTable {
  readonly #sources: (Source | undefined)[] = Array.from({ length: 256 });
  readonly #order: number[] = [];
  readonly #apic: LocalApic;
  readonly #processorCount: number;
  #stray = 0;

  constructor(apic: LocalApic, processorCount: number) {
    this.#apic = apic;
    this.#processorCount = processorCount;
  }

  /**
   * @param name undefined when nothing counts it, which is how 10.2 installed the VMBus vector
   * @param isAutoEoi the hardware ends the interrupt itself
   */
  install(
    vector: number,
    name: ((processor: number) => string) | undefined,
    handler: (processor: number) => void,
    isAutoEoi = false,
  ): void {
    const counts = new Float64Array(this.#processorCount);
    this.#sources[vector] = { name, handler, isAutoEoi, counts };
    this.#order.push(vector);
  }

  isFree(vector: number): boolean {
    return this.#sources[vector] === undefined;
  }

  dispatch(processor: number, vector: number): void {
    const source = this.#sources[vector];
    if (source === undefined) {
      this.#stray += 1;
      this.#apic.endOfInterrupt();
      return;
    }
    source.counts[processor]! += 1;
    source.handler(processor);
    if (!source.isAutoEoi) this.#apic.endOfInterrupt();
  }

  /** Interrupts on vectors that nobody installed. */
  get stray(): number {
    return this.#stray;
  }

  /** Deliveries of a vector so far on one processor, counted for `vmstat` or not. */
  deliveries(vector: number, processor: number): number {
    return this.#sources[vector]?.counts[processor] ?? 0;
  }

  /** The lines of `vmstat -i`: only what was counted at least once. */
  counters(): InterruptCount[] {
    const lines: InterruptCount[] = [];
    for (const vector of this.#order) {
      const source = this.#sources[vector]!;
      if (source.name === undefined) continue;
      const isShared = source.name(0) === source.name(1);
      if (isShared) {
        const total = source.counts.reduce((sum, count) => sum + count, 0);
        if (total > 0) lines.push({ name: source.name(0), total });
        continue;
      }
      for (let processor = 0; processor < this.#processorCount; processor += 1) {
        const total = source.counts[processor]!;
        if (total > 0) lines.push({ name: source.name(processor), total });
      }
    }
    return lines;
  }
}
