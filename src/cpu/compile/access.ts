/** Guest memory: the TLB's fast path, and the slow one. */
import {
  ACCESS_ADDRESS,
  ACCESS_VALUE,
  SegmentState,
  TLB,
  TLB_BANK_BYTES,
  TlbEntry,
} from '../state.ts';
import { Op, OpFD, ValueType } from '../wasm/opcodes.ts';
import { NONE } from './ir.ts';
import { tlbOffset } from './jump.ts';
import { LOAD_OPS, STORE_OPS, type Sync } from './machine-ir.ts';
import { SpillLowering } from './spill.ts';

export abstract class AccessLowering extends SpillLowering {
  /**
   * The TLB's answer: pushes 1 when the page of the access is not there for it.
   * @returns the local that holds the entry's offset
   */
  protected probe(linear: number, bytes: number, tag: number): number {
    const out = this.out;
    const bank = TLB + (this.options.isUser ? TLB_BANK_BYTES : 0);
    const entry = this.scratch(ValueType.i32);
    this.push(linear);
    out.byte(Op.i32WrapI64);
    tlbOffset(out);
    out.tee(entry);
    out.memory(Op.i64Load, bank + tag);
    this.push(linear);
    if (bytes > 1) {
      out.i64Const(bytes - 1, 0);
      out.byte(Op.i64Add);
    }
    out.i64Const(-4096, -1);
    out.byte(Op.i64And);
    out.byte(Op.i64Ne);
    return entry;
  }

  protected position(linear: number, entry: number): void {
    const out = this.out;
    const bank = TLB + (this.options.isUser ? TLB_BANK_BYTES : 0);
    this.push(linear);
    out.byte(Op.i32WrapI64);
    out.get(entry);
    out.memory(Op.i32Load, bank + TlbEntry.addend);
    out.byte(Op.i32Add);
  }

  protected storeAccess(offset: number, index: number): void {
    this.out.i32Const(0);
    this.push(index);
    this.out.memory(Op.i64Store, offset);
  }

  /** Pushes the position of an access in the linear memory, by TLB or slow path. */
  protected translate(linear: number, bytes: number, sync: Sync, isUpdate: boolean): void {
    const out = this.out;
    const entry = this.probe(linear, bytes, isUpdate ? TlbEntry.writeTag : TlbEntry.readTag);
    out.unlikelyIf(ValueType.i32);
    this.push(linear);
    this.site(sync, bytes);
    this.slowPath(isUpdate ? 'slowUpdate' : 'slowLoad', sync);
    this.reloadBudget();
    out.byte(Op.else);
    this.position(linear, entry);
    out.byte(Op.end);
    this.giveBack(ValueType.i32, entry);
  }

  protected loadOp(bytes: number, type: number): void {
    const out = this.out;
    if (type !== ValueType.v128) out.memory(LOAD_OPS[bytes as 1 | 2 | 4 | 8], 0);
    else {
      const op = { 16: OpFD.v128Load, 8: OpFD.v128Load64Zero, 4: OpFD.v128Load32Zero };
      out.vectorMemory(op[bytes as 4 | 8 | 16], 0);
    }
  }

  protected storeOp(bytes: number, offset: number): void {
    if (bytes === 16) this.out.vectorMemory(OpFD.v128Store, offset);
    else this.out.memory(STORE_OPS[bytes as 1 | 2 | 4 | 8], offset);
  }

  protected load(index: number): void {
    const ir = this.ir;
    const linear = ir.a[index]!;
    const bytes = ir.imm[index]!;
    const sync = this.syncOf(index);
    this.prepare(sync);
    this.materialize(linear);
    this.translate(linear, bytes, sync, false);
    this.loadOp(bytes, ir.type[index]!);
    this.settle(sync);
    this.consumeUnless(linear);
    this.keep(index);
  }

  protected store(index: number): void {
    const ir = this.ir;
    const out = this.out;
    const linear = ir.a[index]!;
    const value = ir.b[index]!;
    const bytes = ir.imm[index]!;
    const sync = this.syncOf(index);
    this.prepare(sync);
    this.materialize(linear);
    this.materialize(value);
    const entry = this.probe(linear, bytes, TlbEntry.writeTag);
    out.unlikelyIf(ValueType.void);
    out.i32Const(0);
    this.push(value);
    this.storeOp(bytes, ACCESS_VALUE);
    this.push(linear);
    this.site(sync, bytes);
    this.slowPath('slowStore', sync);
    this.reloadBudget();
    out.byte(Op.else);
    this.position(linear, entry);
    this.push(value);
    this.storeOp(bytes, 0);
    out.byte(Op.end);
    this.giveBack(ValueType.i32, entry);
    this.settle(sync);
    this.consumeUnless(linear);
    this.consumeUnless(value);
  }

  /** Position locals of updates whose finish is to come. */
  protected readonly positions = new Map<number, number>();

  protected update(index: number): void {
    const ir = this.ir;
    const out = this.out;
    const linear = ir.a[index]!;
    const bytes = ir.imm[index]!;
    const sync = this.syncOf(index);
    this.prepare(sync);
    this.materialize(linear);
    this.translate(linear, bytes, sync, true);
    const position = this.scratch(ValueType.i32);
    this.positions.set(index, position);
    out.tee(position);
    this.loadOp(bytes, ir.type[index]!);
    this.settle(sync);
    this.consumeUnless(linear);
    this.keep(index);
  }

  protected finish(index: number): void {
    const ir = this.ir;
    const out = this.out;
    const update = ir.a[index]!;
    const value = ir.b[index]!;
    const bytes = ir.imm[index]!;
    const sync = this.syncOf(index);
    const position = this.positions.get(update)!;
    this.positions.delete(update);
    this.prepare(sync);
    out.get(position);
    this.value(value);
    this.storeOp(bytes, 0);
    out.get(position);
    out.i32Const(ACCESS_VALUE);
    out.byte(Op.i32Eq);
    out.unlikelyIf(ValueType.void);
    this.site(sync);
    out.i32Const(bytes);
    this.slowPath('finishUpdate', sync);
    this.reloadBudget();
    out.byte(Op.end);
    this.settle(sync);
    this.giveBack(ValueType.i32, position);
    this.consumeUnless(update);
  }

  protected checkSegment(index: number): void {
    const ir = this.ir;
    const out = this.out;
    const offset = ir.a[index]!;
    const packed = ir.imm[index]!;
    const sync = this.syncOf(index);
    const isWrite = (packed & 0x1000) !== 0;
    const bytes = (packed >> 4) & 0xff;
    const bounds =
      (isWrite ? SegmentState.writeBounds : SegmentState.readBounds) + 8 * (packed & 15);
    this.prepare(sync);
    this.materialize(offset);
    this.push(offset);
    out.i32Const(0);
    out.memory(Op.i64Load32U, bounds);
    out.byte(Op.i64LtU);
    this.push(offset);
    out.i64Const(bytes - 1, 0);
    out.byte(Op.i64Add);
    out.i32Const(0);
    out.memory(Op.i64Load32U, bounds + 4);
    out.byte(Op.i64GtU);
    out.byte(Op.i32Or);
    out.unlikelyIf(ValueType.void);
    this.storeAccess(ACCESS_ADDRESS, offset);
    this.spillAll(sync);
    this.site(sync);
    out.i32Const(packed);
    this.call('checkSegment');
    out.byte(Op.end);
    this.settle(sync);
    this.consumeUnless(offset);
  }

  protected stateAddress(address: number): void {
    if (address === NONE) this.out.i32Const(0);
    else this.value(address);
  }
}
