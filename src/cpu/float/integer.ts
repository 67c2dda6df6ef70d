/** Conversions between numbers taken apart and two's complement integers of 16, 32 and 64 bits. */
import { type FloatEnvironment, FloatFlag, roundToInteger } from './environment.ts';
import { type FloatNumber, Kind } from './number.ts';

const TOP = 0x8000_0000 | 0;

export function fromInteger(number: FloatNumber, high: number, low: number): void {
  const sign = high >>> 31;
  if (sign === 0) {
    number.setFinite(0, 63, high | 0, low | 0);
    return;
  }
  const negated = -low | 0;
  number.setFinite(1, 63, (~high + (negated === 0 ? 1 : 0)) | 0, negated);
}

/**
 * Rounds in place to an integer of `bits` bits: its two words become `high` and `low`. What does
 * not fit is invalid and becomes the integer indefinite, the most negative number.
 * @returns whether it fitted
 */
export function toInteger(
  environment: FloatEnvironment,
  number: FloatNumber,
  bits: number,
): boolean {
  if (number.kind === Kind.zero) {
    number.high = 0;
    number.low = 0;
    return true;
  }
  if (number.kind === Kind.finite && number.exponent < 64) {
    const inexact = roundToInteger(environment, number);
    if (number.exponent < 64 && fits(number, bits)) {
      if (inexact) environment.flags |= FloatFlag.precision;
      if (number.sign !== 0) {
        number.low = -number.low | 0;
        number.high = (~number.high + (number.low === 0 ? 1 : 0)) | 0;
      }
      return true;
    }
  }
  environment.flags |= FloatFlag.invalid;
  environment.roundedUp = false;
  number.high = bits === 64 ? TOP : -1;
  number.low = bits === 64 ? 0 : -1 << (bits - 1);
  return false;
}

/** Whether the magnitude, with its sign, is an integer of that size. */
function fits({ sign, high, low }: FloatNumber, bits: number): boolean {
  if (bits === 64) return high >= 0 || (sign !== 0 && high === TOP && low === 0);
  if (high !== 0) return false;
  const limit = 2 ** (bits - 1);
  return low >>> 0 < limit + sign;
}
