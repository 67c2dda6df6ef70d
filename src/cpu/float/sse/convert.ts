/** SSE conversions between singles, doubles and integers, and ROUNDPS and its kin. */
import { type FloatContext, FloatFault, type FloatInstruction } from '../context.ts';
import {
  type FloatEnvironment,
  FloatFlag,
  round,
  Rounding,
  roundToInteger,
} from '../environment.ts';
import { fromInteger, toInteger } from '../integer.ts';
import { X87 } from '../../state.ts';
import { type FloatNumber, Kind, normalize } from '../number.ts';
import { begin, commit, type Lane, takeNan } from './lanes.ts';

/** CVTPS2PD, CVTSD2SS and so on: `count` lanes; the rest of `words` is zero. */
export function betweenFormats(
  from: Lane,
  to: Lane,
  count: number,
  words: number,
): FloatInstruction {
  return (context, destination, source) => {
    const environment = begin(context);
    const { a, result, lanes } = context;
    lanes.fill(0);
    for (let i = 0; i < count; i++) {
      from.load(context, a, source + from.bytes * i);
      if (!takeNan(environment, a, a, result)) {
        if (a.denormal !== 0) environment.flags |= FloatFlag.denormal;
        result.copy(a);
        round(environment, result, to.format);
      }
      to.store(context, result, i);
    }
    return commit(context, destination, words);
  };
}

/** From `count` signed integers of 32 bits; `enter` is whether an MMX register is read. */
export function fromIntegers(to: Lane, count: number): FloatInstruction {
  return (context, destination, source) => {
    const environment = begin(context);
    const { result, view } = context;
    for (let i = 0; i < count; i++) {
      const value = view.getInt32(source + 4 * i, true);
      fromInteger(result, value >> 31, value);
      round(environment, result, to.format);
      to.store(context, result, i);
    }
    return commit(context, destination, (count * to.bytes) >> 2);
  };
}

/** CVTSI2SS, CVTSI2SD from an integer of `size` = 4 or 8 bytes. */
export function fromGeneral(to: Lane): FloatInstruction {
  return (context, destination, source, size) => {
    const environment = begin(context);
    const { result, view } = context;
    const low = view.getInt32(source, true);
    fromInteger(result, size === 8 ? view.getInt32(source + 4, true) : low >> 31, low);
    round(environment, result, to.format);
    to.store(context, result, 0);
    return commit(context, destination, to.bytes >> 2);
  };
}

/** To `count` integers of 32 bits; the rest of `words` is zero. */
export function toIntegers(
  from: Lane,
  count: number,
  words: number,
  truncate: boolean,
): FloatInstruction {
  return (context, destination, source) => {
    const environment = begin(context);
    if (truncate) environment.rounding = Rounding.toZero;
    const { a, lanes } = context;
    lanes.fill(0);
    for (let i = 0; i < count; i++) {
      from.load(context, a, source + from.bytes * i);
      toInteger(environment, a, 32);
      lanes[i] = a.low;
    }
    return commit(context, destination, words);
  };
}

/** To a general register of `size` = 4 or 8 bytes; 4 clear the upper half. */
export function toGeneral(from: Lane, truncate: boolean): FloatInstruction {
  return (context, destination, source, size) => {
    const environment = begin(context);
    if (truncate) environment.rounding = Rounding.toZero;
    const { a, lanes } = context;
    from.load(context, a, source);
    toInteger(environment, a, 8 * size);
    lanes[0] = a.low;
    lanes[1] = size === 8 ? a.high : 0;
    return commit(context, destination, 2);
  };
}

/**
 * Uses a register as an MMX register, or leaves x87 data alone when the operand is in memory:
 * all tags valid, TOP 0 (SDM volume 1, 9.5.1).
 */
function enterMmx(context: FloatContext): void {
  const { view } = context;
  view.setUint8(X87.tags, 0xff);
  const status = view.getUint16(X87.status, true);
  view.setUint16(X87.status, status & ~0x3800, true);
}

function isRegister(context: FloatContext, at: number): boolean {
  const first = context.physical(0);
  return at >= first && at < first + 128;
}

/** CVTPI2PS, CVTPI2PD. */
export function fromMmx(to: Lane): FloatInstruction {
  const convert = fromIntegers(to, 2);
  return (context, destination, source, argument) => {
    const fault = convert(context, destination, source, argument);
    if (fault === FloatFault.none && isRegister(context, source)) enterMmx(context);
    return fault;
  };
}

/** CVTPS2PI and the like: the destination is always an MMX register. */
export function toMmx(from: Lane, truncate: boolean): FloatInstruction {
  const convert = toIntegers(from, 2, 2, truncate);
  return (context, destination, source, argument) => {
    const fault = convert(context, destination, source, argument);
    if (fault !== FloatFault.none) return fault;
    context.view.setUint16(destination + 8, 0xffff, true);
    enterMmx(context);
    return fault;
  };
}

/** Rounds to a whole number of the same format. @returns whether it was not exact */
export function roundToWhole(
  environment: FloatEnvironment,
  number: FloatNumber,
  precision: number,
): boolean {
  environment.roundedUp = false;
  if (number.kind !== Kind.finite || number.exponent >= precision - 1) return false;
  const inexact = roundToInteger(environment, number);
  normalize(number);
  return inexact;
}

/** ROUNDPS and its kin: the immediate has RC, 4 for MXCSR's, 8 to keep precision quiet. */
export function rounding(lane: Lane, count: number): FloatInstruction {
  const { bytes, format } = lane;
  return (context, destination, source, immediate) => {
    const environment = begin(context);
    if ((immediate & 4) === 0) environment.rounding = immediate & 3;
    const { a, result } = context;
    for (let i = 0; i < count; i++) {
      lane.load(context, a, source + bytes * i);
      if (!takeNan(environment, a, a, result)) {
        result.copy(a);
        const inexact = roundToWhole(environment, result, format.precision);
        if (inexact && (immediate & 8) === 0) environment.flags |= FloatFlag.precision;
      }
      lane.store(context, result, i);
    }
    return commit(context, destination, (count * bytes) >> 2);
  };
}

/**
 * RCPPS, RSQRTPS and their scalar forms promise a relative error below 1.5 * 2^-12 and raise
 * nothing; what is within it differs from one processor to the next. Here the result is the
 * quotient rounded to nearest, so that generated code can have the same by dividing.
 * Denormals are zero, going in and coming out (SDM volume 2, RCPPS).
 */
export function reciprocal(root: boolean, count: number): FloatInstruction {
  return (context, destination, source) => {
    const { view, lanes } = context;
    for (let i = 0; i < count; i++) {
      const bits = view.getInt32(source + 4 * i, true);
      lanes[i] = approximate(context, bits, root);
    }
    for (let i = 0; i < count; i++) view.setInt32(destination + 4 * i, lanes[i]!, true);
    return FloatFault.none;
  };
}

const MAGNITUDE = 0x7fff_ffff;
const LEAST_NORMAL = 0x0080_0000;
const INFINITY = 0x7f80_0000;
const DEFAULT_NAN = 0xffc0_0000 | 0;

function approximate(context: FloatContext, bits: number, root: boolean): number {
  const sign = bits & ~MAGNITUDE;
  const magnitude = bits & MAGNITUDE;
  if (magnitude > INFINITY) return bits | 0x0040_0000;
  if (magnitude < LEAST_NORMAL) return sign | INFINITY;
  if (root && sign !== 0) return DEFAULT_NAN;
  if (magnitude === INFINITY) return sign;
  const { single, singleBits } = context;
  singleBits[0] = bits;
  single[0] = 1 / (root ? Math.fround(Math.sqrt(single[0]!)) : single[0]!);
  return (singleBits[0] & MAGNITUDE) < LEAST_NORMAL ? sign : singleBits[0];
}
