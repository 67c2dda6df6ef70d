/** Threads that run scripts, and the watch over them. */
import { Worker } from 'node:worker_threads';
import { ExitCode } from '../core/errors.ts';
import { ENDING_EXIT_CODES } from '../machine/endings.ts';
import type { HostFailure } from './errors.ts';
import type { FromWorker, Task, ToWorker } from './protocol.ts';
import type { AwaitRecord, RunRecord, ScriptPlace, StepRecord } from './record.ts';

/** A thread that has a timer of its own for the real time of a script gets so much longer. */
const GRACE_MS = 2_000;
const WATCH_INTERVAL_MS = 100;

/** Hears what comes of the tasks, in the order in which it does; `ready` ends a task. */
export type TaskListener = (message: FromWorker, task: Task) => void;

/** What was heard of the run that is under way. */
interface Begun {
  readonly scenario: string;
  readonly seed: bigint;
  readonly startedMs: number;
  readonly wallLimitMs: number;
  step: StepRecord | undefined;
  wait: AwaitRecord | undefined;
  place: ScriptPlace | undefined;
}

/** One thread. It may die under its script, and is then made anew. */
class Thread {
  readonly #listener: TaskListener;
  readonly #onIdle: (thread: Thread) => void;
  #worker: Worker | undefined;
  #task: Task | undefined;
  /** Runs of the task that have ended. */
  #runs = 0;
  /** A thread that died has left the rest of its task behind. */
  #isResuming = false;
  #begun: Begun | undefined;

  /** @param onIdle wants to know that it can take a task */
  constructor(listener: TaskListener, onIdle: (thread: Thread) => void) {
    this.#listener = listener;
    this.#onIdle = onIdle;
    this.#start();
  }

  assign(task: Task): void {
    this.#task = task;
    this.#runs = task.skipRuns ?? 0;
    this.tell({ kind: 'task', task });
  }

  tell(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  close(): void {
    this.tell({ kind: 'stop' });
    this.#worker = undefined;
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
      { kind: 'wall-time', limitMs: begun.wallLimitMs },
    );
    this.#start();
  }

  #start(): void {
    const worker = new Worker(Bun.main, { workerData: { role: 'scenario' } });
    this.#worker = worker;
    worker.on('message', (message: FromWorker) => {
      if (worker === this.#worker) this.#heard(message);
    });
    worker.on('error', (error: Error) => {
      if (worker !== this.#worker || this.#task === undefined) return;
      this.#listener({ kind: 'fault', detail: error.stack ?? error.message }, this.#task);
    });
    worker.on('exit', (code: number) => {
      if (worker !== this.#worker) return;
      this.#worker = undefined;
      if (this.#task === undefined) return;
      this.#failed(`the script ended its process with exit code ${code}`, { kind: 'error' });
      this.#start();
    });
  }

  #heard(message: FromWorker): void {
    if (message.kind === 'ready') {
      this.#ready(message);
      return;
    }
    if (message.kind === 'begins') {
      const { scenario, seed, wallLimitMs } = message;
      const heard = { step: undefined, wait: undefined, place: undefined };
      this.#begun = { scenario, seed, startedMs: performance.now(), wallLimitMs, ...heard };
    } else if (message.kind === 'step' && this.#begun !== undefined) {
      this.#begun.step = message.step;
    } else if (message.kind === 'awaits' && this.#begun !== undefined) {
      this.#begun.wait = message.wait;
      this.#begun.place = message.place;
    } else if (message.kind === 'record') {
      this.#begun = undefined;
      this.#runs += 1;
    }
    this.#listener(message, this.#task!);
  }

  #ready(message: FromWorker): void {
    this.#begun = undefined;
    const task = this.#task;
    if (this.#isResuming && task !== undefined) {
      this.#isResuming = false;
      this.assign({ ...task, skipRuns: this.#runs });
      return;
    }
    this.#task = undefined;
    if (task !== undefined) this.#listener(message, task);
    this.#onIdle(this);
  }

  /** The record of a run whose thread is gone: what was heard of it. */
  #failed(message: string, cause: HostFailure | { readonly kind: 'error' }): void {
    const begun = this.#begun;
    const task = this.#task!;
    this.#begun = undefined;
    this.#runs += 1;
    this.#isResuming = true;
    const which =
      begun === undefined ? [] : ['--only', begun.scenario, '--seed', String(begun.seed)];
    const record: RunRecord = {
      file: task.file,
      scenario: begun?.scenario ?? '',
      seed: begun?.seed ?? 0n,
      perturb: task.perturb,
      decisions: 0,
      delays: 0,
      effects: [],
      result: 'failed',
      failure: {
        message,
        detail: [],
        place: begun?.place,
        step: begun?.step?.title,
        awaited: undefined,
        cause,
        exitCode: cause.kind === 'error' ? ExitCode.failed : ENDING_EXIT_CODES[cause.kind],
      },
      steps: begun?.step === undefined ? [] : [begun.step],
      awaits: begun?.wait === undefined ? [] : [begun.wait],
      notes: [],
      machines: [],
      virtualNs: begun?.wait?.startNs ?? 0,
      wallMs: begun === undefined ? 0 : performance.now() - begun.startedMs,
      digest: '',
      replay: ['synthvm', 'run', task.file, ...which, ...(task.replayFlags ?? [])],
    };
    this.#listener({ kind: 'record', record }, task);
  }
}

/** So many threads at most, and the tasks that wait for one. */
export class ThreadPool {
  readonly #most: number;
  readonly #listener: TaskListener;
  readonly #threads: Thread[] = [];
  readonly #idle: Thread[] = [];
  readonly #waiting: Task[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  #unfinished = 0;
  #onDone: (() => void) | undefined;
  #isInterrupted = false;

  constructor(most: number, listener: TaskListener) {
    this.#most = most;
    this.#listener = listener;
    this.#timer = setInterval(() => {
      for (const thread of this.#threads) thread.watch();
    }, WATCH_INTERVAL_MS);
  }

  get isInterrupted(): boolean {
    return this.#isInterrupted;
  }

  /** Resolves when all of them are done. One call at a time. */
  run(tasks: readonly Task[]): Promise<void> {
    if (tasks.length === 0 || this.#isInterrupted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onDone = resolve;
      this.#unfinished = tasks.length;
      this.#waiting.push(...tasks);
      for (const thread of this.#idle.splice(0)) this.#assign(thread);
      const wanted = Math.min(this.#most, tasks.length);
      while (this.#threads.length < wanted) {
        this.#threads.push(
          new Thread(
            (message, task) => this.#heard(message, task),
            (thread) => this.#assign(thread),
          ),
        );
      }
    });
  }

  /** Ends the runs that are under way, and begins no others. */
  readonly interrupt = (): void => {
    this.#isInterrupted = true;
    this.#unfinished -= this.#waiting.length;
    this.#waiting.length = 0;
    for (const thread of this.#threads) thread.tell({ kind: 'interrupt' });
  };

  close(): void {
    clearInterval(this.#timer);
    for (const thread of this.#threads) thread.close();
  }

  #assign(thread: Thread): void {
    const task = this.#waiting.shift();
    if (task === undefined) this.#idle.push(thread);
    else thread.assign(task);
  }

  #heard(message: FromWorker, task: Task): void {
    this.#listener(message, task);
    if (message.kind !== 'ready') return;
    this.#unfinished -= 1;
    if (this.#unfinished <= 0) this.#onDone?.();
  }
}
