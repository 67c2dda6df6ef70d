/** SSE conversions under the default MXCSR, exact as simd-float.ts says. Source: SDM volume 2. */
import type { Meaning } from './emit.ts';
import { DOUBLE, type FloatLane, FloatLanes, SINGLE } from './float-lanes.ts';
import { zero } from './simd-parts.ts';
import { VectorOp } from './vector-ops.ts';

/** 2^52, whose lowest fraction bits are a whole number. */
const TWO_TO_52_HIGH = 0x4330_0000;
const TWO_TO_32_HIGH = 0x41f0_0000;

/** CVTDQ2PD: every integer is a double. */
const integersToDoubles: Meaning = (x) => {
  x.writeVector(0, x.vector1(VectorOp.f64x2ConvertLowI32x4S, x.readVector(1)));
};

const integersToSingles: Meaning = (x) => {
  const f = new FloatLanes(x, SINGLE, false);
  const source = x.readVector(1);
  const result = x.vector1(VectorOp.f32x4ConvertI32x4S, source);
  const back = x.vector1(VectorOp.i32x4TruncSatF32x4S, result);
  const isSame = x.vector2(VectorOp.i32x4Eq, back, source);
  // 2^31 goes back to less, by saturation.
  const isBeyond = f.op('le', f.constant('twoTo31'), result);
  f.check(zero(x), f.or(f.not(isSame), isBeyond));
  x.writeVector(0, result);
};

interface Converted<V> {
  /** A double in the first lane. */
  readonly result: V;
  /** What rounding lost. */
  readonly error: V;
}

/** A 64-bit integer: its upper half, times 2^32, and its lower half are doubles; one sum rounds. */
function wideToDouble<V>(f: FloatLanes<V>, value: V): Converted<V> {
  const { x } = f;
  const low = x.withLane(4, x.vectorConstant([0, TWO_TO_52_HIGH, 0, 0]), 0, x.trunc(8, 4, value));
  const lower = f.op('sub', low, x.vectorConstant([0, TWO_TO_52_HIGH, 0, 0]));
  const high = x.withLane(4, zero(x), 0, x.trunc(8, 4, x.shr(8, value, x.constant(4, 32))));
  const upper = f.op(
    'mul',
    x.vector1(VectorOp.f64x2ConvertLowI32x4S, high),
    x.vectorConstant([0, TWO_TO_32_HIGH, 0, TWO_TO_32_HIGH]),
  );
  const result = f.op('add', upper, lower);
  return { result, error: f.sumError(upper, lower, result) };
}

function generalToDouble<V>(f: FloatLanes<V>): Converted<V> {
  const { x } = f;
  if (x.size(1) === 8) return wideToDouble(f, x.read(1));
  const lane = x.withLane(4, zero(x), 0, x.read(1));
  return { result: x.vector1(VectorOp.f64x2ConvertLowI32x4S, lane), error: zero(x) };
}

/** CVTSI2SD and CVTSI2SS. */
function fromGeneral(lane: FloatLane): Meaning {
  return (x) => {
    const f = new FloatLanes(x, DOUBLE, true);
    const { result, error } = generalToDouble(f);
    if (lane.size === 8) {
      if (x.size(1) === 8) f.check(zero(x), f.isNotZero(error));
      x.writeVector(0, result);
      return;
    }
    // Rounded twice would not be rounded right.
    const single = x.vector1(VectorOp.f32x4DemoteF64x2Zero, result);
    const back = x.vector1(VectorOp.f64x2PromoteLowF32x4, single);
    f.check(f.isNotZero(error), f.op('ne', back, result));
    x.writeVector(0, single);
  };
}

function truncated<V>(f: FloatLanes<V>, a: V): V {
  const op = f.lane.size === 4 ? VectorOp.i32x4TruncSatF32x4S : VectorOp.i32x4TruncSatF64x2SZero;
  return f.x.vector1(op, a);
}

/** A whole number that fits in 32 bits, towards zero or to nearest. */
function toInteger<V>(f: FloatLanes<V>, a: V, isTruncating: boolean): V {
  const rounded = f.x.vector1(f.lane.round[isTruncating ? 3 : 0], a);
  const fits = f.op('lt', f.magnitude(rounded), f.constant('twoTo31'));
  f.check(f.not(fits), f.op('ne', rounded, a));
  return truncated(f, rounded);
}

/** CVTSS2SI and its kin. */
function toGeneral(lane: FloatLane, isTruncating: boolean): Meaning {
  return (x) => {
    const f = new FloatLanes(x, lane, true);
    const value = x.lane(4, toInteger(f, x.readVector(1), isTruncating), 0);
    x.write(0, x.size(0) === 8 ? x.sext(4, 8, value) : value);
  };
}

/** CVTPS2DQ and its kin; of two doubles, the upper half becomes 0. */
function toIntegers(lane: FloatLane, isTruncating: boolean): Meaning {
  return (x) => {
    const f = new FloatLanes(x, lane, false);
    x.writeVector(0, toInteger(f, x.readVector(1), isTruncating), 16);
  };
}

/** CVTPS2PD and CVTSS2SD. */
const toDoubles: Meaning = (x) => {
  const f = new FloatLanes(x, SINGLE, false);
  const source = x.readVector(1);
  f.check(f.or(f.isNan(source), f.isDenormal(source)));
  x.writeVector(0, x.vector1(VectorOp.f64x2PromoteLowF32x4, source));
};

/** CVTPD2PS and CVTSD2SS. */
function toSingles(isScalar: boolean): Meaning {
  return (x) => {
    const f = new FloatLanes(x, DOUBLE, isScalar);
    const source = x.readVector(1);
    const result = x.vector1(VectorOp.f32x4DemoteF64x2Zero, source);
    const back = x.vector1(VectorOp.f64x2PromoteLowF32x4, result);
    const least = x.vectorConstant([0, 0x3810_0000, 0, 0x3810_0000]);
    const isTiny = f.and(f.op('le', f.magnitude(back), least), f.isNotZero(source));
    f.check(f.or(f.isNotFinite(back), isTiny), f.op('ne', back, source));
    x.writeVector(0, result, isScalar ? 4 : 16);
  };
}

export const SIMD_CONVERSIONS: Readonly<Record<string, Meaning>> = {
  cvtdq2pd: integersToDoubles,
  cvtdq2ps: integersToSingles,
  cvtsi2sd: fromGeneral(DOUBLE),
  cvtsi2ss: fromGeneral(SINGLE),
  cvtss2si: toGeneral(SINGLE, false),
  cvttss2si: toGeneral(SINGLE, true),
  cvtsd2si: toGeneral(DOUBLE, false),
  cvttsd2si: toGeneral(DOUBLE, true),
  cvtps2dq: toIntegers(SINGLE, false),
  cvttps2dq: toIntegers(SINGLE, true),
  cvtpd2dq: toIntegers(DOUBLE, false),
  cvttpd2dq: toIntegers(DOUBLE, true),
  cvtps2pd: toDoubles,
  cvtss2sd: toDoubles,
  cvtpd2ps: toSingles(false),
  cvtsd2ss: toSingles(true),
};
