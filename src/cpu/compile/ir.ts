/**
 * The intermediate form of a block or handler: nodes in flat arrays, in program order. A pure node is
 * computed where it is needed, or never; an ordered node stays in its place. See lower.ts.
 */
import type { Size, Values, Vectors } from '../semantics/emit.ts';
import type { VectorOp } from '../semantics/vector-ops.ts';
import { Op, OpFD, ValueType } from '../wasm/opcodes.ts';

const CAPACITY = 16_384;
export const NONE = -1;

/**
 * What a node does: a WebAssembly opcode below 0x100, `vector` plus an opcode after 0xfd, or one of
 * these. `imm` and `imm2` are the node's constants, a to c its operands.
 */
export const Node = {
  vector: 0x1000,
  /** The parameter of a handler: its record's address. */
  record: 0x1fff,
  /** Ordered nodes begin here. */
  ordered: 0x2000,
  /** imm: load opcode, imm2: offset, a: address (i32) or NONE */
  stateLoad: 0x2001,
  /** imm: store opcode, imm2: offset, a: address or NONE, b: value */
  stateStore: 0x2002,
  /** The same with opcodes after 0xfd. */
  vectorLoad: 0x2003,
  vectorStore: 0x2004,
  /** a: linear address, imm: bytes, imm2: sync */
  load: 0x2005,
  /** a: linear address, b: value, imm: bytes, imm2: sync */
  store: 0x2006,
  /** As load, checked for writing. */
  update: 0x2007,
  /** a: update node, b: value, imm: bytes, imm2: sync */
  finish: 0x2008,
  /** a: truth, imm: exception vector, imm2: sync */
  raiseIf: 0x2009,
  /** a, b: factors, imm: signed. Its value is the low half. */
  mulWide: 0x200a,
  /** a: high, b: low, c: divisor, imm: signed, imm2: sync. Its value is the quotient. */
  divide: 0x200b,
  /** a: the node whose second result this is. */
  second: 0x200c,
  /** The six flags, from the state block. */
  flags: 0x200d,
  /** a: truth, b: result, c: source (both 64 bits), imm: kind word */
  flagsIf: 0x200e,
  /** imm: instruction number, imm2: sync. Leaves when the instruction wants to. */
  call: 0x200f,
  /** a: offset in the segment (i64), imm: segment | size << 4 | isWrite << 12, imm2: sync */
  checkSegment: 0x2010,
  /** A local of the flags: imm: 1: the result, 2: the source */
  flagLocal: 0x2016,
  /** imm: exit, see block-builder.ts */
  exitJump: 0x2012,
  /** a: truth, imm: the first of two exits, see block-builder.ts */
  exitIf: 0x2014,
  /** Tier 0: on to another record. imm: {@link Way} */
  nextRecord: 0x2015,
} as const;

/** Where a handler of tier 0 goes. */
export const Way = {
  /** To the record that follows. */
  next: 0,
  /** To the block at RIP. */
  jump: 1,
  /** The same, and to the one at RIP after it comes back. */
  call: 2,
  /** Back to whoever called. */
  back: 3,
} as const;

const WRAP = Op.i32WrapI64;
const EXTEND = Op.i64ExtendI32U;

function mask32(bits: number): number {
  return bits >= 32 ? 0xffff_ffff : 2 ** bits - 1;
}

/** Nodes are numbered from 0. Values of sizes 1, 2 and 4 are i32, of size 8 i64. */
export class Ir implements Values<number>, Vectors<number> {
  readonly op = new Uint16Array(CAPACITY);
  readonly type = new Uint8Array(CAPACITY);
  readonly a = new Int32Array(CAPACITY);
  readonly b = new Int32Array(CAPACITY);
  readonly c = new Int32Array(CAPACITY);
  readonly imm = new Int32Array(CAPACITY);
  readonly imm2 = new Int32Array(CAPACITY);
  /** Bits that may be set, counted from the lowest. */
  readonly bits = new Uint8Array(CAPACITY);
  /** Operands of the subtraction or addition that a node is, for `undone`. */
  readonly #sumA = new Int32Array(CAPACITY);
  readonly #sumB = new Int32Array(CAPACITY);
  /** 1: sum, 2: difference. */
  readonly #sum = new Uint8Array(CAPACITY);
  /** Lanes of shuffles and words of vector constants, by number. */
  readonly lanes: (readonly number[])[] = [];
  count = 0;

  reset(): void {
    this.count = 0;
    this.lanes.length = 0;
  }

  /** Nodes that may still be added. */
  get room(): number {
    return CAPACITY - this.count;
  }

  node(op: number, type: number, a = NONE, b = NONE, c = NONE, imm = 0, imm2 = 0): number {
    const index = this.count++;
    if (index >= CAPACITY) throw new Error('a block has too many nodes');
    this.op[index] = op;
    this.type[index] = type;
    this.a[index] = a;
    this.b[index] = b;
    this.c[index] = c;
    this.imm[index] = imm;
    this.imm2[index] = imm2;
    this.bits[index] = type === ValueType.i32 ? 32 : 64;
    this.#sum[index] = 0;
    return index;
  }

  constant(size: Size, low: number, high = 0): number {
    if (size === 8) return this.node(Op.i64Const, ValueType.i64, NONE, NONE, NONE, low, high);
    const value = low & mask32(size * 8);
    const index = this.node(Op.i32Const, ValueType.i32, NONE, NONE, NONE, value);
    this.bits[index] = 32 - Math.clz32(value);
    return index;
  }

  isConstant(index: number): boolean {
    const op = this.op[index]!;
    return op === Op.i32Const || op === Op.i64Const;
  }

  #isI32(index: number): boolean {
    return this.op[index] === Op.i32Const;
  }

  /** Whether it is a constant 0 of either type. */
  isZero(index: number): boolean {
    if (!this.isConstant(index) || this.imm[index] !== 0) return false;
    return this.op[index] === Op.i32Const || this.imm2[index] === 0;
  }

  unary(op: number, type: number, a: number): number {
    return this.node(op, type, a);
  }

  #binary(size: Size, op32: number, op64: number, a: number, b: number): number {
    if (size === 8) return this.node(op64, ValueType.i64, a, b);
    return this.node(op32, ValueType.i32, a, b);
  }

  /** Clears the bits above a size. */
  #masked(size: Size, index: number): number {
    const bits = size * 8;
    if (size >= 4 || this.bits[index]! <= bits) return index;
    const masked = this.node(Op.i32And, ValueType.i32, index, this.constant(4, mask32(bits)));
    this.bits[masked] = bits;
    return masked;
  }

  add(size: Size, a: number, b: number): number {
    if (this.#sum[a] === 2 && this.#sumB[a] === b) return this.#sumA[a]!;
    if (this.isZero(b)) return a;
    if (this.isZero(a)) return b;
    if (this.#isI32(a) && this.#isI32(b)) return this.constant(size, this.imm[a]! + this.imm[b]!);
    const sum = this.#masked(size, this.#binary(size, Op.i32Add, Op.i64Add, a, b));
    this.#remember(sum, 1, a, b);
    return sum;
  }

  sub(size: Size, a: number, b: number): number {
    if (this.#sum[a] === 1 && this.#sumB[a] === b) return this.#sumA[a]!;
    if (this.isZero(b)) return a;
    if (this.#isI32(a) && this.#isI32(b)) return this.constant(size, this.imm[a]! - this.imm[b]!);
    const difference = this.#masked(size, this.#binary(size, Op.i32Sub, Op.i64Sub, a, b));
    this.#remember(difference, 2, a, b);
    return difference;
  }

  #remember(index: number, kind: number, a: number, b: number): void {
    this.#sum[index] = kind;
    this.#sumA[index] = a;
    this.#sumB[index] = b;
  }

  mul(size: Size, a: number, b: number): number {
    return this.#masked(size, this.#binary(size, Op.i32Mul, Op.i64Mul, a, b));
  }

  and(size: Size, a: number, b: number): number {
    if (a === b) return a;
    if (this.#isI32(a) && this.#isI32(b)) return this.constant(size, this.imm[a]! & this.imm[b]!);
    const index = this.#binary(size, Op.i32And, Op.i64And, a, b);
    this.bits[index] = Math.min(this.bits[a]!, this.bits[b]!);
    return index;
  }

  or(size: Size, a: number, b: number): number {
    if (this.isZero(b)) return a;
    if (this.isZero(a)) return b;
    if (this.#isI32(a) && this.#isI32(b)) return this.constant(size, this.imm[a]! | this.imm[b]!);
    const index = this.#binary(size, Op.i32Or, Op.i64Or, a, b);
    this.bits[index] = Math.max(this.bits[a]!, this.bits[b]!);
    return index;
  }

  xor(size: Size, a: number, b: number): number {
    if (a === b) return this.constant(size, 0);
    if (this.isZero(b)) return a;
    if (this.#isI32(a) && this.#isI32(b)) return this.constant(size, this.imm[a]! ^ this.imm[b]!);
    if (size === 4 && this.#isI32(b) && this.imm[b] === 1 && this.bits[a] === 1)
      return this.#not(a);
    const index = this.#binary(size, Op.i32Xor, Op.i64Xor, a, b);
    this.bits[index] = Math.max(this.bits[a]!, this.bits[b]!);
    return index;
  }

  #truth(index: number): number {
    this.bits[index] = 1;
    return index;
  }

  #not(truth: number): number {
    if (this.op[truth] === Op.i32Eqz && this.bits[this.a[truth]!] === 1) return this.a[truth]!;
    return this.#truth(this.node(Op.i32Eqz, ValueType.i32, truth));
  }

  not(size: Size, a: number): number {
    return size === 8
      ? this.xor(8, a, this.constant(8, -1, -1))
      : this.xor(size, a, this.constant(size, -1));
  }

  /** The count for a 64-bit operation is 64 bits wide in WebAssembly. */
  #shift(size: Size, op32: number, op64: number, a: number, count: number): number {
    if (size !== 8) return this.node(op32, ValueType.i32, a, count);
    return this.node(op64, ValueType.i64, a, this.zext(4, 8, count));
  }

  shl(size: Size, a: number, count: number): number {
    if (this.isZero(count)) return a;
    if (this.#isI32(a) && this.#isI32(count)) {
      return this.constant(size, this.imm[a]! << this.imm[count]!);
    }
    const index = this.#shift(size, Op.i32Shl, Op.i64Shl, a, count);
    if (this.#isI32(count) && size !== 8) {
      this.bits[index] = Math.min(32, this.bits[a]! + this.imm[count]!);
    }
    return this.#masked(size, index);
  }

  shr(size: Size, a: number, count: number): number {
    if (this.isZero(count)) return a;
    if (this.#isI32(a) && this.#isI32(count)) {
      return this.constant(size, this.imm[a]! >>> this.imm[count]!);
    }
    const index = this.#shift(size, Op.i32ShrU, Op.i64ShrU, a, count);
    if (this.#isI32(count)) this.bits[index] = Math.max(0, this.bits[a]! - this.imm[count]!);
    else this.bits[index] = this.bits[a]!;
    return index;
  }

  sar(size: Size, a: number, count: number): number {
    if (this.isZero(count)) return a;
    const extended = size < 4 ? this.sext(size, 4, a) : a;
    return this.#masked(size, this.#shift(size, Op.i32ShrS, Op.i64ShrS, extended, count));
  }

  rotl(size: Size, a: number, count: number): number {
    return this.#shift(size, Op.i32Rotl, Op.i64Rotl, a, count);
  }

  rotr(size: Size, a: number, count: number): number {
    return this.#shift(size, Op.i32Rotr, Op.i64Rotr, a, count);
  }

  eq(size: Size, a: number, b: number): number {
    if (this.isZero(b)) {
      if (this.#sum[a] === 2) return this.eq(size, this.#sumA[a]!, this.#sumB[a]!);
      return this.#truth(this.node(size === 8 ? Op.i64Eqz : Op.i32Eqz, ValueType.i32, a));
    }
    if (this.#isI32(a) && this.#isI32(b)) {
      return this.constant(4, this.imm[a] === this.imm[b] ? 1 : 0);
    }
    return this.#truth(this.node(size === 8 ? Op.i64Eq : Op.i32Eq, ValueType.i32, a, b));
  }

  ne(size: Size, a: number, b: number): number {
    if (this.#isI32(a) && this.#isI32(b)) {
      return this.constant(4, this.imm[a] === this.imm[b] ? 0 : 1);
    }
    return this.#truth(this.node(size === 8 ? Op.i64Ne : Op.i32Ne, ValueType.i32, a, b));
  }

  ltu(size: Size, a: number, b: number): number {
    return this.#truth(this.node(size === 8 ? Op.i64LtU : Op.i32LtU, ValueType.i32, a, b));
  }

  lts(size: Size, a: number, b: number): number {
    if (size < 4) {
      if (this.isZero(b)) return this.#truth(this.shr(4, a, this.constant(4, size * 8 - 1)));
      return this.lts(4, this.sext(size, 4, a), this.sext(size, 4, b));
    }
    return this.#truth(this.node(size === 8 ? Op.i64LtS : Op.i32LtS, ValueType.i32, a, b));
  }

  select(size: Size, truth: number, a: number, b: number): number {
    if (this.#isI32(truth)) return this.imm[truth] === 0 ? b : a;
    if (a === b) return a;
    const type = size === 8 ? ValueType.i64 : ValueType.i32;
    const index = this.node(Op.select, type, a, b, truth);
    this.bits[index] = Math.max(this.bits[a]!, this.bits[b]!);
    return index;
  }

  zext(from: Size, to: Size, a: number): number {
    if (to !== 8 || from === 8) return a;
    if (this.#isI32(a)) return this.constant(8, this.imm[a]!, 0);
    const index = this.node(EXTEND, ValueType.i64, a);
    this.bits[index] = this.bits[a]!;
    return index;
  }

  sext(from: Size, to: Size, a: number): number {
    if (from === to) return a;
    if (this.#isI32(a)) {
      const shift = 32 - from * 8;
      const value = (this.imm[a]! << shift) >> shift;
      return this.constant(to, value, value >> 31);
    }
    if (to === 8) {
      const narrow = from === 4 ? a : this.sext(from, 4, a);
      return this.node(Op.i64ExtendI32S, ValueType.i64, narrow);
    }
    const op = from === 1 ? Op.i32Extend8S : Op.i32Extend16S;
    return this.#masked(to, this.node(op, ValueType.i32, a));
  }

  trunc(from: Size, to: Size, a: number): number {
    if (from === to) return a;
    if (from !== 8) return this.#masked(to, a);
    if (this.op[a] === Op.i64Const) return this.constant(to, this.imm[a]!);
    if (this.op[a] === EXTEND) return this.#masked(to, this.a[a]!);
    const index = this.node(WRAP, ValueType.i32, a);
    this.bits[index] = Math.min(32, this.bits[a]!);
    return this.#masked(to, index);
  }

  clz(size: Size, a: number): number {
    if (size === 8) return this.node(Op.i64Clz, ValueType.i64, a);
    return this.node(Op.i32Clz, ValueType.i32, a);
  }

  ctz(size: Size, a: number): number {
    if (size === 8) return this.node(Op.i64Ctz, ValueType.i64, a);
    return this.node(Op.i32Ctz, ValueType.i32, a);
  }

  popcnt(size: Size, a: number): number {
    if (size === 8) return this.node(Op.i64Popcnt, ValueType.i64, a);
    const index = this.node(Op.i32Popcnt, ValueType.i32, a);
    this.bits[index] = 6;
    return index;
  }

  mulWide(isSigned: boolean, a: number, b: number): readonly [low: number, high: number] {
    const low = this.node(Node.mulWide, ValueType.i64, a, b, NONE, isSigned ? 1 : 0);
    return [low, this.node(Node.second, ValueType.i64, low)];
  }

  vector1(op: VectorOp, a: number): number {
    return this.node(Node.vector + op, ValueType.v128, a);
  }

  vector2(op: VectorOp, a: number, b: number): number {
    return this.node(Node.vector + op, ValueType.v128, a, b);
  }

  vectorShift(op: VectorOp, a: number, count: number): number {
    return this.node(Node.vector + op, ValueType.v128, a, count);
  }

  vectorSelect(a: number, b: number, mask: number): number {
    return this.node(Node.vector + OpFD.v128Bitselect, ValueType.v128, a, b, mask);
  }

  shuffle(a: number, b: number, lanes: readonly number[]): number {
    const number = this.lanes.push(lanes) - 1;
    return this.node(Node.vector + OpFD.i8x16Shuffle, ValueType.v128, a, b, NONE, number);
  }

  vectorConstant(words: readonly [number, number, number, number]): number {
    const number = this.lanes.push(words) - 1;
    return this.node(Node.vector + OpFD.v128Const, ValueType.v128, NONE, NONE, NONE, number);
  }

  splat(size: Size, a: number): number {
    const op = { 1: OpFD.i8x16Splat, 2: OpFD.i16x8Splat, 4: OpFD.i32x4Splat, 8: OpFD.i64x2Splat };
    return this.node(Node.vector + op[size], ValueType.v128, a);
  }

  lane(size: Size, a: number, index: number): number {
    const op = {
      1: OpFD.i8x16ExtractLaneU,
      2: OpFD.i16x8ExtractLaneU,
      4: OpFD.i32x4ExtractLane,
      8: OpFD.i64x2ExtractLane,
    };
    const type = size === 8 ? ValueType.i64 : ValueType.i32;
    const lane = this.node(Node.vector + op[size], type, a, NONE, NONE, index);
    this.bits[lane] = size * 8;
    return lane;
  }

  withLane(size: Size, a: number, index: number, value: number): number {
    const op = {
      1: OpFD.i8x16ReplaceLane,
      2: OpFD.i16x8ReplaceLane,
      4: OpFD.i32x4ReplaceLane,
      8: OpFD.i64x2ReplaceLane,
    };
    return this.node(Node.vector + op[size], ValueType.v128, a, value, NONE, index);
  }

  bitmask(size: Size, a: number): number {
    const op = {
      1: OpFD.i8x16Bitmask,
      2: OpFD.i16x8Bitmask,
      4: OpFD.i32x4Bitmask,
      8: OpFD.i64x2Bitmask,
    };
    return this.node(Node.vector + op[size], ValueType.i32, a);
  }

  anyTrue(a: number): number {
    return this.#truth(this.node(Node.vector + OpFD.v128AnyTrue, ValueType.i32, a));
  }
}
