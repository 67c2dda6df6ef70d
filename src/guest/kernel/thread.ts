import type { KernelThread, Task } from './api.ts';

/** FreeBSD's priority bands (sys/priority.h): lower runs first. */
export const Priority = {
  interruptTimer: 0,
  interruptNetwork: 8,
  interruptDisk: 12,
  interruptSoftware: 24,
  kernelDisk: 96,
  kernelNetwork: 100,
  kernel: 104,
  kernelIdle: 110,
  user: 160,
} as const;

/** A thread and where it stands. Only the scheduler changes it. */
export class Thread implements KernelThread {
  readonly name: string;
  readonly id: number;
  readonly priority: number;
  /** -1: any processor. */
  readonly pinnedTo: number;
  readonly body: Task;
  /** Processor that ran it last, or where it waits to run. */
  processor: number;
  runtimeNs = 0;
  state: 'ready' | 'running' | 'sleeping' | 'finished' = 'ready';
  /** Processor time still to be spent before the body goes on. */
  remainingNs = 0;
  /** What the body's pending `yield` gives. */
  woken = true;
  sleepChannel: object | undefined;
  /** Callout of a sleep with a time-out, or 0. */
  timeout = 0;

  constructor(
    name: string,
    id: number,
    body: Task,
    priority: number,
    pinnedTo: number,
    processor: number,
  ) {
    this.name = name;
    this.id = id;
    this.body = body;
    this.priority = priority;
    this.pinnedTo = pinnedTo;
    this.processor = processor;
  }
}
