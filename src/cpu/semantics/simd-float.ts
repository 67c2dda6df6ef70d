/**
 * SSE arithmetic and comparison under the default MXCSR (mode.ts, `simdExact`). Results and flags are
 * those of float/: what may differ goes there. Source: SDM volume 2; volume 1, 11.5.
 */
import type { Emit, Meaning } from './emit.ts';
import { FLAG_POSITION, FlagKind } from './flags.ts';
import { DOUBLE, type FloatLane, FloatLanes, SINGLE } from './float-lanes.ts';
import { immediate } from './simd-parts.ts';
import { evenAndOdd } from './simd-shuffle.ts';
import { VectorOp } from './vector-ops.ts';

interface Shape {
  readonly lane: FloatLane;
  readonly isScalar: boolean;
}

type Compute = <V>(f: FloatLanes<V>, a: V, b: V) => V;

function lanesOf<V>(x: Emit<V>, { lane, isScalar }: Shape): FloatLanes<V> {
  return new FloatLanes(x, lane, isScalar);
}

/** Of two operands, the result written to the first. */
function binary(shape: Shape, compute: Compute): Meaning {
  return (x) => {
    x.writeVector(0, compute(lanesOf(x, shape), x.readVector(0), x.readVector(1)));
  };
}

/** Of the source. */
function unary(shape: Shape, compute: <V>(f: FloatLanes<V>, a: V) => V): Meaning {
  return (x) => x.writeVector(0, compute(lanesOf(x, shape), x.readVector(1)));
}

function hasDenormal<V>(f: FloatLanes<V>, a: V, b: V): V {
  return f.or(f.isDenormal(a), f.isDenormal(b));
}

const add: Compute = (f, a, b) => {
  const sum = f.op('add', a, b);
  // A denormal sum is exact.
  const unusual = f.or(f.isNotFinite(sum), hasDenormal(f, a, b));
  f.check(unusual, f.isNotZero(f.sumError(a, b, sum)));
  return sum;
};

function negated<V>(f: FloatLanes<V>, a: V): V {
  return f.x.vector2(VectorOp.xor, a, f.not(f.constant('magnitude')));
}

const subtract: Compute = (f, a, b) => add(f, a, negated(f, b));

const multiply: Compute = (f, a, b) => {
  const product = f.op('mul', a, b);
  const isProduct = f.and(f.isNotZero(a), f.isNotZero(b));
  const unusual = f.or(f.isNotFinite(product), f.and(f.isTiny(product), isProduct));
  f.check(f.or(unusual, hasDenormal(f, a, b)), f.isInexactProduct(a, b, product));
  return product;
};

const divide: Compute = (f, a, b) => {
  const quotient = f.op('div', a, b);
  const unusual = f.or(f.isNotFinite(quotient), f.and(f.isTiny(quotient), f.isNotZero(a)));
  const back = f.op('mul', quotient, b);
  const isInexact = f.or(f.op('ne', back, a), f.isInexactProduct(quotient, b, back));
  f.check(f.or(unusual, hasDenormal(f, a, b)), isInexact);
  return quotient;
};

function squareRoot<V>(f: FloatLanes<V>, a: V): V {
  const root = f.sqrt(a);
  const square = f.op('mul', root, root);
  const isInexact = f.or(f.op('ne', square, a), f.isInexactProduct(root, root, square));
  f.check(f.or(f.isNotFinite(root), f.isDenormal(a)), isInexact);
  return root;
}

function checkComparable<V>(f: FloatLanes<V>, a: V, b: V): void {
  f.check(f.or(f.or(f.isNan(a), f.isNan(b)), hasDenormal(f, a, b)));
}

/** MIN and MAX: the source where neither is less. */
function extremum(isMaximum: boolean): Compute {
  return (f, a, b) => {
    checkComparable(f, a, b);
    const isFirst = isMaximum ? f.op('lt', b, a) : f.op('lt', a, b);
    return f.x.vectorSelect(a, b, isFirst);
  };
}

/** CMPPS and its kin, of operands that are ordered. */
const compare: Compute = (f, a, b) => {
  checkComparable(f, a, b);
  const predicate = immediate(f.x) & 7;
  switch (predicate) {
    case 0:
      return f.op('eq', a, b);
    case 1:
      return f.op('lt', a, b);
    case 2:
      return f.op('le', a, b);
    case 4:
      return f.op('ne', a, b);
    case 5:
      return f.op('le', b, a);
    case 6:
      return f.op('lt', b, a);
    default: {
      const ones = predicate === 7 ? -1 : 0;
      return f.x.vectorConstant([ones, ones, ones, ones]);
    }
  }
};

/** COMISS and its kin, of operands that are ordered. */
function compareToFlags(lane: FloatLane): Meaning {
  return (x) => {
    const f = new FloatLanes(x, lane, true);
    const a = x.readVector(0);
    const b = x.readVector(1);
    checkComparable(f, a, b);
    const zf = x.shl(4, f.truth(f.op('eq', a, b)), x.constant(4, FLAG_POSITION.zf));
    const word = x.or(4, f.truth(f.op('lt', a, b)), zf);
    x.setFlags(FlagKind.explicit, 4, word, word);
  };
}

/** ADDSUBPS and ADDSUBPD: even lanes subtract. */
function alternate(lane: FloatLane): Meaning {
  const signs = lane.size === 4 ? ([1, 0, 1, 0] as const) : ([0, 1, 0, 0] as const);
  const [first, second, third, fourth] = signs.map((sign) => (sign === 1 ? 0x8000_0000 : 0));
  return binary({ lane, isScalar: false }, (f, a, b) => {
    const flips = f.x.vectorConstant([first!, second!, third!, fourth!]);
    return add(f, a, f.x.vector2(VectorOp.xor, b, flips));
  });
}

function horizontal(lane: FloatLane, compute: Compute): Meaning {
  return binary({ lane, isScalar: false }, (f, a, b) => {
    const [even, odd] = evenAndOdd(f.x, lane.size, a, b);
    return compute(f, even, odd);
  });
}

/** ROUNDPS and its kin: RC or MXCSR's, which is nearest; 8 keeps the precision flag quiet. */
function roundToWhole<V>(f: FloatLanes<V>, a: V): V {
  const control = immediate(f.x);
  const rounded = f.x.vector1(f.lane.round[(control & 4) === 0 ? control & 3 : 0]!, a);
  const isQuiet = (control & 8) !== 0;
  f.check(f.isNan(a), isQuiet ? undefined : f.op('ne', rounded, a));
  return rounded;
}

/** RCPPS and RSQRTPS, which raise nothing, as float/sse/convert.ts has them. */
function reciprocal(isRoot: boolean) {
  return <V>(f: FloatLanes<V>, a: V): V => {
    const result = f.op('div', f.constant('one'), isRoot ? f.sqrt(a) : a);
    f.check(f.or(f.or(f.isNotFinite(result), f.isTiny(result)), f.isDenormal(a)));
    return result;
  };
}

const SHAPES: readonly (readonly [suffix: string, shape: Shape])[] = [
  ['ps', { lane: SINGLE, isScalar: false }],
  ['pd', { lane: DOUBLE, isScalar: false }],
  ['ss', { lane: SINGLE, isScalar: true }],
  ['sd', { lane: DOUBLE, isScalar: true }],
];

export const SIMD_FLOAT: Readonly<Record<string, Meaning>> = {
  ...Object.fromEntries(
    SHAPES.flatMap(([suffix, shape]) => [
      [`add${suffix}`, binary(shape, add)],
      [`sub${suffix}`, binary(shape, subtract)],
      [`mul${suffix}`, binary(shape, multiply)],
      [`div${suffix}`, binary(shape, divide)],
      [`sqrt${suffix}`, unary(shape, squareRoot)],
      [`min${suffix}`, binary(shape, extremum(false))],
      [`max${suffix}`, binary(shape, extremum(true))],
      [`cmp${suffix}`, binary(shape, compare)],
      [`round${suffix}`, unary(shape, roundToWhole)],
    ]),
  ),
  rcpps: unary({ lane: SINGLE, isScalar: false }, reciprocal(false)),
  rcpss: unary({ lane: SINGLE, isScalar: true }, reciprocal(false)),
  rsqrtps: unary({ lane: SINGLE, isScalar: false }, reciprocal(true)),
  rsqrtss: unary({ lane: SINGLE, isScalar: true }, reciprocal(true)),
  addsubps: alternate(SINGLE),
  addsubpd: alternate(DOUBLE),
  haddps: horizontal(SINGLE, add),
  haddpd: horizontal(DOUBLE, add),
  hsubps: horizontal(SINGLE, subtract),
  hsubpd: horizontal(DOUBLE, subtract),
  comiss: compareToFlags(SINGLE),
  comisd: compareToFlags(DOUBLE),
  ucomiss: compareToFlags(SINGLE),
  ucomisd: compareToFlags(DOUBLE),
};
