/** Vectors of the reference executor: bigints of 128 bits, byte 0 lowest, and what VectorOp does to them. */
import type { Size } from '../semantics/emit.ts';
import { VectorOp } from '../semantics/vector-ops.ts';

const WORD = 0xffff_ffff_ffff_ffffn;

/** Ways to cut 16 bytes into lanes. */
const LANES = {
  s8: Int8Array,
  u8: Uint8Array,
  s16: Int16Array,
  u16: Uint16Array,
  s32: Int32Array,
  u32: Uint32Array,
  s64: BigInt64Array,
  u64: BigUint64Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;
type Kind = keyof typeof LANES;
type Whole = 's8' | 'u8' | 's16' | 'u16' | 's32' | 'u32';
type Wide = 's64' | 'u64';
type Float = 'f32' | 'f64';

type Unary = (a: bigint) => bigint;
type Binary = (a: bigint, b: bigint) => bigint;
type Shift = (a: bigint, count: number) => bigint;

function lanesOf<K extends Kind>(kind: K, vector: bigint): InstanceType<(typeof LANES)[K]> {
  const words = BigUint64Array.of(vector & WORD, vector >> 64n);
  return new LANES[kind](words.buffer) as InstanceType<(typeof LANES)[K]>;
}

function vectorOf(lanes: ArrayBufferView): bigint {
  const words = new BigUint64Array(lanes.buffer);
  return words[0]! | (words[1]! << 64n);
}

function make<K extends Kind>(kind: K): InstanceType<(typeof LANES)[K]> {
  return lanesOf(kind, 0n);
}

/** The function on each lane; storing into the lane wraps. */
function each1(kind: Whole | Float, f: (a: number) => number): Unary {
  return (a) => {
    const out = make(kind);
    for (const [i, value] of lanesOf(kind, a).entries()) out[i] = f(value);
    return vectorOf(out);
  };
}

function each2(kind: Whole | Float, f: (a: number, b: number) => number): Binary {
  return (a, b) => {
    const out = make(kind);
    const second = lanesOf(kind, b);
    for (const [i, value] of lanesOf(kind, a).entries()) out[i] = f(value, second[i]!);
    return vectorOf(out);
  };
}

function wide2(kind: Wide, f: (a: bigint, b: bigint) => bigint): Binary {
  return (a, b) => {
    const out = make(kind);
    const second = lanesOf(kind, b);
    for (const [i, value] of lanesOf(kind, a).entries()) out[i] = f(value, second[i]!);
    return vectorOf(out);
  };
}

function test2(kind: Whole | Float, holds: (a: number, b: number) => boolean): Binary {
  return (a, b) => {
    const first = lanesOf(kind, a);
    const second = lanesOf(kind, b);
    const bits = BigInt(8 * first.BYTES_PER_ELEMENT);
    let out = 0n;
    for (const [i, value] of first.entries()) {
      if (holds(value, second[i]!)) out |= ((1n << bits) - 1n) << (BigInt(i) * bits);
    }
    return out;
  };
}

function wideTest2(kind: Wide, holds: (a: bigint, b: bigint) => boolean): Binary {
  return wide2(kind, (a, b) => (holds(a, b) ? -1n : 0n));
}

function clamp(value: number, least: number, greatest: number): number {
  return Math.min(Math.max(value, least), greatest);
}

function saturating(
  kind: 's8' | 'u8' | 's16' | 'u16',
  f: (a: number, b: number) => number,
): Binary {
  const [least, greatest] = RANGE[kind];
  return each2(kind, (a, b) => clamp(f(a, b), least, greatest));
}

const RANGE = {
  s8: [-128, 127],
  u8: [0, 255],
  s16: [-32_768, 32_767],
  u16: [0, 65_535],
} as const;

/** Lanes of `a`, then those of `b`, into half their size. */
function narrow(from: 's16' | 's32', to: keyof typeof RANGE): Binary {
  const [least, greatest] = RANGE[to];
  return (a, b) => {
    const out = make(to);
    const all = [...lanesOf(from, a), ...lanesOf(from, b)];
    for (const [i, value] of all.entries()) out[i] = clamp(value, least, greatest);
    return vectorOf(out);
  };
}

/** The lower or upper half of the lanes, each in a lane of twice the size. */
function extend(from: Whole, to: Whole, isHigh: boolean): Unary {
  return (a) => {
    const out = make(to);
    const lanes = lanesOf(from, a);
    for (let i = 0; i < out.length; i += 1) out[i] = lanes[isHigh ? i + out.length : i]!;
    return vectorOf(out);
  };
}

function extendWide(from: 's32' | 'u32', isHigh: boolean): Unary {
  return (a) => {
    const lanes = lanesOf(from, a);
    const first = isHigh ? 2 : 0;
    return vectorOf(BigInt64Array.of(BigInt(lanes[first]!), BigInt(lanes[first + 1]!)));
  };
}

function extendedProduct(from: Whole, isHigh: boolean): Binary {
  return (a, b) => {
    const first = lanesOf(from, a);
    const second = lanesOf(from, b);
    const count = first.length / 2;
    const bits = BigInt(16 * first.BYTES_PER_ELEMENT);
    let out = 0n;
    for (let i = 0; i < count; i += 1) {
      const at = isHigh ? i + count : i;
      const product = BigInt.asUintN(Number(bits), BigInt(first[at]!) * BigInt(second[at]!));
      out |= product << (BigInt(i) * bits);
    }
    return out;
  };
}

/** Sums of neighbouring unsigned lanes, in lanes of twice the size. */
function addPairs(from: 'u8' | 'u16', to: 'u16' | 'u32'): Unary {
  return (a) => {
    const out = make(to);
    const lanes = lanesOf(from, a);
    for (let i = 0; i < out.length; i += 1) out[i] = lanes[2 * i]! + lanes[2 * i + 1]!;
    return vectorOf(out);
  };
}

/** Pairs of products of 16-bit lanes, added. */
function dot(a: bigint, b: bigint): bigint {
  const out = make('s32');
  const first = lanesOf('s16', a);
  const second = lanesOf('s16', b);
  for (let i = 0; i < 4; i += 1) {
    out[i] = first[2 * i]! * second[2 * i]! + first[2 * i + 1]! * second[2 * i + 1]!;
  }
  return vectorOf(out);
}

function swizzle(a: bigint, b: bigint): bigint {
  const out = make('u8');
  const bytes = lanesOf('u8', a);
  for (const [i, index] of lanesOf('u8', b).entries()) out[i] = index < 16 ? bytes[index]! : 0;
  return vectorOf(out);
}

function shift(kind: Whole, f: (a: number, count: number) => number): Shift {
  return (a, count) => {
    const out = make(kind);
    const by = count % (8 * out.BYTES_PER_ELEMENT);
    for (const [i, value] of lanesOf(kind, a).entries()) out[i] = f(value, by);
    return vectorOf(out);
  };
}

function wideShift(kind: Wide, f: (a: bigint, count: bigint) => bigint): Shift {
  return (a, count) => {
    const out = make(kind);
    for (const [i, value] of lanesOf(kind, a).entries()) out[i] = f(value, BigInt(count % 64));
    return vectorOf(out);
  };
}

const ALL = (1n << 128n) - 1n;

function truncated(value: number): number {
  return Number.isNaN(value) ? 0 : clamp(Math.trunc(value), -(2 ** 31), 2 ** 31 - 1);
}

/** Ties go to the even neighbour. */
function nearest(value: number): number {
  const below = Math.floor(value);
  const distance = value - below;
  const isUp = distance > 0.5 || (distance === 0.5 && below % 2 !== 0);
  // Of what rounds to 0 the sign stays.
  return isUp ? (below === -1 ? -0 : below + 1) : below === 0 && value < 0 ? -0 : below;
}

const UNARY: Readonly<Record<number, Unary>> = {
  [VectorOp.not]: (a) => a ^ ALL,
  [VectorOp.i8x16Abs]: each1('s8', Math.abs),
  [VectorOp.i8x16Neg]: each1('s8', (a) => -a),
  [VectorOp.i16x8Abs]: each1('s16', Math.abs),
  [VectorOp.i16x8Neg]: each1('s16', (a) => -a),
  [VectorOp.i32x4Abs]: each1('s32', Math.abs),
  [VectorOp.i32x4Neg]: each1('s32', (a) => -a),
  [VectorOp.i16x8ExtendLowI8x16S]: extend('s8', 's16', false),
  [VectorOp.i16x8ExtendHighI8x16S]: extend('s8', 's16', true),
  [VectorOp.i16x8ExtendLowI8x16U]: extend('u8', 'u16', false),
  [VectorOp.i16x8ExtendHighI8x16U]: extend('u8', 'u16', true),
  [VectorOp.i32x4ExtendLowI16x8S]: extend('s16', 's32', false),
  [VectorOp.i32x4ExtendHighI16x8S]: extend('s16', 's32', true),
  [VectorOp.i32x4ExtendLowI16x8U]: extend('u16', 'u32', false),
  [VectorOp.i32x4ExtendHighI16x8U]: extend('u16', 'u32', true),
  [VectorOp.i64x2ExtendLowI32x4S]: extendWide('s32', false),
  [VectorOp.i64x2ExtendHighI32x4S]: extendWide('s32', true),
  [VectorOp.i64x2ExtendLowI32x4U]: extendWide('u32', false),
  [VectorOp.i64x2ExtendHighI32x4U]: extendWide('u32', true),
  [VectorOp.i16x8ExtaddPairwiseI8x16U]: addPairs('u8', 'u16'),
  [VectorOp.i32x4ExtaddPairwiseI16x8U]: addPairs('u16', 'u32'),
  [VectorOp.f32x4Ceil]: each1('f32', Math.ceil),
  [VectorOp.f32x4Floor]: each1('f32', Math.floor),
  [VectorOp.f32x4Trunc]: each1('f32', Math.trunc),
  [VectorOp.f32x4Nearest]: each1('f32', nearest),
  [VectorOp.f64x2Ceil]: each1('f64', Math.ceil),
  [VectorOp.f64x2Floor]: each1('f64', Math.floor),
  [VectorOp.f64x2Trunc]: each1('f64', Math.trunc),
  [VectorOp.f64x2Nearest]: each1('f64', nearest),
  [VectorOp.f32x4Sqrt]: each1('f32', Math.sqrt),
  [VectorOp.f64x2Sqrt]: each1('f64', Math.sqrt),
  [VectorOp.i32x4TruncSatF32x4S]: (a) => vectorOf(Int32Array.from(lanesOf('f32', a), truncated)),
  [VectorOp.f32x4ConvertI32x4S]: (a) => vectorOf(Float32Array.from(lanesOf('s32', a))),
  [VectorOp.i32x4TruncSatF64x2SZero]: (a) => {
    const [low, high] = lanesOf('f64', a);
    return vectorOf(Int32Array.of(truncated(low!), truncated(high!), 0, 0));
  },
  [VectorOp.f64x2ConvertLowI32x4S]: (a) =>
    vectorOf(Float64Array.from(lanesOf('s32', a).slice(0, 2))),
  [VectorOp.f32x4DemoteF64x2Zero]: (a) => {
    const [low, high] = lanesOf('f64', a);
    return vectorOf(Float32Array.of(low!, high!, 0, 0));
  },
  [VectorOp.f64x2PromoteLowF32x4]: (a) =>
    vectorOf(Float64Array.from(lanesOf('f32', a).slice(0, 2))),
};

const BINARY: Readonly<Record<number, Binary>> = {
  [VectorOp.i8x16Swizzle]: swizzle,
  [VectorOp.i8x16Eq]: test2('s8', (a, b) => a === b),
  [VectorOp.i8x16GtS]: test2('s8', (a, b) => a > b),
  [VectorOp.i16x8Eq]: test2('s16', (a, b) => a === b),
  [VectorOp.i16x8GtS]: test2('s16', (a, b) => a > b),
  [VectorOp.i32x4Eq]: test2('s32', (a, b) => a === b),
  [VectorOp.i32x4GtS]: test2('s32', (a, b) => a > b),
  [VectorOp.i64x2Eq]: wideTest2('s64', (a, b) => a === b),
  [VectorOp.i64x2GtS]: wideTest2('s64', (a, b) => a > b),
  [VectorOp.f32x4Eq]: test2('f32', (a, b) => a === b),
  [VectorOp.f32x4Ne]: test2('f32', (a, b) => a !== b),
  [VectorOp.f32x4Lt]: test2('f32', (a, b) => a < b),
  [VectorOp.f32x4Le]: test2('f32', (a, b) => a <= b),
  [VectorOp.f64x2Eq]: test2('f64', (a, b) => a === b),
  [VectorOp.f64x2Ne]: test2('f64', (a, b) => a !== b),
  [VectorOp.f64x2Lt]: test2('f64', (a, b) => a < b),
  [VectorOp.f64x2Le]: test2('f64', (a, b) => a <= b),
  [VectorOp.and]: (a, b) => a & b,
  [VectorOp.andNot]: (a, b) => a & (b ^ ALL),
  [VectorOp.or]: (a, b) => a | b,
  [VectorOp.xor]: (a, b) => a ^ b,
  [VectorOp.i8x16NarrowI16x8S]: narrow('s16', 's8'),
  [VectorOp.i8x16NarrowI16x8U]: narrow('s16', 'u8'),
  [VectorOp.i16x8NarrowI32x4S]: narrow('s32', 's16'),
  [VectorOp.i16x8NarrowI32x4U]: narrow('s32', 'u16'),
  [VectorOp.i8x16Add]: each2('u8', (a, b) => a + b),
  [VectorOp.i8x16AddSatS]: saturating('s8', (a, b) => a + b),
  [VectorOp.i8x16AddSatU]: saturating('u8', (a, b) => a + b),
  [VectorOp.i8x16Sub]: each2('u8', (a, b) => a - b),
  [VectorOp.i8x16SubSatS]: saturating('s8', (a, b) => a - b),
  [VectorOp.i8x16SubSatU]: saturating('u8', (a, b) => a - b),
  [VectorOp.i8x16MinS]: each2('s8', Math.min),
  [VectorOp.i8x16MinU]: each2('u8', Math.min),
  [VectorOp.i8x16MaxS]: each2('s8', Math.max),
  [VectorOp.i8x16MaxU]: each2('u8', Math.max),
  [VectorOp.i8x16AvgrU]: each2('u8', (a, b) => (a + b + 1) >> 1),
  [VectorOp.i16x8Q15mulrSatS]: saturating('s16', (a, b) => (a * b + 0x4000) >> 15),
  [VectorOp.i16x8Add]: each2('u16', (a, b) => a + b),
  [VectorOp.i16x8AddSatS]: saturating('s16', (a, b) => a + b),
  [VectorOp.i16x8AddSatU]: saturating('u16', (a, b) => a + b),
  [VectorOp.i16x8Sub]: each2('u16', (a, b) => a - b),
  [VectorOp.i16x8SubSatS]: saturating('s16', (a, b) => a - b),
  [VectorOp.i16x8SubSatU]: saturating('u16', (a, b) => a - b),
  [VectorOp.i16x8Mul]: each2('u16', Math.imul),
  [VectorOp.i16x8MinS]: each2('s16', Math.min),
  [VectorOp.i16x8MinU]: each2('u16', Math.min),
  [VectorOp.i16x8MaxS]: each2('s16', Math.max),
  [VectorOp.i16x8MaxU]: each2('u16', Math.max),
  [VectorOp.i16x8AvgrU]: each2('u16', (a, b) => (a + b + 1) >> 1),
  [VectorOp.i32x4Add]: each2('u32', (a, b) => a + b),
  [VectorOp.i32x4Sub]: each2('u32', (a, b) => a - b),
  [VectorOp.i32x4Mul]: each2('u32', Math.imul),
  [VectorOp.i32x4MinS]: each2('s32', Math.min),
  [VectorOp.i32x4MinU]: each2('u32', Math.min),
  [VectorOp.i32x4MaxS]: each2('s32', Math.max),
  [VectorOp.i32x4MaxU]: each2('u32', Math.max),
  [VectorOp.i32x4DotI16x8S]: dot,
  [VectorOp.i32x4ExtmulLowI16x8S]: extendedProduct('s16', false),
  [VectorOp.i32x4ExtmulHighI16x8S]: extendedProduct('s16', true),
  [VectorOp.i32x4ExtmulLowI16x8U]: extendedProduct('u16', false),
  [VectorOp.i32x4ExtmulHighI16x8U]: extendedProduct('u16', true),
  [VectorOp.i64x2ExtmulLowI32x4S]: extendedProduct('s32', false),
  [VectorOp.i64x2ExtmulLowI32x4U]: extendedProduct('u32', false),
  [VectorOp.i64x2Add]: wide2('u64', (a, b) => a + b),
  [VectorOp.i64x2Sub]: wide2('u64', (a, b) => a - b),
  [VectorOp.i64x2Mul]: wide2('u64', (a, b) => a * b),
  // Storing a double's result in a single lane rounds twice, which for these operations is once.
  [VectorOp.f32x4Add]: each2('f32', (a, b) => a + b),
  [VectorOp.f32x4Sub]: each2('f32', (a, b) => a - b),
  [VectorOp.f32x4Mul]: each2('f32', (a, b) => a * b),
  [VectorOp.f32x4Div]: each2('f32', (a, b) => a / b),
  [VectorOp.f64x2Add]: each2('f64', (a, b) => a + b),
  [VectorOp.f64x2Sub]: each2('f64', (a, b) => a - b),
  [VectorOp.f64x2Mul]: each2('f64', (a, b) => a * b),
  [VectorOp.f64x2Div]: each2('f64', (a, b) => a / b),
};

const SHIFTS: Readonly<Record<number, Shift>> = {
  [VectorOp.i8x16Shl]: shift('u8', (a, count) => a << count),
  [VectorOp.i16x8Shl]: shift('u16', (a, count) => a << count),
  [VectorOp.i16x8ShrS]: shift('s16', (a, count) => a >> count),
  [VectorOp.i16x8ShrU]: shift('u16', (a, count) => a >> count),
  [VectorOp.i32x4Shl]: shift('u32', (a, count) => a << count),
  [VectorOp.i32x4ShrS]: shift('s32', (a, count) => a >> count),
  [VectorOp.i32x4ShrU]: shift('u32', (a, count) => a >>> count),
  [VectorOp.i64x2Shl]: wideShift('u64', (a, count) => a << count),
  [VectorOp.i64x2ShrS]: wideShift('s64', (a, count) => a >> count),
  [VectorOp.i64x2ShrU]: wideShift('u64', (a, count) => a >> count),
};

function found<T>(operation: T | undefined, op: VectorOp): T {
  if (operation === undefined) throw new Error(`vector operation ${op} is none of its kind`);
  return operation;
}

export function unary(op: VectorOp, a: bigint): bigint {
  return found(UNARY[op], op)(a);
}

export function binary(op: VectorOp, a: bigint, b: bigint): bigint {
  return found(BINARY[op], op)(a, b);
}

export function shiftLanes(op: VectorOp, a: bigint, count: number): bigint {
  return found(SHIFTS[op], op)(a, count);
}

export function lane(size: Size, vector: bigint, index: number): bigint {
  const bits = 8 * size;
  return BigInt.asUintN(bits, vector >> BigInt(bits * index));
}

export function withLane(size: Size, vector: bigint, index: number, value: bigint): bigint {
  const bits = 8 * size;
  const at = BigInt(bits * index);
  const mask = ((1n << BigInt(bits)) - 1n) << at;
  return (vector & (ALL ^ mask)) | (BigInt.asUintN(bits, value) << at);
}

/** Number of lanes of `size` bytes. */
export function laneCount(size: Size): number {
  return 16 / size;
}

export function shuffleBytes(a: bigint, b: bigint, lanes: readonly number[]): bigint {
  const both = [...lanesOf('u8', a), ...lanesOf('u8', b)];
  return vectorOf(Uint8Array.from(lanes, (at) => both[at]!));
}
