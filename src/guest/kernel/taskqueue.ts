import type { Task, ThreadOptions } from './api.ts';
import type { Scheduler } from './scheduler.ts';

/** Work for a task queue. Enqueued again while it waits, it runs once. */
export interface QueuedTask {
  run(): Task;
  isPending: boolean;
}

/** One thread that runs what it is given, in order (taskqueue(9)); also a software interrupt. */
export class TaskQueue {
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #tasks: QueuedTask[] = [];
  readonly #idle = {};
  #isRunning = false;
  #isStopped = false;

  constructor(name: string, scheduler: Scheduler, options: ThreadOptions) {
    this.name = name;
    this.#scheduler = scheduler;
    scheduler.spawn(name, () => this.#loop(), options);
  }

  enqueue(task: QueuedTask): void {
    if (task.isPending || this.#isStopped) return;
    task.isPending = true;
    this.#tasks.push(task);
    if (!this.#isRunning) this.#scheduler.wakeup(this.#tasks);
  }

  /** Waits until everything that is queued now has run. */
  *drain(): Task {
    while (this.#tasks.length > 0 || this.#isRunning) {
      yield { channel: this.#idle, timeoutNs: Infinity };
    }
  }

  /** Ends the thread when the queue is empty. */
  stop(): void {
    this.#isStopped = true;
    this.#scheduler.wakeup(this.#tasks);
  }

  *#loop(): Task {
    for (;;) {
      const task = this.#tasks.shift();
      if (task === undefined) {
        this.#isRunning = false;
        this.#scheduler.wakeup(this.#idle);
        if (this.#isStopped) return;
        yield { channel: this.#tasks, timeoutNs: Infinity };
        continue;
      }
      this.#isRunning = true;
      task.isPending = false;
      yield* task.run();
    }
  }
}
