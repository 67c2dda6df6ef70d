/**
 * Nodes to WebAssembly. A pure node used once is computed on the stack where it is used; used more
 * often, it goes into a local at its first use. Locals are given back after their last use, since the
 * engine's first compiler clears each of them at entry.
 */
import { RecordField } from '../interpret/record.ts';
import { ACCESS_ADDRESS, ACCESS_VALUE } from '../state.ts';
import { FunctionType, LEFT } from '../wasm/module.ts';
import { Op, OpFC, ValueType } from '../wasm/opcodes.ts';
import { type BlockBuilder } from './block-builder.ts';
import { ExitLowering } from './exits.ts';
import { NONE, Node } from './ir.ts';
import { returnLeft } from './jump.ts';
import { type MachineIr } from './machine-ir.ts';
import { type LowerOptions } from './spill.ts';
import { TableIndex } from './table-index.ts';

export class Lowering extends ExitLowering {
  /** Appends a function's body to the buffer. @returns value types of its locals beyond the parameter */
  lower(ir: MachineIr, block: BlockBuilder | undefined, options: LowerOptions): readonly number[] {
    this.ir = ir;
    this.block = block;
    this.options = options;
    this.types = [];
    this.free.clear();
    if (this.local.length < ir.op.length) {
      this.local = new Int32Array(ir.op.length);
      this.uses = new Int32Array(ir.op.length);
      this.live = new Uint8Array(ir.op.length);
    }
    this.countUses();
    if (block === undefined) {
      for (let index = 0; index < ir.count; index += 1) this.node(index);
      this.out.i32Const(LEFT);
      this.out.byte(Op.end);
    } else this.regionBody(block);
    return this.types;
  }

  protected override node(index: number): void {
    if (this.ir.op[index]! >= Node.ordered && this.live[index] === 1) this.ordered(index);
  }

  // --- ordered nodes

  protected ordered(index: number): void {
    const ir = this.ir;
    const out = this.out;
    switch (ir.op[index]!) {
      case Node.stateLoad:
      case Node.vectorLoad:
        this.stateAddress(ir.a[index]!);
        if (ir.op[index] === Node.stateLoad) out.memory(ir.imm[index]!, ir.imm2[index]!);
        else out.vectorMemory(ir.imm[index]!, ir.imm2[index]!);
        this.keep(index);
        return;
      case Node.stateStore:
      case Node.vectorStore:
        this.stateAddress(ir.a[index]!);
        this.value(ir.b[index]!);
        if (ir.op[index] === Node.stateStore) out.memory(ir.imm[index]!, ir.imm2[index]!);
        else out.vectorMemory(ir.imm[index]!, ir.imm2[index]!);
        return;
      case Node.load:
        this.load(index);
        return;
      case Node.store:
        this.store(index);
        return;
      case Node.update:
        this.update(index);
        return;
      case Node.finish:
        this.finish(index);
        return;
      case Node.mulWide:
        this.mulWide(index);
        return;
      case Node.divide:
        this.divide(index);
        return;
      case Node.flags:
        this.flags(index);
        return;
      case Node.flagsIf:
        this.flagsIf(index);
        return;
      case Node.raiseIf:
        this.raiseIf(index);
        return;
      case Node.checkSegment:
        this.checkSegment(index);
        return;
      case Node.call:
        this.callInstruction(index);
        return;
      case Node.exitIf:
        this.exitIf(index);
        return;
      case Node.exitJump:
        this.exitAlways(index);
        return;
      case Node.nextRecord:
        this.nextRecord(ir.imm[index]!);
        return;
      default:
    }
  }

  protected mulWide(index: number): void {
    const ir = this.ir;
    const out = this.out;
    this.value(ir.a[index]!);
    this.value(ir.b[index]!);
    out.byte(Op.prefixFC);
    out.u32(ir.imm[index] === 1 ? OpFC.i64MulWideS : OpFC.i64MulWideU);
    this.keepPair(index);
  }

  /** Two results on the stack: the node's own below, the `second` node's above. */
  protected keepPair(index: number): void {
    const second = index + 1;
    if (this.ir.op[second] === Node.second && this.live[second] === 1) {
      const local = this.newLocal(ValueType.i64);
      this.local[second] = local;
      this.out.set(local);
      this.uses[index]! -= 1;
    } else this.out.byte(Op.drop);
    this.keep(index);
  }

  protected divide(index: number): void {
    const ir = this.ir;
    const out = this.out;
    const [high, low, divisor] = [ir.a[index]!, ir.b[index]!, ir.c[index]!];
    const isSigned = ir.imm[index] === 1;
    const sync = this.syncOf(index);
    this.prepare(sync);
    for (const each of [high, low, divisor]) this.materialize(each);
    const quotient = this.scratch(ValueType.i64);
    const remainder = this.scratch(ValueType.i64);
    // What WebAssembly's own division would trap on, and true 128-bit dividends, go the slow way.
    this.push(divisor);
    out.byte(Op.i64Eqz);
    this.push(high);
    if (isSigned) {
      this.push(low);
      out.i64Const(63, 0);
      out.byte(Op.i64ShrS);
    } else out.i64Const(0, 0);
    out.byte(Op.i64Ne);
    out.byte(Op.i32Or);
    if (isSigned) {
      this.push(divisor);
      out.i64Const(-1, -1);
      out.byte(Op.i64Eq);
      out.byte(Op.i32Or);
    }
    out.unlikelyIf(ValueType.void);
    this.storeAccess(ACCESS_VALUE, low);
    this.storeAccess(ACCESS_VALUE + 8, high);
    this.storeAccess(ACCESS_ADDRESS, divisor);
    this.spillAll(sync);
    this.site(sync);
    out.i32Const(isSigned ? 1 : 0);
    this.call('divideWide');
    out.i32Const(0);
    out.memory(Op.i64Load, ACCESS_VALUE);
    out.set(quotient);
    out.i32Const(0);
    out.memory(Op.i64Load, ACCESS_VALUE + 8);
    out.set(remainder);
    out.byte(Op.else);
    this.push(low);
    this.push(divisor);
    out.byte(isSigned ? Op.i64DivS : Op.i64DivU);
    out.set(quotient);
    this.push(low);
    this.push(divisor);
    out.byte(isSigned ? Op.i64RemS : Op.i64RemU);
    out.set(remainder);
    out.byte(Op.end);
    this.settle(sync);
    for (const each of [high, low, divisor]) this.consumeUnless(each);
    out.get(quotient);
    out.get(remainder);
    this.keepPair(index);
    this.giveBack(ValueType.i64, quotient);
    this.giveBack(ValueType.i64, remainder);
  }

  protected flags(index: number): void {
    const out = this.out;
    const sync = this.syncOf(index);
    this.prepare(sync);
    if (sync.flags === 'local') this.storeFlagLocals();
    this.settle(sync);
    out.i32Const(TableIndex.flags);
    out.byte(Op.callIndirect);
    out.u32(FunctionType.query);
    out.u32(0);
    this.keep(index);
  }

  protected flagsIf(index: number): void {
    const ir = this.ir;
    const out = this.out;
    if (ir.a[index] === NONE) {
      const sync = this.syncOf(index);
      this.prepare(sync);
      this.spill(sync);
      this.settle(sync);
      return;
    }
    this.materialize(ir.b[index]!);
    this.materialize(ir.c[index]!);
    this.value(ir.a[index]!);
    out.byte(Op.if);
    out.byte(ValueType.void);
    this.storeFlags(ir.imm[index]!, ir.b[index]!, ir.c[index]!);
    out.byte(Op.end);
  }

  protected raiseIf(index: number): void {
    const out = this.out;
    const sync = this.syncOf(index);
    this.prepare(sync);
    this.value(this.ir.a[index]!);
    out.unlikelyIf(ValueType.void);
    this.site(sync);
    out.i32Const(this.ir.imm[index]!);
    this.slowPath('raise', sync);
    out.byte(Op.end);
    this.settle(sync);
  }

  protected callInstruction(index: number): void {
    const out = this.out;
    const sync = this.syncOf(index);
    this.prepare(sync);
    this.spillAll(sync);
    this.settle(sync);
    const quick = this.block?.quickCalls.get(index);
    if (quick !== undefined) {
      this.site(sync);
      out.i32Const(quick.argument);
      out.i32Const(quick.tableIndex);
      out.byte(Op.callIndirect);
      out.u32(FunctionType.hostQuery);
      out.u32(0);
      out.byte(Op.i32Eqz);
      out.unlikelyIf(ValueType.void);
    }
    this.site(sync);
    if (this.block !== undefined) out.i32Const(this.ir.imm[index]!);
    else {
      out.get(0);
      out.memory(Op.i32Load, RecordField.immediate);
    }
    this.call('callInstruction');
    out.byte(Op.if);
    out.byte(ValueType.void);
    returnLeft(out);
    out.byte(Op.end);
    if (quick !== undefined) out.byte(Op.end);
  }
}
