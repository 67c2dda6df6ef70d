import type { KernelLock, Task } from './api.ts';
import type { Scheduler } from './scheduler.ts';

/** A sleepable mutex with one FIFO queue: the releaser hands it to the first that waits. */
export class Lock implements KernelLock {
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #queue: object[] = [];
  #isHeld = false;
  #waits = 0;

  constructor(name: string, scheduler: Scheduler) {
    this.name = name;
    this.#scheduler = scheduler;
  }

  get waits(): number {
    return this.#waits;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  *acquire(): Task {
    if (!this.#isHeld) {
      this.#isHeld = true;
      return;
    }
    this.#waits += 1;
    const turn = {};
    this.#queue.push(turn);
    yield { channel: turn, timeoutNs: Infinity };
  }

  release(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#isHeld = false;
    else this.#scheduler.wakeup(next);
  }
}
