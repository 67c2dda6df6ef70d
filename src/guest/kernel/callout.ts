/**
 * Callouts, driven by the chosen event timer's hardware alone: a queue for each processor, sorted by
 * deadline in kernel uptime, and a one-shot armed for its head.
 */

/** A device that can interrupt after a time (FreeBSD's eventtimers(4)). */
export interface EventTimer {
  readonly name: string;
  readonly quality: number;
  /** What the kernel believes; 0 before it was calibrated. */
  readonly frequencyHz: number;
  /** One for each processor, or one for all. */
  readonly isPerProcessor: boolean;
  /** Arms a one-shot on the calling processor. */
  start(delayNs: number): void;
  stop(): void;
}

interface Callout {
  readonly handle: number;
  readonly deadlineNs: number;
  readonly expired: () => void;
}

export interface CalloutClock {
  uptimeNs(): number;
  /** Index of the processor that calls. */
  processor(): number;
  /** Makes another processor arm its timer anew. */
  rearm(processor: number): void;
}

export class Callouts {
  readonly #clock: CalloutClock;
  readonly #queues: Callout[][];
  readonly #where = new Map<number, number>();
  #timer: EventTimer | undefined;
  #nextHandle = 1;

  constructor(processorCount: number, clock: CalloutClock) {
    this.#clock = clock;
    this.#queues = Array.from({ length: processorCount }, () => []);
  }

  get timer(): EventTimer | undefined {
    return this.#timer;
  }

  /** From now on callouts can expire; called again for a better timer. */
  use(timer: EventTimer): void {
    const before = this.#timer;
    this.#timer = timer;
    if (before !== undefined) before.stop();
    if (!timer.isPerProcessor) {
      const first = this.#queues[0]!;
      for (const queue of this.#queues.slice(1)) {
        for (const callout of queue.splice(0)) this.#insert(0, first, callout);
      }
    }
    for (let index = 0; index < this.#queues.length; index += 1) this.#armFor(index);
  }

  /** @returns a handle, never 0 */
  schedule(processor: number, delayNs: number, expired: () => void): number {
    const index = this.#timer?.isPerProcessor === true ? processor : 0;
    const queue = this.#queues[index]!;
    const handle = this.#nextHandle;
    this.#nextHandle += 1;
    const deadlineNs = this.#clock.uptimeNs() + Math.max(0, delayNs);
    const isFirst = this.#insert(index, queue, { handle, deadlineNs, expired });
    if (isFirst) this.#armFor(index);
    return handle;
  }

  cancel(handle: number): void {
    const index = this.#where.get(handle);
    if (index === undefined) return;
    this.#where.delete(handle);
    const queue = this.#queues[index]!;
    queue.splice(
      queue.findIndex((callout) => callout.handle === handle),
      1,
    );
  }

  /** The event timer's interrupt on the calling processor. */
  interrupt(): void {
    const index = this.#timer?.isPerProcessor === true ? this.#clock.processor() : 0;
    const queue = this.#queues[index]!;
    const nowNs = this.#clock.uptimeNs();
    while (queue.length > 0 && queue[0]!.deadlineNs <= nowNs) {
      const callout = queue.shift()!;
      this.#where.delete(callout.handle);
      callout.expired();
    }
    this.arm();
  }

  /** Arms the calling processor's timer for its first callout. */
  arm(): void {
    const timer = this.#timer;
    if (timer === undefined) return;
    const index = timer.isPerProcessor ? this.#clock.processor() : 0;
    const head = this.#queues[index]![0];
    if (head !== undefined) timer.start(Math.max(0, head.deadlineNs - this.#clock.uptimeNs()));
  }

  #armFor(index: number): void {
    if (this.#timer === undefined || this.#queues[index]!.length === 0) return;
    if (this.#timer.isPerProcessor && index !== this.#clock.processor()) this.#clock.rearm(index);
    else this.arm();
  }

  #insert(index: number, queue: Callout[], callout: Callout): boolean {
    this.#where.set(callout.handle, index);
    let at = queue.length;
    while (at > 0 && queue[at - 1]!.deadlineNs > callout.deadlineNs) at -= 1;
    queue.splice(at, 0, callout);
    return at === 0;
  }
}
