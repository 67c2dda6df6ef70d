/**
 * Where a jump ends that the TLB or the jump cache knows nothing of: enters RIP's page into the TLB, looks
 * in the second, larger jump cache, and tries again, before it comes out for a look-up.
 */
import { Access } from '../mmu/walk.ts';
import { Mode } from '../mode.ts';
import {
  CODE_BANKS,
  JUMP_CACHE,
  JUMP_STORE,
  MODE,
  RIP,
  TLB,
  TLB_BANK_BYTES,
  TlbEntry,
} from '../state.ts';
import { FunctionCode } from '../wasm/function-code.ts';
import { type FunctionBody, FunctionType } from '../wasm/module.ts';
import { Op, OpFD, ValueType } from '../wasm/opcodes.ts';
import { FIRST_SLOTS, SECOND_SLOTS, slotOffset, tailCallBase, tlbOffset } from './jump.ts';
import { callWalk } from './page-walk.ts';
import { TableIndex } from './table-index.ts';

function tryAgain(out: FunctionCode): void {
  tailCallBase(out, TableIndex.dispatch);
}

/** Leaves the local of the entry for RIP, whose page is not RIP's where the value that it pushes is not 0. */
function findPage(out: FunctionCode, entry: number): void {
  out.stateLoad(Op.i32Load, RIP);
  tlbOffset(out);
  out.i32Const(TLB_BANK_BYTES);
  out.i32Const(0);
  out.stateBits(MODE, Mode.cplMask);
  out.i32Const(Mode.cplMask);
  out.op(Op.i32Eq, Op.select, Op.i32Add);
  out.tee(entry);
  out.memory(Op.i64Load, TLB + CODE_BANKS * TLB_BANK_BYTES + TlbEntry.executeTag);
  out.stateLoad(Op.i64Load, RIP);
  out.i64Const(-4096, -1);
  out.op(Op.i64And, Op.i64Ne);
}

/**
 * With the page in the TLB: brings the entry of RIP's position from the second jump cache into the first.
 * Where the first has it already, what it leads to is no more, and a look-up must follow.
 */
function findSlot(out: FunctionCode, entry: number): void {
  const position = out.local(ValueType.i32);
  const [first, second] = [out.local(ValueType.i32), out.local(ValueType.i32)];
  const tag = out.local(ValueType.i64);
  out.get(entry);
  out.memory(Op.i32Load, TLB + CODE_BANKS * TLB_BANK_BYTES + TlbEntry.addend);
  out.stateLoad(Op.i32Load, RIP);
  out.op(Op.i32Add);
  out.tee(position);
  out.op(Op.i64ExtendI32U);
  out.i32Const(0);
  out.memory(Op.i64Load32U, MODE);
  out.i64Const(32, 0);
  out.op(Op.i64Shl, Op.i64Or);
  out.set(tag);
  for (const [local, slots] of [
    [first, FIRST_SLOTS],
    [second, SECOND_SLOTS],
  ] as const) {
    out.get(position);
    slotOffset(out, slots);
    out.set(local);
  }
  out.get(first);
  out.memory(Op.i64Load, JUMP_CACHE);
  out.get(tag);
  out.op(Op.i64Ne);
  out.get(second);
  out.memory(Op.i64Load, JUMP_STORE);
  out.get(tag);
  out.op(Op.i64Eq, Op.i32And, Op.if, ValueType.void);
  out.get(first);
  out.get(second);
  out.vectorMemory(OpFD.v128Load, JUMP_STORE);
  out.vectorMemory(OpFD.v128Store, JUMP_CACHE);
  tryAgain(out);
  out.op(Op.end);
}

/** @param leave comes out for a look-up */
export function missed(leave: (out: FunctionCode) => void): FunctionBody {
  const out = new FunctionCode(FunctionType.block);
  const entry = out.local(ValueType.i32);
  // Elsewhere the base of CS counts.
  out.stateBits(MODE, Mode.code64);
  out.op(Op.if, ValueType.void);
  findPage(out, entry);
  out.op(Op.if, ValueType.void);
  out.stateLoad(Op.i64Load, RIP);
  callWalk(out, Access.fetch);
  out.op(Op.if, ValueType.void);
  tryAgain(out);
  out.op(Op.end, Op.else);
  findSlot(out, entry);
  out.op(Op.end, Op.end);
  leave(out);
  return out.whole();
}
