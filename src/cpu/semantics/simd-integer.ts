/** Packed integer arithmetic, comparison, logic and shifts. Source: SDM volume 2. */
import { OperandKind } from './bind.ts';
import type { Emit, Meaning, Size } from './emit.ts';
import { FLAG_POSITION, FlagKind } from './flags.ts';
import { binary, immediate, lanes, operation, unary, words, zero } from './simd-parts.ts';
import { evenAndOdd } from './simd-shuffle.ts';
import { VectorOp } from './vector-ops.ts';

/** ~a & b */
const andNot = binary((x, a, b) => x.vector2(VectorOp.andNot, b, a));

const ODD_WORDS = lanes(2, [2, 6, 10, 14, 18, 22, 26, 30]);

/** PMULHW and PMULHUW: the upper halves of the products. */
function multiplyHigh(low: VectorOp, high: VectorOp): Meaning {
  return binary((x, a, b) => x.shuffle(x.vector2(low, a, b), x.vector2(high, a, b), ODD_WORDS));
}

/** PMULUDQ and PMULDQ: products of the even doublewords. */
function multiplyEven(op: VectorOp): Meaning {
  const even = lanes(4, [0, 8, 0, 8]);
  return binary((x, a, b) => x.vector2(op, x.shuffle(a, a, even), x.shuffle(b, b, even)));
}

/** PMULHRSW: the one product that does not fit wraps, where WebAssembly's saturates. */
const multiplyRounded = binary((x, a, b) => {
  const least = words(x, 0x8000_8000);
  const isLeast = (value: typeof a): typeof a => x.vector2(VectorOp.i16x8Eq, value, least);
  const wraps = x.vector2(VectorOp.and, isLeast(a), isLeast(b));
  return x.vector2(VectorOp.xor, x.vector2(VectorOp.i16x8Q15mulrSatS, a, b), wraps);
});

/** PMADDUBSW: unsigned bytes times signed ones, pairs added with saturation. */
const multiplyAddBytes = binary((x, a, b) => {
  const eight = x.constant(4, 8);
  const low = x.vector2(VectorOp.and, a, words(x, 0x00ff_00ff));
  const lowSigned = x.vectorShift(
    VectorOp.i16x8ShrS,
    x.vectorShift(VectorOp.i16x8Shl, b, eight),
    eight,
  );
  const high = x.vectorShift(VectorOp.i16x8ShrU, a, eight);
  const highSigned = x.vectorShift(VectorOp.i16x8ShrS, b, eight);
  return x.vector2(
    VectorOp.i16x8AddSatS,
    x.vector2(VectorOp.i16x8Mul, low, lowSigned),
    x.vector2(VectorOp.i16x8Mul, high, highSigned),
  );
});

/** PSADBW: in each 8 bytes the sum of the differences. */
const sumOfDifferences = binary((x, a, b) => {
  const { i8x16SubSatU: less } = VectorOp;
  const bytes = x.vector2(VectorOp.or, x.vector2(less, a, b), x.vector2(less, b, a));
  const pairs = x.vector1(VectorOp.i16x8ExtaddPairwiseI8x16U, bytes);
  const fours = x.vector1(VectorOp.i32x4ExtaddPairwiseI16x8U, pairs);
  const upper = x.vectorShift(VectorOp.i64x2ShrU, fours, x.constant(4, 32));
  const lower = x.vector2(VectorOp.and, fours, x.vectorConstant([0xffff, 0, 0xffff, 0]));
  return x.vector2(VectorOp.i64x2Add, lower, upper);
});

/** PHADDW and its kin. */
function horizontal(size: Size, op: VectorOp): Meaning {
  return binary((x, a, b) => {
    const [even, odd] = evenAndOdd(x, size, a, b);
    return x.vector2(op, even, odd);
  });
}

/** PSIGNB and its kin: negated, cleared or kept by the sign of the source. */
function applySign(greater: VectorOp, equal: VectorOp, subtract: VectorOp): Meaning {
  return binary((x, a, b) => {
    const none = zero(x);
    const isNegative = x.vector2(greater, none, b);
    const flipped = x.vector2(VectorOp.xor, a, isNegative);
    const signed = x.vector2(subtract, flipped, isNegative);
    return x.vector2(VectorOp.andNot, signed, x.vector2(equal, b, none));
  });
}

/** By an immediate, or by the low 64 bits of a vector; counts beyond the lane give zeros or signs. */
function shift(op: VectorOp, bits: number, isArithmetic = false): Meaning {
  return (x) => {
    const value = x.readVector(0);
    if (x.bound.operands[1]!.kind === OperandKind.immediate) {
      const count = immediate(x);
      if (count >= bits && !isArithmetic) x.writeVector(0, zero(x));
      else {
        x.writeVector(0, x.vectorShift(op, value, x.constant(4, Math.min(count, bits - 1))));
      }
      return;
    }
    const count = x.lane(8, x.readVector(1), 0);
    const isWithin = x.ltu(8, count, x.constant(8, bits));
    const low = x.trunc(8, 4, count);
    if (isArithmetic) {
      const by = x.select(4, isWithin, low, x.constant(4, bits - 1));
      x.writeVector(0, x.vectorShift(op, value, by));
      return;
    }
    const shifted = x.vectorShift(op, value, x.and(4, low, x.constant(4, bits - 1)));
    const mask = x.splat(4, x.sub(4, x.constant(4, 0), isWithin));
    x.writeVector(0, x.vector2(VectorOp.and, shifted, mask));
  };
}

/** ZF: no bit of both; CF: no bit of the source that the destination lacks. */
const test: Meaning = (x) => {
  const first = x.readVector(0);
  const second = x.readVector(1);
  const none = <V>(y: Emit<V>, value: V): V => y.xor(4, y.anyTrue(value), y.constant(4, 1));
  const zf = none(x, x.vector2(VectorOp.and, first, second));
  const cf = none(x, x.vector2(VectorOp.andNot, second, first));
  const word = x.or(4, cf, x.shl(4, zf, x.constant(4, FLAG_POSITION.zf)));
  x.setFlags(FlagKind.explicit, 4, word, word);
};

/** PAND, ANDPS, ANDPD and so on do the same. */
function logic(name: string, meaning: Meaning): Record<string, Meaning> {
  return { [`p${name}`]: meaning, [`${name}ps`]: meaning, [`${name}pd`]: meaning };
}

export const SIMD_INTEGER: Readonly<Record<string, Meaning>> = {
  ...logic('and', operation(VectorOp.and)),
  ...logic('andn', andNot),
  ...logic('or', operation(VectorOp.or)),
  ...logic('xor', operation(VectorOp.xor)),
  paddb: operation(VectorOp.i8x16Add),
  paddw: operation(VectorOp.i16x8Add),
  paddd: operation(VectorOp.i32x4Add),
  paddq: operation(VectorOp.i64x2Add),
  paddsb: operation(VectorOp.i8x16AddSatS),
  paddsw: operation(VectorOp.i16x8AddSatS),
  paddusb: operation(VectorOp.i8x16AddSatU),
  paddusw: operation(VectorOp.i16x8AddSatU),
  psubb: operation(VectorOp.i8x16Sub),
  psubw: operation(VectorOp.i16x8Sub),
  psubd: operation(VectorOp.i32x4Sub),
  psubq: operation(VectorOp.i64x2Sub),
  psubsb: operation(VectorOp.i8x16SubSatS),
  psubsw: operation(VectorOp.i16x8SubSatS),
  psubusb: operation(VectorOp.i8x16SubSatU),
  psubusw: operation(VectorOp.i16x8SubSatU),
  pmullw: operation(VectorOp.i16x8Mul),
  pmulld: operation(VectorOp.i32x4Mul),
  pmulhw: multiplyHigh(VectorOp.i32x4ExtmulLowI16x8S, VectorOp.i32x4ExtmulHighI16x8S),
  pmulhuw: multiplyHigh(VectorOp.i32x4ExtmulLowI16x8U, VectorOp.i32x4ExtmulHighI16x8U),
  pmulhrsw: multiplyRounded,
  pmuludq: multiplyEven(VectorOp.i64x2ExtmulLowI32x4U),
  pmuldq: multiplyEven(VectorOp.i64x2ExtmulLowI32x4S),
  pmaddwd: operation(VectorOp.i32x4DotI16x8S),
  pmaddubsw: multiplyAddBytes,
  psadbw: sumOfDifferences,
  pavgb: operation(VectorOp.i8x16AvgrU),
  pavgw: operation(VectorOp.i16x8AvgrU),
  pminub: operation(VectorOp.i8x16MinU),
  pminsb: operation(VectorOp.i8x16MinS),
  pminuw: operation(VectorOp.i16x8MinU),
  pminsw: operation(VectorOp.i16x8MinS),
  pminud: operation(VectorOp.i32x4MinU),
  pminsd: operation(VectorOp.i32x4MinS),
  pmaxub: operation(VectorOp.i8x16MaxU),
  pmaxsb: operation(VectorOp.i8x16MaxS),
  pmaxuw: operation(VectorOp.i16x8MaxU),
  pmaxsw: operation(VectorOp.i16x8MaxS),
  pmaxud: operation(VectorOp.i32x4MaxU),
  pmaxsd: operation(VectorOp.i32x4MaxS),
  pabsb: unary((x, a) => x.vector1(VectorOp.i8x16Abs, a)),
  pabsw: unary((x, a) => x.vector1(VectorOp.i16x8Abs, a)),
  pabsd: unary((x, a) => x.vector1(VectorOp.i32x4Abs, a)),
  pcmpeqb: operation(VectorOp.i8x16Eq),
  pcmpeqw: operation(VectorOp.i16x8Eq),
  pcmpeqd: operation(VectorOp.i32x4Eq),
  pcmpeqq: operation(VectorOp.i64x2Eq),
  pcmpgtb: operation(VectorOp.i8x16GtS),
  pcmpgtw: operation(VectorOp.i16x8GtS),
  pcmpgtd: operation(VectorOp.i32x4GtS),
  pcmpgtq: operation(VectorOp.i64x2GtS),
  phaddw: horizontal(2, VectorOp.i16x8Add),
  phaddd: horizontal(4, VectorOp.i32x4Add),
  phaddsw: horizontal(2, VectorOp.i16x8AddSatS),
  phsubw: horizontal(2, VectorOp.i16x8Sub),
  phsubd: horizontal(4, VectorOp.i32x4Sub),
  phsubsw: horizontal(2, VectorOp.i16x8SubSatS),
  psignb: applySign(VectorOp.i8x16GtS, VectorOp.i8x16Eq, VectorOp.i8x16Sub),
  psignw: applySign(VectorOp.i16x8GtS, VectorOp.i16x8Eq, VectorOp.i16x8Sub),
  psignd: applySign(VectorOp.i32x4GtS, VectorOp.i32x4Eq, VectorOp.i32x4Sub),
  psllw: shift(VectorOp.i16x8Shl, 16),
  pslld: shift(VectorOp.i32x4Shl, 32),
  psllq: shift(VectorOp.i64x2Shl, 64),
  psrlw: shift(VectorOp.i16x8ShrU, 16),
  psrld: shift(VectorOp.i32x4ShrU, 32),
  psrlq: shift(VectorOp.i64x2ShrU, 64),
  psraw: shift(VectorOp.i16x8ShrS, 16, true),
  psrad: shift(VectorOp.i32x4ShrS, 32, true),
  ptest: test,
};
