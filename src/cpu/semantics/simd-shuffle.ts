/** Unpacking, packing, shuffling, blending and byte shifts. Source: SDM volume 2. */
import type { Emit, Meaning, Size } from './emit.ts';
import { binary, immediate, lanes, unary, vectorBytes, words, zero } from './simd-parts.ts';
import { VectorOp } from './vector-ops.ts';

/** Lanes of both operands in turn, from the lower or the upper half. */
function interleave(size: number, isHigh: boolean): Meaning {
  return binary((x, a, b) => {
    const bytes = vectorBytes(x);
    const firsts: number[] = [];
    for (let at = 0; at < bytes / 2; at += size) {
      const from = isHigh ? at + bytes / 2 : at;
      firsts.push(from, 16 + from);
    }
    return x.shuffle(a, b, lanes(size, firsts));
  });
}

/** Both operands narrowed with saturation; those of MMX fit in one vector. */
function pack(op: VectorOp): Meaning {
  return binary((x, a, b) => {
    if (vectorBytes(x) === 16) return x.vector2(op, a, b);
    const both = x.shuffle(a, b, lanes(8, [0, 16]));
    return x.vector2(op, both, both);
  });
}

/** PSHUFB: a set bit 7 gives 0. Outside the vector, a swizzle's bytes are 0 too. */
const shuffleBytes = binary((x, a, b) => {
  const mask = vectorBytes(x) === 16 ? 0x8f8f_8f8f : 0x8787_8787;
  return x.vector2(VectorOp.i8x16Swizzle, a, x.vector2(VectorOp.and, b, words(x, mask)));
});

/** Four lane numbers of two bits each. */
function chosen(control: number): number[] {
  return [0, 2, 4, 6].map((shift) => (control >> shift) & 3);
}

/** PSHUFD, and PSHUFW, PSHUFLW and PSHUFHW on four words from byte `first` on. */
function shuffleLanes(size: 2 | 4, first = 0): Meaning {
  return unary((x, a) => {
    const whole = Array.from({ length: 16 / size }, (_, lane) => lane * size);
    const picked = chosen(immediate(x)).map((lane) => first + lane * size);
    whole.splice(first / size, 4, ...picked);
    return x.shuffle(a, a, lanes(size, whole));
  });
}

const shuffleSingles = binary((x, a, b) => {
  const [first, second, third, fourth] = chosen(immediate(x)).map((lane) => 4 * lane);
  return x.shuffle(a, b, lanes(4, [first!, second!, 16 + third!, 16 + fourth!]));
});

const shuffleDoubles = binary((x, a, b) => {
  const control = immediate(x);
  return x.shuffle(a, b, lanes(8, [8 * (control & 1), 16 + 8 * ((control >> 1) & 1)]));
});

/** BLENDPS, BLENDPD and PBLENDW: a bit for each lane chooses the source. */
function blend(size: number): Meaning {
  return binary((x, a, b) => {
    const control = immediate(x);
    const firsts = Array.from({ length: 16 / size }, (_, lane) =>
      ((control >> lane) & 1) === 0 ? lane * size : 16 + lane * size,
    );
    return x.shuffle(a, b, lanes(size, firsts));
  });
}

/** PBLENDVB, BLENDVPS and BLENDVPD: the signs of XMM0's lanes choose the source. */
function blendBySign(greater: VectorOp): Meaning {
  return binary((x, a, b) => {
    const mask = x.vector2(greater, zero(x), x.xmm(0));
    return x.vectorSelect(b, a, mask);
  });
}

/** PALIGNR: bytes from a distance on, out of source and destination as its upper part. */
const alignRight = binary((x, a, b) => {
  const bytes = vectorBytes(x);
  const by = immediate(x);
  const firsts: number[] = [];
  for (let at = by; at < by + bytes; at += 1) {
    if (by < bytes) firsts.push(at < bytes ? at : 16 + at - bytes);
    else firsts.push(at < 2 * bytes ? at - bytes : 16);
  }
  return by < bytes ? x.shuffle(b, a, lanes(1, firsts)) : x.shuffle(a, zero(x), lanes(1, firsts));
});

/** PSLLDQ and PSRLDQ. */
function shiftBytes(isLeft: boolean): Meaning {
  return (x) => {
    const by = Math.min(immediate(x), 16);
    const bytes = Array.from({ length: 16 }, (_, at) => {
      const from = isLeft ? at - by : at + by;
      return from >= 0 && from < 16 ? from : 16;
    });
    x.writeVector(0, x.shuffle(x.readVector(0), zero(x), bytes));
  };
}

/** PMOVSX and PMOVZX: by one or more doublings. */
function widen(...ops: readonly VectorOp[]): Meaning {
  return (x) => {
    let value = x.readVector(1);
    for (const op of ops) value = x.vector1(op, value);
    x.writeVector(0, value);
  };
}

/** Even and odd lanes of both operands side by side, for horizontal instructions. */
export function evenAndOdd<V>(x: Emit<V>, size: Size, a: V, b: V): readonly [even: V, odd: V] {
  const bytes = vectorBytes(x);
  const even: number[] = [];
  for (const operand of [0, 16]) {
    for (let at = 0; at < bytes; at += 2 * size) even.push(operand + at);
  }
  const odd = even.map((first) => first + size);
  return [x.shuffle(a, b, lanes(size, even)), x.shuffle(a, b, lanes(size, odd))];
}

const {
  i16x8ExtendLowI8x16S: byteS,
  i16x8ExtendLowI8x16U: byteU,
  i32x4ExtendLowI16x8S: wordS,
  i32x4ExtendLowI16x8U: wordU,
  i64x2ExtendLowI32x4S: doublewordS,
  i64x2ExtendLowI32x4U: doublewordU,
} = VectorOp;

export const SIMD_SHUFFLES: Readonly<Record<string, Meaning>> = {
  punpcklbw: interleave(1, false),
  punpcklwd: interleave(2, false),
  punpckldq: interleave(4, false),
  punpcklqdq: interleave(8, false),
  punpckhbw: interleave(1, true),
  punpckhwd: interleave(2, true),
  punpckhdq: interleave(4, true),
  punpckhqdq: interleave(8, true),
  unpcklps: interleave(4, false),
  unpcklpd: interleave(8, false),
  unpckhps: interleave(4, true),
  unpckhpd: interleave(8, true),
  packsswb: pack(VectorOp.i8x16NarrowI16x8S),
  packuswb: pack(VectorOp.i8x16NarrowI16x8U),
  packssdw: pack(VectorOp.i16x8NarrowI32x4S),
  packusdw: pack(VectorOp.i16x8NarrowI32x4U),
  pshufb: shuffleBytes,
  pshufd: shuffleLanes(4),
  pshufw: shuffleLanes(2),
  pshuflw: shuffleLanes(2),
  pshufhw: shuffleLanes(2, 8),
  shufps: shuffleSingles,
  shufpd: shuffleDoubles,
  blendps: blend(4),
  blendpd: blend(8),
  pblendw: blend(2),
  pblendvb: blendBySign(VectorOp.i8x16GtS),
  blendvps: blendBySign(VectorOp.i32x4GtS),
  blendvpd: blendBySign(VectorOp.i64x2GtS),
  palignr: alignRight,
  psrldq: shiftBytes(false),
  pslldq: shiftBytes(true),
  pmovsxbw: widen(byteS),
  pmovsxbd: widen(byteS, wordS),
  pmovsxbq: widen(byteS, wordS, doublewordS),
  pmovsxwd: widen(wordS),
  pmovsxwq: widen(wordS, doublewordS),
  pmovsxdq: widen(doublewordS),
  pmovzxbw: widen(byteU),
  pmovzxbd: widen(byteU, wordU),
  pmovzxbq: widen(byteU, wordU, doublewordU),
  pmovzxwd: widen(wordU),
  pmovzxwq: widen(wordU, doublewordU),
  pmovzxdq: widen(doublewordU),
};
