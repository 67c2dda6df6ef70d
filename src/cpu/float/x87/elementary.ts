/**
 * Elementary functions in fixed point: a value is `number * 2^-scale` as BigInt. They keep some
 * hundred bits more than the 64 that the x87 rounds to, so that the result is the exact one,
 * rounded, but for one case in some 2^60.
 */
import { type FloatNumber, Kind } from '../number.ts';

/** Scale of the constants below. */
const CONSTANT_BITS = 256;
const LN_2 = 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af_40f3_4326_7298_b62d_8a0d_175b_8baa_fa2bn;
const INVERSE_LN_2 =
  0x1_7154_7652_b82f_e177_7d0f_fda0_d23a_7d11_d6ae_f551_bad2_b4b1_164a_2cd9_a342_648fn;
const PI = 0x3_243f_6a88_85a3_08d3_1319_8a2e_0370_7344_a409_3822_299f_31d0_082e_fa98_ec4e_6c89n;
/** The pi by which processors reduce angles: 66 bits of it (SDM volume 1, 8.3.8), scale 66. */
const REDUCTION_PI = 0xc_90fd_aa22_168c_234cn;
const REDUCTION_SCALE = 66;

const WORD = 0xffff_ffffn;
const FRACTION_BITS = 63;

/** Of a value above 0. */
export function bitLength(value: bigint): number {
  const digits = value.toString(16);
  return 4 * digits.length - Math.clz32(Number.parseInt(digits[0]!, 16)) + 28;
}

/** A constant at another scale. */
function scaled(constant: bigint, scale: number): bigint {
  const shift = scale - CONSTANT_BITS;
  return shift >= 0 ? constant << BigInt(shift) : constant >> BigInt(-shift);
}

export function pi(scale: number): bigint {
  return scaled(PI, scale);
}

export function significand({ high, low }: FloatNumber): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** The magnitude of a finite number; `scale` must hold its last bit or the rest is cut off. */
export function toFixed(number: FloatNumber, scale: number): bigint {
  const shift = scale - FRACTION_BITS + number.exponent;
  const value = significand(number);
  return shift >= 0 ? value << BigInt(shift) : value >> BigInt(-shift);
}

/** `number = value * 2^-scale`, and inexact unless `exact`. `value` is above 0. */
export function fromFixed(
  number: FloatNumber,
  sign: number,
  value: bigint,
  scale: number,
  exact: boolean,
): void {
  const bits = bitLength(value);
  const shift = bits - 96;
  const kept = shift >= 0 ? value >> BigInt(shift) : value << BigInt(-shift);
  const lost = !exact || (shift > 0 && kept << BigInt(shift) !== value);
  number.kind = Kind.finite;
  number.sign = sign;
  number.exponent = bits - 1 - scale;
  number.high = Number(kept >> 64n) | 0;
  number.low = Number((kept >> 32n) & WORD) | 0;
  number.rest = Number(kept & WORD) | (lost ? 1 : 0);
  number.denormal = 0;
}

/** The quadrant of an angle, and what is left of it as a signed value between -pi/4 and pi/4. */
export interface Angle {
  readonly quadrant: number;
  readonly rest: bigint;
}

/** @param magnitude below 2^63 */
export function reduceAngle(magnitude: bigint, scale: number): Angle {
  const half = REDUCTION_PI << BigInt(scale - REDUCTION_SCALE - 1);
  const turns = (2n * magnitude + half) / (2n * half);
  return { quadrant: Number(turns & 3n), rest: magnitude - turns * half };
}

/** @param angle between -1 and 1 */
export function sine(angle: bigint, scale: number): bigint {
  return alternatingSeries(angle, angle, 2n, BigInt(scale));
}

/** @param angle between -1 and 1 */
export function cosine(angle: bigint, scale: number): bigint {
  return alternatingSeries(1n << BigInt(scale), angle, 1n, BigInt(scale));
}

/** `first - first*x^2/(n(n+1)) + ...` */
function alternatingSeries(first: bigint, x: bigint, from: bigint, shift: bigint): bigint {
  const square = (x * x) >> shift;
  let term = first;
  let sum = term;
  for (let n = from; term !== 0n && term !== -1n; n += 2n) {
    term = -((term * square) >> shift) / (n * (n + 1n));
    sum += term;
  }
  return sum;
}

const HALVINGS = 8;

/** `2^x - 1` for `x` between -1 and 1. */
export function exponentialMinusOne(x: bigint, scale: number): bigint {
  const shift = BigInt(scale);
  const t = ((x * scaled(LN_2, scale)) >> shift) >> BigInt(HALVINGS);
  let term = t;
  let result = t;
  for (let n = 2n; term !== 0n && term !== -1n; n++) {
    term = ((term * t) >> shift) / n;
    result += term;
  }
  for (let i = 0; i < HALVINGS; i++) result = 2n * result + ((result * result) >> shift);
  return result;
}

/** `x * ln 2`: {@link exponentialMinusOne} of a very small `x`. */
export function timesLn2(x: bigint): bigint {
  return (x * LN_2) >> BigInt(CONSTANT_BITS);
}

/** `x / ln 2`: {@link logarithm} of a very small `x`. */
export function dividedByLn2(x: bigint): bigint {
  return (x * INVERSE_LN_2) >> BigInt(CONSTANT_BITS);
}

/** `log2(1 + x)` for `x` between -0.5 and 1, by the series of the inverse hyperbolic tangent. */
export function logarithm(x: bigint, scale: number): bigint {
  const shift = BigInt(scale);
  const s = (x << shift) / ((2n << shift) + x);
  const square = (s * s) >> shift;
  let power = s;
  let sum = s;
  for (let n = 3n; power !== 0n && power !== -1n; n += 2n) {
    power = (power * square) >> shift;
    sum += power / n;
  }
  return (2n * sum * scaled(INVERSE_LN_2, scale)) >> shift;
}

function squareRoot(value: bigint): bigint {
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

const ANGLE_HALVINGS = 3;

/** The arc tangent of a ratio from 0 to 1. */
export function arcTangent(ratio: bigint, scale: number): bigint {
  const shift = BigInt(scale);
  const one = 1n << shift;
  let x = ratio;
  for (let i = 0; i < ANGLE_HALVINGS; i++) {
    const hypotenuse = squareRoot((one << shift) + x * x);
    x = (x << shift) / (one + hypotenuse);
  }
  const square = (x * x) >> shift;
  let power = x;
  let sum = x;
  for (let n = 3n; power !== 0n && power !== -1n; n += 2n) {
    power = -((power * square) >> shift);
    sum += power / n;
  }
  return sum << BigInt(ANGLE_HALVINGS);
}
