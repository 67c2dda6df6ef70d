/**
 * The way from an address to its block: the TLB tells where in the linear memory the address lies, and
 * the jump cache, by that position and the mode, which function runs it. So it needs no flush when
 * translations change, and serves every address space and processor.
 */
import {
  CODE_BANKS,
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  JUMP_STORE,
  JUMP_STORE_ENTRIES,
  JumpCacheEntry,
  RIP,
  TLB,
  TLB_BANK_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TlbEntry,
} from '../state.ts';
import type { CodeBuffer } from '../wasm/code.ts';
import { FunctionType, LEFT } from '../wasm/module.ts';
import { Op, ValueType } from '../wasm/opcodes.ts';
import { TableIndex } from './table-index.ts';

export interface JumpCode {
  /** Pushes the linear address, i64. */
  readonly pushLinear: () => void;
  /** Pushes the mode word in bits 63:32, i64. */
  readonly pushMode: () => void;
  /** Offset of the privilege level's bank; what is known only at run time, `addBank` adds to the i32 on the stack. */
  readonly bank: number;
  readonly addBank?: () => void;
  /** Three i32 locals. */
  readonly entry: number;
  readonly position: number;
  readonly cache: number;
  /** The function comes back; otherwise it takes the place of this one. */
  readonly isNested: boolean;
}

const PAGE_SHIFT = 12;
const PAGE_BYTES = 1 << PAGE_SHIFT;

/** The second and the third parameter of every block. */
export const BUDGET_PARAMETER = 1;
export const DEPTH_PARAMETER = 2;

/** 2^32 over the golden ratio: code begins at multiples of 16 in pages that follow each other. */
const SPREAD = 0x9e37_79b1 | 0;

/** The mask of entries' offsets in a jump cache. */
function slotsOf(entries: number): number {
  return (entries - 1) * JumpCacheEntry.bytes;
}

export const FIRST_SLOTS = slotsOf(JUMP_CACHE_ENTRIES);
export const SECOND_SLOTS = slotsOf(JUMP_STORE_ENTRIES);

function slotOf(position: number, slots: number): number {
  return (Math.imul(position, SPREAD) >>> Math.clz32(slots)) & slots;
}

/** Where in the jump cache a position has its entry, as generated code finds it. */
export function jumpCacheOffset(position: number): number {
  return JUMP_CACHE + slotOf(position, FIRST_SLOTS);
}

/** The same in the second jump cache. */
export function jumpStoreOffset(position: number): number {
  return JUMP_STORE + slotOf(position, SECOND_SLOTS);
}

/** Makes of a position its entry's offset in a jump cache, both on the stack. */
export function slotOffset(out: CodeBuffer, slots: number): void {
  out.i32Const(SPREAD);
  out.byte(Op.i32Mul);
  out.i32Const(Math.clz32(slots));
  out.byte(Op.i32ShrU);
  out.i32Const(slots);
  out.byte(Op.i32And);
}

/** Makes of the low half of a linear address its entry's offset in a bank of the TLB, both on the stack. */
export function tlbOffset(out: CodeBuffer): void {
  out.i32Const(PAGE_SHIFT - Math.log2(TLB_ENTRY_BYTES));
  out.byte(Op.i32ShrU);
  out.i32Const((TLB_ENTRIES - 1) * TLB_ENTRY_BYTES);
  out.byte(Op.i32And);
}

/** Pushes the address of RIP's page, i64. */
export function pushRipPage(out: CodeBuffer): void {
  out.i32Const(0);
  out.memory(Op.i64Load, RIP);
  out.i64Const(-PAGE_BYTES, -1);
  out.byte(Op.i64And);
}

/** Gives RIP, of which generated code keeps the page, its place there, which `pushOffset` pushes as i64. */
export function storeRipInPage(out: CodeBuffer, pushOffset: () => void): void {
  out.i32Const(0);
  pushRipPage(out);
  pushOffset();
  out.byte(Op.i64Or);
  out.memory(Op.i64Store, RIP);
}

/** Takes the place of the function. */
export function tailCall(out: CodeBuffer): void {
  out.byte(Op.returnCallIndirect);
  out.u32(FunctionType.block);
  out.u32(0);
}

/** Comes back with the callee's result. */
export function nestedCall(out: CodeBuffer): void {
  out.byte(Op.callIndirect);
  out.u32(FunctionType.block);
  out.u32(0);
}

/** Pushes how many calls may nest in a callee. */
export function pushDepthBelow(out: CodeBuffer): void {
  out.get(DEPTH_PARAMETER);
  out.i32Const(1);
  out.byte(Op.i32Sub);
}

/** A tail call of one of the base module's functions. */
export function tailCallBase(out: CodeBuffer, tableIndex: number, parameter = 0): void {
  out.i32Const(parameter);
  out.get(BUDGET_PARAMETER);
  out.get(DEPTH_PARAMETER);
  out.i32Const(tableIndex);
  tailCall(out);
}

/** Leaves generated code, with the reason in the state block. */
export function returnLeft(out: CodeBuffer): void {
  out.i32Const(LEFT);
  out.byte(Op.return);
}

/** After a nested call: goes on with the budget that is left, unless generated code is to be left. */
export function takeResult(out: CodeBuffer): void {
  out.tee(BUDGET_PARAMETER);
  out.i32Const(0);
  out.byte(Op.i32LtS);
  out.unlikelyIf(ValueType.void);
  returnLeft(out);
  out.byte(Op.end);
}

/** Emits a call of the function for an address; what is not there leads to `miss`. */
export function emitJump(out: CodeBuffer, code: JumpCode): void {
  const { entry, position, cache } = code;
  const bank = code.bank + CODE_BANKS * TLB_BANK_BYTES;
  code.pushLinear();
  out.byte(Op.i32WrapI64);
  out.tee(position);
  out.get(position);
  tlbOffset(out);
  code.addBank?.();
  out.tee(entry);
  out.memory(Op.i32Load, TLB + bank + TlbEntry.addend);
  out.byte(Op.i32Add);
  out.tee(position);
  slotOffset(out, FIRST_SLOTS);
  out.tee(cache);
  out.memory(Op.i32Load, JUMP_CACHE + JumpCacheEntry.parameter);
  out.get(BUDGET_PARAMETER);
  if (code.isNested) pushDepthBelow(out);
  else out.get(DEPTH_PARAMETER);
  out.get(cache);
  out.memory(Op.i32Load, JUMP_CACHE + JumpCacheEntry.tableIndex);
  out.i32Const(TableIndex.miss);
  out.get(entry);
  out.memory(Op.i64Load, TLB + bank + TlbEntry.executeTag);
  code.pushLinear();
  out.i64Const(-PAGE_BYTES, -1);
  out.byte(Op.i64And);
  out.byte(Op.i64Eq);
  out.get(cache);
  out.memory(Op.i64Load, JUMP_CACHE + JumpCacheEntry.tag);
  out.get(position);
  out.byte(Op.i64ExtendI32U);
  code.pushMode();
  out.byte(Op.i64Or);
  out.byte(Op.i64Eq);
  out.byte(Op.i32And);
  out.byte(Op.select);
  if (code.isNested) nestedCall(out);
  else tailCall(out);
}
