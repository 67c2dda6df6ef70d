/** What threads turn offers into devices: the order of attachment is decided here and nowhere else. */
import type { Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { Lock } from '../kernel/lock.ts';
import type { TaskQueue } from '../kernel/taskqueue.ts';
import { Priority } from '../kernel/thread.ts';
import type { WorkQueue } from './api.ts';

/** From the creation of a thread to its first instruction. */
const START_NS = 4_000;
const START_JITTER_NS = 500;
/** A task queue with its thread, made by the thread that read the offer. */
const CREATE_NS = 15_000;
const LATE_NS = 400_000;

export type OfferWork = () => Task;

/** `key` names the channel that the work is about. */
export interface OfferQueue {
  add(key: object, isSubChannel: boolean, work: OfferWork): void;
  /** No more work for this channel. */
  forget(key: object): void;
  /** A queue for a driver's own work. */
  createQueue(name: string): WorkQueue;
}

/** Work that runs once, in a queue. */
function once(work: OfferWork): { isPending: boolean; run: OfferWork } {
  return { isPending: false, run: work };
}

/**
 * 10.2: a queue with a thread of its own for each channel, all contending for one semaphore. The
 * semaphore lets one run at a time but not in the order of the offers: that is up to the scheduler.
 */
export class PerChannelQueues implements OfferQueue {
  readonly #kernel: Kernel;
  readonly #semaphore: Lock;
  readonly #queues = new Map<object, TaskQueue>();
  #nextQueue = 1;
  readonly #random;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#semaphore = new Lock('control_sema', kernel.scheduler);
    this.#random = kernel.random('hv_control');
  }

  add(key: object, _isSubChannel: boolean, work: OfferWork): void {
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      const name = `hv_control_${this.#nextQueue} taskq`;
      this.#nextQueue += 1;
      queue = this.#kernel.taskQueue(name, { priority: Priority.interruptNetwork });
      this.#queues.set(key, queue);
      this.#kernel.charge(CREATE_NS);
    }
    queue.enqueue(once(() => this.#serialize(work)));
  }

  *#serialize(work: OfferWork): Task {
    yield START_NS + this.#random.below(START_JITTER_NS);
    // Now and then the new thread meets a busy processor before it gets as far as the semaphore.
    if (this.#random.below(12) === 0) {
      yield* this.#kernel.tsleep(work, this.#random.below(LATE_NS));
    }
    yield* this.#exclude(work);
  }

  /** Every queue but the one of messages takes the semaphore, the services' queues too. */
  createQueue(name: string): WorkQueue {
    const queue = this.#kernel.taskQueue(`hv_${name}_${this.#nextQueue} taskq`, {
      priority: Priority.interruptNetwork,
    });
    this.#nextQueue += 1;
    return { enqueue: (work) => queue.enqueue(once(() => this.#exclude(work))) };
  }

  *#exclude(work: OfferWork): Task {
    yield* this.#semaphore.acquire();
    yield* work();
    this.#semaphore.release();
  }

  forget(key: object): void {
    this.#queues.get(key)?.stop();
    this.#queues.delete(key);
  }
}

/** Since the fix: one thread for all primaries; today sub-channels have a second one. */
export class GlobalQueue implements OfferQueue {
  readonly #kernel: Kernel;
  readonly #primary: TaskQueue;
  readonly #sub: TaskQueue;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    if (kernel.isLegacy) {
      this.#primary = kernel.taskQueue('hv_control taskq', { priority: Priority.interruptNetwork });
      this.#sub = this.#primary;
    } else {
      this.#primary = kernel.taskQueue('vmbusdev', { priority: Priority.kernelDisk });
      this.#sub = kernel.taskQueue('vmbussch', { priority: Priority.kernelDisk });
    }
  }

  add(_key: object, isSubChannel: boolean, work: OfferWork): void {
    (isSubChannel ? this.#sub : this.#primary).enqueue(once(work));
  }

  forget(): void {}

  createQueue(name: string): WorkQueue {
    const { isLegacy } = this.#kernel;
    const queue = this.#kernel.taskQueue(isLegacy ? `hv_${name} taskq` : name, {
      priority: isLegacy ? Priority.interruptNetwork : Priority.kernel,
    });
    return { enqueue: (work) => queue.enqueue(once(work)) };
  }
}
