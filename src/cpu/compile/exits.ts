/** Ways in and out of a block. */
import { RECORD_BYTES } from '../interpret/record.ts';
import { Exit as ExitReason, GPR, RIP, TLB_BANK_BYTES } from '../state.ts';
import { Op, ValueType } from '../wasm/opcodes.ts';
import { AccessLowering } from './access.ts';
import { type BlockBuilder, type Exit } from './block-builder.ts';
import { NONE } from './ir.ts';
import { BUDGET_PARAMETER, emitJump, tailCall } from './jump.ts';
import { type Sync } from './machine-ir.ts';
import { LinkSlot, TableIndex } from './table-index.ts';

const REGISTERS = 16;

export abstract class ExitLowering extends AccessLowering {
  // --- entry, leaving, and what slow paths need

  protected prologue(instructions: number): void {
    const block = this.block!;
    if (block.isLoop) {
      this.loopPrologue(block, instructions);
      return;
    }
    this.takeBudget(instructions, () => undefined);
  }

  /** Takes a block's instructions from the budget, or leaves with nothing done. */
  protected takeBudget(instructions: number, spill: () => void): void {
    const out = this.out;
    out.get(BUDGET_PARAMETER);
    out.i32Const(instructions);
    out.byte(Op.i32Sub);
    out.tee(BUDGET_PARAMETER);
    out.i32Const(0);
    out.byte(Op.i32LtS);
    out.byte(Op.if);
    out.byte(ValueType.void);
    out.get(BUDGET_PARAMETER);
    out.i32Const(instructions);
    out.byte(Op.i32Add);
    out.set(BUDGET_PARAMETER);
    spill();
    this.storeBudget();
    this.storeRip(this.options.pageOffset);
    this.exitReason(ExitReason.budget);
    out.byte(Op.return);
    out.byte(Op.end);
  }

  protected loopPrologue(block: BlockBuilder, instructions: number): void {
    const out = this.out;
    for (let register = 0; register < REGISTERS; register += 1) {
      if (block.heads[register] === NONE && block.written[register] === 0) continue;
      const local = this.addLocal(ValueType.i64);
      this.pinned[register] = local;
      out.i32Const(0);
      out.memory(Op.i64Load, GPR + 8 * register);
      out.set(local);
    }
    const kind = this.addLocal(ValueType.i32);
    const result = this.addLocal(ValueType.i64);
    const source = this.addLocal(ValueType.i64);
    this.flagLocals = [kind, result, source];
    this.reloadFlags();
    out.byte(Op.loop);
    out.byte(ValueType.void);
    this.takeBudget(instructions, () => {
      this.spill({
        site: 0,
        flags: 'loop',
        kind: 0,
        result: NONE,
        source: NONE,
        registers: Array.from({ length: REGISTERS }, () => NONE),
      });
    });
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
    if (exit.kind === 'jump') {
      out.i32Const(0);
      this.push(exit.target);
      out.memory(Op.i64Store, RIP);
      this.jump(exit.target);
      return;
    }
    const slot = this.options.allocateSlot(this.options.pageOffset + exit.distance);
    out.i32Const(0);
    out.memory(Op.i32Load, slot + LinkSlot.parameter);
    out.get(BUDGET_PARAMETER);
    out.i32Const(0);
    out.memory(Op.i32Load, slot + LinkSlot.tableIndex);
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
    tailCall(this.out);
  }

  protected jump(target: number): void {
    const [entry, position, cache] = [0, 1, 2].map(() => this.scratch(ValueType.i32));
    emitJump(this.out, {
      pushLinear: () => this.push(target),
      pushMode: () => this.out.i64Const(0, this.options.mode),
      bank: this.options.isUser ? TLB_BANK_BYTES : 0,
      entry: entry!,
      position: position!,
      cache: cache!,
    });
    for (const local of [entry, position, cache]) this.giveBack(ValueType.i32, local!);
  }

  /** @param to 0: the record that follows, 1: the block at RIP */
  protected nextRecord(to: number): void {
    const out = this.out;
    if (to === 1) {
      out.i32Const(0);
      out.get(BUDGET_PARAMETER);
      out.i32Const(TableIndex.dispatch);
    } else {
      out.get(0);
      out.i32Const(RECORD_BYTES);
      out.byte(Op.i32Add);
      out.get(BUDGET_PARAMETER);
      out.get(0);
      out.memory(Op.i32Load, RECORD_BYTES);
    }
    this.tailCall();
  }
}
