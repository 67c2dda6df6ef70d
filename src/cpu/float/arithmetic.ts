/**
 * Addition, multiplication, division and square root of numbers taken apart, before rounding: the
 * exact result with what lies below 64 bits condensed into `rest`. NaN operands are the caller's,
 * because SSE and the x87 choose between them by different rules.
 */
import { type FloatEnvironment, FloatFlag, Rounding } from './environment.ts';
import { compareSignificands, type FloatNumber, Kind, normalize, shiftRight } from './number.ts';

const BIT_16 = 0x1_0000;
const TWO_32 = 0x1_0000_0000;

/** High 32 bits of the product of two unsigned words. */
function multiplyHigh(a: number, b: number): number {
  const left = a >>> 0;
  const lowProduct = left * (b & 0xffff);
  return Math.floor((left * (b >>> 16) + Math.floor(lowProduct / BIT_16)) / BIT_16);
}

function invalid(environment: FloatEnvironment, result: FloatNumber): void {
  environment.flags |= FloatFlag.invalid;
  result.setDefaultNan();
}

/** The sign of an exact zero made of unlike terms. */
export function zeroSign(environment: FloatEnvironment): number {
  return environment.rounding === Rounding.down ? 1 : 0;
}

/** `result.significand += b.significand`, both aligned; a carry moves the exponent. */
function addMagnitude(result: FloatNumber, b: FloatNumber): void {
  const rest = (result.rest >>> 0) + (b.rest >>> 0);
  const low = (result.low >>> 0) + (b.low >>> 0) + (rest > 0xffff_ffff ? 1 : 0);
  const high = (result.high >>> 0) + (b.high >>> 0) + (low > 0xffff_ffff ? 1 : 0);
  result.rest = rest | 0;
  result.low = low | 0;
  result.high = high | 0;
  if (high <= 0xffff_ffff) return;
  shiftRight(result, 1);
  result.high |= 0x8000_0000;
  result.exponent += 1;
}

/** `result.significand -= b.significand`, which is not greater. */
function subtractMagnitude(result: FloatNumber, b: FloatNumber): void {
  const rest = (result.rest >>> 0) - (b.rest >>> 0);
  const low = (result.low >>> 0) - (b.low >>> 0) - (rest < 0 ? 1 : 0);
  const high = (result.high >>> 0) - (b.high >>> 0) - (low < 0 ? 1 : 0);
  result.rest = rest | 0;
  result.low = low | 0;
  result.high = high | 0;
}

/**
 * `result = a + b`; `b` is changed. For a difference the caller turns the sign of `b`.
 * `result` must be neither operand.
 */
export function add(
  environment: FloatEnvironment,
  a: FloatNumber,
  b: FloatNumber,
  result: FloatNumber,
): void {
  if (a.kind === Kind.infinity || b.kind === Kind.infinity) {
    if (a.kind === b.kind && a.sign !== b.sign) invalid(environment, result);
    else result.setInfinity(a.kind === Kind.infinity ? a.sign : b.sign);
    return;
  }
  if (a.kind === Kind.zero || b.kind === Kind.zero) {
    if (a.kind === b.kind) result.setZero(a.sign === b.sign ? a.sign : zeroSign(environment));
    else result.copy(a.kind === Kind.zero ? b : a);
    return;
  }
  const bigger = a.exponent - b.exponent || compareSignificands(a, b);
  result.copy(bigger >= 0 ? a : b);
  const smaller = b;
  if (bigger < 0) smaller.copy(a);
  shiftRight(smaller, result.exponent - smaller.exponent);
  if (result.sign === smaller.sign) {
    addMagnitude(result, smaller);
    return;
  }
  subtractMagnitude(result, smaller);
  normalize(result);
  if (result.kind === Kind.zero) result.sign = zeroSign(environment);
}

/** Sets the result of an operand that is zero or infinite. @returns whether there was one */
function multiplySpecial(
  environment: FloatEnvironment,
  a: FloatNumber,
  b: FloatNumber,
  result: FloatNumber,
): boolean {
  const sign = a.sign ^ b.sign;
  if (a.kind === Kind.infinity || b.kind === Kind.infinity) {
    if (a.kind === Kind.zero || b.kind === Kind.zero) invalid(environment, result);
    else result.setInfinity(sign);
    return true;
  }
  if (a.kind === Kind.zero || b.kind === Kind.zero) {
    result.setZero(sign);
    return true;
  }
  return false;
}

export function multiply(
  environment: FloatEnvironment,
  a: FloatNumber,
  b: FloatNumber,
  result: FloatNumber,
): void {
  if (multiplySpecial(environment, a, b, result)) return;
  // The product's words, most significant first: p3 p2 p1 p0.
  const p0 = Math.imul(a.low, b.low) >>> 0;
  const crossed1 = Math.imul(a.high, b.low) >>> 0;
  const crossed2 = Math.imul(a.low, b.high) >>> 0;
  const p1 = multiplyHigh(a.low, b.low) + crossed1 + crossed2;
  const p2 =
    multiplyHigh(a.high, b.low) +
    multiplyHigh(a.low, b.high) +
    (Math.imul(a.high, b.high) >>> 0) +
    Math.floor(p1 / TWO_32);
  const p3 = multiplyHigh(a.high, b.high) + Math.floor(p2 / TWO_32);
  const sticky = p0 === 0 ? 0 : 1;
  result.kind = Kind.finite;
  result.sign = a.sign ^ b.sign;
  result.denormal = 0;
  result.exponent = a.exponent + b.exponent + 1;
  result.high = p3 | 0;
  result.low = p2 | 0;
  result.rest = p1 | 0;
  if (result.high >= 0) {
    // Both factors are normal: the top bit is one place down at most.
    result.high = (p3 << 1) | ((p2 >>> 31) & 1);
    result.low = (p2 << 1) | ((p1 >>> 31) & 1);
    result.rest = (p1 << 1) | (p0 >>> 31);
    result.exponent -= 1;
    result.rest |= p0 << 1 === 0 ? 0 : 1;
  } else result.rest |= sticky;
}

/** Sets the result of an operand that is zero or infinite. @returns whether there was one */
function divideSpecial(
  environment: FloatEnvironment,
  a: FloatNumber,
  b: FloatNumber,
  result: FloatNumber,
): boolean {
  const sign = a.sign ^ b.sign;
  if (a.kind === Kind.infinity) {
    if (b.kind === Kind.infinity) invalid(environment, result);
    else result.setInfinity(sign);
    return true;
  }
  if (b.kind === Kind.infinity) {
    result.setZero(sign);
    return true;
  }
  if (b.kind === Kind.zero) {
    if (a.kind === Kind.zero) invalid(environment, result);
    else {
      environment.flags |= FloatFlag.divideByZero;
      result.setInfinity(sign);
    }
    return true;
  }
  if (a.kind === Kind.zero) result.setZero(sign);
  return a.kind === Kind.zero;
}

/** What is left of a dividend: an unsigned 64-bit number below the divisor. */
let remainderHigh = 0;
let remainderLow = 0;

/**
 * Continues a long division by one digit of `scale` = 2^15 or 2^16. The estimate from doubles is
 * off by one at most, and every product here fits in 53 bits.
 */
function quotientDigit(divisor: FloatNumber, scale: number): number {
  const divisorHigh = divisor.high >>> 0;
  const divisorLow = divisor.low >>> 0;
  const whole = divisorHigh * TWO_32 + divisorLow;
  let digit = Math.floor(((remainderHigh * TWO_32 + remainderLow) * scale) / whole);
  let low = remainderLow * scale - digit * divisorLow;
  const carry = Math.floor(low / TWO_32);
  low -= carry * TWO_32;
  let high = remainderHigh * scale - digit * divisorHigh + carry;
  if (high < 0) {
    digit -= 1;
    high += divisorHigh;
    low += divisorLow;
    if (low >= TWO_32) {
      low -= TWO_32;
      high += 1;
    }
  } else if (high > divisorHigh || (high === divisorHigh && low >= divisorLow)) {
    digit += 1;
    high -= divisorHigh;
    low -= divisorLow;
    if (low < 0) {
      low += TWO_32;
      high -= 1;
    }
  }
  remainderHigh = high;
  remainderLow = low;
  return digit;
}

function quotientWord(divisor: FloatNumber): number {
  const high = quotientDigit(divisor, BIT_16);
  return (high << 16) | quotientDigit(divisor, BIT_16);
}

/** @param precision bits that will be kept: the quotient has more, and a sticky bit */
export function divide(
  environment: FloatEnvironment,
  a: FloatNumber,
  b: FloatNumber,
  result: FloatNumber,
  precision: number,
): void {
  if (divideSpecial(environment, a, b, result)) return;
  result.kind = Kind.finite;
  result.sign = a.sign ^ b.sign;
  result.exponent = a.exponent - b.exponent;
  result.denormal = 0;
  remainderHigh = a.high >>> 0;
  remainderLow = a.low >>> 0;
  if (compareSignificands(a, b) >= 0) {
    remainderHigh = (remainderHigh - (b.high >>> 0) - (remainderLow < b.low >>> 0 ? 1 : 0)) >>> 0;
    remainderLow = (remainderLow - (b.low >>> 0)) >>> 0;
    const high = 0x8000 | quotientDigit(b, BIT_16 / 2);
    result.high = (high << 16) | quotientDigit(b, BIT_16);
  } else {
    result.exponent -= 1;
    result.high = quotientWord(b);
  }
  result.low = precision > 24 ? quotientWord(b) : 0;
  result.rest = precision > 53 ? quotientDigit(b, BIT_16) << 16 : 0;
  if (remainderHigh !== 0 || remainderLow !== 0) result.rest |= 1;
}

/** `result` is the root of a positive finite number, 0 or infinity; anything else is invalid. */
export function squareRoot(
  environment: FloatEnvironment,
  a: FloatNumber,
  result: FloatNumber,
): void {
  if (a.kind === Kind.zero) {
    result.setZero(a.sign);
    return;
  }
  if (a.sign !== 0) {
    invalid(environment, result);
    return;
  }
  if (a.kind === Kind.infinity) {
    result.setInfinity(0);
    return;
  }
  result.kind = Kind.finite;
  result.sign = 0;
  result.denormal = 0;
  result.exponent = a.exponent >> 1;
  rootBits(a, result);
}

/**
 * The integer root of the significand with 64 zero bits below it (63 for an even exponent), two
 * bits of radicand and one bit of root at a time. The remainder is up to twice the root and needs
 * a third word.
 */
function rootBits(a: FloatNumber, result: FloatNumber): void {
  const even = (a.exponent & 1) === 0;
  // The radicand's words; an even exponent puts a zero on top.
  let radicand0 = even ? a.high >>> 1 : a.high;
  let radicand1 = even ? (a.low >>> 1) | (a.high << 31) : a.low;
  let radicand2 = even ? a.low << 31 : 0;
  let rootHigh = 0;
  let rootLow = 0;
  let top = 0;
  let high = 0;
  let low = 0;
  for (let i = 0; i < 64; i++) {
    top = (top << 2) | (high >>> 30);
    high = ((high << 2) | (low >>> 30)) >>> 0;
    low = ((low << 2) | (radicand0 >>> 30)) >>> 0;
    radicand0 = (radicand0 << 2) | (radicand1 >>> 30);
    radicand1 = (radicand1 << 2) | (radicand2 >>> 30);
    radicand2 <<= 2;
    // The trial is 4 * root + 1.
    const trialTop = rootHigh >>> 30;
    const trialHigh = ((rootHigh << 2) | (rootLow >>> 30)) >>> 0;
    const trialLow = ((rootLow << 2) | 1) >>> 0;
    const fits =
      top !== trialTop ? top > trialTop : high !== trialHigh ? high > trialHigh : low >= trialLow;
    rootHigh = (rootHigh << 1) | (rootLow >>> 31);
    rootLow = (rootLow << 1) | (fits ? 1 : 0);
    if (!fits) continue;
    const borrowLow = low < trialLow ? 1 : 0;
    const borrowHigh = high - borrowLow < trialHigh ? 1 : 0;
    low = (low - trialLow) >>> 0;
    high = (high - trialHigh - borrowLow) >>> 0;
    top = top - trialTop - borrowHigh;
  }
  result.high = rootHigh | 0;
  result.low = rootLow | 0;
  if (top === 0 && high === 0 && low === 0) {
    result.rest = 0;
    return;
  }
  // A root is never halfway between two: the remainder against the root says which half.
  const aboveHalf =
    top > 0 || high > rootHigh >>> 0 || (high === rootHigh >>> 0 && low > rootLow >>> 0);
  result.rest = aboveHalf ? 0xc000_0000 | 0 : 0x4000_0000;
}

/** Results of {@link compare}. */
export const Relation = { less: 0, equal: 1, greater: 2, unordered: 3 } as const;

/** How `a` stands to `b`. NaNs and unsupported numbers are unordered; no flags. */
export function compare(a: FloatNumber, b: FloatNumber): number {
  if (a.kind >= Kind.quietNan || b.kind >= Kind.quietNan) return Relation.unordered;
  if (a.kind === Kind.zero && b.kind === Kind.zero) return Relation.equal;
  if (a.kind === Kind.zero) return b.sign === 0 ? Relation.less : Relation.greater;
  if (b.kind === Kind.zero || a.sign !== b.sign) {
    return a.sign === 0 ? Relation.greater : Relation.less;
  }
  let order = a.kind - b.kind;
  if (order === 0 && a.kind === Kind.finite) {
    order = a.exponent - b.exponent || compareSignificands(a, b);
  }
  if (order === 0) return Relation.equal;
  return order > 0 === (a.sign === 0) ? Relation.greater : Relation.less;
}
