import { describeEnding, type Ending, isFailure } from '../machine/endings.ts';
import { formatDuration } from '../core/values.ts';
import { describeHostFailure, type HostFailure, WaitError, type WaitFailure } from './errors.ts';
import type { PumpWorld } from './world.ts';

/** Turns of the run loop between two looks at the wall clock and at signals. */
const STEPS_PER_SLICE = 20_000;

export interface WaitSpec<T> {
  /** For people: `console text "login: "`. */
  readonly what: string;
  /** Machine that it is about; undefined: of the whole run. */
  readonly vm?: string;
  readonly withinNs: number;
  /** What it makes of a machine that has stopped; without it, or with undefined, it fails. */
  readonly onEnd?: (ending: Ending) => T | undefined;
  /** Resolves at its deadline instead of failing. */
  readonly isTime?: boolean;
  /**
   * Sets up what calls `settle`.
   * @param pollAt has `poll` asked at a time, in place of the time said before
   * @returns what takes it down again
   */
  readonly start?: (
    settle: (value: T) => void,
    pollAt: (timeNs: number) => void,
  ) => (() => void) | undefined;
  /** Asked every `pollNs`, or after every turn with 0; undefined: not yet. */
  readonly poll?: () => T | undefined;
  /** Default: only when `pollAt` says so. */
  readonly pollNs?: number;
}

/** A wait that is under way, for evidence. */
export interface PendingWait {
  readonly what: string;
  readonly vm: string | undefined;
  readonly startNs: number;
  readonly deadlineNs: number;
  /** Has the script's line in its stack. */
  readonly site: Error;
}

interface Wait extends PendingWait {
  readonly onEnd: ((ending: Ending) => unknown) | undefined;
  readonly isTime: boolean;
  readonly poll: (() => unknown) | undefined;
  readonly pollNs: number;
  nextPollNs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  cleanUp: (() => void) | undefined;
}

export interface PumpOptions {
  readonly world: PumpWorld;
  /** Hears of every wait as it begins. */
  readonly onWait?: (wait: PendingWait) => void;
  /** Looked at between slices; returns why to stop. */
  readonly watchHost?: () => HostFailure | undefined;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Runs the machines while, and only while, the script awaits something of them. Whatever a wait
 * brought is given to the script first; time goes on when the script awaits again.
 */
export class Pump {
  readonly #world: PumpWorld;
  readonly #options: PumpOptions;
  readonly #waits = new Set<Wait>();
  #isRunning = false;
  /** Every later wait fails with this too. */
  #fatal: WaitFailure | undefined;
  #fatalMessage = '';
  /** Endings that the script has waited for: no failure any more. */
  readonly #known = new Set<Ending>();

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#world = options.world;
  }

  get nowNs(): number {
    return this.#world.nowNs;
  }

  /** Waits that are under way. */
  get pending(): readonly PendingWait[] {
    return [...this.#waits];
  }

  /** @param site an error made where the script called */
  wait<T>(spec: WaitSpec<T>, site: Error): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const startNs = this.nowNs;
      const wait: Wait = {
        what: spec.what,
        vm: spec.vm,
        startNs,
        deadlineNs: startNs + spec.withinNs,
        site,
        onEnd: spec.onEnd,
        isTime: spec.isTime ?? false,
        poll: spec.poll,
        pollNs: spec.pollNs ?? Infinity,
        nextPollNs: spec.pollNs === undefined ? Infinity : startNs,
        resolve: resolve as (value: unknown) => void,
        reject,
        cleanUp: undefined,
      };
      this.#waits.add(wait);
      this.#options.onWait?.(wait);
      if (this.#fatal !== undefined) {
        this.#reject(wait, this.#fatal, this.#fatalMessage);
        return;
      }
      wait.cleanUp = spec.start?.(
        (value) => this.#settle(wait, value),
        (timeNs) => {
          wait.nextPollNs = timeNs;
          this.#world.stop();
        },
      );
      if (!this.#waits.has(wait)) wait.cleanUp?.();
      void this.#run();
    });
  }

  /** Ends this and every later wait. */
  fail(failure: WaitFailure, message: string): void {
    this.#fatal ??= failure;
    if (this.#fatalMessage === '') this.#fatalMessage = message;
    for (const wait of this.#waits) this.#reject(wait, this.#fatal, this.#fatalMessage);
    this.#world.stop();
  }

  /** The first machine that failed without the script having waited for that. */
  get unexpectedEnding(): { readonly name: string; readonly ending: Ending } | undefined {
    return this.#world
      .endings()
      .find(({ ending }) => isFailure(ending) && !this.#known.has(ending));
  }

  #settle(wait: Wait, value: unknown): void {
    if (!this.#waits.delete(wait)) return;
    wait.cleanUp?.();
    wait.resolve(value);
    this.#world.stop();
  }

  #reject(wait: Wait, failure: WaitFailure, message: string): void {
    if (!this.#waits.delete(wait)) return;
    wait.cleanUp?.();
    wait.reject(new WaitError(message, failure, wait.what, wait.site));
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      // The script says first all that it wants to await together.
      for (await nextTurn(); this.#waits.size > 0; await nextTurn()) this.#slice();
    } catch (error) {
      // A broken invariant of ours: whoever waits gets to know.
      for (const wait of this.#waits) {
        this.#waits.delete(wait);
        wait.cleanUp?.();
        wait.reject(error);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /** Runs until a wait is over, or it is time to look at the host. */
  #slice(): void {
    const before = this.#waits.size;
    const hostFailure = this.#options.watchHost?.();
    if (hostFailure !== undefined) {
      this.fail(hostFailure, describeHostFailure(hostFailure));
      return;
    }
    this.#world.start();
    for (let turn = 0; turn < STEPS_PER_SLICE && this.#waits.size === before; turn += 1) {
      this.#poll();
      if (this.#waits.size !== before || this.#expire()) return;
      const { deadlineNs, steps } = this.#horizon();
      const pause = this.#world.run(deadlineNs, steps);
      this.#checkEndings();
      if (pause === 'steps' && steps > 1) return;
      if (pause === 'idle' && this.#waits.size === before) this.#idle();
    }
  }

  /** How far the machines may run before somebody has to look. */
  #horizon(): { readonly deadlineNs: number; readonly steps: number } {
    let deadlineNs = Infinity;
    let steps = STEPS_PER_SLICE;
    for (const wait of this.#waits) {
      deadlineNs = Math.min(deadlineNs, wait.deadlineNs);
      if (wait.poll === undefined) continue;
      if (wait.pollNs === 0) steps = 1;
      else deadlineNs = Math.min(deadlineNs, wait.nextPollNs);
    }
    return { deadlineNs, steps };
  }

  #poll(): void {
    for (const wait of this.#waits) {
      if (wait.poll === undefined || wait.nextPollNs > this.nowNs) continue;
      wait.nextPollNs = this.nowNs + wait.pollNs;
      const value = wait.poll();
      if (value !== undefined) this.#settle(wait, value);
    }
  }

  /** @returns whether a wait was over */
  #expire(): boolean {
    let isOver = false;
    for (const wait of this.#waits) {
      if (wait.deadlineNs > this.nowNs) continue;
      isOver = true;
      if (wait.isTime) this.#settle(wait, undefined);
      else {
        const waited = formatDuration(wait.deadlineNs - wait.startNs);
        const message = `${wait.what} did not come within ${waited} of virtual time`;
        this.#reject(wait, { kind: 'virtual-time' }, message);
      }
    }
    return isOver;
  }

  /** A machine that stopped ends the waits on it, and a crash ends all. */
  #checkEndings(): void {
    if (this.#waits.size === 0) return;
    for (const { name, ending } of this.#world.endings()) {
      for (const wait of this.#waits) {
        const value = wait.vm === name ? wait.onEnd?.(ending) : undefined;
        if (value !== undefined) {
          this.#known.add(ending);
          this.#settle(wait, value);
          continue;
        }
        const isItsOwn = wait.vm === name || (wait.vm === undefined && isFailure(ending));
        const isFine = wait.isTime && (!isFailure(ending) || this.#known.has(ending));
        if (!isItsOwn || isFine) continue;
        const failure: WaitFailure = { kind: 'ended', vm: name, ending };
        this.#reject(wait, failure, `${describeEnding(ending)} while ${wait.what} was awaited`);
      }
    }
  }

  #idle(): void {
    const times = [...this.#waits].filter(({ isTime }) => isTime);
    if (times.length > 0) {
      // Time passes where nothing happens.
      this.#world.passTo(Math.min(...times.map(({ deadlineNs }) => deadlineNs)));
      return;
    }
    for (const wait of this.#waits) {
      const message = `nothing is left that could happen, and ${wait.what} has not come`;
      this.#reject(wait, { kind: 'idle' }, message);
    }
  }
}
