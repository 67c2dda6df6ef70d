/** Where a result that differs from the recorded one is still right. */
import type { Encoding } from '../../src/cpu/table/row.ts';

/** RCPPS and its kin: two results within 1.5 * 2^-12 of the exact one (SDM volume 2, RCPPS). */
const APPROXIMATE = /^r(?:cp|sqrt)[ps]s$/;
const APPROXIMATE_ERROR = 3 * 2 ** -12;
/** Results that processors round differently: within one in the last place, and C1 is open. */
const TRANSCENDENTAL = /^(?:f2xm1|fyl2x|fyl2xp1|fptan|fpatan|fsin|fcos|fsincos)$/;

/** C1 of the x87 status word. */
export const STATUS_C1 = 0x200;

const words = new Uint32Array(2);
const singles = new Float32Array(words.buffer);

export function isApproximate({ mnemonic }: Encoding): boolean {
  return APPROXIMATE.test(mnemonic);
}

export function isTranscendental({ mnemonic }: Encoding): boolean {
  return TRANSCENDENTAL.test(mnemonic);
}

/** Whether two singles, given by their bits, are close enough for an approximate row. */
export function isNear(actual: number, expected: number): boolean {
  words[0] = actual;
  words[1] = expected;
  return Math.abs(singles[0]! / singles[1]! - 1) <= APPROXIMATE_ERROR;
}

/** A number that is one more for the next normal number of the same sign; given low, high, exponent. */
function ordinal(number: Uint32Array): bigint {
  return (BigInt(number[2]!) << 63n) + ((BigInt(number[1]!) << 32n) | BigInt(number[0]!));
}

/** Whether two extended numbers (low, high, exponent) are equal or neighbours. */
export function isAdjacent(actual: Uint32Array, expected: Uint32Array): boolean {
  const difference = ordinal(actual) - ordinal(expected);
  return difference >= -1n && difference <= 1n;
}
