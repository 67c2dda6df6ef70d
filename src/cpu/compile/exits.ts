/** Ways in and out of a block. */
import { RECORD_BYTES } from '../interpret/record.ts';
import { BUDGET, Exit as ExitReason, GPR, JUMP_CACHE, JumpCacheEntry, RIP } from '../state.ts';
import { FunctionType } from '../wasm/module.ts';
import { Op, ValueType } from '../wasm/opcodes.ts';
import { AccessLowering } from './access.ts';
import { type BlockBuilder, type Exit } from './block-builder.ts';
import { NONE } from './ir.ts';
import { type Sync } from './machine-ir.ts';
import { HALF_ENTRIES, HALF_SHIFT, TableIndex } from './table-index.ts';

const REGISTERS = 16;

export abstract class ExitLowering extends AccessLowering {
  // --- entry, leaving, and what slow paths need

  protected prologue(instructions: number): void {
    const out = this.out;
    const block = this.block!;
    if (block.isLoop) {
      this.loopPrologue(block, instructions);
      return;
    }
    const left = this.scratch(ValueType.i32);
    out.i32Const(0);
    out.memory(Op.i32Load, BUDGET);
    out.i32Const(instructions);
    out.byte(Op.i32Sub);
    out.tee(left);
    out.i32Const(0);
    out.byte(Op.i32LtS);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.exitReason(ExitReason.budget);
    out.byte(Op.return);
    out.byte(Op.end);
    out.i32Const(0);
    out.get(left);
    out.memory(Op.i32Store, BUDGET);
    this.giveBack(ValueType.i32, left);
  }

  protected loopPrologue(block: BlockBuilder, instructions: number): void {
    const out = this.out;
    for (let register = 0; register < REGISTERS; register += 1) {
      if (block.heads[register] === NONE && block.written[register] === 0) continue;
      const local = this.types.push(ValueType.i64);
      this.pinned[register] = local;
      out.i32Const(0);
      out.memory(Op.i64Load, GPR + 8 * register);
      out.set(local);
    }
    const kind = this.types.push(ValueType.i32);
    const result = this.types.push(ValueType.i64);
    const source = this.types.push(ValueType.i64);
    this.flagLocals = [kind, result, source];
    this.reloadFlags();
    this.budget = this.types.push(ValueType.i32);
    out.i32Const(0);
    out.memory(Op.i32Load, BUDGET);
    out.set(this.budget);
    out.byte(Op.loop);
    out.byte(ValueType.void);
    out.get(this.budget);
    out.i32Const(instructions);
    out.byte(Op.i32Sub);
    out.tee(this.budget);
    out.i32Const(0);
    out.byte(Op.i32LtS);
    out.byte(Op.if);
    out.byte(ValueType.void);
    out.get(this.budget);
    out.i32Const(instructions);
    out.byte(Op.i32Add);
    out.set(this.budget);
    this.spill({
      site: 0,
      flags: 'loop',
      kind: 0,
      result: NONE,
      source: NONE,
      registers: Array.from({ length: REGISTERS }, () => NONE),
    });
    this.exitReason(ExitReason.budget);
    out.byte(Op.return);
    out.byte(Op.end);
  }

  // --- exits

  protected exitIf(index: number): void {
    const ir = this.ir;
    const out = this.out;
    const pair = ir.imm[index]!;
    const { exits } = this.block!;
    const [taken, other] = [exits[pair]!, exits[pair + 1]!];
    for (const exit of [taken, other]) this.prepareExit(exit);
    this.value(ir.a[index]!);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.exit(taken, 1);
    out.byte(Op.else);
    this.exit(other, 1);
    out.byte(Op.end);
  }

  protected exitAlways(index: number): void {
    const exit = this.block!.exits[this.ir.imm[index]!]!;
    this.prepareExit(exit);
    this.exit(exit, 0);
  }

  protected prepareExit(exit: Exit): void {
    this.prepare(this.ir.syncs[exit.sync]!);
    if (exit.kind === 'jump') this.materialize(exit.target);
  }

  /** @param depth of control structures around it, within the loop */
  protected exit(exit: Exit, depth: number): void {
    const out = this.out;
    const sync = this.ir.syncs[exit.sync]!;
    if (exit.kind === 'again') {
      this.turn(sync);
      out.byte(Op.br);
      out.u32(depth);
      return;
    }
    this.spill(sync);
    out.i32Const(0);
    if (exit.kind === 'jump') {
      this.push(exit.target);
      out.memory(Op.i64Store, RIP);
      this.jump(exit.target);
      return;
    }
    out.i32Const(0);
    out.memory(Op.i64Load, RIP);
    out.i64Const(exit.distance, exit.distance >> 31);
    out.byte(Op.i64Add);
    out.memory(Op.i64Store, RIP);
    const slot = this.options.allocateSlot(exit.distance);
    out.i32Const(0);
    out.memory(Op.i32Load, slot + 4);
    out.i32Const(0);
    out.memory(Op.i32Load, slot);
    this.tailCall();
  }

  /** The loop's locals become what the turn left. */
  protected turn(sync: Sync): void {
    const out = this.out;
    const block = this.block!;
    const changed: number[] = [];
    for (let register = 0; register < REGISTERS; register += 1) {
      if (block.written[register] === 0 || sync.registers![register] === NONE) continue;
      this.value(sync.registers![register]!);
      changed.push(register);
    }
    for (const register of changed.toReversed()) out.set(this.pinned[register]!);
    if (sync.flags === 'memory') this.reloadFlags();
    if (sync.flags !== 'pending') return;
    const [kind, result, source] = this.flagLocals;
    out.i32Const(sync.kind);
    out.set(kind);
    this.value(sync.result);
    out.set(result);
    this.value(sync.source);
    out.set(source);
  }

  protected tailCall(): void {
    this.out.byte(Op.returnCallIndirect);
    this.out.u32(FunctionType.block);
    this.out.u32(0);
  }

  protected jump(target: number): void {
    const out = this.out;
    const entry = this.scratch(ValueType.i32);
    this.push(target);
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
    this.push(target);
    out.i64Const(HALF_SHIFT, 0);
    out.byte(Op.i64ShrU);
    out.byte(Op.i32WrapI64);
    out.i32Const(HALF_ENTRIES * JumpCacheEntry.bytes);
    out.byte(Op.i32And);
    out.byte(Op.i32Or);
    out.tee(entry);
    out.memory(Op.i32Load, JUMP_CACHE + JumpCacheEntry.parameter);
    // One way out, whatever is found: what is not there leads to `miss`.
    out.get(entry);
    out.memory(Op.i32Load, JUMP_CACHE + JumpCacheEntry.tableIndex);
    out.i32Const(TableIndex.miss);
    out.get(entry);
    out.memory(Op.i64Load, JUMP_CACHE + JumpCacheEntry.tag);
    this.push(target);
    out.i64Const(0, this.options.saltHigh);
    out.byte(Op.i64Xor);
    out.byte(Op.i64Eq);
    out.byte(Op.select);
    this.tailCall();
    this.giveBack(ValueType.i32, entry);
  }

  /** @param to 0: the record that follows, 1: the block at RIP */
  protected nextRecord(to: number): void {
    const out = this.out;
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
    this.tailCall();
  }
}
