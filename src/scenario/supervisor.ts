/** Threads that run scripts, and the watch over them. */
import { Worker } from 'node:worker_threads';
import { ExitCode } from '../core/errors.ts';
import type { FromWorker, Task, ToWorker } from './protocol.ts';
import type { AwaitRecord, RunRecord, ScriptPlace, StepRecord } from './record.ts';

/** A thread that has a timer of its own for the real time of a script gets so much longer. */
const GRACE_MS = 2_000;
const WATCH_INTERVAL_MS = 100;

/** Hears what comes of the tasks, in the order in which it does. */
export type TaskListener = (message: FromWorker, task: Task) => void;

interface Begun {
  readonly scenario: string;
  readonly seed: bigint;
  readonly startedMs: number;
  readonly wallLimitMs: number;
  step: StepRecord | undefined;
  wait: AwaitRecord | undefined;
  place: ScriptPlace | undefined;
}

const NOTHING_HEARD = { step: undefined, wait: undefined, place: undefined };

/** One thread. It may die under its script, and is then made anew. */
class Thread {
  readonly #listener: TaskListener;
  readonly #next: () => Task | undefined;
  readonly #done: () => void;
  #worker: Worker | undefined;
  #task: Task | undefined;
  /** Runs of the task that have ended. */
  #runs = 0;
  #isResuming = false;
  #begun: Begun | undefined;

  constructor(listener: TaskListener, next: () => Task | undefined, done: () => void) {
    this.#listener = listener;
    this.#next = next;
    this.#done = done;
    this.#start();
  }

  tell(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  /** Ends a thread whose script does not give it back. */
  watch(): void {
    const begun = this.#begun;
    const worker = this.#worker;
    if (begun === undefined || worker === undefined) return;
    const spentMs = performance.now() - begun.startedMs;
    if (spentMs < begun.wallLimitMs + GRACE_MS) return;
    this.#worker = undefined;
    void worker.terminate();
    this.#failed(
      `the script has not come back for ${begun.wallLimitMs / 1000} s of real time: ` +
        (begun.place === undefined ? 'it' : 'what follows this wait') +
        ' loops without an await',
      ExitCode.wallTimeSpent,
    );
    this.#start();
  }

  #start(): void {
    const worker = new Worker(Bun.main, { workerData: { role: 'scenario' } });
    this.#worker = worker;
    worker.on('message', (message: FromWorker) => this.#heard(message));
    worker.on('error', (error: Error) => {
      if (worker !== this.#worker) return;
      this.#listener({ kind: 'fault', detail: error.stack ?? error.message }, this.#task!);
    });
    worker.on('exit', (code: number) => {
      if (worker !== this.#worker) return;
      this.#worker = undefined;
      if (this.#task === undefined) return;
      this.#failed(`the script ended its process with exit code ${code}`, ExitCode.failed);
      this.#start();
    });
  }

  #heard(message: FromWorker): void {
    if (message.kind === 'ready') {
      if (this.#task !== undefined && !this.#isResuming) this.#listener(message, this.#task);
      // A thread that died has left the rest of its task behind.
      if (this.#isResuming) this.#task = { ...this.#task!, skipRuns: this.#runs };
      else {
        this.#task = this.#next();
        this.#runs = this.#task?.skipRuns ?? 0;
      }
      this.#isResuming = false;
      this.#begun = undefined;
      if (this.#task === undefined) {
        this.tell({ kind: 'stop' });
        this.#worker = undefined;
        this.#done();
      } else this.tell({ kind: 'task', task: this.#task });
      return;
    }
    if (message.kind === 'begins') {
      const { scenario, seed, wallLimitMs } = message;
      const startedMs = performance.now();
      this.#begun = { scenario, seed, startedMs, wallLimitMs, ...NOTHING_HEARD };
    } else if (message.kind === 'step' && this.#begun !== undefined)
      this.#begun.step = message.step;
    else if (message.kind === 'awaits' && this.#begun !== undefined) {
      this.#begun.wait = message.wait;
      this.#begun.place = message.place;
    } else if (message.kind === 'record') {
      this.#begun = undefined;
      this.#runs += 1;
    }
    this.#listener(message, this.#task!);
  }

  /** The record of a run whose thread is gone: what was heard of it. */
  #failed(message: string, exitCode: number): void {
    const begun = this.#begun;
    const task = this.#task!;
    this.#begun = undefined;
    this.#runs += 1;
    this.#isResuming = task.stopsAtFailure !== true;
    const record: RunRecord = {
      file: task.file,
      scenario: begun?.scenario ?? '',
      seed: begun?.seed ?? 0n,
      isPerturbed: task.isPerturbed ?? false,
      result: 'failed',
      failure: {
        message,
        detail: [],
        place: begun?.place,
        step: begun?.step?.title,
        awaited: undefined,
        cause: { kind: 'wall-time' },
        exitCode,
      },
      steps: begun?.step === undefined ? [] : [begun.step],
      awaits: begun?.wait === undefined ? [] : [begun.wait],
      notes: [],
      machines: [],
      virtualNs: begun?.wait?.startNs ?? 0,
      wallMs: begun === undefined ? 0 : performance.now() - begun.startedMs,
      digest: '',
      replay: [
        'synthvm',
        'run',
        task.file,
        ...(begun === undefined
          ? []
          : ['--only', begun.scenario, '--seed', String(begun.seed), ...(task.replayFlags ?? [])]),
      ],
    };
    this.#listener({ kind: 'record', record }, task);
  }
}

export interface Supervision {
  /** Ends the runs that are under way, and starts no others. */
  readonly interrupt: () => void;
  /** Resolves when every task is done. */
  readonly done: Promise<void>;
}

/** Runs tasks on so many threads. */
export function supervise(
  tasks: readonly Task[],
  jobs: number,
  listener: TaskListener,
): Supervision {
  const waiting = [...tasks];
  const count = Math.max(1, Math.min(jobs, tasks.length));
  const threads: Thread[] = [];
  let isInterrupted = false;
  const done = new Promise<void>((resolve) => {
    let left = count;
    const finish = (): void => {
      left -= 1;
      if (left > 0) return;
      clearInterval(timer);
      resolve();
    };
    const timer = setInterval(() => {
      for (const thread of threads) thread.watch();
    }, WATCH_INTERVAL_MS);
    const next = (): Task | undefined => (isInterrupted ? undefined : waiting.shift());
    for (let index = 0; index < count; index += 1) {
      threads.push(new Thread(listener, next, finish));
    }
  });
  return {
    interrupt: () => {
      isInterrupted = true;
      for (const thread of threads) thread.tell({ kind: 'interrupt' });
    },
    done,
  };
}
