/** x87 instructions that take numbers apart: FRNDINT, FSCALE, FXTRACT, FPREM and FPREM1. */
import { type FloatContext, FloatFault, type FloatInstruction } from '../context.ts';
import { EXTENDED, FloatFlag, round } from '../environment.ts';
import { fromInteger } from '../integer.ts';
import { type FloatNumber, Kind } from '../number.ts';
import { roundToWhole } from '../sse/convert.ts';
import { unary } from './arithmetic.ts';
import {
  begin,
  end,
  isEmpty,
  isStopped,
  loadRegister,
  stackOverflow,
  stackUnderflow,
  Status,
  storeRegister,
  takeNan,
} from './state.ts';
import { push } from './transfer.ts';

export const roundTop = unary((context) => {
  const { environment, a, result } = context;
  if (a.denormal !== 0) environment.flags |= FloatFlag.denormal;
  result.copy(a);
  if (isStopped(context)) return;
  if (roundToWhole(environment, result, EXTENDED.precision)) {
    environment.flags |= FloatFlag.precision;
  }
});

/** More than any exponent can use: the product over- or underflows. */
const FAR = 0x1_0000;

/** `number` cut to an integer, within plus and minus {@link FAR}. */
function truncated({ kind, sign, exponent, high }: FloatNumber): number {
  if (kind === Kind.zero || exponent < 0) return 0;
  const magnitude = exponent > 16 ? FAR : high >>> (31 - exponent);
  return sign === 0 ? magnitude : -magnitude;
}

function scaleSpecial({ environment, a, b, result }: FloatContext): boolean {
  if (b.kind === Kind.infinity) {
    const shrinks = b.sign !== 0;
    if (a.kind === (shrinks ? Kind.infinity : Kind.zero)) {
      environment.flags |= FloatFlag.invalid;
      result.setDefaultNan();
    } else if (shrinks) result.setZero(a.sign);
    else result.setInfinity(a.sign);
    return true;
  }
  if (a.kind === Kind.finite) return false;
  result.copy(a);
  return true;
}

/**
 * Runs `compute` on ST = `a` and ST(1) = `b`; it leaves `result`, which replaces ST.
 * @param cleared status bits that are 0 afterwards, or set by `compute`
 */
function withTwo(cleared: number, compute: (context: FloatContext) => void): FloatInstruction {
  return (context) => {
    begin(context);
    context.status &= ~cleared;
    const { environment, a, b, result } = context;
    if (isEmpty(context, 0) || isEmpty(context, 1)) {
      stackUnderflow(context);
      result.setDefaultNan();
    } else {
      loadRegister(context, a, 0);
      loadRegister(context, b, 1);
      if (!takeNan(environment, a, b, result)) compute(context);
    }
    if (!isStopped(context)) storeRegister(context, result, 0);
    end(context);
    return FloatFault.none;
  };
}

/** What the exponent's bias could not bring back into range after an unmasked exception. */
function saturate({ environment, result }: FloatContext): void {
  if (result.kind !== Kind.finite) return;
  if (result.exponent > EXTENDED.maximum) {
    result.setInfinity(result.sign);
    environment.flags |= FloatFlag.precision;
    environment.roundedUp = true;
  } else if (result.exponent < EXTENDED.minimum) {
    result.setZero(result.sign);
    environment.flags |= FloatFlag.precision;
    environment.roundedUp = false;
  }
}

/** FSCALE: ST times 2 to the power of ST(1), cut to an integer. */
export const scale = withTwo(0, (context) => {
  const { environment, a, b, result } = context;
  const special = scaleSpecial(context);
  if ((a.denormal | b.denormal) !== 0 && (environment.flags & FloatFlag.invalid) === 0) {
    environment.flags |= FloatFlag.denormal;
  }
  if (special || isStopped(context)) return;
  result.copy(a);
  result.exponent += truncated(b);
  round(environment, result, EXTENDED);
  saturate(context);
});

/** FXTRACT: the exponent replaces ST, the significand is pushed. */
export function extract(context: FloatContext): number {
  const environment = begin(context);
  const { a, result, other } = context;
  if (isEmpty(context, 0)) {
    if (stackUnderflow(context)) {
      result.setDefaultNan();
      storeRegister(context, result, 0);
      push(context);
    }
  } else if (!isEmpty(context, 7)) {
    result.setDefaultNan();
    if (stackOverflow(context)) {
      storeRegister(context, result, 0);
      push(context);
    }
  } else {
    loadRegister(context, a, 0);
    if (takeNan(environment, a, a, result)) other.copy(result);
    else split(context);
    if (!isStopped(context)) {
      storeRegister(context, other, 0);
      push(context);
    }
  }
  end(context);
  return FloatFault.none;
}

/** `other` gets the exponent of `a`, `result` its significand. */
function split({ environment, a, result, other }: FloatContext): void {
  result.copy(a);
  if (a.kind === Kind.zero) {
    environment.flags |= FloatFlag.divideByZero;
    other.setInfinity(1);
  } else if (a.kind === Kind.infinity) other.setInfinity(0);
  else {
    if (a.denormal !== 0) environment.flags |= FloatFlag.denormal;
    fromInteger(other, a.exponent >> 31, a.exponent);
    result.exponent = 0;
  }
}

/**
 * FPREM (quotient cut) and FPREM1 (quotient rounded to nearest): C2 says that the remainder is
 * partial; C0, C3 and C1 are the quotient's low three bits.
 */
function remainder(nearest: boolean): FloatInstruction {
  return withTwo(Status.c2, (context) => {
    const { environment, a, b, result } = context;
    if (a.kind === Kind.infinity || b.kind === Kind.zero) {
      environment.flags |= FloatFlag.invalid;
      result.setDefaultNan();
      return;
    }
    if ((a.denormal | b.denormal) !== 0) environment.flags |= FloatFlag.denormal;
    result.copy(a);
    if (isStopped(context)) return;
    context.status &= ~(Status.c0 | Status.c3);
    if (a.kind === Kind.zero) return;
    if (b.kind !== Kind.infinity) reduce(context, nearest);
    round(environment, result, EXTENDED);
  });
}

export const partialRemainder = remainder(false);
export const partialRemainderNearest = remainder(true);

function significand({ high, low }: FloatNumber): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** `result` = `a` modulo `b`, or some way towards it (SDM volume 2, FPREM). */
function reduce(context: FloatContext, nearest: boolean): void {
  const { a, b, result } = context;
  const distance = a.exponent - b.exponent;
  if (distance < -1 || (distance < 0 && !nearest)) return;
  const divisor = significand(b) << 1n;
  const partial = distance >= 64;
  // One instruction takes 32 to 63 bits off, such that whole steps of 32 are left.
  const bits = partial ? 32 + (distance % 32) : distance;
  const dividend = significand(a) << BigInt(bits + 1);
  let quotient = dividend / divisor;
  let rest = dividend - quotient * divisor;
  let { sign } = a;
  if (nearest && !partial) {
    const order = 2n * rest - divisor;
    if (order > 0n || (order === 0n && (quotient & 1n) !== 0n)) {
      quotient += 1n;
      rest = divisor - rest;
      sign ^= 1;
    }
  }
  if (partial) context.status |= Status.c2;
  else setQuotient(context, Number(quotient & 7n));
  if (rest === 0n) {
    result.setZero(a.sign);
    return;
  }
  // A unit of `rest` is half of the divisor's last place.
  const wide = rest >> 64n !== 0n;
  if (wide) rest >>= 1n;
  const exponent = b.exponent + (distance - bits) - (wide ? 0 : 1);
  result.setFinite(sign, exponent, Number(rest >> 32n) | 0, Number(rest & WORD) | 0);
}

const WORD = 0xffff_ffffn;

function setQuotient(context: FloatContext, low: number): void {
  if ((low & 1) !== 0) context.status |= Status.c1;
  if ((low & 2) !== 0) context.status |= Status.c3;
  if ((low & 4) !== 0) context.status |= Status.c0;
}
