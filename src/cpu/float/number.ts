/**
 * A floating point number taken apart, and the three memory formats: binary32, binary64 and the
 * x87's double extended (SDM volume 1, 4.2 and 8.2.2).
 */

/** What a number is. Order matters: everything from `quietNan` up is no number. */
export const Kind = {
  zero: 0,
  finite: 1,
  infinity: 2,
  quietNan: 3,
  signallingNan: 4,
  /** Extended only: pseudo-infinity, pseudo-NaN, unnormal. Arithmetic on it is invalid. */
  unsupported: 5,
} as const;

const TOP = 0x8000_0000 | 0;
const QUIET = 0x4000_0000;

/**
 * A finite number is `significand / 2^63 * 2^exponent`, its significand 64 bits in two signed
 * words, top bit set unless rounding made it a denormal. A NaN keeps its fraction at the same
 * place, top bit set. `rest` is what an operation leaves below the significand: 32 further bits,
 * the lowest of them set if anything below it was not zero.
 */
export class FloatNumber {
  kind: number = Kind.zero;
  /** 0 or 1. */
  sign = 0;
  /** Unbiased. */
  exponent = 0;
  high = 0;
  low = 0;
  rest = 0;
  /** 1 if it was loaded from a denormal (or a pseudo-denormal). */
  denormal = 0;

  copy(from: FloatNumber): void {
    this.kind = from.kind;
    this.sign = from.sign;
    this.exponent = from.exponent;
    this.high = from.high;
    this.low = from.low;
    this.rest = from.rest;
    this.denormal = from.denormal;
  }

  setZero(sign: number): void {
    this.kind = Kind.zero;
    this.sign = sign;
    this.exponent = 0;
    this.high = 0;
    this.low = 0;
    this.rest = 0;
    this.denormal = 0;
  }

  setInfinity(sign: number): void {
    this.kind = Kind.infinity;
    this.sign = sign;
    this.exponent = 0;
    this.high = TOP;
    this.low = 0;
    this.rest = 0;
    this.denormal = 0;
  }

  /** The default NaN of an invalid operation: negative, quiet, no payload. */
  setDefaultNan(): void {
    this.kind = Kind.quietNan;
    this.sign = 1;
    this.exponent = 0;
    this.high = TOP | QUIET;
    this.low = 0;
    this.rest = 0;
    this.denormal = 0;
  }

  /** `significand / 2^63 * 2^exponent`, shifted until its top bit is set; zero if it is zero. */
  setFinite(sign: number, exponent: number, high: number, low: number): void {
    this.kind = Kind.finite;
    this.sign = sign;
    this.exponent = exponent;
    this.high = high;
    this.low = low;
    this.rest = 0;
    this.denormal = 0;
    normalize(this);
  }

  quieten(): void {
    this.kind = Kind.quietNan;
    this.high |= QUIET;
  }
}

/** Shifts significand and rest left until the top bit is set. All zero: the number is zero. */
export function normalize(number: FloatNumber): void {
  let { high, low, rest, exponent } = number;
  if (high === 0) {
    if (low === 0) {
      if (rest === 0) {
        number.kind = Kind.zero;
        number.exponent = 0;
        return;
      }
      high = rest;
      rest = 0;
      exponent -= 64;
    } else {
      high = low;
      low = rest;
      rest = 0;
      exponent -= 32;
    }
  }
  const shift = Math.clz32(high);
  if (shift > 0) {
    high = (high << shift) | (low >>> (32 - shift));
    low = (low << shift) | (rest >>> (32 - shift));
    rest <<= shift;
    exponent -= shift;
  }
  number.high = high;
  number.low = low;
  number.rest = rest;
  number.exponent = exponent;
}

/** Shifts significand and rest right by `count` >= 0; what falls out is kept in the lowest bit. */
export function shiftRight(number: FloatNumber, count: number): void {
  let { high, low, rest } = number;
  let left = count;
  if (left >= 96) {
    rest = (high | low | rest) === 0 ? 0 : 1;
    low = 0;
    high = 0;
    left = 0;
  }
  while (left >= 32) {
    rest = low | (rest === 0 ? 0 : 1);
    low = high;
    high = 0;
    left -= 32;
  }
  if (left > 0) {
    const lost = rest << (32 - left);
    rest = (rest >>> left) | (low << (32 - left)) | (lost === 0 ? 0 : 1);
    low = (low >>> left) | (high << (32 - left));
    high >>>= left;
  }
  number.high = high | 0;
  number.low = low | 0;
  number.rest = rest | 0;
}

/** Unsigned comparison of two significands: negative, 0 or positive. */
export function compareSignificands(a: FloatNumber, b: FloatNumber): number {
  if (a.high !== b.high) return (a.high >>> 0) - (b.high >>> 0);
  return (a.low >>> 0) - (b.low >>> 0);
}

function unpackNan(number: FloatNumber): void {
  number.kind = (number.high & QUIET) === 0 ? Kind.signallingNan : Kind.quietNan;
  number.high |= TOP;
  number.exponent = 0;
}

function unpackDenormal(number: FloatNumber): void {
  normalize(number);
  if (number.kind === Kind.finite) number.denormal = 1;
}

export function unpackSingle(number: FloatNumber, bits: number): void {
  const exponent = (bits >>> 23) & 0xff;
  number.kind = Kind.finite;
  number.sign = bits >>> 31;
  number.high = (bits << 8) & 0x7fff_ffff;
  number.low = 0;
  number.rest = 0;
  number.denormal = 0;
  if (exponent === 0xff) {
    if (number.high === 0) number.setInfinity(number.sign);
    else unpackNan(number);
  } else if (exponent === 0) {
    number.exponent = -126;
    unpackDenormal(number);
  } else {
    number.exponent = exponent - 127;
    number.high |= TOP;
  }
}

export function unpackDouble(number: FloatNumber, high: number, low: number): void {
  const exponent = (high >>> 20) & 0x7ff;
  number.kind = Kind.finite;
  number.sign = high >>> 31;
  number.high = ((high << 11) | (low >>> 21)) & 0x7fff_ffff;
  number.low = low << 11;
  number.rest = 0;
  number.denormal = 0;
  if (exponent === 0x7ff) {
    if ((number.high | number.low) === 0) number.setInfinity(number.sign);
    else unpackNan(number);
  } else if (exponent === 0) {
    number.exponent = -1022;
    unpackDenormal(number);
  } else {
    number.exponent = exponent - 1023;
    number.high |= TOP;
  }
}

/** @param signExponent the upper 16 of the 80 bits */
export function unpackExtended(
  number: FloatNumber,
  signExponent: number,
  high: number,
  low: number,
): void {
  const exponent = signExponent & 0x7fff;
  number.kind = Kind.finite;
  number.sign = (signExponent >>> 15) & 1;
  number.exponent = exponent - 0x3fff;
  number.high = high | 0;
  number.low = low | 0;
  number.rest = 0;
  number.denormal = 0;
  if (exponent === 0) {
    number.exponent = -0x3ffe;
    unpackDenormal(number);
  } else if (number.high >= 0) {
    number.kind = Kind.unsupported;
  } else if (exponent === 0x7fff) {
    if (number.high === TOP && number.low === 0) number.setInfinity(number.sign);
    else unpackNan(number);
  }
}

/** @returns the bits of a number that is already rounded to the format */
export function packSingle(number: FloatNumber): number {
  const sign = number.sign << 31;
  if (number.kind === Kind.zero) return sign;
  const fraction = (number.high >>> 8) & 0x7f_ffff;
  if (number.kind !== Kind.finite) return sign | 0x7f80_0000 | fraction;
  return sign | ((number.high < 0 ? number.exponent + 127 : 0) << 23) | fraction;
}

/** @returns the high word; {@link packDoubleLow} has the other */
export function packDoubleHigh(number: FloatNumber): number {
  const sign = number.sign << 31;
  if (number.kind === Kind.zero) return sign;
  const fraction = (number.high >>> 11) & 0xf_ffff;
  if (number.kind !== Kind.finite) return sign | 0x7ff0_0000 | fraction;
  return sign | ((number.high < 0 ? number.exponent + 1023 : 0) << 20) | fraction;
}

export function packDoubleLow(number: FloatNumber): number {
  return number.kind === Kind.zero ? 0 : (number.high << 21) | (number.low >>> 11);
}

/** @returns sign and exponent; the significand is the number's own two words, 0 for zero */
export function packExtendedTop(number: FloatNumber): number {
  const sign = number.sign << 15;
  if (number.kind === Kind.zero) return sign;
  if (number.kind !== Kind.finite) return sign | 0x7fff;
  return sign | (number.high < 0 ? number.exponent + 0x3fff : 0);
}
