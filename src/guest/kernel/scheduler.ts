/**
 * Threads as generators on several processors that are truly parallel in virtual time. A processor
 * is busy until the cost of its thread's last yield is paid; interrupts are taken at once and push
 * that time back. Which of several equal threads runs first is the seed's choice.
 */
import type { Random } from '../../core/random.ts';
import type { VirtualProcessor } from '../../hypervisor/processor.ts';
import type { Sleep, Task, ThreadOptions } from './api.ts';
import { Priority, Thread } from './thread.ts';

/** What a thread switch costs. */
export const SWITCH_NS = 400;
/** Entry to and return from an interrupt handler. */
export const INTERRUPT_NS = 600;
/** A thread gives way to its equals after this much. */
const QUANTUM_NS = 10_000_000;

/** One processor's run queue and what it does now. */
interface Processor {
  readonly ready: Thread[];
  current: Thread | undefined;
  /** Until then the current thread's last yield is being paid. */
  doneNs: number;
  /** Until then the processor is in interrupt handlers or in the scheduler. */
  handlerUntilNs: number;
  sliceStartNs: number;
  isStarted: boolean;
  interruptsEnabled: boolean;
  /** Asked to look at its queue by another processor; the interprocessor interrupt is on its way. */
  isKicked: boolean;
  busyNs: number;
}

export interface SchedulerHooks {
  /** Runs an interrupt handler; it may charge. */
  interrupt(processor: number, vector: number): void;
  /** Makes another processor look at its run queue, by an interprocessor interrupt. */
  kick(from: number, to: number): void;
  /** @returns a handle for `cancelTimeout`; `expired` is called in interrupt context */
  startTimeout(processor: number, delayNs: number, expired: () => void): number;
  cancelTimeout(handle: number): void;
}

export class Scheduler {
  readonly threads: Thread[] = [];
  /** Processor whose thread or handler is running now. */
  active = 0;
  readonly #hardware: readonly VirtualProcessor[];
  readonly #processors: Processor[];
  readonly #hooks: SchedulerHooks;
  readonly #random: Random;
  readonly #sleepers = new Map<object, Thread[]>();
  #debtNs = 0;
  #nextId = 100_000;
  #halted = false;

  constructor(hardware: readonly VirtualProcessor[], hooks: SchedulerHooks, random: Random) {
    this.#hooks = hooks;
    this.#random = random;
    this.#hardware = hardware;
    this.#processors = hardware.map(() => ({
      ready: [],
      current: undefined,
      doneNs: 0,
      handlerUntilNs: 0,
      sliceStartNs: 0,
      isStarted: false,
      interruptsEnabled: false,
      isKicked: false,
      busyNs: 0,
    }));
  }

  /** The thread that runs now; undefined in an interrupt handler that interrupted nothing. */
  get currentThread(): Thread | undefined {
    return this.#processors[this.active]!.current;
  }

  /** Nanoseconds that a processor was not idle, up to its last decision. */
  busyNs(processor: number): number {
    return this.#processors[processor]!.busyNs;
  }

  charge(costNs: number): void {
    this.#debtNs += costNs;
  }

  start(processor: number): void {
    this.#processors[processor]!.isStarted = true;
  }

  isStarted(processor: number): boolean {
    return this.#processors[processor]!.isStarted;
  }

  enableInterrupts(processor: number): void {
    this.#processors[processor]!.interruptsEnabled = true;
  }

  /** Nothing runs any more, on any processor. */
  halt(): void {
    this.#halted = true;
  }

  spawn(name: string, body: () => Task, options: ThreadOptions = {}): Thread {
    const pinnedTo = options.processor ?? -1;
    const thread = new Thread(
      name,
      this.#nextId,
      body(),
      options.priority ?? Priority.kernel,
      pinnedTo,
      pinnedTo >= 0 ? pinnedTo : this.active,
    );
    this.#nextId += 1;
    this.threads.push(thread);
    this.#makeReady(thread);
    return thread;
  }

  wakeup(channel: object): void {
    const sleepers = this.#sleepers.get(channel);
    if (sleepers === undefined) return;
    this.#sleepers.delete(channel);
    for (const thread of sleepers) this.#wake(thread, true);
  }

  /** Wakes the thread that has slept longest. @returns false when none sleeps */
  wakeupOne(channel: object): boolean {
    const sleepers = this.#sleepers.get(channel);
    const thread = sleepers?.shift();
    if (sleepers === undefined || thread === undefined) return false;
    if (sleepers.length === 0) this.#sleepers.delete(channel);
    this.#wake(thread, true);
    return true;
  }

  /**
   * Runs one processor from now on, without moving the clock.
   * @returns when it wants to run again, or Infinity when it idles
   */
  run(index: number): number {
    const processor = this.#processors[index]!;
    if (this.#halted || !processor.isStarted) return Infinity;
    this.active = index;
    const nowNs = this.#hardware[index]!.clock.nowNs;
    this.#takeInterrupts(processor, index, nowNs);
    while (!this.#halted) {
      if (processor.handlerUntilNs > nowNs) return processor.handlerUntilNs;
      this.#preempt(processor, nowNs);
      const thread = processor.current ?? this.#choose(processor, nowNs);
      if (thread === undefined) return Infinity;
      if (processor.handlerUntilNs > nowNs) return processor.handlerUntilNs;
      if (processor.doneNs > nowNs) return processor.doneNs;
      this.#resume(processor, thread, nowNs);
    }
    return Infinity;
  }

  #takeInterrupts(processor: Processor, index: number, nowNs: number): void {
    if (!processor.interruptsEnabled) return;
    for (;;) {
      const pending = this.#hardware[index]!.pendingVector();
      if (pending < 0) return;
      const vector = this.#hardware[index]!.acknowledgeVector();
      if (vector < 0) return;
      this.#hooks.interrupt(index, vector);
      this.#stealTime(processor, nowNs, INTERRUPT_NS);
    }
  }

  /** The debt of a handler or of a finished thread delays whatever the processor does next. */
  #stealTime(processor: Processor, nowNs: number, extraNs: number): void {
    const costNs = Math.ceil(this.#debtNs + extraNs);
    this.#debtNs = 0;
    processor.busyNs += costNs;
    processor.handlerUntilNs = Math.max(processor.handlerUntilNs, nowNs) + costNs;
    if (processor.doneNs > nowNs) processor.doneNs += costNs;
  }

  #preempt(processor: Processor, nowNs: number): void {
    processor.isKicked = false;
    const current = processor.current;
    if (current === undefined || processor.ready.length === 0) return;
    let best = Infinity;
    for (const thread of processor.ready) best = Math.min(best, thread.priority);
    const isWorse = best < current.priority;
    const isStale = best === current.priority && nowNs - processor.sliceStartNs >= QUANTUM_NS;
    if (!isWorse && !isStale) return;
    current.remainingNs = Math.max(0, processor.doneNs - nowNs);
    current.runtimeNs -= current.remainingNs;
    processor.busyNs -= current.remainingNs;
    current.state = 'ready';
    processor.current = undefined;
    processor.doneNs = nowNs;
    // After a whole quantum it is another's turn, whatever the seed would say.
    if (isStale) this.#choose(processor, nowNs);
    processor.ready.push(current);
  }

  #choose(processor: Processor, nowNs: number): Thread | undefined {
    const ready = processor.ready;
    if (ready.length === 0) return undefined;
    let chosen = 0;
    if (ready.length > 1) {
      let best = Infinity;
      let equals = 0;
      for (let index = 0; index < ready.length; index += 1) {
        const priority = ready[index]!.priority;
        if (priority < best) {
          best = priority;
          equals = 1;
          chosen = index;
        } else if (priority === best) {
          equals += 1;
          if (this.#random.below(equals) === 0) chosen = index;
        }
      }
    }
    const thread = ready[chosen]!;
    ready.splice(chosen, 1);
    thread.state = 'running';
    processor.current = thread;
    processor.sliceStartNs = nowNs;
    processor.handlerUntilNs = nowNs + SWITCH_NS;
    processor.doneNs = nowNs + SWITCH_NS + thread.remainingNs;
    processor.busyNs += SWITCH_NS + thread.remainingNs;
    thread.runtimeNs += thread.remainingNs;
    thread.remainingNs = 0;
    return thread;
  }

  #resume(processor: Processor, thread: Thread, nowNs: number): void {
    const step = thread.body.next(thread.woken);
    thread.woken = true;
    if (this.#halted) return;
    if (step.done !== true && typeof step.value === 'number') {
      const costNs = Math.max(1, Math.ceil(step.value + this.#debtNs));
      this.#debtNs = 0;
      thread.runtimeNs += costNs;
      processor.busyNs += costNs;
      processor.doneNs = nowNs + costNs;
      return;
    }
    processor.current = undefined;
    thread.runtimeNs += this.#debtNs;
    if (step.done === true) {
      thread.state = 'finished';
      this.threads.splice(this.threads.indexOf(thread), 1);
    } else {
      this.#sleep(thread, step.value as Sleep);
    }
    if (this.#debtNs > 0) this.#stealTime(processor, nowNs, 0);
  }

  #sleep(thread: Thread, sleep: Sleep): void {
    thread.state = 'sleeping';
    thread.sleepChannel = sleep.channel;
    const queue = this.#sleepers.get(sleep.channel);
    if (queue === undefined) this.#sleepers.set(sleep.channel, [thread]);
    else queue.push(thread);
    if (sleep.timeoutNs === Infinity) return;
    thread.timeout = this.#hooks.startTimeout(this.active, sleep.timeoutNs, () => {
      thread.timeout = 0;
      this.#leaveQueue(thread);
      this.#wake(thread, false);
    });
  }

  #leaveQueue(thread: Thread): void {
    const channel = thread.sleepChannel;
    const queue = channel === undefined ? undefined : this.#sleepers.get(channel);
    if (channel === undefined || queue === undefined) return;
    const index = queue.indexOf(thread);
    if (index >= 0) queue.splice(index, 1);
    if (queue.length === 0) this.#sleepers.delete(channel);
  }

  #wake(thread: Thread, woken: boolean): void {
    if (thread.timeout !== 0) {
      this.#hooks.cancelTimeout(thread.timeout);
      thread.timeout = 0;
    }
    thread.sleepChannel = undefined;
    thread.woken = woken;
    this.#makeReady(thread);
  }

  #makeReady(thread: Thread): void {
    thread.state = 'ready';
    const target = thread.pinnedTo >= 0 ? thread.pinnedTo : this.#place(thread);
    thread.processor = target;
    const processor = this.#processors[target]!;
    processor.ready.push(thread);
    if (target === this.active || !processor.isStarted || processor.isKicked) return;
    const running = processor.current;
    if (running !== undefined && running.priority <= thread.priority) return;
    processor.isKicked = true;
    this.#hooks.kick(this.active, target);
  }

  /** Where it ran last if that processor idles, else any idle one, else the shortest queue. */
  #place(thread: Thread): number {
    const processors = this.#processors;
    let chosen = thread.processor;
    let load = this.#load(processors[chosen]!);
    for (let index = 0; index < processors.length && load > 0; index += 1) {
      const other = processors[index]!;
      if (!other.isStarted || !other.interruptsEnabled) continue;
      const otherLoad = this.#load(other);
      if (otherLoad < load) {
        load = otherLoad;
        chosen = index;
      }
    }
    return chosen;
  }

  #load(processor: Processor): number {
    return processor.ready.length + (processor.current === undefined ? 0 : 1);
  }
}
