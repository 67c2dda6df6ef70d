/**
 * Nodes to WebAssembly. A pure node used once is computed on the stack where it is used; used more
 * often, it goes into a local at its first use. Locals are given back after their last use, since the
 * engine's first compiler clears each of them at entry.
 */
import {
  ACCESS_ADDRESS,
  ACCESS_VALUE,
  BUDGET,
  EXIT_REASON,
  Exit as ExitReason,
  Flags,
  GPR,
  JUMP_CACHE,
  JumpCacheEntry,
  RIP,
  SegmentState,
  TLB,
  TLB_BANK_BYTES,
  TlbEntry,
} from '../state.ts';
import { RECORD_BYTES, RecordField } from '../interpret/record.ts';
import type { CodeBuffer } from '../wasm/code.ts';
import { FunctionType, ImportIndex } from '../wasm/module.ts';
import { Op, OpFC, OpFD, ValueType } from '../wasm/opcodes.ts';
import type { BlockBuilder, Exit } from './block-builder.ts';
import { Node, NONE } from './ir.ts';
import { LOAD_OPS, type MachineIr, STORE_OPS, type Sync } from './machine-ir.ts';

/** Table entries that every machine has, before blocks and handlers. */
export const TableIndex = {
  /** Leaves for a look-up: also what an empty jump cache entry leads to. */
  miss: 0,
  /** The six flags, type `query`. */
  flags: 1,
  /** Goes to the block at RIP through the jump cache. */
  dispatch: 2,
  /** Tier 0's way into a block; the parameter is its record. */
  enterRecord: 3,
  /** A link that leads nowhere yet; the parameter is the slot. */
  unlinked: 4,
  first: 16,
} as const;

/** Entries of one half of the jump cache; the upper half of the address space has the other. */
export const HALF_ENTRIES = 2048;

const REGISTERS = 16;
export interface LowerOptions {
  /** Instructions of the block; 0: a tier 0 handler. */
  readonly instructions: number;
  readonly isUser: boolean;
  /** Halves of the word that a jump cache tag is mixed with. */
  readonly saltHigh: number;
  /** A link slot for an exit to a distance from the block's start. */
  readonly allocateSlot: (distance: number) => number;
}

export class Lowering {
  readonly #out: CodeBuffer;
  #ir!: MachineIr;
  #block: BlockBuilder | undefined;
  #options!: LowerOptions;
  #types: number[] = [];
  readonly #free = new Map<number, number[]>();
  #local = new Int32Array(0);
  #uses = new Int32Array(0);
  #live = new Uint8Array(0);
  /** Locals of a loop: registers, then kind, result and source of the flags, then the budget. */
  readonly #pinned = new Int32Array(REGISTERS);
  #flagLocals: readonly [number, number, number] = [0, 0, 0];
  #budget = NONE;

  constructor(out: CodeBuffer) {
    this.#out = out;
  }

  /** Appends a function's body to the buffer. @returns value types of its locals beyond the parameter */
  lower(ir: MachineIr, block: BlockBuilder | undefined, options: LowerOptions): readonly number[] {
    this.#ir = ir;
    this.#block = block;
    this.#options = options;
    this.#types = [];
    this.#free.clear();
    this.#budget = NONE;
    if (this.#local.length < ir.op.length) {
      this.#local = new Int32Array(ir.op.length);
      this.#uses = new Int32Array(ir.op.length);
      this.#live = new Uint8Array(ir.op.length);
    }
    this.#countUses();
    if (options.instructions > 0) this.#prologue(options.instructions);
    for (let index = 0; index < ir.count; index += 1) {
      if (ir.op[index]! >= Node.ordered && this.#live[index] === 1) this.#ordered(index);
    }
    if (block?.isLoop === true) {
      this.#out.byte(Op.end);
      this.#out.byte(Op.unreachable);
    }
    this.#out.byte(Op.end);
    return this.#types;
  }

  // --- uses and locals

  #isDroppable(op: number): boolean {
    return (
      op < Node.ordered ||
      op === Node.stateLoad ||
      op === Node.vectorLoad ||
      op === Node.mulWide ||
      op === Node.second ||
      op === Node.flags ||
      op === Node.loopValue
    );
  }

  #countUses(): void {
    const ir = this.#ir;
    const { count } = ir;
    this.#local.fill(NONE, 0, count);
    this.#uses.fill(0, 0, count);
    this.#live.fill(0, 0, count);
    for (let index = count - 1; index >= 0; index -= 1) {
      const op = ir.op[index]!;
      if (this.#live[index] === 0 && this.#isDroppable(op)) continue;
      this.#live[index] = 1;
      this.#use(ir.a[index]!, 1);
      this.#use(ir.b[index]!, 1);
      this.#use(ir.c[index]!, 1);
      for (const sync of this.#syncsOf(index)) this.#useSync(sync);
    }
  }

  #use(index: number, times: number): void {
    if (index === NONE) return;
    this.#live[index] = 1;
    this.#uses[index]! += times;
  }

  #useSync(sync: Sync): void {
    // Twice, so that the value has a local before the paths part.
    if (sync.flags === 'pending') {
      this.#use(sync.result, 2);
      this.#use(sync.source, 2);
    }
    if (sync.registers === undefined) return;
    for (let register = 0; register < REGISTERS; register += 1) {
      if (this.#block!.written[register] === 1) this.#use(sync.registers[register]!, 2);
    }
  }

  #syncsOf(index: number): readonly Sync[] {
    const ir = this.#ir;
    switch (ir.op[index]) {
      case Node.exitIf: {
        const pair = ir.imm[index]!;
        const { exits } = this.#block!;
        return [ir.syncs[exits[pair]!.sync]!, ir.syncs[exits[pair + 1]!.sync]!];
      }
      case Node.exitJump:
        return [ir.syncs[this.#block!.exits[ir.imm[index]!]!.sync]!];
      case Node.load:
      case Node.store:
      case Node.update:
      case Node.finish:
      case Node.raiseIf:
      case Node.divide:
      case Node.call:
      case Node.checkSegment:
      case Node.flags:
        return [ir.syncs[ir.imm2[index]!]!];
      case Node.flagsIf:
        return ir.imm2[index] === NONE ? [] : [ir.syncs[ir.imm2[index]!]!];
      default:
        return [];
    }
  }

  #newLocal(type: number): number {
    const free = this.#free.get(type);
    if (free !== undefined && free.length > 0) return free.pop()!;
    return this.#types.push(type);
  }

  #release(index: number): void {
    const local = this.#local[index]!;
    const type = this.#ir.type[index]!;
    if (local === NONE || this.#ir.op[index] === Node.loopValue) return;
    const free = this.#free.get(type);
    if (free === undefined) this.#free.set(type, [local]);
    else free.push(local);
  }

  #consume(index: number): void {
    this.#uses[index]! -= 1;
    if (this.#uses[index] === 0) this.#release(index);
  }

  /** Pushes a node's value. */
  #value(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    const op = ir.op[index]!;
    if (op === Op.i32Const) {
      out.i32Const(ir.imm[index]!);
      return;
    }
    if (op === Op.i64Const) {
      out.i64Const(ir.imm[index]!, ir.imm2[index]!);
      return;
    }
    if (op === Node.record) {
      out.get(0);
      return;
    }
    if (op === Node.loopValue) {
      out.get(this.#pinned[ir.imm[index]!]!);
      return;
    }
    if (this.#local[index] !== NONE) {
      out.get(this.#local[index]!);
      this.#consume(index);
      return;
    }
    if (op >= Node.ordered) throw new Error(`node ${index} is used before its place`);
    this.#compute(index);
    if (this.#uses[index]! > 1) {
      const local = this.#newLocal(ir.type[index]!);
      this.#local[index] = local;
      out.tee(local);
      this.#consume(index);
    } else this.#uses[index] = 0;
  }

  #compute(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    const op = ir.op[index]!;
    if (ir.a[index] !== NONE) this.#value(ir.a[index]!);
    if (ir.b[index] !== NONE) this.#value(ir.b[index]!);
    if (ir.c[index] !== NONE) this.#value(ir.c[index]!);
    if (op < Node.vector) {
      out.byte(op);
      return;
    }
    const vector = op - Node.vector;
    out.byte(Op.prefixFD);
    out.u32(vector);
    if (vector === OpFD.i8x16Shuffle) for (const lane of ir.lanes[ir.imm[index]!]!) out.byte(lane);
    else if (vector === OpFD.v128Const) {
      for (const word of ir.lanes[ir.imm[index]!]!) {
        for (let shift = 0; shift < 32; shift += 8) out.byte((word >>> shift) & 0xff);
      }
    } else if (vector >= 21 && vector <= 34) out.byte(ir.imm[index]!);
  }

  /** Gives a node a local now, so that both sides of a branch have it. */
  #materialize(index: number): void {
    if (index === NONE || this.#ir.isConstant(index) || this.#local[index] !== NONE) return;
    if (this.#ir.op[index] === Node.loopValue) return;
    this.#compute(index);
    const local = this.#newLocal(this.#ir.type[index]!);
    this.#local[index] = local;
    this.#out.set(local);
  }

  /** Stores the value on the stack as a node's own, or drops it. */
  #keep(index: number): void {
    if (this.#uses[index] === 0) {
      this.#out.byte(Op.drop);
      return;
    }
    const local = this.#newLocal(this.#ir.type[index]!);
    this.#local[index] = local;
    this.#out.set(local);
  }

  #scratch(type: number): number {
    return this.#newLocal(type);
  }

  #giveBack(type: number, local: number): void {
    const free = this.#free.get(type);
    if (free === undefined) this.#free.set(type, [local]);
    else free.push(local);
  }

  // --- entry, leaving, and what slow paths need

  #prologue(instructions: number): void {
    const out = this.#out;
    const block = this.#block!;
    if (block.isLoop) {
      this.#loopPrologue(block, instructions);
      return;
    }
    const left = this.#scratch(ValueType.i32);
    out.i32Const(0);
    out.memory(Op.i32Load, BUDGET);
    out.i32Const(instructions);
    out.byte(Op.i32Sub);
    out.tee(left);
    out.i32Const(0);
    out.byte(Op.i32LtS);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.#exitReason(ExitReason.budget);
    out.byte(Op.return);
    out.byte(Op.end);
    out.i32Const(0);
    out.get(left);
    out.memory(Op.i32Store, BUDGET);
    this.#giveBack(ValueType.i32, left);
  }

  #loopPrologue(block: BlockBuilder, instructions: number): void {
    const out = this.#out;
    for (let register = 0; register < REGISTERS; register += 1) {
      if (block.heads[register] === NONE && block.written[register] === 0) continue;
      const local = this.#types.push(ValueType.i64);
      this.#pinned[register] = local;
      out.i32Const(0);
      out.memory(Op.i64Load, GPR + 8 * register);
      out.set(local);
    }
    const kind = this.#types.push(ValueType.i32);
    const result = this.#types.push(ValueType.i64);
    const source = this.#types.push(ValueType.i64);
    this.#flagLocals = [kind, result, source];
    this.#reloadFlags();
    this.#budget = this.#types.push(ValueType.i32);
    out.i32Const(0);
    out.memory(Op.i32Load, BUDGET);
    out.set(this.#budget);
    out.byte(Op.loop);
    out.byte(ValueType.void);
    out.get(this.#budget);
    out.i32Const(instructions);
    out.byte(Op.i32Sub);
    out.tee(this.#budget);
    out.i32Const(0);
    out.byte(Op.i32LtS);
    out.byte(Op.if);
    out.byte(ValueType.void);
    out.get(this.#budget);
    out.i32Const(instructions);
    out.byte(Op.i32Add);
    out.set(this.#budget);
    this.#spill({
      site: 0,
      flags: 'loop',
      kind: 0,
      result: NONE,
      source: NONE,
      registers: Array.from({ length: REGISTERS }, () => NONE),
    });
    this.#exitReason(ExitReason.budget);
    out.byte(Op.return);
    out.byte(Op.end);
  }

  #reloadFlags(): void {
    if (this.#block?.isFlagsWritten !== true) return;
    const out = this.#out;
    const [kind, result, source] = this.#flagLocals;
    out.i32Const(0);
    out.memory(Op.i32Load, Flags.kind);
    out.set(kind);
    out.i32Const(0);
    out.memory(Op.i64Load, Flags.result);
    out.set(result);
    out.i32Const(0);
    out.memory(Op.i64Load, Flags.source);
    out.set(source);
  }

  #exitReason(reason: number): void {
    this.#out.i32Const(0);
    this.#out.i32Const(reason);
    this.#out.memory(Op.i32Store, EXIT_REASON);
  }

  /** Nodes that a later {@link #spill} stores get their locals. */
  #prepare(sync: Sync): void {
    if (sync.flags === 'pending') {
      this.#materialize(sync.result);
      this.#materialize(sync.source);
    }
    if (sync.registers === undefined) return;
    for (let register = 0; register < REGISTERS; register += 1) {
      if (this.#block!.written[register] === 1) this.#materialize(sync.registers[register]!);
    }
  }

  /** Brings the state block up to date. */
  #spill(sync: Sync): void {
    const out = this.#out;
    if (sync.flags === 'pending') {
      this.#storeFlags(sync.kind, sync.result, sync.source);
    } else if (sync.flags === 'loop' && this.#block!.isFlagsWritten) {
      const [kind, result, source] = this.#flagLocals;
      out.i32Const(0);
      out.get(kind);
      out.memory(Op.i32Store, Flags.kind);
      out.i32Const(0);
      out.get(result);
      out.memory(Op.i64Store, Flags.result);
      out.i32Const(0);
      out.get(source);
      out.memory(Op.i64Store, Flags.source);
    }
    if (sync.registers === undefined) return;
    for (let register = 0; register < REGISTERS; register += 1) {
      if (this.#block!.written[register] === 0) continue;
      out.i32Const(0);
      this.#loopRegister(sync.registers[register]!, register);
      out.memory(Op.i64Store, GPR + 8 * register);
    }
    out.i32Const(0);
    out.get(this.#budget);
    out.memory(Op.i32Store, BUDGET);
  }

  #loopRegister(index: number, register: number): void {
    if (index === NONE) this.#out.get(this.#pinned[register]!);
    else this.#value(index);
  }

  #storeFlags(kind: number, result: number, source: number): void {
    const out = this.#out;
    out.i32Const(0);
    out.i32Const(kind);
    out.memory(Op.i32Store, Flags.kind);
    out.i32Const(0);
    this.#value(result);
    out.memory(Op.i64Store, Flags.result);
    out.i32Const(0);
    this.#value(source);
    out.memory(Op.i64Store, Flags.source);
  }

  /** After a spill the uses that `#useSync` counted beyond one are over. */
  #settle(sync: Sync): void {
    if (sync.flags === 'pending') {
      this.#consumeUnless(sync.result);
      this.#consumeUnless(sync.source);
    }
    if (sync.registers === undefined) return;
    for (let register = 0; register < REGISTERS; register += 1) {
      if (this.#block!.written[register] === 1) this.#consumeUnless(sync.registers[register]!);
    }
  }

  #consumeUnless(index: number): void {
    if (index === NONE || this.#ir.isConstant(index)) return;
    if (this.#ir.op[index] === Node.loopValue) return;
    this.#consume(index);
  }

  #site(sync: Sync): void {
    const out = this.#out;
    if (this.#options.instructions > 0) {
      out.i32Const(sync.site);
      return;
    }
    out.get(0);
    out.memory(Op.i32Load16U, RecordField.remaining);
    out.i32Const(16);
    out.byte(Op.i32Shl);
  }

  #call(name: keyof typeof ImportIndex): void {
    this.#out.byte(Op.call);
    this.#out.u32(ImportIndex[name]);
  }

  // --- ordered nodes

  #ordered(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    switch (ir.op[index]) {
      case Node.stateLoad:
      case Node.vectorLoad:
        this.#stateAddress(ir.a[index]!);
        if (ir.op[index] === Node.stateLoad) out.memory(ir.imm[index]!, ir.imm2[index]!);
        else out.vectorMemory(ir.imm[index]!, ir.imm2[index]!);
        this.#keep(index);
        return;
      case Node.stateStore:
      case Node.vectorStore:
        this.#stateAddress(ir.a[index]!);
        this.#value(ir.b[index]!);
        if (ir.op[index] === Node.stateStore) out.memory(ir.imm[index]!, ir.imm2[index]!);
        else out.vectorMemory(ir.imm[index]!, ir.imm2[index]!);
        return;
      case Node.load:
        this.#load(index);
        return;
      case Node.store:
        this.#store(index);
        return;
      case Node.update:
        this.#update(index);
        return;
      case Node.finish:
        this.#finish(index);
        return;
      case Node.mulWide:
        this.#mulWide(index);
        return;
      case Node.divide:
        this.#divide(index);
        return;
      case Node.flags:
        this.#flags(index);
        return;
      case Node.flagsIf:
        this.#flagsIf(index);
        return;
      case Node.raiseIf:
        this.#raiseIf(index);
        return;
      case Node.checkSegment:
        this.#checkSegment(index);
        return;
      case Node.call:
        this.#callInstruction(index);
        return;
      case Node.exitIf:
        this.#exitIf(index);
        return;
      case Node.exitJump:
        this.#exitAlways(index);
        return;
      case Node.nextRecord:
        this.#nextRecord(ir.imm[index]!);
        return;
      default:
    }
  }

  #stateAddress(address: number): void {
    if (address === NONE) this.#out.i32Const(0);
    else this.#value(address);
  }

  /**
   * The TLB's answer: pushes 1 when the page of the access is not there for it.
   * @returns the local that holds the entry's offset
   */
  #probe(linear: number, bytes: number, tag: number): number {
    const out = this.#out;
    const bank = TLB + (this.#options.isUser ? TLB_BANK_BYTES : 0);
    const entry = this.#scratch(ValueType.i32);
    this.#push(linear);
    out.byte(Op.i32WrapI64);
    out.i32Const(7);
    out.byte(Op.i32ShrU);
    out.i32Const(0x7fe0);
    out.byte(Op.i32And);
    out.tee(entry);
    out.memory(Op.i64Load, bank + tag);
    this.#push(linear);
    if (bytes > 1) {
      out.i64Const(bytes - 1, 0);
      out.byte(Op.i64Add);
    }
    out.i64Const(-4096, -1);
    out.byte(Op.i64And);
    out.byte(Op.i64Ne);
    return entry;
  }

  /** Pushes a node that has a local, without counting a use. */
  #push(index: number): void {
    const ir = this.#ir;
    if (ir.isConstant(index)) this.#value(index);
    else if (ir.op[index] === Node.loopValue) this.#out.get(this.#pinned[ir.imm[index]!]!);
    else this.#out.get(this.#local[index]!);
  }

  #position(linear: number, entry: number): void {
    const out = this.#out;
    const bank = TLB + (this.#options.isUser ? TLB_BANK_BYTES : 0);
    this.#push(linear);
    out.byte(Op.i32WrapI64);
    out.get(entry);
    out.memory(Op.i32Load, bank + TlbEntry.addend);
    out.byte(Op.i32Add);
  }

  #storeAccess(offset: number, index: number): void {
    this.#out.i32Const(0);
    this.#push(index);
    this.#out.memory(Op.i64Store, offset);
  }

  /** Pushes the position of an access in the linear memory, by TLB or slow path. */
  #translate(linear: number, bytes: number, sync: Sync, isUpdate: boolean): void {
    const out = this.#out;
    const entry = this.#probe(linear, bytes, isUpdate ? TlbEntry.writeTag : TlbEntry.readTag);
    out.byte(Op.if);
    out.byte(ValueType.i32);
    this.#storeAccess(ACCESS_ADDRESS, linear);
    this.#spill(sync);
    this.#site(sync);
    out.i32Const(bytes);
    this.#call(isUpdate ? 'slowUpdate' : 'slowLoad');
    out.byte(Op.else);
    this.#position(linear, entry);
    out.byte(Op.end);
    this.#giveBack(ValueType.i32, entry);
  }

  #loadOp(bytes: number, type: number): void {
    const out = this.#out;
    if (type !== ValueType.v128) out.memory(LOAD_OPS[bytes as 1 | 2 | 4 | 8], 0);
    else {
      const op = { 16: OpFD.v128Load, 8: OpFD.v128Load64Zero, 4: OpFD.v128Load32Zero };
      out.vectorMemory(op[bytes as 4 | 8 | 16], 0);
    }
  }

  #storeOp(bytes: number, offset: number): void {
    if (bytes === 16) this.#out.vectorMemory(OpFD.v128Store, offset);
    else this.#out.memory(STORE_OPS[bytes as 1 | 2 | 4 | 8], offset);
  }

  #syncOf(index: number): Sync {
    return this.#ir.syncs[this.#ir.imm2[index]!]!;
  }

  #load(index: number): void {
    const ir = this.#ir;
    const linear = ir.a[index]!;
    const bytes = ir.imm[index]!;
    const sync = this.#syncOf(index);
    this.#prepare(sync);
    this.#materialize(linear);
    this.#translate(linear, bytes, sync, false);
    this.#loadOp(bytes, ir.type[index]!);
    this.#settle(sync);
    this.#consumeUnless(linear);
    this.#keep(index);
  }

  #store(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    const linear = ir.a[index]!;
    const value = ir.b[index]!;
    const bytes = ir.imm[index]!;
    const sync = this.#syncOf(index);
    this.#prepare(sync);
    this.#materialize(linear);
    this.#materialize(value);
    const entry = this.#probe(linear, bytes, TlbEntry.writeTag);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.#storeAccess(ACCESS_ADDRESS, linear);
    out.i32Const(0);
    this.#push(value);
    this.#storeOp(bytes, ACCESS_VALUE);
    this.#spill(sync);
    this.#site(sync);
    out.i32Const(bytes);
    this.#call('slowStore');
    out.byte(Op.else);
    this.#position(linear, entry);
    this.#push(value);
    this.#storeOp(bytes, 0);
    out.byte(Op.end);
    this.#giveBack(ValueType.i32, entry);
    this.#settle(sync);
    this.#consumeUnless(linear);
    this.#consumeUnless(value);
  }

  /** Position locals of updates whose finish is to come. */
  readonly #positions = new Map<number, number>();

  #update(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    const linear = ir.a[index]!;
    const bytes = ir.imm[index]!;
    const sync = this.#syncOf(index);
    this.#prepare(sync);
    this.#materialize(linear);
    this.#translate(linear, bytes, sync, true);
    const position = this.#scratch(ValueType.i32);
    this.#positions.set(index, position);
    out.tee(position);
    this.#loadOp(bytes, ir.type[index]!);
    this.#settle(sync);
    this.#consumeUnless(linear);
    this.#keep(index);
  }

  #finish(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    const update = ir.a[index]!;
    const value = ir.b[index]!;
    const bytes = ir.imm[index]!;
    const sync = this.#syncOf(index);
    const position = this.#positions.get(update)!;
    this.#positions.delete(update);
    this.#prepare(sync);
    out.get(position);
    this.#value(value);
    this.#storeOp(bytes, 0);
    out.get(position);
    out.i32Const(ACCESS_VALUE);
    out.byte(Op.i32Eq);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.#spill(sync);
    this.#site(sync);
    out.i32Const(bytes);
    this.#call('finishUpdate');
    out.byte(Op.end);
    this.#settle(sync);
    this.#giveBack(ValueType.i32, position);
    this.#consumeUnless(update);
  }

  #mulWide(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    this.#value(ir.a[index]!);
    this.#value(ir.b[index]!);
    out.byte(Op.prefixFC);
    out.u32(ir.imm[index] === 1 ? OpFC.i64MulWideS : OpFC.i64MulWideU);
    this.#keepPair(index);
  }

  /** Two results on the stack: the node's own below, the `second` node's above. */
  #keepPair(index: number): void {
    const second = index + 1;
    if (this.#ir.op[second] === Node.second && this.#live[second] === 1) {
      const local = this.#newLocal(ValueType.i64);
      this.#local[second] = local;
      this.#out.set(local);
      this.#uses[index]! -= 1;
    } else this.#out.byte(Op.drop);
    this.#keep(index);
  }

  #divide(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    const [high, low, divisor] = [ir.a[index]!, ir.b[index]!, ir.c[index]!];
    const isSigned = ir.imm[index] === 1;
    const sync = this.#syncOf(index);
    this.#prepare(sync);
    for (const each of [high, low, divisor]) this.#materialize(each);
    const quotient = this.#scratch(ValueType.i64);
    const remainder = this.#scratch(ValueType.i64);
    // What WebAssembly's own division would trap on, and true 128-bit dividends, go the slow way.
    this.#push(divisor);
    out.byte(Op.i64Eqz);
    this.#push(high);
    if (isSigned) {
      this.#push(low);
      out.i64Const(63, 0);
      out.byte(Op.i64ShrS);
    } else out.i64Const(0, 0);
    out.byte(Op.i64Ne);
    out.byte(Op.i32Or);
    if (isSigned) {
      this.#push(divisor);
      out.i64Const(-1, -1);
      out.byte(Op.i64Eq);
      out.byte(Op.i32Or);
    }
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.#storeAccess(ACCESS_VALUE, low);
    this.#storeAccess(ACCESS_VALUE + 8, high);
    this.#storeAccess(ACCESS_ADDRESS, divisor);
    this.#spill(sync);
    this.#site(sync);
    out.i32Const(isSigned ? 1 : 0);
    this.#call('divideWide');
    out.i32Const(0);
    out.memory(Op.i64Load, ACCESS_VALUE);
    out.set(quotient);
    out.i32Const(0);
    out.memory(Op.i64Load, ACCESS_VALUE + 8);
    out.set(remainder);
    out.byte(Op.else);
    this.#push(low);
    this.#push(divisor);
    out.byte(isSigned ? Op.i64DivS : Op.i64DivU);
    out.set(quotient);
    this.#push(low);
    this.#push(divisor);
    out.byte(isSigned ? Op.i64RemS : Op.i64RemU);
    out.set(remainder);
    out.byte(Op.end);
    this.#settle(sync);
    for (const each of [high, low, divisor]) this.#consumeUnless(each);
    out.get(quotient);
    out.get(remainder);
    this.#keepPair(index);
    this.#giveBack(ValueType.i64, quotient);
    this.#giveBack(ValueType.i64, remainder);
  }

  #flags(index: number): void {
    const out = this.#out;
    const sync = this.#syncOf(index);
    this.#prepare(sync);
    if (sync.flags === 'loop') this.#spill(sync);
    this.#settle(sync);
    out.i32Const(TableIndex.flags);
    out.byte(Op.callIndirect);
    out.u32(FunctionType.query);
    out.u32(0);
    this.#keep(index);
  }

  #flagsIf(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    if (ir.a[index] === NONE) {
      const sync = this.#syncOf(index);
      this.#prepare(sync);
      this.#spill(sync);
      this.#settle(sync);
      return;
    }
    this.#materialize(ir.b[index]!);
    this.#materialize(ir.c[index]!);
    this.#value(ir.a[index]!);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.#storeFlags(ir.imm[index]!, ir.b[index]!, ir.c[index]!);
    out.byte(Op.end);
  }

  #raiseIf(index: number): void {
    const out = this.#out;
    const sync = this.#syncOf(index);
    this.#prepare(sync);
    this.#value(this.#ir.a[index]!);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.#spill(sync);
    this.#site(sync);
    out.i32Const(this.#ir.imm[index]!);
    this.#call('raise');
    out.byte(Op.end);
    this.#settle(sync);
  }

  #checkSegment(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    const offset = ir.a[index]!;
    const packed = ir.imm[index]!;
    const sync = this.#syncOf(index);
    const isWrite = (packed & 0x1000) !== 0;
    const bytes = (packed >> 4) & 0xff;
    const bounds =
      (isWrite ? SegmentState.writeBounds : SegmentState.readBounds) + 8 * (packed & 15);
    this.#prepare(sync);
    this.#materialize(offset);
    this.#push(offset);
    out.i32Const(0);
    out.memory(Op.i64Load32U, bounds);
    out.byte(Op.i64LtU);
    this.#push(offset);
    out.i64Const(bytes - 1, 0);
    out.byte(Op.i64Add);
    out.i32Const(0);
    out.memory(Op.i64Load32U, bounds + 4);
    out.byte(Op.i64GtU);
    out.byte(Op.i32Or);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.#storeAccess(ACCESS_ADDRESS, offset);
    this.#spill(sync);
    this.#site(sync);
    out.i32Const(packed);
    this.#call('checkSegment');
    out.byte(Op.end);
    this.#settle(sync);
    this.#consumeUnless(offset);
  }

  #callInstruction(index: number): void {
    const out = this.#out;
    const sync = this.#syncOf(index);
    this.#prepare(sync);
    this.#spill(sync);
    this.#settle(sync);
    this.#site(sync);
    if (this.#options.instructions > 0) out.i32Const(this.#ir.imm[index]!);
    else {
      out.get(0);
      out.memory(Op.i32Load, RecordField.immediate);
    }
    this.#call('callInstruction');
    out.byte(Op.if);
    out.byte(ValueType.void);
    out.byte(Op.return);
    out.byte(Op.end);
  }

  // --- exits

  #exitIf(index: number): void {
    const ir = this.#ir;
    const out = this.#out;
    const pair = ir.imm[index]!;
    const { exits } = this.#block!;
    const [taken, other] = [exits[pair]!, exits[pair + 1]!];
    for (const exit of [taken, other]) this.#prepareExit(exit);
    this.#value(ir.a[index]!);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.#exit(taken, 1);
    out.byte(Op.else);
    this.#exit(other, 1);
    out.byte(Op.end);
  }

  #exitAlways(index: number): void {
    const exit = this.#block!.exits[this.#ir.imm[index]!]!;
    this.#prepareExit(exit);
    this.#exit(exit, 0);
  }

  #prepareExit(exit: Exit): void {
    this.#prepare(this.#ir.syncs[exit.sync]!);
    if (exit.kind === 'jump') this.#materialize(exit.target);
  }

  /** @param depth of control structures around it, within the loop */
  #exit(exit: Exit, depth: number): void {
    const out = this.#out;
    const sync = this.#ir.syncs[exit.sync]!;
    if (exit.kind === 'again') {
      this.#turn(sync);
      out.byte(Op.br);
      out.u32(depth);
      return;
    }
    this.#spill(sync);
    out.i32Const(0);
    if (exit.kind === 'jump') {
      this.#push(exit.target);
      out.memory(Op.i64Store, RIP);
      this.#jump(exit.target);
      return;
    }
    out.i32Const(0);
    out.memory(Op.i64Load, RIP);
    out.i64Const(exit.distance, exit.distance >> 31);
    out.byte(Op.i64Add);
    out.memory(Op.i64Store, RIP);
    const slot = this.#options.allocateSlot(exit.distance);
    out.i32Const(0);
    out.memory(Op.i32Load, slot + 4);
    out.i32Const(0);
    out.memory(Op.i32Load, slot);
    this.#tailCall();
  }

  /** The loop's locals become what the turn left. */
  #turn(sync: Sync): void {
    const out = this.#out;
    const block = this.#block!;
    const changed: number[] = [];
    for (let register = 0; register < REGISTERS; register += 1) {
      if (block.written[register] === 0 || sync.registers![register] === NONE) continue;
      this.#value(sync.registers![register]!);
      changed.push(register);
    }
    for (const register of changed.toReversed()) out.set(this.#pinned[register]!);
    if (sync.flags === 'memory') this.#reloadFlags();
    if (sync.flags !== 'pending') return;
    const [kind, result, source] = this.#flagLocals;
    out.i32Const(sync.kind);
    out.set(kind);
    this.#value(sync.result);
    out.set(result);
    this.#value(sync.source);
    out.set(source);
  }

  #tailCall(): void {
    this.#out.byte(Op.returnCallIndirect);
    this.#out.u32(FunctionType.block);
    this.#out.u32(0);
  }

  #jump(target: number): void {
    const out = this.#out;
    const entry = this.#scratch(ValueType.i32);
    this.#push(target);
    out.byte(Op.i32WrapI64);
    out.tee(entry);
    out.get(entry);
    out.i32Const(12);
    out.byte(Op.i32ShrU);
    out.byte(Op.i32Xor);
    out.i32Const(HALF_ENTRIES - 1);
    out.byte(Op.i32And);
    out.i32Const(4);
    out.byte(Op.i32Shl);
    this.#push(target);
    out.i64Const(48, 0);
    out.byte(Op.i64ShrU);
    out.byte(Op.i32WrapI64);
    out.i32Const(HALF_ENTRIES * JumpCacheEntry.bytes);
    out.byte(Op.i32And);
    out.byte(Op.i32Or);
    out.tee(entry);
    out.memory(Op.i64Load, JUMP_CACHE + JumpCacheEntry.tag);
    this.#push(target);
    out.i64Const(0, this.#options.saltHigh);
    out.byte(Op.i64Xor);
    out.byte(Op.i64Eq);
    out.byte(Op.if);
    out.byte(ValueType.void);
    out.get(entry);
    out.memory(Op.i32Load, JUMP_CACHE + JumpCacheEntry.parameter);
    out.get(entry);
    out.memory(Op.i32Load, JUMP_CACHE + JumpCacheEntry.tableIndex);
    this.#tailCall();
    out.byte(Op.end);
    this.#exitReason(ExitReason.lookup);
    out.byte(Op.return);
    this.#giveBack(ValueType.i32, entry);
  }

  /** @param to 0: the record that follows, 1: the block at RIP */
  #nextRecord(to: number): void {
    const out = this.#out;
    if (to === 1) {
      out.i32Const(0);
      out.i32Const(TableIndex.dispatch);
    } else {
      out.get(0);
      out.i32Const(RECORD_BYTES);
      out.byte(Op.i32Add);
      out.get(0);
      out.memory(Op.i32Load, RECORD_BYTES);
    }
    this.#tailCall();
  }
}
