/** WebAssembly modules around function bodies: all import one memory and one table of functions. */
import { CodeBuffer } from './code.ts';
import { ValueType } from './opcodes.ts';

/** The function types that all modules declare, in this order. */
export const FunctionType = {
  /**
   * A block or handler. Parameters: a tier 0 record, or a link slot for stubs; the budget, which goes
   * from hand to hand and into the state block only where somebody outside needs it; and how many calls
   * may still nest. Result: {@link LEFT}, or after a return of the guest the budget that is left.
   */
  block: 0,
  /** (site, argument) to nothing. */
  host: 1,
  /** (site, argument) to i32. */
  hostQuery: 2,
  /** () to i32. */
  query: 3,
  /** (linear address, access) to a position in the linear memory or 0: see compile/page-walk.ts. */
  walk: 4,
  /** Slow paths, see compile/slow-paths.ts; those that bring flags along have three parameters more. */
  access: 5,
  accessFlags: 6,
  store: 7,
  storeFlags: 8,
  note: 9,
  noteFlags: 10,
} as const;

/** What a block returns when generated code is to be left: so does then whoever called it. */
export const LEFT = -1;

const { i32: I32, i64: I64 } = ValueType;
const FLAGS = [I32, I64, I64];
const TYPES: readonly (readonly [parameters: readonly number[], results: readonly number[]])[] = [
  [[I32, I32, I32], [I32]],
  [[I32, I32], []],
  [[I32, I32], [I32]],
  [[], [I32]],
  [[I64, I32], [I32]],
  [[I64, I32, I32], [I32]],
  [[I64, I32, I32, ...FLAGS], [I32]],
  [[I64, I32, I32], []],
  [[I64, I32, I32, ...FLAGS], []],
  [[I32, I32, I32], []],
  [[I32, I32, I32, ...FLAGS], []],
];

/** How many parameters functions of a type have. */
export function parametersOf(type: number): number {
  return TYPES[type]![0].length;
}

/** What the base module imports: TypeScript, see execute.ts. */
const HOST_FUNCTIONS = [
  /** (site, bytes) to a position in the linear memory. */
  ['slowLoad', FunctionType.hostQuery],
  ['slowStore', FunctionType.host],
  ['slowUpdate', FunctionType.hostQuery],
  ['finishUpdate', FunctionType.host],
  /** (site, exception vector) never returns. */
  ['raise', FunctionType.host],
] as const;

/** What all other modules import: slow paths of the base module, and TypeScript. */
const CODE_FUNCTIONS = [
  ['slowLoad', FunctionType.access],
  ['slowLoadFlags', FunctionType.accessFlags],
  ['slowStore', FunctionType.store],
  ['slowStoreFlags', FunctionType.storeFlags],
  ['slowUpdate', FunctionType.access],
  ['slowUpdateFlags', FunctionType.accessFlags],
  ['finishUpdate', FunctionType.note],
  ['finishUpdateFlags', FunctionType.noteFlags],
  ['raise', FunctionType.note],
  ['raiseFlags', FunctionType.noteFlags],
  /** (site, instruction number): 0 goes on in the block, 1 leaves. */
  ['callInstruction', FunctionType.hostQuery],
  /** (site, signed): operands and results in the access buffer. */
  ['divideWide', FunctionType.host],
  /** (site, packed segment access): raises if it must. */
  ['checkSegment', FunctionType.host],
] as const;

export type HostName = (typeof HOST_FUNCTIONS)[number][0];
export type CodeName = (typeof CODE_FUNCTIONS)[number][0];

function indices<Name extends string>(
  list: readonly (readonly [Name, number])[],
): Readonly<Record<Name, number>> {
  return Object.fromEntries(list.map(([name], index) => [name, index])) as Record<Name, number>;
}

/** Function indices of imports, in the base module and in all others. */
export const HostIndex = indices<HostName>(HOST_FUNCTIONS);
export const CodeIndex = indices<CodeName>(CODE_FUNCTIONS);
/** Function index of the base module's first own function. */
export const BASE_FIRST = HOST_FUNCTIONS.length;

const FUNC = 0x60;
const EXTERNAL_FUNCTION = 0;
const EXTERNAL_TABLE = 1;
const EXTERNAL_MEMORY = 2;
const FUNCREF = 0x70;

/** One function: its type, its locals beyond the parameters by value type, its body with `end`. */
export interface FunctionBody {
  readonly type: number;
  /** Value types of the locals beyond the parameters. */
  readonly locals: readonly number[];
  readonly code: Uint8Array;
  /** Where in the code each `if` is whose condition seldom holds. */
  readonly unlikely: readonly number[];
}

/** A function from what a buffer holds. */
export function functionOf(type: number, locals: readonly number[], out: CodeBuffer): FunctionBody {
  const code = out.bytes.slice(0, out.length);
  return { type, locals, code, unlikely: [...out.unlikely] };
}

function section(out: CodeBuffer, id: number, fill: (body: CodeBuffer) => void): void {
  const body = new CodeBuffer();
  fill(body);
  out.byte(id);
  out.u32(body.length);
  out.append(body.bytes, 0, body.length);
}

function name(out: CodeBuffer, text: string): void {
  out.u32(text.length);
  for (let index = 0; index < text.length; index += 1) out.byte(text.charCodeAt(index));
}

export interface ModuleOptions {
  /** The base module, which imports no other's functions. */
  readonly isBase?: boolean;
  readonly functions: readonly FunctionBody[];
  /** Table index of the first function; the others follow. Undefined: no table entries. */
  readonly tableStart?: number;
  /** Names under which functions are exported, by index. */
  readonly exports?: Readonly<Record<string, number>>;
}

function localGroups(
  locals: readonly number[],
): readonly (readonly [count: number, type: number])[] {
  const groups: [number, number][] = [];
  for (const type of locals) {
    const last = groups.at(-1);
    if (last !== undefined && last[1] === type) last[0] += 1;
    else groups.push([1, type]);
  }
  return groups;
}

function localsOf(locals: readonly number[]): CodeBuffer {
  const out = new CodeBuffer();
  const groups = localGroups(locals);
  out.u32(groups.length);
  for (const [count, type] of groups) {
    out.u32(count);
    out.byte(type);
  }
  return out;
}

/** The custom section of the Branch Hinting proposal: places count from the start of the locals. */
function branchHints(
  out: CodeBuffer,
  functions: readonly FunctionBody[],
  locals: readonly CodeBuffer[],
): void {
  section(out, 0, (body) => {
    name(body, 'metadata.code.branch_hint');
    const hinted = [...functions.keys()].filter((index) => functions[index]!.unlikely.length > 0);
    body.u32(hinted.length);
    for (const index of hinted) {
      const { unlikely } = functions[index]!;
      // By its place among the code: JavaScriptCore does not count imports here, as the proposal would.
      body.u32(index);
      body.u32(unlikely.length);
      for (const place of unlikely) {
        body.u32(locals[index]!.length + place);
        body.u32(1);
        body.byte(0);
      }
    }
  });
}

function header(out: CodeBuffer, imports: readonly (readonly [string, number])[]): void {
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
  section(out, 1, (body) => {
    body.u32(TYPES.length);
    for (const [parameters, results] of TYPES) {
      body.byte(FUNC);
      body.u32(parameters.length);
      for (const type of parameters) body.byte(type);
      body.u32(results.length);
      for (const type of results) body.byte(type);
    }
  });
  section(out, 2, (body) => {
    body.u32(imports.length + 2);
    for (const [field, type] of imports) {
      name(body, 'cpu');
      name(body, field);
      body.byte(EXTERNAL_FUNCTION);
      body.u32(type);
    }
    name(body, 'cpu');
    name(body, 'table');
    body.byte(EXTERNAL_TABLE);
    body.byte(FUNCREF);
    body.byte(0);
    body.u32(0);
    name(body, 'cpu');
    name(body, 'memory');
    body.byte(EXTERNAL_MEMORY);
    body.byte(0);
    body.u32(0);
  });
}

function headerOf(imports: readonly (readonly [string, number])[]): Uint8Array {
  const out = new CodeBuffer();
  header(out, imports);
  return out.bytes.slice(0, out.length);
}

let baseHeader: Uint8Array | undefined;
let codeHeader: Uint8Array | undefined;

/** @returns the module's bytes */
export function buildModule({
  isBase = false,
  functions,
  tableStart,
  exports,
}: ModuleOptions): Uint8Array<ArrayBuffer> {
  const out = new CodeBuffer();
  const start = isBase
    ? (baseHeader ??= headerOf(HOST_FUNCTIONS))
    : (codeHeader ??= headerOf(CODE_FUNCTIONS));
  const imported = isBase ? HOST_FUNCTIONS.length : CODE_FUNCTIONS.length;
  out.append(start, 0, start.length);
  section(out, 3, (body) => {
    body.u32(functions.length);
    for (const each of functions) body.u32(each.type);
  });
  if (exports !== undefined) {
    section(out, 7, (body) => {
      const entries = Object.entries(exports);
      body.u32(entries.length);
      for (const [field, index] of entries) {
        name(body, field);
        body.byte(EXTERNAL_FUNCTION);
        body.u32(imported + index);
      }
    });
  }
  if (tableStart !== undefined) {
    section(out, 9, (body) => {
      body.u32(1);
      body.u32(0);
      body.i32Const(tableStart);
      body.byte(0x0b);
      body.u32(functions.length);
      for (let index = 0; index < functions.length; index += 1) body.u32(imported + index);
    });
  }
  const sizes = functions.map(({ locals }) => localsOf(locals));
  branchHints(out, functions, sizes);
  section(out, 10, (body) => {
    body.u32(functions.length);
    for (const [index, { code }] of functions.entries()) {
      const size = sizes[index]!;
      body.u32(size.length + code.length);
      body.append(size.bytes, 0, size.length);
      body.append(code, 0, code.length);
    }
  });
  return out.bytes.slice(0, out.length);
}
