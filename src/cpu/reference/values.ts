/** Values of the reference executor: bigints, zero-extended as emit.ts has them. */
import type { Size, Values } from '../semantics/emit.ts';

const BITS_64 = 64;

/** A value as a signed number. */
export function signed(size: Size, value: bigint): bigint {
  return BigInt.asIntN(size * 8, value);
}

export function unsigned(size: Size, value: bigint): bigint {
  return BigInt.asUintN(size * 8, value);
}

function truth(value: boolean): bigint {
  return value ? 1n : 0n;
}

/** Bit by bit, so that it is plain to see. */
function bitsOf(size: Size, value: bigint): boolean[] {
  return Array.from({ length: size * 8 }, (_, bit) => ((value >> BigInt(bit)) & 1n) === 1n);
}

export class ReferenceValues implements Values<bigint> {
  constant(size: Size, low: number, high = 0): bigint {
    if (size !== 8) return unsigned(size, BigInt(low));
    return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  }

  add(size: Size, a: bigint, b: bigint): bigint {
    return unsigned(size, a + b);
  }

  sub(size: Size, a: bigint, b: bigint): bigint {
    return unsigned(size, a - b);
  }

  mul(size: Size, a: bigint, b: bigint): bigint {
    return unsigned(size, a * b);
  }

  and(_size: Size, a: bigint, b: bigint): bigint {
    return a & b;
  }

  or(_size: Size, a: bigint, b: bigint): bigint {
    return a | b;
  }

  xor(_size: Size, a: bigint, b: bigint): bigint {
    return a ^ b;
  }

  not(size: Size, a: bigint): bigint {
    return unsigned(size, ~a);
  }

  shl(size: Size, a: bigint, count: bigint): bigint {
    return unsigned(size, a << count);
  }

  shr(_size: Size, a: bigint, count: bigint): bigint {
    return a >> count;
  }

  sar(size: Size, a: bigint, count: bigint): bigint {
    return unsigned(size, signed(size, a) >> count);
  }

  rotl(size: Size, a: bigint, count: bigint): bigint {
    const bits = BigInt(size * 8);
    const by = count % bits;
    return unsigned(size, (a << by) | (a >> (bits - by)));
  }

  rotr(size: Size, a: bigint, count: bigint): bigint {
    const bits = BigInt(size * 8);
    return this.rotl(size, a, bits - (count % bits));
  }

  eq(_size: Size, a: bigint, b: bigint): bigint {
    return truth(a === b);
  }

  ne(_size: Size, a: bigint, b: bigint): bigint {
    return truth(a !== b);
  }

  ltu(_size: Size, a: bigint, b: bigint): bigint {
    return truth(a < b);
  }

  lts(size: Size, a: bigint, b: bigint): bigint {
    return truth(signed(size, a) < signed(size, b));
  }

  select(_size: Size, condition: bigint, a: bigint, b: bigint): bigint {
    return condition === 0n ? b : a;
  }

  zext(_from: Size, _to: Size, a: bigint): bigint {
    return a;
  }

  sext(from: Size, to: Size, a: bigint): bigint {
    return unsigned(to, signed(from, a));
  }

  trunc(_from: Size, to: Size, a: bigint): bigint {
    return unsigned(to, a);
  }

  clz(size: Size, a: bigint): bigint {
    const highest = bitsOf(size, a).lastIndexOf(true);
    return BigInt(size * 8 - 1 - highest);
  }

  ctz(size: Size, a: bigint): bigint {
    const lowest = bitsOf(size, a).indexOf(true);
    return BigInt(lowest < 0 ? size * 8 : lowest);
  }

  popcnt(size: Size, a: bigint): bigint {
    return BigInt(bitsOf(size, a).filter(Boolean).length);
  }

  mulWide(isSigned: boolean, a: bigint, b: bigint): readonly [low: bigint, high: bigint] {
    const product = isSigned ? signed(8, a) * signed(8, b) : a * b;
    return [unsigned(8, product), unsigned(8, product >> BigInt(BITS_64))];
  }
}
