/** The x86-64 processor as the machine sees it: turns, interrupts, time. */
import type { GuestMemory } from '../core/memory.ts';
import type { Random } from '../core/random.ts';
import type { Stateful, StateStream } from '../core/state.ts';
import type { ProcessorEngine, ProcessorStart } from '../hypervisor/processor.ts';
import type { PartitionProcessor } from '../hypervisor/virtual-processor.ts';
import { Cpu, type CpuHost, Eflags } from './cpu.ts';
import { Decoder } from './decode/decode.ts';
import { describeProcessor } from './describe.ts';
import { CpuException } from './exception.ts';
import { Executor } from './execute.ts';
import { bringEntriesBack, flushAll, putEntriesAway } from './mmu/tlb.ts';
import {
  ACCESS_ADDRESS,
  Activity,
  BUDGET,
  FIXED_BYTES,
  FloatTransfer,
  MODE,
  REGISTER_BYTES,
  SegmentState,
  STATE_BYTES,
  XMM,
} from './state.ts';
import { afterInstruction, beforeInstruction, needsStepping } from './system/debug.ts';
import { setRandomSource } from './system/identity.ts';
import { deliverException, deliverInterrupt, deliverNmi } from './system/interrupts.ts';
import { initProcessor, resetProcessor, startProcessor, startupProcessor } from './system/start.ts';
import { BASE_FEATURES } from './table/table.ts';

/** Entries after which a tier 0 block is compiled. */
const HOT = 300;
/** Hot blocks that are compiled together, since a module costs more than a function. */
const BATCH = 32;
/** Instructions after which a new function is entered, of which JavaScriptCore makes code meanwhile. */
const DELAY = 300_000;
/** A budget that a 32-bit counter holds with room for what is put aside. */
const MAX_RUN = 0x3fff_ffff;
const SHADOW = Activity.stiShadow | Activity.movSsShadow;
const WAITING = Activity.halted | Activity.idle;

/** Bytes of the registers' block that mean nothing between two turns. */
const SCRATCH = [
  [BUDGET, XMM],
  [ACCESS_ADDRESS, MODE],
  [FloatTransfer.flags, SegmentState.selector],
] as const;

export interface X86Options {
  readonly processors: readonly PartitionProcessor[];
  /** Made with {@link import('./state.ts').privateBytes} bytes in front. */
  readonly memory: GuestMemory;
  /** Of RDRAND. */
  readonly seed: Random;
  /** Both give the same run; `jit` compiles what is hot. */
  readonly mode: 'interpret' | 'jit';
}

/** What the processors of a machine share: generated code, and the place of the one that runs. */
class Core {
  readonly executor: Executor;
  readonly #u8: Uint8Array;
  readonly #count: number;
  #current = 0;

  constructor({ processors, memory, mode }: X86Options) {
    this.#u8 = memory.u8;
    this.#count = processors.length;
    const states = processors.map((_, index) => this.slot(index));
    this.executor = new Executor({
      memory: memory.wasm,
      ram: memory.lowRam,
      decoder: new Decoder(BASE_FEATURES),
      threshold: mode === 'jit' ? HOT : 0,
      batch: BATCH,
      delay: DELAY,
      states: processors.length === 1 ? [0] : [0, ...states],
    });
    memory.watchWrites((position, length) => {
      this.executor.writtenOutside(position, length);
    });
  }

  slot(index: number): number {
    return FIXED_BYTES + index * STATE_BYTES;
  }

  /** Makes a processor's state the one at 0. */
  bring(index: number, cpu: Cpu): void {
    this.executor.cpu = cpu;
    if (this.#count === 1 || index === this.#current) return;
    const [away, back] = [this.slot(this.#current), this.slot(index)];
    this.#u8.copyWithin(away, 0, REGISTER_BYTES);
    putEntriesAway(cpu, away);
    this.#u8.copyWithin(0, back, back + REGISTER_BYTES);
    bringEntriesBack(cpu, back);
    this.#current = index;
  }
}

class X86Engine implements ProcessorEngine, CpuHost {
  readonly #core: Core;
  readonly #executor: Executor;
  readonly #vp: PartitionProcessor;
  readonly #cpu: Cpu;
  /** Instructions given to the executor, and when it began: for `syncClock`. */
  #given = 0;
  #sinceNs = 0;
  #isRunning = false;
  #hasEnded = false;
  #mustFlush = false;
  isDead: boolean;
  readonly #random: Random;

  constructor(core: Core, memory: GuestMemory, vp: PartitionProcessor, random: Random) {
    this.#random = random;
    this.#core = core;
    this.#executor = core.executor;
    this.#vp = vp;
    this.#cpu = new Cpu(memory, vp);
    this.#cpu.host = this;
    this.isDead = vp.index !== 0;
    setRandomSource(this.#cpu, () => random.u32());
  }

  reset(start: ProcessorStart | undefined): void {
    const cpu = this.#cpu;
    this.#core.bring(this.#vp.index, cpu);
    if (this.#vp.index === 0) this.#executor.forget();
    resetProcessor(cpu);
    if (start !== undefined) startProcessor(cpu, start);
  }

  /**
   * Registers and what belongs to them. Translations and generated code are made anew, which nothing
   * in the guest can tell.
   */
  exchange(state: StateStream): void {
    const cpu = this.#cpu;
    this.#core.bring(this.#vp.index, cpu);
    const registers = cpu.u8.slice(0, REGISTER_BYTES);
    for (const [from, to] of SCRATCH) registers.fill(0, from, to);
    state.array('registers', registers);
    cpu.isRepeating = state.flag('isRepeating', cpu.isRepeating);
    this.#mustFlush = state.flag('mustFlush', this.#mustFlush);
    this.isDead = state.flag('isDead', this.isDead);
    state.part('random', () => this.#random.exchange(state));
    if (!state.isRestoring) return;
    cpu.u8.set(registers, 0);
    this.#executor.forget();
    flushAll(cpu);
  }

  run(deadlineNs: number): number {
    const cpu = this.#cpu;
    const { clock } = this.#vp;
    this.#core.bring(this.#vp.index, cpu);
    this.#hasEnded = false;
    this.isDead = false;
    if (this.#mustFlush) {
      this.#mustFlush = false;
      flushAll(cpu);
    }
    for (;;) {
      if (!this.#attend()) {
        this.isDead = isDead(cpu);
        return Infinity;
      }
      const nowNs = clock.nowNs;
      const left = Math.min(MAX_RUN, deadlineNs - nowNs);
      if (left <= 0 || this.#hasEnded) return nowNs;
      this.#given = left;
      this.#sinceNs = nowNs;
      this.#isRunning = true;
      try {
        if ((cpu.activity & SHADOW) !== 0 || needsStepping(cpu)) this.#step();
        else {
          const retired = this.#executor.run(left);
          clock.set(nowNs + retired);
          this.#endShadow(left - retired);
        }
      } catch (thrown) {
        if (!(thrown instanceof CpuException)) throw thrown;
        this.syncClock();
        this.#endShadow(this.#executor.left);
        deliverException(cpu, thrown);
        // Even a handler that faults at its first instruction, for ever, takes time.
        clock.set(Math.min(deadlineNs, clock.nowNs + 1));
      } finally {
        this.#isRunning = false;
      }
    }
  }

  /** An interrupt shadow that opened within a run is over when another instruction has retired. */
  #endShadow(left: number): void {
    const cpu = this.#cpu;
    if ((cpu.activity & Activity.stiShadow) !== 0 && left < cpu.stiLeft - 1) {
      cpu.activity &= ~Activity.stiShadow;
    }
  }

  /** One instruction, with what debugging and interrupt shadows have before and after it. */
  #step(): void {
    const cpu = this.#cpu;
    const flags = cpu.systemFlags;
    const shadow = cpu.activity & SHADOW;
    this.#given = 1;
    beforeInstruction(cpu);
    const retired = this.#executor.step();
    this.#vp.clock.set(this.#sinceNs + retired);
    this.#given = 0;
    this.#sinceNs += retired;
    if (retired === 0) return;
    cpu.activity &= ~shadow;
    afterInstruction(cpu, flags);
  }

  /** Signals and interrupts. @returns false when the processor waits for one */
  #attend(): boolean {
    const cpu = this.#cpu;
    this.#takeSignals();
    if (this.#vp.takeIdle()) cpu.activity |= Activity.idle;
    let { activity } = cpu;
    if ((activity & (Activity.waitForStartup | Activity.shutdown)) !== 0) return false;
    if ((activity & SHADOW) !== 0 && (activity & WAITING) === 0) return true;
    if ((activity & (Activity.nmiPending | Activity.nmiBlocked)) === Activity.nmiPending) {
      cpu.activity &= ~(WAITING | Activity.nmiPending);
      deliverNmi(cpu);
      return true;
    }
    const isEnabled = (cpu.systemFlags & Eflags.if) !== 0;
    if (!isEnabled && (activity & WAITING) === 0) return true;
    const pending = this.#vp.pendingVector();
    if (pending < 0) return (activity & WAITING) === 0;
    if (!isEnabled) {
      if ((activity & Activity.idle) === 0) return false;
      cpu.activity &= ~WAITING;
      return true;
    }
    cpu.activity &= ~(WAITING | SHADOW);
    activity = cpu.activity;
    const vector = this.#vp.acknowledgeVector();
    if (vector >= 0) deliverInterrupt(cpu, vector);
    return true;
  }

  #takeSignals(): void {
    const cpu = this.#cpu;
    for (;;) {
      const signal = this.#vp.takeSignal();
      if (signal === undefined) return;
      if (signal.kind === 'nmi') cpu.activity |= Activity.nmiPending;
      else if (signal.kind === 'init') initProcessor(cpu);
      else startupProcessor(cpu, signal.vector);
    }
  }

  endTurn(): void {
    this.#hasEnded = true;
    if (this.#isRunning) this.#executor.ask();
  }

  flushTranslations(): void {
    if (this.#isRunning) {
      flushAll(this.#cpu);
      this.#executor.ask();
    } else this.#mustFlush = true;
  }

  describe(): string {
    this.#core.bring(this.#vp.index, this.#cpu);
    return describeProcessor(this.#cpu);
  }

  // --- CpuHost

  get left(): number {
    return this.#executor.left;
  }

  arithmeticFlags(): number {
    return this.#executor.arithmeticFlags();
  }

  syncClock(): void {
    if (this.#given === 0) return;
    this.#vp.clock.set(this.#sinceNs + this.#given - this.#executor.left);
  }

  recheck(): void {
    if (this.#isRunning) this.#executor.ask();
  }

  hasCode(position: number): boolean {
    return this.#executor.hasCode(position);
  }

  codeWritten(position: number, length: number): void {
    this.#executor.codeWritten(position, length);
  }
}

/** Of a processor that waits: no interrupt could end that. */
function isDead({ activity, systemFlags }: Cpu): boolean {
  const isHalted = (activity & WAITING) === Activity.halted && (systemFlags & Eflags.if) === 0;
  return isHalted || (activity & (Activity.waitForStartup | Activity.shutdown)) !== 0;
}

export function createX86Engines(options: X86Options): readonly (ProcessorEngine & Stateful)[] {
  const core = new Core(options);
  const { memory, processors, seed } = options;
  return processors.map(
    (vp) => new X86Engine(core, memory, vp, seed.split(`processor ${vp.index}`)),
  );
}
