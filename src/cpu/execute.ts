/**
 * Runs generated code on one processor for a number of instructions: goes in, sees why it came out,
 * finds what is missing, and goes in again.
 */
import type { Cpu } from './cpu.ts';
import { baseModule } from './compile/base-module.ts';
import { ArenaFull, CodeCache } from './compile/code-cache.ts';
import { endsBlock } from './compile/ends-block.ts';
import type { Block } from './compile/block.ts';
import type { LowRam } from './compile/page-walk.ts';
import { NEEDS_FUNCTION } from './compile/machine-ir.ts';
import { jumpCacheOffset, jumpStoreOffset } from './compile/jump.ts';
import { Site, TableIndex } from './compile/table-index.ts';
import type { Decoder } from './decode/decode.ts';
import { raise, Vector } from './exception.ts';
import { currentBank, finishModify, slowRead, slowReadModify, slowWrite } from './mmu/access.ts';
import { lookUp } from './mmu/tlb.ts';
import { checkSegment } from './system/segments.ts';
import { callInstruction } from './call.ts';
import {
  ACCESS_ADDRESS,
  ACCESS_VALUE,
  BUDGET,
  CODE_ARENA,
  EXIT_ARGUMENT,
  EXIT_REASON,
  Exit,
  INTERRUPT_WAITS,
  JUMP_CACHE,
  JumpCacheEntry,
  RIP,
  TlbEntry,
} from './state.ts';

const NO_OFFSET = -1;
const BUDGET_WORD = BUDGET >> 2;

/** Thrown from a store to decoded code: the instruction is to execute again, alone. */
const RESTART = { restart: true };
/** Thrown by a meaning that does not cover what it met, before it changed anything. */
const FUNCTION = { function: true };

export interface ExecutorOptions {
  readonly memory: WebAssembly.Memory;
  readonly ram: LowRam;
  readonly decoder: Decoder;
  /** Entries after which a block is compiled; 0: never, all stays in tier 0. */
  readonly threshold: number;
  /** Hot blocks that wait for each other before they are compiled. */
  readonly batch: number;
  /** Instructions after which a new function is entered. */
  readonly delay: number;
  readonly states: readonly number[];
}

/** One for a machine; `cpu` is the processor whose state lies at 0 now. */
export class Executor {
  cpu!: Cpu;
  readonly cache: CodeCache;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #f64: BigUint64Array;
  readonly #dispatch: (parameter: number, budget: number) => void;
  readonly #enterRecord: (record: number, budget: number) => void;
  readonly #flags: () => number;
  /** Budget put aside so that generated code comes out at the next block. */
  #stash = 0;
  /** Instructions from the one in progress to the end of its block. */
  #remaining = 0;
  /** Place in its page of the instruction in progress, where RIP has only the page; or -1. */
  #offset = NO_OFFSET;
  /** Something asked for a look around: generated code is to come out. */
  #isAsked = false;
  /** The jump caches are not empty. */
  #hasRemembered = false;
  #isCalling = false;
  #isStepping = false;
  /** Generated code runs: a store to what it was made from must begin again. */
  #isInside = false;

  constructor(options: ExecutorOptions) {
    const { memory, ram, decoder, threshold, batch, delay, states } = options;
    this.#u32 = new Uint32Array(memory.buffer);
    this.#i32 = new Int32Array(memory.buffer);
    this.#f64 = new BigUint64Array(memory.buffer);
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 4096 });
    const host = {
      memory,
      table,
      slowLoad: (site: number, bytes: number) => this.#slowLoad(site, bytes),
      slowStore: (site: number, bytes: number) => this.#slowStore(site, bytes),
      slowUpdate: (site: number, bytes: number) => this.#slowUpdate(site, bytes),
      finishUpdate: (site: number, bytes: number) => this.#finishUpdate(site, bytes),
      raise: (site: number, vector: number) => this.#raise(site, vector),
    };
    const functions = {
      callInstruction: (site: number, number: number) => this.#call(site, number),
      divideWide: (site: number, isSigned: number) => this.#divideWide(site, isSigned),
      checkSegment: (site: number, packed: number) => this.#checkSegment(site, packed),
    };
    const base = new WebAssembly.Instance(new WebAssembly.Module(baseModule(ram)), {
      cpu: host,
    });
    this.cache = new CodeCache({
      memory,
      table,
      imports: { ...base.exports, ...functions, memory, table },
      decoder,
      threshold,
      batch,
      delay,
      states,
    });
    this.#dispatch = base.exports['dispatch'] as (parameter: number, budget: number) => void;
    this.#enterRecord = base.exports['enterRecord'] as (record: number, budget: number) => void;
    this.#flags = base.exports['flags'] as () => number;
  }

  /** Instructions that have not retired of those that `run` was given, from within an instruction. */
  get left(): number {
    return this.#i32[BUDGET_WORD]! + this.#stash + this.#remaining;
  }

  arithmeticFlags(): number {
    return this.#flags();
  }

  /** Generated code comes out after this instruction or block. */
  ask(): void {
    this.#isAsked = true;
    this.#u32[INTERRUPT_WAITS >> 2] = 1;
    if (this.#isCalling) return;
    this.#stash += this.#i32[BUDGET_WORD]!;
    this.#i32[BUDGET_WORD] = 0;
  }

  /** Forgets all code. */
  forget(): void {
    this.cache.clear();
    if (!this.#hasRemembered) return;
    this.#hasRemembered = false;
    this.#u32.fill(0, JUMP_CACHE >> 2, CODE_ARENA >> 2);
  }

  hasCode(position: number): boolean {
    return this.cache.hasCode(position);
  }

  /**
   * A store to decoded code: by generated code, which then begins again with that instruction alone, by a
   * function, or between two instructions by the delivery of an interrupt or a page walk.
   */
  codeWritten(position: number, length: number): void {
    if (!this.cache.touches(position, length)) return;
    if (this.#isCalling || this.#isStepping || !this.#isInside) {
      this.cache.invalidate(position, length);
      this.ask();
      return;
    }
    throw RESTART;
  }

  /** The same for whoever writes while no instruction is in progress. */
  writtenOutside(position: number, length: number): void {
    for (let at = position; at < position + length;) {
      const end = Math.min(position + length, at - (at & 0xfff) + 4096);
      if (this.cache.hasCode(at)) {
        this.cache.invalidate(at, end - at);
        // A device that an access set to work: functions that wait for a return may be of this code.
        if (this.#isInside) this.ask();
      }
      at = end;
    }
  }

  /**
   * Executes until so many instructions have retired or something asks for a look.
   * @returns how many have retired
   * @throws CpuException of an instruction, with RIP and the state before it; `left` tells the rest
   */
  run(count: number): number {
    this.#begin(count);
    this.#u32[INTERRUPT_WAITS >> 2] = this.cpu.vp.pendingVector() >= 0 ? 1 : 0;
    let block: Block | undefined;
    let needsFunction = false;
    for (;;) {
      try {
        this.#isInside = true;
        if (needsFunction) this.#callAlone();
        else if (block === undefined) this.#dispatch(0, this.#i32[BUDGET_WORD]!);
        else this.#enterAlone(block);
      } catch (thrown) {
        this.#undo();
        needsFunction = thrown === FUNCTION;
        if (needsFunction) continue;
        if (thrown !== RESTART) throw thrown;
        block = this.#single();
        continue;
      }
      needsFunction = false;
      block = undefined;
      this.#settle();
      const left = this.#i32[BUDGET_WORD]!;
      if (this.#isAsked || left <= 0) break;
      const reason = this.#u32[EXIT_REASON >> 2]!;
      if (reason === Exit.state) break;
      if (reason === Exit.budget) block = this.#rest(left);
      else block = this.#find(reason);
    }
    const retired = count - this.#i32[BUDGET_WORD]!;
    this.cache.advance(retired);
    return retired;
  }

  /** Executes one instruction, whatever blocks there are. @returns 1, or 0 when it repeats */
  step(): number {
    this.#begin(1);
    for (let needsFunction = false; ;) {
      try {
        if (needsFunction) this.#callAlone();
        else {
          const block = this.#single();
          this.#isInside = true;
          this.#enterAlone(block);
        }
        break;
      } catch (thrown) {
        this.#undo();
        if (thrown !== FUNCTION) throw thrown;
        needsFunction = true;
      }
    }
    this.#settle();
    return 1 - this.#i32[BUDGET_WORD]!;
  }

  #begin(count: number): void {
    this.#i32[BUDGET_WORD] = count;
    this.#stash = 0;
    this.#remaining = 0;
    this.#offset = NO_OFFSET;
    this.#isAsked = false;
    this.#isCalling = false;
  }

  #settle(): void {
    this.#isInside = false;
    this.#i32[BUDGET_WORD]! += this.#stash;
    this.#stash = 0;
    this.#remaining = 0;
    this.#offset = NO_OFFSET;
  }

  /** The instruction in progress did not happen: budget and RIP are as before it. */
  #undo(): void {
    this.#i32[BUDGET_WORD]! += this.#stash + this.#remaining;
    this.#stash = 0;
    this.#remaining = 0;
    this.#placeRip();
    this.#isCalling = false;
    this.#isStepping = false;
    this.#isInside = false;
  }

  #placeRip(): void {
    if (this.#offset === NO_OFFSET) return;
    const word = RIP >> 2;
    this.#u32[word] = (this.#u32[word]! & ~0xfff) | this.#offset;
    this.#offset = NO_OFFSET;
  }

  /** Whatever finds or decodes may find the arena full: everything goes, once. */
  #withRoom<T>(act: () => T): T {
    try {
      return act();
    } catch (thrown) {
      if (!(thrown instanceof ArenaFull)) throw thrown;
      this.forget();
      return act();
    }
  }

  #single(): Block {
    return this.#withRoom(() => this.cache.find(this.cpu, true));
  }

  /** The block at RIP when fewer instructions may retire than it has. */
  #rest(left: number): Block | undefined {
    return this.#withRoom(() => {
      const block = this.cache.find(this.cpu, false);
      if (block.count > left) return this.cache.decodeExactly(this.cpu, left);
      return this.#remember(block) ? undefined : block;
    });
  }

  /** Enters a block that the jump cache does not lead to. One instruction alone may write over itself. */
  #enterAlone(block: Block): void {
    if (block.count === 1) {
      this.#isStepping = true;
      this.#stash += this.#i32[BUDGET_WORD]! - 1;
      this.#i32[BUDGET_WORD] = 1;
    }
    this.#enterRecord(block.record, this.#i32[BUDGET_WORD]!);
    this.#isStepping = false;
  }

  /** Finds the block at RIP. @returns it where the jump cache does not lead to it */
  #find(reason: number): Block | undefined {
    const argument = this.#u32[EXIT_ARGUMENT >> 2]!;
    return this.#withRoom(() => {
      if (reason === Exit.hot) {
        const hot = this.cache.byRecord(argument);
        if (hot !== undefined) this.cache.heat(hot);
      }
      const block = this.cache.find(this.cpu, false);
      if (reason === Exit.link) this.cache.link(argument, block);
      return this.#remember(block) ? undefined : block;
    });
  }

  /**
   * Enters a block into the jump caches. One that ends in another page stays out until its function
   * looks up where that page is.
   * @returns whether it went in
   */
  #remember(block: Block): boolean {
    if (block.second >= 0 && block.tableIndex === TableIndex.enterRecord) return false;
    this.#hasRemembered = true;
    this.#putEntry(jumpCacheOffset(block.position) >> 2, block);
    this.#putEntry(jumpStoreOffset(block.position) >> 2, block);
    return true;
  }

  #putEntry(entry: number, { position, mode, tableIndex, parameter }: Block): void {
    const u32 = this.#u32;
    u32[entry] = position;
    u32[entry + 1] = mode;
    u32[entry + (JumpCacheEntry.tableIndex >> 2)] = tableIndex;
    u32[entry + (JumpCacheEntry.parameter >> 2)] = parameter;
  }

  /** Executes the instruction at RIP, which has a meaning, by its function. */
  #callAlone(): void {
    this.#isInside = false;
    const [bound] = this.cache.instructionsOf(this.#single());
    this.#i32[BUDGET_WORD]! -= 1;
    this.#remaining = 1;
    this.#isCalling = true;
    callInstruction(this.cpu, bound!);
    this.#isCalling = false;
    this.#u32[EXIT_REASON >> 2] = Exit.lookup;
  }

  // --- what generated code calls

  #at(site: number): void {
    this.#remaining = site >>> Site.shift;
    this.#offset = (site & Site.tier1) === 0 ? NO_OFFSET : site & Site.offsetMask;
  }

  #done(): void {
    this.#remaining = 0;
    this.#offset = NO_OFFSET;
  }

  #slowLoad(site: number, bytes: number): number {
    this.#at(site);
    const position = slowRead(this.cpu, bytes);
    this.#done();
    return position;
  }

  #slowStore(site: number, bytes: number): void {
    this.#at(site);
    slowWrite(this.cpu, bytes);
    this.#done();
  }

  #slowUpdate(site: number, bytes: number): number {
    this.#at(site);
    const position = slowReadModify(this.cpu, bytes);
    // The store comes after registers may have changed, too late to begin again.
    if (position === ACCESS_VALUE) this.#mustNotHitCode(bytes);
    this.#done();
    return position;
  }

  #mustNotHitCode(bytes: number): void {
    if (this.#isStepping) return;
    const linear = this.cpu.signed(ACCESS_ADDRESS);
    for (const address of [linear, linear + bytes - 1]) {
      const position = lookUp(this.cpu, address, currentBank(this.cpu), TlbEntry.readTag);
      if (position >= 0 && this.cache.hasCode(position)) throw RESTART;
    }
  }

  #finishUpdate(site: number, bytes: number): void {
    this.#at(site);
    finishModify(this.cpu, bytes);
    this.#done();
  }

  #raise(site: number, vector: number): void {
    this.#at(site);
    if (vector === NEEDS_FUNCTION) throw FUNCTION;
    if (vector === Vector.generalProtection) raise(vector, 0);
    raise(vector);
  }

  #checkSegment(site: number, packed: number): void {
    this.#at(site);
    const offset = this.#u32[ACCESS_ADDRESS >> 2]!;
    checkSegment(this.cpu, packed & 15, offset, (packed >> 4) & 0xff, (packed & 0x1000) !== 0);
    this.#done();
  }

  #divideWide(site: number, isSigned: number): void {
    this.#at(site);
    const low = this.#f64[ACCESS_VALUE >> 3]!;
    const high = this.#f64[(ACCESS_VALUE >> 3) + 1]!;
    const divisor = this.#f64[ACCESS_ADDRESS >> 3]!;
    if (divisor === 0n) raise(Vector.divideError);
    const whole = (high << 64n) | low;
    const dividend = isSigned === 1 ? BigInt.asIntN(128, whole) : whole;
    const by = isSigned === 1 ? BigInt.asIntN(64, divisor) : divisor;
    const quotient = dividend / by;
    const fits = isSigned === 1 ? BigInt.asIntN(64, quotient) : BigInt.asUintN(64, quotient);
    if (fits !== quotient) raise(Vector.divideError);
    this.#f64[ACCESS_VALUE >> 3] = BigInt.asUintN(64, quotient);
    this.#f64[(ACCESS_VALUE >> 3) + 1] = BigInt.asUintN(64, dividend % by);
    this.#done();
  }

  /** @returns 1 when generated code is to leave, with RIP and budget right; 0: it goes on */
  #call(site: number, number: number): number {
    const { cpu } = this;
    this.#at(site);
    const isTier1 = (site & Site.tier1) !== 0;
    const startLow = this.#u32[RIP >> 2]!;
    const startHigh = this.#u32[(RIP >> 2) + 1]!;
    // A fault finds RIP where it belongs.
    this.#placeRip();
    this.#isCalling = true;
    const bound = this.cache.calls[number]!;
    const { mode } = cpu;
    callInstruction(cpu, bound);
    this.#isCalling = false;
    const { isRepeating } = cpu;
    const leaves = isRepeating || this.#isAsked || cpu.mode !== mode || endsBlock(bound);
    if (!leaves) {
      if (isTier1) {
        this.#u32[RIP >> 2] = startLow;
        this.#u32[(RIP >> 2) + 1] = startHigh;
      }
      this.#done();
      return 0;
    }
    // A piece of a repeated instruction counts as one.
    this.#i32[BUDGET_WORD]! += this.#remaining - 1;
    this.#done();
    cpu.isRepeating = false;
    this.#u32[EXIT_REASON >> 2] = Exit.state;
    return 1;
  }
}
