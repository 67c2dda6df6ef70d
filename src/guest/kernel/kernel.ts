/** The model guest's kernel: what boot, the bus and the drivers stand on. */
import type { Random } from '../../core/random.ts';
import type { Trace } from '../../core/trace.ts';
import { CRASH_MESSAGE, CRASH_NOTIFY, Msr } from '../../hypervisor/spec/msrs.ts';
import type { VirtualProcessor } from '../../hypervisor/processor.ts';
import type { Switches } from '../switches.ts';
import { I8254 } from '../timers/i8254.ts';
import { TimeOfDay } from '../timers/time-of-day.ts';
import { Timecounters } from '../timers/timecounter.ts';
import { guestEnd, guestPanic, guestPhase, guestStageStopped } from '../trace.ts';
import type {
  KernelApi,
  KernelLock,
  KernelThread,
  ShellCommand,
  SysctlWriter,
  Task,
  ThreadOptions,
} from './api.ts';
import type { IoApic } from './apic.ts';
import { LocalApic, Vector } from './apic.ts';
import type { EventTimer } from './callout.ts';
import { Callouts } from './callout.ts';
import { Console } from './console.ts';
import { Hardware } from './hardware.ts';
import { InterruptTable } from './interrupts.ts';
import { Lock } from './lock.ts';
import { PageAllocator } from './pages.ts';
import { Scheduler } from './scheduler.ts';
import { TaskQueue } from './taskqueue.ts';
import { Priority } from './thread.ts';
import { Userland } from './userland.ts';

/** Thrown by `panic` to leave whatever was running; the engine catches it. */
export class KernelPanic extends Error {
  override readonly name = 'KernelPanic';
}

export interface KernelOptions {
  readonly processors: readonly VirtualProcessor[];
  readonly trace: Trace;
  readonly random: Random;
  readonly switches: Switches;
}

interface ConfigHook {
  readonly name: string;
  readonly run: () => Task;
}

export class Kernel implements KernelApi {
  // Fixed configuration.
  readonly trace: Trace;
  readonly switches: Switches;
  readonly processorCount: number;
  readonly #random: Random;

  // Parts.
  readonly scheduler: Scheduler;
  readonly hw: Hardware;
  readonly apic: LocalApic;
  readonly interrupts: InterruptTable;
  readonly callouts: Callouts;
  readonly timecounters = new Timecounters();
  readonly pages: PageAllocator;
  /** Below the kernel, where DMA of the ISA bus reaches. */
  readonly lowPages: PageAllocator;
  readonly console: Console;
  readonly i8254: I8254;
  readonly giant: Lock;
  readonly timeOfDay: TimeOfDay;
  readonly userland: Userland;

  // Volatile state.
  readonly eventTimers: EventTimer[] = [];
  readonly sysctls = new Map<string, () => string>();
  readonly writableSysctls = new Map<string, SysctlWriter>();
  readonly commands: ShellCommand[] = [];
  readonly configHooks: ConfigHook[] = [];
  readonly rootHolds: string[] = [];
  ioApic: IoApic | undefined;
  /** Interprocessor interrupts have their vectors: other processors can be woken. */
  #canKick = false;
  /** Whoever holds Giant, which sleeping drops. */
  #giantOwner: KernelThread | undefined;
  #isHalted = false;
  /** What is left to do of a panic, on the processor that panicked. */
  #lastWords: { readonly processor: number; readonly body: Task; nextNs: number } | undefined;
  /** Work that comes before a panic's report to the hypervisor. It cannot sleep, only wait. */
  beforeCrash: (() => Task) | undefined;
  /** Set where the hypervisor takes crash reports. */
  hasCrashMsrs = false;

  constructor(options: KernelOptions) {
    this.trace = options.trace;
    this.switches = options.switches;
    this.processorCount = options.processors.length;
    this.#random = options.random;
    this.scheduler = new Scheduler(
      options.processors,
      {
        interrupt: (processor, vector) => this.interrupts.dispatch(processor, vector),
        kick: (_from, to) => this.#kick(to),
        startTimeout: (processor, delayNs, expired) =>
          this.callouts.schedule(processor, delayNs, expired),
        cancelTimeout: (handle) => this.callouts.cancel(handle),
      },
      options.random.split('scheduler'),
    );
    this.hw = new Hardware(options.processors, this.scheduler);
    this.apic = new LocalApic(this.hw);
    this.interrupts = new InterruptTable(this.apic, this.processorCount);
    this.console = new Console(this.hw);
    this.i8254 = new I8254(this.hw);
    this.pages = new PageAllocator(this.hw.memory);
    this.lowPages = new PageAllocator(this.hw.memory);
    this.giant = new Lock('Giant', this.scheduler);
    this.timeOfDay = new TimeOfDay(this.hw, () => this.timecounters.uptimeNs());
    this.userland = new Userland(
      (name, body, options) => this.spawn(name, body, options),
      (text) => this.print(text),
    );
    this.callouts = new Callouts(this.processorCount, {
      uptimeNs: () => this.timecounters.uptimeNs(),
      processor: () => this.scheduler.active,
      rearm: (processor) => this.#kick(processor),
    });
    this.interrupts.install(Vector.wake, undefined, () => this.callouts.arm());
    this.interrupts.install(
      Vector.timer,
      (processor) => `cpu${processor}:timer`,
      () => this.callouts.interrupt(),
    );
  }

  get hz(): number {
    return this.switches.hz;
  }

  get verbose(): boolean {
    return this.switches.verbose;
  }

  get isLegacy(): boolean {
    return this.switches.release === 'legacy';
  }

  get hardware(): VirtualProcessor {
    return this.hw.current;
  }

  hardwareOf(processor: number): VirtualProcessor {
    return this.hw.processors[processor]!;
  }

  get processor(): number {
    return this.scheduler.active;
  }

  uptimeNs(): number {
    return this.timecounters.uptimeNs();
  }

  get coarseUptimeNs(): number {
    return this.timecounters.coarseUptimeNs;
  }

  wallClockUs(): number {
    return this.timeOfDay.nowUs;
  }

  setWallClockUs(us: number): void {
    this.timeOfDay.nowUs = us;
  }

  printf(text: string): void {
    this.console.message(text);
    if (this.console.hasBacklog && this.callouts.timer !== undefined) this.#drainLater();
  }

  /** Where the shell sends what the program that it waits for prints; undefined for the console. */
  redirection: ((text: string) => void) | undefined;

  /** Output of a program, not of the kernel. */
  print(text: string): void {
    if (this.redirection !== undefined) {
      this.redirection(text);
      return;
    }
    this.console.write(text);
    if (this.console.hasBacklog) this.#drainLater();
  }

  #isDraining = false;

  #drainLater(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.callouts.schedule(0, 1_000_000, () => {
      this.#isDraining = false;
      this.console.flush();
      if (this.console.hasBacklog) this.#drainLater();
    });
  }

  bootverbose(text: string): void {
    if (this.verbose) this.printf(text);
  }

  spawn(name: string, body: () => Task, options?: ThreadOptions): KernelThread {
    return this.scheduler.spawn(name, body, options);
  }

  taskQueue(name: string, options: ThreadOptions): TaskQueue {
    return new TaskQueue(name, this.scheduler, options);
  }

  *tsleep(channel: object, timeoutNs: number): Task<boolean> {
    const ownsGiant = this.#giantOwner !== undefined && this.#ownsGiant();
    if (ownsGiant) this.releaseGiant();
    const woken = yield { channel, timeoutNs };
    if (ownsGiant) yield* this.acquireGiant();
    return woken;
  }

  #ownsGiant(): boolean {
    return this.#giantOwner === this.scheduler.currentThread;
  }

  *acquireGiant(): Task {
    yield* this.giant.acquire();
    this.#giantOwner = this.scheduler.currentThread;
  }

  releaseGiant(): void {
    this.#giantOwner = undefined;
    this.giant.release();
  }

  wakeup(channel: object): void {
    this.scheduler.wakeup(channel);
  }

  lock(name: string): KernelLock {
    return new Lock(name, this.scheduler);
  }

  charge(costNs: number): void {
    this.scheduler.charge(costNs);
  }

  random(name: string): Random {
    return this.#random.split(name);
  }

  /** By a timecounter of positive quality, else by the i8254, as DELAY(9) does. */
  *delay(microseconds: number): Task {
    if (this.timecounters.current.quality > 0) {
      const end = this.uptimeNs() + microseconds * 1_000;
      for (;;) {
        const leftNs = end - this.uptimeNs();
        if (leftNs <= 0) return;
        yield leftNs;
      }
    }
    const isOver = yield* this.i8254.delay(microseconds, () => true);
    if (!isOver) this.stop('delay-hang', 'DELAY reads an i8254 that is not there');
  }

  allocatePages(pages: number): number {
    const gpa = this.pages.allocate(pages);
    return gpa < 0 ? this.panic(`no ${pages} contiguous pages are free`) : gpa;
  }

  /** Likewise below 16 MiB, for DMA of the ISA bus. */
  allocateLow(pages: number): number {
    const gpa = this.lowPages.allocate(pages);
    return gpa < 0 ? this.panic(`no ${pages} contiguous pages are free below 16 MiB`) : gpa;
  }

  allocateUnzeroed(pages: number): number {
    return this.pages.reserve(pages);
  }

  freePages(gpa: number, pages: number): void {
    this.pages.free(gpa, pages);
  }

  addSysctl(name: string, read: () => string, write?: SysctlWriter): void {
    this.sysctls.set(name, read);
    if (write !== undefined) this.writableSysctls.set(name, write);
  }

  /** Takes away what is below a node. */
  removeSysctls(node: string): void {
    for (const name of this.sysctls.keys()) {
      if (!name.startsWith(`${node}.`)) continue;
      this.sysctls.delete(name);
      this.writableSysctls.delete(name);
    }
  }

  addCommand(command: ShellCommand): void {
    this.commands.push(command);
  }

  addConfigHook(name: string, run: () => Task): void {
    this.configHooks.push({ name, run });
  }

  holdRootMount(name: string): () => void {
    this.rootHolds.push(name);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.rootHolds.splice(this.rootHolds.indexOf(name), 1);
      this.wakeup(this.rootHolds);
    };
  }

  *waitRootHolds(): Task {
    while (this.rootHolds.length > 0) yield* this.tsleep(this.rootHolds, Infinity);
  }

  /** Adds an event timer, announces it, and uses it when it is the best. */
  registerEventTimer(timer: EventTimer): void {
    this.eventTimers.push(timer);
    this.eventTimers.sort((left, right) => right.quality - left.quality);
    const { frequencyHz, quality } = timer;
    if (frequencyHz > 0) {
      this.printf(
        `Event timer "${timer.name}" frequency ${Math.round(frequencyHz)} Hz quality ${quality}\n`,
      );
    } else {
      this.printf(`Event timer "${timer.name}" quality ${quality}\n`);
    }
    const inUse = this.callouts.timer;
    if (inUse !== undefined && quality > inUse.quality) this.callouts.use(timer);
  }

  /** Lets other processors be woken; called when their local APICs are on. */
  enableKicks(): void {
    this.#canKick = true;
  }

  #kick(processor: number): void {
    if (!this.#canKick || !this.scheduler.isStarted(processor)) return;
    this.apic.sendFixed(this.hardwareOf(processor).index, Vector.wake);
  }

  /** Runs a body on every processor that has started, one after the other, and waits for each. */
  *onEachProcessor(body: (processor: number) => Task): Task {
    for (let processor = 0; processor < this.processorCount; processor += 1) {
      if (!this.scheduler.isStarted(processor)) continue;
      const done = { isOver: false };
      const run = function* (this: Kernel): Task {
        yield* body(processor);
        done.isOver = true;
        this.wakeup(done);
      };
      const options = { processor, priority: Priority.interruptTimer };
      this.spawn(`rendezvous ${processor}`, () => run.call(this), options);
      while (!done.isOver) yield* this.tsleep(done, Infinity);
    }
  }

  phase(name: string): void {
    this.trace.emitText(guestPhase, name);
  }

  /** The boot cannot go on: says where and why, and stands still as the real one would. */
  stop(stage: string, why: string): never {
    this.trace.emitText(guestStageStopped, `${stage}: ${why}`);
    this.halt(0);
    throw new KernelPanic(stage);
  }

  /** @param kind 0 halted, 1 powered off, 2 reset */
  halt(kind: number): void {
    if (this.#isHalted) return;
    this.#isHalted = true;
    this.console.screen?.flush();
    this.trace.emit(guestEnd, kind);
    this.scheduler.halt();
  }

  get isHalted(): boolean {
    return this.#isHalted;
  }

  panic(message: string): never {
    if (this.#isHalted) throw new KernelPanic(message);
    this.printf(`panic: ${message}\ncpuid = ${this.processor}\n`);
    this.trace.emitText(guestPanic, message);
    this.#isHalted = true;
    this.scheduler.halt();
    this.#lastWords = { processor: this.processor, body: this.#crash(message), nextNs: 0 };
    throw new KernelPanic(message);
  }

  *#crash(message: string): Task {
    if (this.beforeCrash !== undefined) yield* this.beforeCrash();
    if (this.hasCrashMsrs) this.#reportCrash(message);
    this.printf(`Uptime: ${Math.floor(this.uptimeNs() / 1e9)}s\n`);
    this.trace.emit(guestEnd, 0);
  }

  /**
   * Runs a processor of a kernel that has halted: nothing, but for the one that panicked.
   * @returns when it wants to run again, or Infinity
   */
  runHalted(index: number): number {
    const last = this.#lastWords;
    if (last?.processor !== index) return Infinity;
    const { nowNs } = this.hw.processors[index]!.clock;
    while (last.nextNs <= nowNs) {
      this.scheduler.active = index;
      const step = last.body.next(false);
      if (step.done === true) {
        this.#lastWords = undefined;
        return Infinity;
      }
      const ns = typeof step.value === 'number' ? step.value : step.value.timeoutNs;
      last.nextNs = nowNs + Math.max(1, Math.ceil(ns));
    }
    return last.nextNs;
  }

  /** P3 and P4 name the text; the notification comes last (TLFS, HV_X64_MSR_CRASH_CTL). */
  #reportCrash(message: string): void {
    const gpa = this.pages.allocate(1);
    const hasText = gpa >= 0;
    if (hasText) {
      const text = message.slice(0, 4095);
      const offset = this.hw.memory.resolve(gpa, 4096);
      for (let index = 0; index < text.length; index += 1) {
        this.hw.memory.u8[offset + index] = text.charCodeAt(index) & 0xff;
      }
      this.hw.writeMsrNumber(Msr.CRASH_P0 + 3, gpa);
      this.hw.writeMsrNumber(Msr.CRASH_P0 + 4, text.length);
    }
    this.hw.writeMsr(Msr.CRASH_CTL, 0, CRASH_NOTIFY | (hasText ? CRASH_MESSAGE : 0));
  }
}
