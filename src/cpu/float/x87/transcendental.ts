/**
 * F2XM1, FYL2X, FYL2XP1, FSIN, FCOS, FSINCOS, FPTAN and FPATAN (SDM volume 1, 8.3.6 to 8.3.10).
 * Results are the exact ones, rounded by RC; a processor's may differ in the last bit. Angles are
 * reduced by the 66-bit pi of real processors, which is what makes FSIN of a multiple of pi wrong.
 */
import { type FloatContext, FloatFault, type FloatInstruction } from '../context.ts';
import { EXTENDED, FloatFlag, round } from '../environment.ts';
import { type FloatNumber, Kind } from '../number.ts';
import { unary } from './arithmetic.ts';
import {
  arcTangent,
  bitLength,
  cosine,
  dividedByLn2,
  exponentialMinusOne,
  fromFixed,
  logarithm,
  pi,
  reduceAngle,
  significand,
  sine,
  timesLn2,
  toFixed,
} from './elementary.ts';
import {
  begin,
  end,
  isEmpty,
  isStopped,
  loadRegister,
  pop,
  stackOverflow,
  stackUnderflow,
  Status,
  storeRegister,
  takeNan,
} from './state.ts';
import { push } from './transfer.ts';

/** Bits below the leading one that intermediate values have. */
const GUARD = 160;
/** Below this exponent a function is its argument, or a multiple of it, to more than 64 bits. */
const TINY = -70;

/** Notes denormal operands. @returns whether the computation goes on */
function accepts({ environment, a, b }: FloatContext, two: boolean): boolean {
  if (a.denormal !== 0 || (two && b.denormal !== 0)) environment.flags |= FloatFlag.denormal;
  return (environment.flags & FloatFlag.before & ~environment.masks) === 0;
}

function invalid({ environment, result }: FloatContext): void {
  environment.flags |= FloatFlag.invalid;
  result.setDefaultNan();
}

/**
 * F2XM1: `2^x - 1` for -1 <= x <= 1. Outside, where the SDM promises nothing, ST stays. Processors
 * call even 1 and -0.5 inexact.
 */
export const exponential = unary((context) => {
  const { environment, a, result } = context;
  result.copy(a);
  if (a.kind === Kind.infinity && a.sign !== 0) {
    result.setFinite(1, 0, 0x8000_0000 | 0, 0);
    return;
  }
  if (a.kind !== Kind.finite || !accepts(context, false)) return;
  if (a.exponent >= 0) {
    environment.flags |= FloatFlag.precision;
    if (isOne(a) && a.sign !== 0) result.exponent = -1;
    return;
  }
  if (a.exponent < TINY) {
    const product = timesLn2(significand(a) << BigInt(GUARD));
    fromFixed(result, a.sign, product, 63 - a.exponent + GUARD, false);
  } else {
    const scale = GUARD - a.exponent;
    const x = toFixed(a, scale);
    const value = exponentialMinusOne(a.sign === 0 ? x : -x, scale);
    fromFixed(result, a.sign, a.sign === 0 ? value : -value, scale, false);
  }
  round(environment, result, EXTENDED);
});

/** Runs `compute` on ST = `a` and ST(1) = `b`; `result` replaces ST(1), ST is popped. */
function popping(compute: (context: FloatContext) => void): FloatInstruction {
  return (context) => {
    begin(context);
    const { environment, a, b, result } = context;
    if (isEmpty(context, 0) || isEmpty(context, 1)) {
      stackUnderflow(context);
      result.setDefaultNan();
    } else {
      loadRegister(context, a, 0);
      loadRegister(context, b, 1);
      if (!takeNan(environment, a, b, result)) compute(context);
    }
    if (!isStopped(context)) {
      storeRegister(context, result, 1);
      pop(context);
    }
    end(context);
    return FloatFault.none;
  };
}

/** `result` = `y` times a logarithm of that sign and magnitude. */
function multiplyLogarithm(
  { environment, b, result }: FloatContext,
  sign: number,
  magnitude: bigint,
  scale: number,
  exact: boolean,
): void {
  const product = significand(b) * magnitude;
  fromFixed(result, sign ^ b.sign, product, scale + 63 - b.exponent, exact);
  round(environment, result, EXTENDED);
  // As processors have it, even of a power of two.
  environment.flags |= FloatFlag.precision;
}

/** `y` times a logarithm that is 0 or infinite, or `y` is. @returns whether that was so */
function multiplySpecial(
  context: FloatContext,
  isZero: boolean,
  isInfinite: boolean,
  sign: number,
): boolean {
  const { b, result } = context;
  if (b.kind === Kind.infinity) {
    if (isZero) invalid(context);
    else result.setInfinity(b.sign ^ sign);
    return true;
  }
  if (b.kind === Kind.zero) {
    if (isInfinite) invalid(context);
    else result.setZero(b.sign ^ sign);
    return true;
  }
  if (isInfinite) result.setInfinity(b.sign ^ sign);
  else if (isZero) result.setZero(b.sign ^ sign);
  return isInfinite || isZero;
}

function isOne({ kind, exponent, high, low }: FloatNumber): boolean {
  return kind === Kind.finite && exponent === 0 && high === (0x8000_0000 | 0) && low === 0;
}

/** FYL2X: `y * log2(x)`. */
export const logarithmTimes = popping((context) => {
  const { environment, a, b } = context;
  if (a.kind === Kind.zero) {
    multiplySpecial(context, false, true, 1);
    // A finite y divides by zero, in a way of speaking.
    if (b.kind === Kind.finite) environment.flags |= FloatFlag.divideByZero;
    return;
  }
  if (a.sign !== 0) {
    invalid(context);
    return;
  }
  const sign = a.kind === Kind.finite && a.exponent < 0 ? 1 : 0;
  const special = multiplySpecial(context, isOne(a), a.kind === Kind.infinity, sign);
  if ((environment.flags & FloatFlag.invalid) !== 0) return;
  if (!accepts(context, true) || special) return;
  logarithmOf(context, significand(a), 63 - a.exponent);
});

/** Scale of logarithms, and of what they are taken of. */
const LOGARITHM_SCALE = GUARD + 64;

/** `result` = `y` times the logarithm of a value above 0 with at most 200 bits. */
function logarithmOf(context: FloatContext, value: bigint, scale: number): void {
  const one = 1n << BigInt(LOGARITHM_SCALE);
  const bits = bitLength(value);
  let fraction = value << BigInt(LOGARITHM_SCALE - bits + 1);
  let exponent = bits - 1 - scale;
  // Between sqrt(1/2) and sqrt(2), where the series converges best.
  if (fraction >> BigInt(LOGARITHM_SCALE - 32) > 0x1_6a09_e667n) {
    fraction >>= 1n;
    exponent += 1;
  }
  const exact = fraction === one;
  const sum = BigInt(exponent) * one + (exact ? 0n : logarithm(fraction - one, LOGARITHM_SCALE));
  multiplyLogarithm(context, sum < 0n ? 1 : 0, sum < 0n ? -sum : sum, LOGARITHM_SCALE, exact);
}

/** FYL2XP1: `y * log2(x + 1)` for small x. */
export const logarithmOnePlusTimes = popping((context) => {
  const { environment, a } = context;
  if (a.kind === Kind.infinity && a.sign !== 0) {
    invalid(context);
    return;
  }
  const special = multiplySpecial(context, a.kind === Kind.zero, a.kind === Kind.infinity, a.sign);
  if ((environment.flags & FloatFlag.invalid) !== 0) return;
  if (!accepts(context, true) || special) return;
  if (a.exponent < TINY) {
    const value = dividedByLn2(significand(a) << BigInt(GUARD));
    multiplyLogarithm(context, a.sign, value, 63 - a.exponent + GUARD, false);
    return;
  }
  if (a.exponent < -1) {
    const scale = GUARD - a.exponent;
    const x = toFixed(a, scale);
    const value = logarithm(a.sign === 0 ? x : -x, scale);
    multiplyLogarithm(context, a.sign, value < 0n ? -value : value, scale, false);
  } else outOfRange(context);
});

/** FYL2XP1 of what the SDM excludes. Below -1 there is no logarithm: ST stays, inexact. */
function outOfRange(context: FloatContext): void {
  const { environment, a, result } = context;
  if (a.sign !== 0 && a.exponent >= 0) {
    result.copy(a);
    environment.flags |= FloatFlag.precision;
    return;
  }
  // Far up, the 1 is below what counts.
  if (a.exponent > 128) logarithmOf(context, significand(a), 63 - a.exponent);
  else {
    const x = toFixed(a, 64);
    logarithmOf(context, (1n << 64n) + (a.sign === 0 ? x : -x), 64);
  }
}

/** Angles from 2^63 on are not reduced: C2, and nothing changes. */
const ANGLE_LIMIT = 63;
const ANGLE_SCALE = 256;
const ONE_MINUS = (1n << 128n) - 1n;

/** `number` = the sine or cosine of the angle `a`, which is not zero; or for `a` tiny, nearly. */
function setSine(context: FloatContext, number: FloatNumber, quarter: number): void {
  const { environment, a } = context;
  if (a.exponent < TINY / 2) {
    if (quarter === 0) {
      const below = (significand(a) << 96n) - 1n;
      fromFixed(number, a.sign, below, 63 + 96 - a.exponent, false);
    } else fromFixed(number, 0, ONE_MINUS, 128, false);
  } else {
    const { quadrant, rest } = reduceAngle(toFixed(a, ANGLE_SCALE), ANGLE_SCALE);
    const turned = (quadrant + quarter) & 3;
    let value = (turned & 1) === 0 ? sine(rest, ANGLE_SCALE) : cosine(rest, ANGLE_SCALE);
    if (turned >= 2) value = -value;
    let sign = quarter === 0 ? a.sign : 0;
    if (value < 0n) {
      value = -value;
      sign ^= 1;
    }
    fromFixed(number, sign, value, ANGLE_SCALE, false);
  }
  round(environment, number, EXTENDED);
}

function setTangent({ environment, a, result }: FloatContext): void {
  if (a.exponent < TINY / 2) {
    const above = (significand(a) << 96n) + 1n;
    fromFixed(result, a.sign, above, 63 + 96 - a.exponent, false);
  } else {
    const { quadrant, rest } = reduceAngle(toFixed(a, ANGLE_SCALE), ANGLE_SCALE);
    const shift = BigInt(ANGLE_SCALE);
    const opposite = sine(rest, ANGLE_SCALE);
    const adjacent = cosine(rest, ANGLE_SCALE);
    const value =
      (quadrant & 1) === 0 ? (opposite << shift) / adjacent : -(adjacent << shift) / opposite;
    fromFixed(
      result,
      value < 0n ? a.sign ^ 1 : a.sign,
      value < 0n ? -value : value,
      ANGLE_SCALE,
      false,
    );
  }
  round(environment, result, EXTENDED);
}

function setCosine(context: FloatContext, number: FloatNumber): void {
  if (context.a.kind === Kind.zero) number.setFinite(0, 0, 0x8000_0000 | 0, 0);
  else setSine(context, number, 1);
}

/**
 * Begins FSIN and its kin with the angle in `a`.
 * @returns whether it can be computed; if not, `result` has what the stack gets, if anything
 */
function takeAngle(context: FloatContext): boolean {
  const { environment, a, result } = context;
  context.status &= ~Status.c2;
  if (isEmpty(context, 0)) {
    stackUnderflow(context);
    result.setDefaultNan();
    return false;
  }
  loadRegister(context, a, 0);
  if (takeNan(environment, a, a, result)) return false;
  if (a.kind === Kind.infinity) {
    invalid(context);
    return false;
  }
  if (a.kind === Kind.finite && a.exponent >= ANGLE_LIMIT) {
    context.status |= Status.c2;
    return false;
  }
  return accepts(context, false);
}

/** FSIN and FCOS. */
function oneResult(compute: (context: FloatContext) => void): FloatInstruction {
  return (context) => {
    begin(context);
    if (takeAngle(context)) compute(context);
    if ((context.status & Status.c2) === 0 && !isStopped(context)) {
      storeRegister(context, context.result, 0);
    }
    end(context);
    return FloatFault.none;
  };
}

export const sineOfTop = oneResult((context) => {
  if (context.a.kind === Kind.zero) context.result.copy(context.a);
  else setSine(context, context.result, 0);
});

export const cosineOfTop = oneResult((context) => {
  setCosine(context, context.result);
});

/** FSINCOS and FPTAN: `other` replaces ST, and `result` is pushed. */
function twoResults(compute: (context: FloatContext) => void): FloatInstruction {
  return (context) => {
    begin(context);
    const { result, other } = context;
    if (!isEmpty(context, 0) && !isEmpty(context, 7)) {
      context.status &= ~Status.c2;
      stackOverflow(context);
      result.setDefaultNan();
      other.copy(result);
    } else if (takeAngle(context)) compute(context);
    else other.copy(result);
    if ((context.status & Status.c2) === 0 && !isStopped(context)) {
      storeRegister(context, other, 0);
      push(context);
    }
    end(context);
    return FloatFault.none;
  };
}

export const sineAndCosine = twoResults((context) => {
  const { a, result, other } = context;
  if (a.kind === Kind.zero) other.copy(a);
  else setSine(context, other, 0);
  setCosine(context, result);
});

export const tangent = twoResults((context) => {
  const { a, result, other } = context;
  if (a.kind === Kind.zero) other.copy(a);
  else {
    setTangent(context);
    other.copy(result);
  }
  result.setFinite(0, 0, 0x8000_0000 | 0, 0);
});

/** `result` = `numerator / 4` of pi, rounded. */
function setPi({ environment, b, result }: FloatContext, numerator: bigint): void {
  fromFixed(result, b.sign, pi(GUARD) * numerator, GUARD + 2, false);
  round(environment, result, EXTENDED);
}

/** FPATAN: the angle of the point (x, y) = (ST, ST(1)). */
export const arcTangentOf = popping((context) => {
  const { a: x, b: y, result } = context;
  if (!accepts(context, true)) return;
  const isRight = x.sign === 0;
  if (y.kind === Kind.infinity) {
    if (x.kind !== Kind.infinity) setPi(context, 2n);
    else setPi(context, isRight ? 1n : 3n);
  } else if (y.kind === Kind.zero || x.kind === Kind.infinity) {
    if (isRight) result.setZero(y.sign);
    else setPi(context, 4n);
  } else if (x.kind === Kind.zero) setPi(context, 2n);
  else setArcTangent(context);
});

function setArcTangent({ environment, a: x, b: y, result }: FloatContext): void {
  const distance = y.exponent - x.exponent;
  const isSteep = distance > 0 || (distance === 0 && significand(y) > significand(x));
  const [small, large] = isSteep ? [x, y] : [y, x];
  const width = Math.abs(distance);
  const isRight = x.sign === 0;
  if (!isSteep && isRight && width > -TINY) {
    // The ratio, and a hair less.
    const ratio = (significand(small) << BigInt(GUARD)) / significand(large);
    fromFixed(result, y.sign, ratio - 1n, GUARD + width, false);
    round(environment, result, EXTENDED);
    return;
  }
  const scale = GUARD + Math.min(width, -TINY) + 1;
  const shift = scale - width;
  const ratio = shift < 0 ? 0n : (significand(small) << BigInt(shift)) / significand(large);
  // Never quite 0, and so the angle is never quite a multiple of pi/2.
  let angle = ratio === 0n ? 1n : arcTangent(ratio, scale);
  if (isSteep) angle = isRight ? (pi(scale) >> 1n) - angle : (pi(scale) >> 1n) + angle;
  else if (!isRight) angle = pi(scale) - angle;
  fromFixed(result, y.sign, angle, scale, false);
  round(environment, result, EXTENDED);
}
