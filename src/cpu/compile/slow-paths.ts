/**
 * Slow paths of generated code: functions of the base module that bring what the function holds in its
 * locals into the state block, try a page walk, and else call TypeScript. Generated code has only the call,
 * since it has one for each access. Parameters: the linear address, or a site and an argument; the budget;
 * and, of those that bring flags along, their kind, result and source.
 */
import { Access } from '../mmu/walk.ts';
import { ACCESS_ADDRESS, ACCESS_VALUE, BUDGET, Flags } from '../state.ts';
import { FunctionCode } from '../wasm/function-code.ts';
import {
  BASE_FIRST,
  type FunctionBody,
  FunctionType,
  HostIndex,
  type HostName,
} from '../wasm/module.ts';
import { Op, OpFD, ValueType } from '../wasm/opcodes.ts';
import { LOAD_OPS, STORE_OPS } from './machine-ir.ts';
import { callWalk } from './page-walk.ts';
import { Site, TableIndex } from './table-index.ts';

const PAGE_BYTES = 4096;
const NAMES = ['slowLoad', 'slowStore', 'slowUpdate', 'finishUpdate', 'raise'] as const;
/** Those with flags follow those without. */
const withFlags = (index: number): number => index + NAMES.length;

/** Table indices of the slow paths, by the names under which generated code imports them. */
export const SLOW_PATHS: Readonly<Record<string, number>> = Object.fromEntries(
  NAMES.flatMap((name, index) => [
    [name, TableIndex.slowPaths + index],
    [`${name}Flags`, TableIndex.slowPaths + withFlags(index)],
  ]),
);

function callHost(out: FunctionCode, name: HostName): void {
  out.op(Op.call);
  out.u32(HostIndex[name]);
}

/** Stores a parameter. */
function keep(out: FunctionCode, op: number, offset: number, parameter: number): void {
  out.i32Const(0);
  out.get(parameter);
  out.memory(op, offset);
}

/** A slow path of an access: with the walk where it lies in one page, then or else through the host. */
function access(
  name: 'slowLoad' | 'slowStore' | 'slowUpdate',
  kind: number,
  finish: (out: FunctionCode, position: number, bytes: number) => void,
): FunctionBody {
  const [linear, site, budget] = [0, 1, 2];
  const out = new FunctionCode(name === 'slowStore' ? FunctionType.store : FunctionType.access);
  const position = out.local(ValueType.i32);
  const bytes = out.local(ValueType.i32);
  keep(out, Op.i64Store, ACCESS_ADDRESS, linear);
  keep(out, Op.i32Store, BUDGET, budget);
  out.i32Const(1);
  out.get(site);
  out.i32Const(Site.sizeShift);
  out.op(Op.i32ShrU);
  out.i32Const(Site.sizeMask);
  out.op(Op.i32And, Op.i32Shl);
  out.set(bytes);
  out.get(linear);
  out.op(Op.i32WrapI64);
  out.i32Const(PAGE_BYTES - 1);
  out.op(Op.i32And);
  out.get(bytes);
  out.op(Op.i32Add);
  out.i32Const(PAGE_BYTES);
  out.op(Op.i32LeU, Op.if, ValueType.void);
  out.get(linear);
  callWalk(out, kind);
  out.tee(position);
  out.op(Op.if, ValueType.void);
  finish(out, position, bytes);
  out.op(Op.end, Op.end);
  out.get(site);
  out.get(bytes);
  callHost(out, name);
  return out.whole();
}

function returnPosition(out: FunctionCode, position: number): void {
  out.get(position);
  out.op(Op.return);
}

/** Stores from ACCESS_VALUE. */
function storeValue(out: FunctionCode, position: number, bytes: number): void {
  for (const size of [8, 4, 1, 2] as const) {
    out.get(bytes);
    out.i32Const(size);
    out.op(Op.i32Eq, Op.if, ValueType.void);
    out.get(position);
    out.stateLoad(LOAD_OPS[size], ACCESS_VALUE);
    out.memory(STORE_OPS[size], 0);
    out.op(Op.return, Op.end);
  }
  out.get(bytes);
  out.i32Const(16);
  out.op(Op.i32Eq, Op.if, ValueType.void);
  out.get(position);
  out.i32Const(0);
  out.vectorMemory(OpFD.v128Load, ACCESS_VALUE);
  out.vectorMemory(OpFD.v128Store, 0);
  out.op(Op.return, Op.end);
}

function note(name: 'finishUpdate' | 'raise'): FunctionBody {
  const [site, argument, budget] = [0, 1, 2];
  const out = new FunctionCode(FunctionType.note);
  keep(out, Op.i32Store, BUDGET, budget);
  out.get(site);
  out.get(argument);
  callHost(out, name);
  return out.whole();
}

/** Stores the flags, then goes the way without them. */
function flagsFirst(type: number, plain: number): FunctionBody {
  const [kind, result, source] = [3, 4, 5];
  const out = new FunctionCode(type);
  keep(out, Op.i32Store, Flags.kind, kind);
  keep(out, Op.i64Store, Flags.result, result);
  keep(out, Op.i64Store, Flags.source, source);
  for (let parameter = 0; parameter < kind; parameter += 1) out.get(parameter);
  out.op(Op.call);
  out.u32(BASE_FIRST + plain);
  return out.whole();
}

/** Bodies by table index. */
export function slowPaths(): readonly (readonly [tableIndex: number, body: FunctionBody])[] {
  const plain = [
    access('slowLoad', Access.read, returnPosition),
    access('slowStore', Access.write, storeValue),
    access('slowUpdate', Access.write, returnPosition),
    note('finishUpdate'),
    note('raise'),
  ];
  const types = [
    FunctionType.accessFlags,
    FunctionType.storeFlags,
    FunctionType.accessFlags,
    FunctionType.noteFlags,
    FunctionType.noteFlags,
  ];
  return plain.flatMap((body, index) => {
    const tableIndex = TableIndex.slowPaths + index;
    const flags = flagsFirst(types[index]!, tableIndex);
    return [
      [tableIndex, body],
      [TableIndex.slowPaths + withFlags(index), flags],
    ] as const;
  });
}
