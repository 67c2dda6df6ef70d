/**
 * The module that every machine has: the six flags from their lazy form, and the ways between blocks,
 * handlers and the run loop.
 */
import { HandlerBuilder } from '../interpret/handler-builder.ts';
import { HeadField, RECORD_BYTES } from '../interpret/record.ts';
import type { Size } from '../semantics/emit.ts';
import { FlagKind, flagsWordOf, kindWord } from '../semantics/flags.ts';
import {
  ACCESS_VALUE,
  BUDGET,
  EXIT_ARGUMENT,
  EXIT_REASON,
  Exit,
  Flags,
  MODE,
  RIP,
  SEGMENT_BASE,
  SegmentIndex,
  TLB_BANK_BYTES,
} from '../state.ts';
import { CodeBuffer } from '../wasm/code.ts';
import {
  type FunctionBody,
  functionOf,
  FunctionType,
  BASE_FIRST,
  buildModule,
} from '../wasm/module.ts';
import { Op, ValueType } from '../wasm/opcodes.ts';
import { Lowering } from './lower.ts';
import { missed } from './miss.ts';
import { type LowRam, walk } from './page-walk.ts';
import { quickCalls } from './quick-calls.ts';
import { SLOW_PATHS, slowPaths } from './slow-paths.ts';
import { LinkSlot, TableIndex } from './table-index.ts';
import {
  BUDGET_PARAMETER,
  DEPTH_PARAMETER,
  emitJump,
  nestedCall,
  returnLeft,
  storeRipInPage,
  tailCall,
  tailCallBase,
  takeResult,
} from './jump.ts';
import { Mode } from '../mode.ts';

const SIZES: readonly Size[] = [1, 2, 4, 8];
/**
 * As many calls of the guest are calls of WebAssembly in each other; more are jumps. Each takes some
 * hundred bytes of the host's stack.
 */
const MOST_NESTED = 100;
const FLAG_FUNCTIONS = kindWord(FlagKind.given, 8) + 1;

class FlagsBuilder extends HandlerBuilder {
  /** Leaves the word of one kind and size in the access buffer. */
  word(kind: number, size: Size): void {
    this.reset();
    const result = this.stateLoad(size, Flags.result);
    const isWord = kind !== FlagKind.add && kind !== FlagKind.sub;
    const source = this.stateLoad(isWord ? 4 : size, Flags.source);
    this.stateStore(4, ACCESS_VALUE, flagsWordOf(this, { kind, size, result, source }));
  }
}

function body(
  type: number,
  locals: readonly number[],
  fill: (out: CodeBuffer) => void,
): FunctionBody {
  const out = new CodeBuffer();
  fill(out);
  out.byte(Op.end);
  return functionOf(type, locals, out);
}

/** Back to the run loop: the budget goes where it is looked for. */
function leave(out: CodeBuffer, reason: number): void {
  out.i32Const(0);
  out.get(BUDGET_PARAMETER);
  out.memory(Op.i32Store, BUDGET);
  out.i32Const(0);
  out.i32Const(reason);
  out.memory(Op.i32Store, EXIT_REASON);
  returnLeft(out);
}

function flagsOf(): FunctionBody {
  return body(FunctionType.query, [], (out) => {
    for (const _parameter of [0, 1, 2]) out.i32Const(0);
    out.i32Const(0);
    out.memory(Op.i32Load, Flags.kind);
    out.i32Const(FLAG_TABLE);
    out.byte(Op.i32Add);
    nestedCall(out);
    out.byte(Op.drop);
    out.i32Const(0);
    out.memory(Op.i32Load, ACCESS_VALUE);
  });
}

/** To the block at RIP, whatever the mode. */
function dispatch(): FunctionBody {
  const { i32, i64 } = ValueType;
  return body(FunctionType.block, [i64, i32, i32, i32], (out) => {
    const [linear, entry, position, cache] = [3, 4, 5, 6];
    const pushMode = (): void => {
      out.i32Const(0);
      out.memory(Op.i32Load, MODE);
    };
    // The base of CS counts outside 64-bit mode.
    out.i32Const(0);
    out.memory(Op.i64Load, RIP);
    out.i32Const(0);
    out.memory(Op.i64Load, RIP);
    out.i32Const(0);
    out.memory(Op.i64Load, SEGMENT_BASE + 8 * SegmentIndex.cs);
    out.byte(Op.i64Add);
    out.i64Const(-1, 0);
    out.byte(Op.i64And);
    pushMode();
    out.i32Const(Mode.code64);
    out.byte(Op.i32And);
    out.byte(Op.select);
    out.set(linear);
    emitJump(out, {
      pushLinear: () => out.get(linear),
      pushMode: () => {
        pushMode();
        out.byte(Op.i64ExtendI32U);
        out.i64Const(32, 0);
        out.byte(Op.i64Shl);
      },
      bank: 0,
      addBank: () => {
        pushMode();
        out.i32Const(Mode.cplMask);
        out.byte(Op.i32And);
        out.i32Const(Mode.cplMask);
        out.byte(Op.i32Eq);
        out.i32Const(31 - Math.clz32(TLB_BANK_BYTES));
        out.byte(Op.i32Shl);
        out.byte(Op.i32Or);
      },
      entry,
      position,
      cache,
      isNested: false,
    });
  });
}

function enterRecord(): FunctionBody {
  return body(FunctionType.block, [ValueType.i32, ValueType.i32], (out) => {
    const [head, left, count] = [0, 3, 4];
    out.get(BUDGET_PARAMETER);
    out.get(head);
    out.memory(Op.i32Load, HeadField.instructions);
    out.byte(Op.i32Sub);
    out.tee(left);
    out.i32Const(0);
    out.byte(Op.i32LtS);
    out.unlikelyIf(ValueType.void);
    leave(out, Exit.budget);
    out.byte(Op.end);
    out.get(head);
    out.get(head);
    out.memory(Op.i32Load, HeadField.count);
    out.i32Const(1);
    out.byte(Op.i32Add);
    out.tee(count);
    out.memory(Op.i32Store, HeadField.count);
    out.get(count);
    out.get(head);
    out.memory(Op.i32Load, HeadField.threshold);
    out.byte(Op.i32Eq);
    out.unlikelyIf(ValueType.void);
    out.i32Const(0);
    out.get(head);
    out.memory(Op.i32Store, EXIT_ARGUMENT);
    leave(out, Exit.hot);
    out.byte(Op.end);
    out.get(head);
    out.i32Const(RECORD_BYTES);
    out.byte(Op.i32Add);
    out.get(left);
    out.get(DEPTH_PARAMETER);
    out.get(head);
    out.memory(Op.i32Load, RECORD_BYTES);
    tailCall(out);
  });
}

/**
 * What the run loop calls: enters a block and goes on at RIP until generated code is left. The guest's
 * returns for which no function waits come back here.
 */
function enter(first: number): FunctionBody {
  return body(FunctionType.block, [], (out) => {
    out.get(0);
    out.get(BUDGET_PARAMETER);
    out.i32Const(MOST_NESTED);
    out.byte(Op.call);
    out.u32(BASE_FIRST + first);
    takeResult(out);
    out.byte(Op.loop);
    out.byte(ValueType.void);
    out.i32Const(0);
    out.get(BUDGET_PARAMETER);
    out.i32Const(MOST_NESTED);
    out.byte(Op.call);
    out.u32(BASE_FIRST + TableIndex.dispatch);
    takeResult(out);
    out.byte(Op.br);
    out.u32(0);
    out.byte(Op.end);
    out.byte(Op.unreachable);
  });
}

/** RIP becomes where a link leads, whose slot is the parameter. */
function storeTarget(out: CodeBuffer): void {
  storeRipInPage(out, () => {
    out.get(0);
    out.memory(Op.i64Load32U, LinkSlot.offset);
  });
}

function unlinked(): FunctionBody {
  return body(FunctionType.block, [], (out) => {
    storeTarget(out);
    out.i32Const(0);
    out.get(0);
    out.memory(Op.i32Store, EXIT_ARGUMENT);
    leave(out, Exit.link);
  });
}

function throughCache(): FunctionBody {
  return body(FunctionType.block, [], (out) => {
    storeTarget(out);
    tailCallBase(out, TableIndex.dispatch);
  });
}

function miss(): FunctionBody {
  return missed((out) => leave(out, Exit.lookup));
}

/** Table index of the function that computes the flags of kind word 0. */
const FLAG_TABLE = TableIndex.first;
/** Table indices from here on are for handlers and blocks. */
export const FIRST_FREE_INDEX = FLAG_TABLE + FLAG_FUNCTIONS;

export function baseModule(ram: LowRam): Uint8Array<ArrayBuffer> {
  const functions: FunctionBody[] = [];
  functions[TableIndex.miss] = miss();
  functions[TableIndex.flags] = flagsOf();
  functions[TableIndex.dispatch] = dispatch();
  functions[TableIndex.enterRecord] = enterRecord();
  functions[TableIndex.unlinked] = unlinked();
  functions[TableIndex.throughCache] = throughCache();
  functions[TableIndex.runFromRip] = enter(TableIndex.dispatch);
  functions[TableIndex.runFromRecord] = enter(TableIndex.enterRecord);
  for (const [tableIndex, quick] of [
    ...quickCalls(),
    [TableIndex.walk, walk(ram)] as const,
    ...slowPaths(),
  ]) {
    functions[tableIndex] = quick;
  }
  for (let index = 0; index < FLAG_TABLE; index += 1) functions[index] ??= miss();
  const builder = new FlagsBuilder();
  for (let word = 0; word < FLAG_FUNCTIONS; word += 1) {
    const kind = word & 15;
    const out = new CodeBuffer();
    if (kind > FlagKind.given) {
      functions.push(miss());
      continue;
    }
    builder.word(kind, SIZES[word >> 4]!);
    const locals = new Lowering(out).lower(builder, undefined, {
      isUser: false,
      mode: 0,
      allocateSlot: () => 0,
    });
    functions.push(functionOf(FunctionType.block, locals, out));
  }
  return buildModule({
    isBase: true,
    functions,
    tableStart: 0,
    exports: {
      flags: TableIndex.flags,
      dispatch: TableIndex.runFromRip,
      enterRecord: TableIndex.runFromRecord,
      ...SLOW_PATHS,
    },
  });
}
