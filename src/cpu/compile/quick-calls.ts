/**
 * Quick ways for instructions that are functions: WebAssembly of the base module that does what they
 * usually have to do, on the state block, and declines the rest, which goes to the function as ever. A
 * quick way never faults, leaves or takes budget, so that nothing can tell which way was gone.
 */
import { Eflags } from '../cpu.ts';
import { Segment } from '../decode/instruction.ts';
import { Mode } from '../mode.ts';
import type { BoundInstruction } from '../semantics/bind.ts';
import {
  ACTIVITY,
  Activity,
  BUDGET,
  Flags,
  GPR,
  INTERRUPT_WAITS,
  STI_LEFT,
  TLB,
  TLB_BANK_BYTES,
  TlbEntry,
} from '../state.ts';
import { FunctionCode } from '../wasm/function-code.ts';
import { type FunctionBody, FunctionType } from '../wasm/module.ts';
import { Op, OpFC, OpFD, ValueType } from '../wasm/opcodes.ts';
import { tlbOffset } from './jump.ts';
import { Site, TableIndex } from './table-index.ts';

/** A way of type (site, argument) to 1 for done, 0 for declined. */
export interface QuickCall {
  readonly tableIndex: number;
  readonly argument: number;
}

const PAGE_BYTES = 4096;
const [AX, CX, SI, DI] = [0, 1, 6, 7].map((register) => GPR + 8 * register) as [
  number,
  number,
  number,
  number,
];
/** From here on the engine's own copying and filling beats a loop. */
const MANY_BYTES = 192;
const VECTOR_BYTES = 16;
/** The low bits of a string instruction's argument: the element's size as a power of 2. The rest is the bank's offset. */
const SIZE_MASK = 3;

/** @returns the quick way of an instruction in 64-bit mode, if it has one */
export function quickCallOf({ insn, row, mode }: BoundInstruction): QuickCall | undefined {
  if ((mode & Mode.codeSizeMask) !== Mode.code64) return undefined;
  const cpl = mode & Mode.cplMask;
  switch (row.mnemonic) {
    case 'sti':
      return cpl === 0 ? { tableIndex: TableIndex.quickSti, argument: 0 } : undefined;
    case 'movs':
    case 'stos': {
      const isBased = insn.segment === Segment.fs || insn.segment === Segment.gs;
      const isMove = row.mnemonic === 'movs';
      if (insn.repeat === 0 || insn.addressSize !== 8 || (isMove && isBased)) return undefined;
      const size = (insn.opcode & 1) === 0 ? 1 : insn.operandSize;
      const bank = cpl === Mode.cplMask ? TLB_BANK_BYTES : 0;
      return {
        tableIndex: isMove ? TableIndex.quickMovs : TableIndex.quickStos,
        argument: bank | (31 - Math.clz32(size)),
      };
    }
    default:
      return undefined;
  }
}

const [SITE, ARGUMENT] = [0, 1];

/** Goes the slow way if what is on the stack is not 0. */
function declineIf(out: FunctionCode): void {
  out.unlikelyIf(ValueType.void);
  out.i32Const(0);
  out.op(Op.return, Op.end);
}

function done(out: FunctionCode): FunctionBody {
  out.i32Const(1);
  return out.whole();
}

/** One side of a string instruction: its address, and where that is. */
interface Side {
  readonly register: number;
  readonly address: number;
  readonly position: number;
}

/** Takes the count, declines what is not all in one page up from here, and leaves the length in `bytes`. */
function beginString(out: FunctionCode, bytes: number): void {
  const count = out.local(ValueType.i64);
  out.stateLoad(Op.i64Load, CX);
  out.tee(count);
  out.op(Op.i64Eqz);
  out.unlikelyIf(ValueType.void);
  out.i32Const(1);
  out.op(Op.return, Op.end);
  out.stateLoad(Op.i32Load, Flags.system);
  out.i32Const(Eflags.df | Eflags.tf);
  out.op(Op.i32And);
  out.get(count);
  out.i64Const(PAGE_BYTES, 0);
  out.op(Op.i64GtU, Op.i32Or);
  declineIf(out);
  out.get(count);
  out.op(Op.i32WrapI64);
  out.get(ARGUMENT);
  out.i32Const(SIZE_MASK);
  out.op(Op.i32And, Op.i32Shl);
  out.set(bytes);
}

/** Finds one side by the TLB, or declines. */
function locate(out: FunctionCode, register: number, tag: number, bytes: number): Side {
  const address = out.local(ValueType.i64);
  const position = out.local(ValueType.i32);
  const entry = out.local(ValueType.i32);
  out.stateLoad(Op.i64Load, register);
  out.tee(address);
  out.op(Op.i32WrapI64);
  out.tee(position);
  out.i32Const(PAGE_BYTES - 1);
  out.op(Op.i32And);
  out.get(bytes);
  out.op(Op.i32Add);
  out.i32Const(PAGE_BYTES);
  out.op(Op.i32GtU);
  out.get(position);
  tlbOffset(out);
  out.get(ARGUMENT);
  out.i32Const(~SIZE_MASK);
  out.op(Op.i32And, Op.i32Add);
  out.tee(entry);
  out.memory(Op.i64Load, TLB + tag);
  out.get(address);
  out.i64Const(-PAGE_BYTES, -1);
  out.op(Op.i64And, Op.i64Ne, Op.i32Or);
  declineIf(out);
  out.get(position);
  out.get(entry);
  out.memory(Op.i32Load, TLB + TlbEntry.addend);
  out.op(Op.i32Add);
  out.set(position);
  return { register, address, position };
}

function advance(out: FunctionCode, { register, address }: Side, bytes: number): void {
  out.i32Const(0);
  out.get(address);
  out.get(bytes);
  out.op(Op.i64ExtendI32U, Op.i64Add);
  out.memory(Op.i64Store, register);
}

function endString(out: FunctionCode, sides: readonly Side[], bytes: number): FunctionBody {
  for (const side of sides) advance(out, side, bytes);
  out.i32Const(0);
  out.i64Const(0, 0);
  out.memory(Op.i64Store, CX);
  return done(out);
}

/**
 * A loop over `left` bytes of pieces of 16, then one piece of 8, 4, 2 and 1 for the bits that are left.
 * @param piece emits one, and nothing that moves the positions
 */
function inPieces(
  out: FunctionCode,
  left: number,
  positions: readonly number[],
  piece: (bytes: number) => void,
): void {
  const step = (bytes: number): void => {
    piece(bytes);
    for (const position of positions) {
      out.get(position);
      out.i32Const(bytes);
      out.op(Op.i32Add);
      out.set(position);
    }
  };
  out.get(left);
  out.i32Const(VECTOR_BYTES);
  out.op(Op.i32GeU, Op.if, ValueType.void, Op.loop, ValueType.void);
  step(VECTOR_BYTES);
  out.get(left);
  out.i32Const(VECTOR_BYTES);
  out.op(Op.i32Sub);
  out.tee(left);
  out.i32Const(VECTOR_BYTES);
  out.op(Op.i32GeU, Op.brIf, 0, Op.end, Op.end);
  for (let bytes = VECTOR_BYTES >> 1; bytes > 0; bytes >>= 1) {
    out.get(left);
    out.i32Const(bytes);
    out.op(Op.i32And, Op.if, ValueType.void);
    if (bytes > 1) step(bytes);
    else piece(bytes);
    out.op(Op.end);
  }
}

const LOADS: Readonly<Record<number, number>> = {
  1: Op.i32Load8U,
  2: Op.i32Load16U,
  4: Op.i32Load,
  8: Op.i64Load,
};
const STORES: Readonly<Record<number, number>> = {
  1: Op.i32Store8,
  2: Op.i32Store16,
  4: Op.i32Store,
  8: Op.i64Store,
};

/** REP MOVS. Where the destination begins inside the source, a pattern would repeat: declined. */
function movs(): FunctionBody {
  const out = new FunctionCode(FunctionType.hostQuery);
  const bytes = out.local(ValueType.i32);
  const left = out.local(ValueType.i32);
  beginString(out, bytes);
  const source = locate(out, SI, TlbEntry.readTag, bytes);
  const target = locate(out, DI, TlbEntry.writeTag, bytes);
  out.get(target.position);
  out.get(source.position);
  out.op(Op.i32Sub);
  out.get(bytes);
  out.op(Op.i32LtU);
  declineIf(out);
  out.get(bytes);
  out.i32Const(MANY_BYTES);
  out.op(Op.i32GeU, Op.if, ValueType.void);
  out.get(target.position);
  out.get(source.position);
  out.get(bytes);
  out.op(Op.prefixFC, OpFC.memoryCopy, 0, 0, Op.else);
  out.get(bytes);
  out.set(left);
  inPieces(out, left, [source.position, target.position], (piece) => {
    out.get(target.position);
    out.get(source.position);
    if (piece === VECTOR_BYTES) {
      out.vectorMemory(OpFD.v128Load, 0);
      out.vectorMemory(OpFD.v128Store, 0);
    } else {
      out.memory(LOADS[piece]!, 0);
      out.memory(STORES[piece]!, 0);
    }
  });
  out.op(Op.end);
  return endString(out, [source, target], bytes);
}

/** Fills `value` with copies of RAX's low bytes, as many as the element has. */
function repeatElement(out: FunctionCode, value: number): void {
  out.stateLoad(Op.i64Load, AX);
  out.set(value);
  for (const [size, mask, low, high] of [
    [0, 0xff, 0x0101_0101, 0x0101_0101],
    [1, 0xffff, 0x0001_0001, 0x0001_0001],
    [2, -1, 1, 1],
  ] as const) {
    out.get(ARGUMENT);
    out.i32Const(SIZE_MASK);
    out.op(Op.i32And);
    out.i32Const(size);
    out.op(Op.i32Eq, Op.if, ValueType.void);
    out.get(value);
    out.i64Const(mask, 0);
    out.op(Op.i64And);
    out.i64Const(low, high);
    out.op(Op.i64Mul);
    out.set(value);
    out.op(Op.end);
  }
}

/** REP STOS. */
function stos(): FunctionBody {
  const out = new FunctionCode(FunctionType.hostQuery);
  const bytes = out.local(ValueType.i32);
  const left = out.local(ValueType.i32);
  const value = out.local(ValueType.i64);
  beginString(out, bytes);
  const target = locate(out, DI, TlbEntry.writeTag, bytes);
  repeatElement(out, value);
  out.get(bytes);
  out.i32Const(MANY_BYTES);
  out.op(Op.i32GeU);
  out.get(value);
  out.get(value);
  out.i64Const(8, 0);
  out.op(Op.i64Rotl, Op.i64Eq, Op.i32And, Op.if, ValueType.void);
  out.get(target.position);
  out.get(value);
  out.op(Op.i32WrapI64);
  out.get(bytes);
  out.op(Op.prefixFC, OpFC.memoryFill, 0, Op.else);
  out.get(bytes);
  out.set(left);
  inPieces(out, left, [target.position], (piece) => {
    out.get(target.position);
    out.get(value);
    if (piece === VECTOR_BYTES) {
      out.op(Op.prefixFD, OpFD.i64x2Splat);
      out.vectorMemory(OpFD.v128Store, 0);
      return;
    }
    if (piece < 8) out.op(Op.i32WrapI64);
    out.memory(STORES[piece]!, 0);
  });
  out.op(Op.end);
  return endString(out, [target], bytes);
}

/** STI, while no interrupt waits and nothing has asked generated code to come out. */
function sti(): FunctionBody {
  const out = new FunctionCode(FunctionType.hostQuery);
  const flags = out.local(ValueType.i32);
  out.stateLoad(Op.i32Load, Flags.system);
  out.tee(flags);
  out.i32Const(Eflags.if);
  out.op(Op.i32And, Op.i32Eqz, Op.if, ValueType.void);
  out.stateLoad(Op.i32Load, INTERRUPT_WAITS);
  declineIf(out);
  out.i32Const(0);
  out.get(flags);
  out.i32Const(Eflags.if);
  out.op(Op.i32Or);
  out.memory(Op.i32Store, Flags.system);
  out.i32Const(0);
  out.stateLoad(Op.i32Load, ACTIVITY);
  out.i32Const(Activity.stiShadow);
  out.op(Op.i32Or);
  out.memory(Op.i32Store, ACTIVITY);
  out.i32Const(0);
  out.stateLoad(Op.i32Load, BUDGET);
  out.get(SITE);
  out.i32Const(Site.shift);
  out.op(Op.i32ShrU, Op.i32Add);
  out.memory(Op.i32Store, STI_LEFT);
  out.op(Op.end);
  return done(out);
}

/** Bodies by table index. */
export function quickCalls(): readonly (readonly [tableIndex: number, body: FunctionBody])[] {
  return [
    [TableIndex.quickMovs, movs()],
    [TableIndex.quickStos, stos()],
    [TableIndex.quickSti, sti()],
  ];
}
