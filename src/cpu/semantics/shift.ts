/**
 * Shifts and rotates. A count of 0 leaves the flags alone; what SDM volume 2 leaves undefined (AF, and
 * OF for counts above 1) follows the formula of count 1, so that every executor agrees.
 */
import type { Emit, Meaning, Size } from './emit.ts';
import { FlagBit, FLAG_POSITION } from './flags.ts';

type Step = <V>(x: Emit<V>, size: Size, value: V, count: V) => V;

function maskedCount<V>(x: Emit<V>, size: Size, operand: number): V {
  const count = x.zext(1, 4, x.read(operand));
  return x.and(4, count, x.constant(4, size === 8 ? 63 : 31));
}

function sign<V>(x: Emit<V>, size: Size, value: V): V {
  return x.lts(size, value, x.constant(size, 0));
}

function bit0<V>(x: Emit<V>, size: Size, value: V): V {
  const low = size === 8 ? x.trunc(8, 4, value) : size === 4 ? value : x.zext(size, 4, value);
  return x.and(4, low, x.constant(4, 1));
}

/** One less, modulo the mask of counts: for the bit that goes out last. */
function before<V>(x: Emit<V>, size: Size, count: V): V {
  return x.and(4, x.sub(4, count, x.constant(4, 1)), x.constant(4, size === 8 ? 63 : 31));
}

function shift(kind: 'shl' | 'shr' | 'sar'): Meaning {
  return (x) => {
    const size = x.size(0);
    const value = x.update(0);
    const count = maskedCount(x, size, 1);
    const result = x[kind](size, value, count);
    x.write(0, result);
    const last = x[kind](size, value, before(x, size, count));
    const carry = kind === 'shl' ? sign(x, size, last) : bit0(x, size, last);
    const overflow =
      kind === 'shl'
        ? x.xor(4, carry, sign(x, size, result))
        : kind === 'shr'
          ? sign(x, size, value)
          : x.constant(4, 0);
    const isCounted = x.ne(4, count, x.constant(4, 0));
    x.setFlagsOfIf(isCounted, size, result, carry, overflow, x.constant(4, 0));
  };
}

/** CF and OF of a rotate; the others stay. */
function rotateFlags<V>(x: Emit<V>, count: V, carry: V, overflow: V): void {
  const word = x.or(4, carry, x.shl(4, overflow, x.constant(4, FLAG_POSITION.of)));
  x.replaceFlagsIf(x.ne(4, count, x.constant(4, 0)), FlagBit.cf | FlagBit.of, word);
}

const rotatedLeft: Step = (x, size, value, count) => {
  if (size >= 4) return x.rotl(size, value, count);
  const mask = x.constant(4, size * 8 - 1);
  const by = x.and(4, count, mask);
  const back = x.and(4, x.sub(4, x.constant(4, size * 8), by), mask);
  return x.or(size, x.shl(size, value, by), x.shr(size, value, back));
};

const rotatedRight: Step = (x, size, value, count) => {
  if (size >= 4) return x.rotr(size, value, count);
  return rotatedLeft(x, size, value, x.sub(4, x.constant(4, size * 8), count));
};

const rotateLeft: Meaning = (x) => {
  const size = x.size(0);
  const value = x.update(0);
  const count = maskedCount(x, size, 1);
  const result = rotatedLeft(x, size, value, count);
  x.write(0, result);
  const carry = bit0(x, size, result);
  rotateFlags(x, count, carry, x.xor(4, carry, sign(x, size, result)));
};

const rotateRight: Meaning = (x) => {
  const size = x.size(0);
  const value = x.update(0);
  const count = maskedCount(x, size, 1);
  const result = rotatedRight(x, size, value, count);
  x.write(0, result);
  const carry = sign(x, size, result);
  const next = sign(x, size, x.shl(size, result, x.constant(4, 1)));
  rotateFlags(x, count, carry, x.xor(4, carry, next));
};

/** The count of RCL and RCR modulo the bits and CF. */
function throughCarryCount<V>(x: Emit<V>, size: Size, count: V): V {
  if (size >= 4) return count;
  const bits = size * 8 + 1;
  if (size === 2) {
    const over = x.ltu(4, x.constant(4, bits - 1), count);
    return x.select(4, over, x.sub(4, count, x.constant(4, bits)), count);
  }
  // 57/512 is a little more than 1/9, and exact enough below 32.
  const quotient = x.shr(4, x.mul(4, count, x.constant(4, 57)), x.constant(4, 9));
  return x.sub(4, count, x.mul(4, quotient, x.constant(4, bits)));
}

interface Rotated<V> {
  readonly result: V;
  readonly carry: V;
}

/** Up to 32 bits: value and CF side by side in 64. */
function narrowThroughCarry<V>(x: Emit<V>, size: Size, value: V, left: V): Rotated<V> {
  const bits = size * 8;
  const wide = x.or(
    8,
    x.zext(size, 8, value),
    x.shl(8, x.zext(4, 8, x.carry()), x.constant(4, bits)),
  );
  const right = x.and(4, x.sub(4, x.constant(4, bits + 1), left), x.constant(4, 63));
  const turned = x.or(8, x.shl(8, wide, left), x.shr(8, wide, right));
  const carry = x.shr(8, turned, x.constant(4, bits));
  return { result: x.trunc(8, size, turned), carry: bit0(x, 8, carry) };
}

function isZero<V>(x: Emit<V>, value: V): V {
  return x.eq(4, value, x.constant(4, 0));
}

/** 64 bits: what CF brings in, and what comes around it, one place further. */
function wideThroughCarry<V>(x: Emit<V>, isLeft: boolean, value: V, count: V): Rotated<V> {
  const onward = isLeft ? x.shl.bind(x) : x.shr.bind(x);
  const around = isLeft ? x.shr.bind(x) : x.shl.bind(x);
  const carryIn = x.carry();
  const carry64 = x.zext(4, 8, carryIn);
  const less = before(x, 8, count);
  const entering = isLeft
    ? x.shl(8, carry64, less)
    : x.shl(8, carry64, x.and(4, x.sub(4, x.constant(4, 64), count), x.constant(4, 63)));
  const back = x.and(4, x.sub(4, x.constant(4, 65), count), x.constant(4, 63));
  const isOne = x.eq(4, count, x.constant(4, 1));
  const returning = x.select(8, isOne, x.constant(8, 0), around(8, value, back));
  const turned = x.or(8, x.or(8, onward(8, value, count), entering), returning);
  const last = onward(8, value, less);
  const out = isLeft ? sign(x, 8, last) : bit0(x, 8, last);
  const none = isZero(x, count);
  return { result: x.select(8, none, value, turned), carry: x.select(4, none, carryIn, out) };
}

function rotateThroughCarry(isLeft: boolean): Meaning {
  return (x) => {
    const size = x.size(0);
    const value = x.update(0);
    const masked = maskedCount(x, size, 1);
    const count = throughCarryCount(x, size, masked);
    let turned;
    if (size === 8) turned = wideThroughCarry(x, isLeft, value, count);
    else {
      const left = isLeft ? count : x.sub(4, x.constant(4, size * 8 + 1), count);
      // A count of 0 turns the whole way round.
      turned = narrowThroughCarry(x, size, value, left);
    }
    const { result, carry } = turned;
    x.write(0, result);
    const overflow = isLeft
      ? x.xor(4, carry, sign(x, size, result))
      : x.xor(4, sign(x, size, result), sign(x, size, x.shl(size, result, x.constant(4, 1))));
    rotateFlags(x, masked, carry, overflow);
  };
}

/** SHLD and SHRD. Counts above 16 of 16-bit operands are undefined and shift on through the pair. */
function doubleShift(isLeft: boolean): Meaning {
  return (x) => {
    const size = x.size(0);
    const value = x.update(0);
    const other = x.read(1);
    const count = maskedCount(x, size, 2);
    const result = shiftedPair(x, isLeft, size, value, other, count);
    x.write(0, result);
    const less = before(x, size, count);
    const carry = isLeft
      ? sign(x, size, x.shl(size, value, less))
      : bit0(x, size, x.shr(size, value, less));
    const overflow = x.xor(4, sign(x, size, result), sign(x, size, value));
    const isCounted = x.ne(4, count, x.constant(4, 0));
    x.setFlagsOfIf(isCounted, size, result, carry, overflow, x.constant(4, 0));
  };
}

function shiftedPair<V>(x: Emit<V>, isLeft: boolean, size: Size, value: V, other: V, count: V): V {
  const bits = size * 8;
  if (size === 8) {
    const back = x.and(4, x.sub(4, x.constant(4, 64), count), x.constant(4, 63));
    const shifted = isLeft
      ? x.or(8, x.shl(8, value, count), x.shr(8, other, back))
      : x.or(8, x.shr(8, value, count), x.shl(8, other, back));
    return x.select(8, isZero(x, count), value, shifted);
  }
  const high = x.zext(size, 8, isLeft ? value : other);
  const low = x.zext(size, 8, isLeft ? other : value);
  const pair = x.or(8, x.shl(8, high, x.constant(4, bits)), low);
  if (!isLeft) return x.trunc(8, size, x.shr(8, pair, count));
  return x.trunc(8, size, x.shr(8, x.shl(8, pair, count), x.constant(4, bits)));
}

export const SHIFTS: Readonly<Record<string, Meaning>> = {
  shl: shift('shl'),
  shr: shift('shr'),
  sar: shift('sar'),
  rol: rotateLeft,
  ror: rotateRight,
  rcl: rotateThroughCarry(true),
  rcr: rotateThroughCarry(false),
  shld: doubleShift(true),
  shrd: doubleShift(false),
};
