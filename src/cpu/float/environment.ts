/** What floating point arithmetic obeys and reports, and how a result is rounded to a format. */
import { type FloatNumber, Kind, shiftRight } from './number.ts';

/** Exception bits: the same in MXCSR, in the x87 status word and, as masks, in the control word. */
export const FloatFlag = {
  invalid: 0x01,
  denormal: 0x02,
  divideByZero: 0x04,
  overflow: 0x08,
  underflow: 0x10,
  precision: 0x20,
  all: 0x3f,
  /** Known before the operation is carried out: unmasked, they keep it from happening. */
  before: 0x07,
} as const;

/** The RC field of MXCSR and of the x87 control word. */
export const Rounding = { nearest: 0, down: 1, up: 2, toZero: 3 } as const;

/** The precision and exponent range that a result is rounded to. */
export interface FloatFormat {
  /** Bits of significand: 24, 53 or 64. */
  readonly precision: number;
  /** Exponents of the least normal and of the greatest number. */
  readonly minimum: number;
  readonly maximum: number;
  /** What unmasked overflow takes from the exponent of a register, and underflow adds. */
  readonly bias: number;
}

export const SINGLE: FloatFormat = { precision: 24, minimum: -126, maximum: 127, bias: 192 };
export const DOUBLE: FloatFormat = { precision: 53, minimum: -1022, maximum: 1023, bias: 1536 };
/** The x87's own format, as all but precision control see it. */
export const EXTENDED: FloatFormat = {
  precision: 64,
  minimum: -16_382,
  maximum: 16_383,
  bias: 24_576,
};

/** Control and status of one instruction. */
export class FloatEnvironment {
  rounding: number = Rounding.nearest;
  /** Bits of {@link FloatFlag} that do not trap. */
  masks: number = FloatFlag.all;
  flushToZero = false;
  denormalsAreZero = false;
  /** Bits of {@link FloatFlag} raised so far. */
  flags = 0;
  /** Whether the last rounding went away from zero: C1 of the x87. */
  roundedUp = false;
}

/** Whether a magnitude goes up, by what lies below it (`rest`) and its last kept bit. */
function roundsUp(rounding: number, sign: number, rest: number, odd: number): boolean {
  if (rest === 0) return false;
  switch (rounding) {
    case Rounding.nearest:
      return rest < 0 && (rest !== (0x8000_0000 | 0) || odd !== 0);
    case Rounding.down:
      return sign !== 0;
    case Rounding.up:
      return sign === 0;
    default:
      return false;
  }
}

/** `rest` of {@link splitAt}: only one use at a time. */
let below = 0;

/** Cuts the significand after `precision` bits and leaves the cut-off part in `below`. */
function splitAt(number: FloatNumber, precision: number): void {
  const { high, low, rest } = number;
  if (precision === 64) below = rest;
  else if (precision === 53) {
    below = (low << 21) | (rest >>> 11) | ((rest & 0x7ff) === 0 ? 0 : 1);
    number.low = low & ~0x7ff;
  } else {
    below = (high << 24) | (low >>> 8) | ((low & 0xff) === 0 && rest === 0 ? 0 : 1);
    number.high = high & ~0xff;
    number.low = 0;
  }
  number.rest = 0;
}

/** Adds one in the last place. A carry out of the top doubles the exponent's power instead. */
function increment(number: FloatNumber, precision: number): void {
  const lowUnit = precision === 64 ? 1 : precision === 53 ? 0x800 : 0;
  const low = (number.low + lowUnit) | 0;
  const carry = precision === 24 ? 0x100 : low === 0 ? 1 : 0;
  const high = (number.high + carry) | 0;
  if (carry !== 0 && high === 0) {
    number.high = 0x8000_0000 | 0;
    number.exponent += 1;
  } else number.high = high;
  number.low = low;
}

function lastBit(number: FloatNumber, precision: number): number {
  if (precision === 64) return number.low & 1;
  return precision === 53 ? number.low & 0x800 : number.high & 0x100;
}

/** Rounds the significand to `precision` bits in place. @returns whether it was not exact */
function roundSignificand(
  environment: FloatEnvironment,
  number: FloatNumber,
  precision: number,
): boolean {
  splitAt(number, precision);
  const rest = below;
  environment.roundedUp = roundsUp(
    environment.rounding,
    number.sign,
    rest,
    lastBit(number, precision),
  );
  if (environment.roundedUp) increment(number, precision);
  return rest !== 0;
}

/** Whether a number below the normal range would round to its edge if exponents had no limit. */
function roundsToNormal(
  environment: FloatEnvironment,
  number: FloatNumber,
  { precision, minimum }: FloatFormat,
): boolean {
  if (number.exponent !== minimum - 1) return false;
  const { exponent, high, low, rest } = number;
  roundSignificand(environment, number, precision);
  const rounded = number.exponent === minimum;
  number.exponent = exponent;
  number.high = high;
  number.low = low;
  number.rest = rest;
  return rounded;
}

function overflow(environment: FloatEnvironment, number: FloatNumber, format: FloatFormat): void {
  environment.flags |= FloatFlag.overflow | FloatFlag.precision;
  const { rounding } = environment;
  const { sign } = number;
  environment.roundedUp =
    rounding === Rounding.nearest || rounding === (sign === 0 ? Rounding.up : Rounding.down);
  if (environment.roundedUp) {
    number.setInfinity(sign);
    return;
  }
  number.exponent = format.maximum;
  number.high = format.precision === 24 ? ~0xff : -1;
  number.low = format.precision === 64 ? -1 : format.precision === 53 ? ~0x7ff : 0;
}

/**
 * Rounds a result (significand and rest, top bit set) to the format and raises overflow,
 * underflow and precision. Tininess is detected after rounding (SDM volume 1, 4.9.1.5).
 *
 * Unmasked overflow and underflow keep the rounded significand, with the exponent moved by the
 * format's bias: what the x87 writes into a register.
 */
export function round(
  environment: FloatEnvironment,
  number: FloatNumber,
  format: FloatFormat,
): void {
  environment.roundedUp = false;
  if (number.kind !== Kind.finite) return;
  const { precision, minimum, maximum } = format;
  if (number.exponent < minimum) {
    if (!roundsToNormal(environment, number, format)) {
      underflow(environment, number, format);
      return;
    }
    shiftRight(number, 1);
    number.exponent = minimum;
  }
  const inexact = roundSignificand(environment, number, precision);
  if (number.exponent > maximum) {
    if ((environment.masks & FloatFlag.overflow) !== 0) {
      overflow(environment, number, format);
      return;
    }
    environment.flags |= FloatFlag.overflow;
    number.exponent -= format.bias;
  }
  if (inexact) environment.flags |= FloatFlag.precision;
}

function underflow(environment: FloatEnvironment, number: FloatNumber, format: FloatFormat): void {
  const { precision, minimum } = format;
  if ((environment.masks & FloatFlag.underflow) === 0) {
    environment.flags |= FloatFlag.underflow;
    if (roundSignificand(environment, number, precision)) {
      environment.flags |= FloatFlag.precision;
    }
    number.exponent += format.bias;
    return;
  }
  if (environment.flushToZero) {
    environment.flags |= FloatFlag.underflow | FloatFlag.precision;
    number.setZero(number.sign);
    return;
  }
  shiftRight(number, minimum - number.exponent);
  number.exponent = minimum;
  if (roundSignificand(environment, number, precision)) {
    environment.flags |= FloatFlag.underflow | FloatFlag.precision;
  }
  if ((number.high | number.low) === 0) number.setZero(number.sign);
}

/**
 * Rounds to a whole number: the significand becomes the magnitude as a 64-bit integer, with
 * `rest` 0. The exponent must be below 64.
 * @returns whether it was not exact. A carry out of 64 bits leaves 0 and exponent 64.
 */
export function roundToInteger(environment: FloatEnvironment, number: FloatNumber): boolean {
  shiftRight(number, 63 - number.exponent);
  number.exponent = 63;
  const { rest } = number;
  number.rest = 0;
  environment.roundedUp = roundsUp(environment.rounding, number.sign, rest, number.low & 1);
  if (environment.roundedUp) {
    number.low = (number.low + 1) | 0;
    if (number.low === 0) number.high = (number.high + 1) | 0;
    if ((number.low | number.high) === 0) number.exponent = 64;
  }
  return rest !== 0;
}
