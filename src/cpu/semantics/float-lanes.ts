/**
 * Floating point in vector lanes, for meanings that are exact and nothing else: what WebAssembly
 * computes stands only where no exception flag would be raised that MXCSR does not have already.
 */
import { MXCSR } from '../state.ts';
import type { Emit } from './emit.ts';
import { VectorOp } from './vector-ops.ts';

type Words = readonly [number, number, number, number];

/** One element type. */
export interface FloatLane {
  readonly size: 4 | 8;
  readonly add: VectorOp;
  readonly sub: VectorOp;
  readonly mul: VectorOp;
  readonly div: VectorOp;
  readonly sqrt: VectorOp;
  readonly eq: VectorOp;
  readonly ne: VectorOp;
  readonly lt: VectorOp;
  readonly le: VectorOp;
  /** By the rounding control of ROUNDPS: nearest, down, up, towards zero. */
  readonly round: readonly [VectorOp, VectorOp, VectorOp, VectorOp];
  readonly magnitude: Words;
  readonly leastNormal: Words;
  readonly infinity: Words;
  readonly one: Words;
  /** Multiplying by it cuts a significand into halves (Dekker, 1971). */
  readonly splitter: Words;
  /** From here on the error of a product is a number too. */
  readonly safe: Words;
  readonly twoTo31: Words;
}

function single(word: number): Words {
  return [word, word, word, word];
}

function double(high: number, low = 0): Words {
  return [low, high, low, high];
}

export const SINGLE: FloatLane = {
  size: 4,
  add: VectorOp.f32x4Add,
  sub: VectorOp.f32x4Sub,
  mul: VectorOp.f32x4Mul,
  div: VectorOp.f32x4Div,
  sqrt: VectorOp.f32x4Sqrt,
  eq: VectorOp.f32x4Eq,
  ne: VectorOp.f32x4Ne,
  lt: VectorOp.f32x4Lt,
  le: VectorOp.f32x4Le,
  round: [VectorOp.f32x4Nearest, VectorOp.f32x4Floor, VectorOp.f32x4Ceil, VectorOp.f32x4Trunc],
  magnitude: single(0x7fff_ffff),
  leastNormal: single(0x0080_0000),
  infinity: single(0x7f80_0000),
  one: single(0x3f80_0000),
  // 2^12 + 1, and 2^-70.
  splitter: single(0x4580_0800),
  safe: single(0x1c80_0000),
  twoTo31: single(0x4f00_0000),
};

export const DOUBLE: FloatLane = {
  size: 8,
  add: VectorOp.f64x2Add,
  sub: VectorOp.f64x2Sub,
  mul: VectorOp.f64x2Mul,
  div: VectorOp.f64x2Div,
  sqrt: VectorOp.f64x2Sqrt,
  eq: VectorOp.f64x2Eq,
  ne: VectorOp.f64x2Ne,
  lt: VectorOp.f64x2Lt,
  le: VectorOp.f64x2Le,
  round: [VectorOp.f64x2Nearest, VectorOp.f64x2Floor, VectorOp.f64x2Ceil, VectorOp.f64x2Trunc],
  magnitude: double(0x7fff_ffff, 0xffff_ffff),
  leastNormal: double(0x0010_0000),
  infinity: double(0x7ff0_0000),
  one: double(0x3ff0_0000),
  // 2^27 + 1, and 2^-900.
  splitter: double(0x41a0_0000, 0x0200_0000),
  safe: double(0x07b0_0000),
  twoTo31: double(0x41e0_0000),
};

/** The lanes of a type that an instruction computes with: all, or the first. */
export class FloatLanes<V> {
  readonly x: Emit<V>;
  readonly lane: FloatLane;
  readonly #isScalar: boolean;

  constructor(x: Emit<V>, lane: FloatLane, isScalar: boolean) {
    this.x = x;
    this.lane = lane;
    this.#isScalar = isScalar;
  }

  op(name: 'add' | 'sub' | 'mul' | 'div' | 'eq' | 'ne' | 'lt' | 'le', a: V, b: V): V {
    return this.x.vector2(this.lane[name], a, b);
  }

  sqrt(a: V): V {
    return this.x.vector1(this.lane.sqrt, a);
  }

  constant(
    name: 'magnitude' | 'leastNormal' | 'infinity' | 'one' | 'splitter' | 'safe' | 'twoTo31',
  ): V {
    return this.x.vectorConstant(this.lane[name]);
  }

  and(a: V, b: V): V {
    return this.x.vector2(VectorOp.and, a, b);
  }

  or(a: V, b: V): V {
    return this.x.vector2(VectorOp.or, a, b);
  }

  not(a: V): V {
    return this.x.vector1(VectorOp.not, a);
  }

  magnitude(a: V): V {
    return this.and(a, this.constant('magnitude'));
  }

  isNotZero(a: V): V {
    return this.op('ne', a, this.x.vectorConstant([0, 0, 0, 0]));
  }

  isDenormal(a: V): V {
    const isSmall = this.op('lt', this.magnitude(a), this.constant('leastNormal'));
    return this.and(isSmall, this.isNotZero(a));
  }

  isNan(a: V): V {
    return this.op('ne', a, a);
  }

  /** Infinite or a NaN: overflow, an invalid operation, or operands like that. */
  isNotFinite(a: V): V {
    return this.not(this.op('lt', this.magnitude(a), this.constant('infinity')));
  }

  /** Whether a result that is not meant to be 0 may have underflowed, before or after rounding. */
  isTiny(a: V): V {
    return this.op('le', this.magnitude(a), this.constant('leastNormal'));
  }

  /** What `a + b` lost by rounding to `sum` (Knuth, TAOCP volume 2, 4.2.2), if there is no overflow. */
  sumError(a: V, b: V, sum: V): V {
    const second = this.op('sub', sum, a);
    const first = this.op('sub', sum, second);
    return this.op('add', this.op('sub', a, first), this.op('sub', b, second));
  }

  /** Whether `a * b` is not exactly `product`, or cannot be told. */
  isInexactProduct(a: V, b: V, product: V): V {
    const [high, low] = this.#split(a);
    const [upper, lower] = this.#split(b);
    let error = this.op('sub', this.op('mul', high, upper), product);
    error = this.op('add', error, this.op('mul', high, lower));
    error = this.op('add', error, this.op('mul', low, upper));
    error = this.op('add', error, this.op('mul', low, lower));
    const isSmall = this.op('lt', this.magnitude(product), this.constant('safe'));
    return this.or(this.isNotZero(error), this.and(isSmall, this.isNotZero(product)));
  }

  #split(a: V): readonly [high: V, low: V] {
    const scaled = this.op('mul', a, this.constant('splitter'));
    const high = this.op('sub', scaled, this.op('sub', scaled, a));
    return [high, this.op('sub', a, high)];
  }

  /** Goes to the function if a lane is `unusual`, or `inexact` while MXCSR.PE is clear. */
  check(unusual: V, inexact?: V): void {
    const { x } = this;
    let mask = unusual;
    if (inexact !== undefined) mask = this.or(mask, this.and(inexact, this.precisionMask()));
    if (this.#isScalar) {
      mask = this.and(
        mask,
        x.vectorConstant(this.lane.size === 4 ? [-1, 0, 0, 0] : [-1, -1, 0, 0]),
      );
    }
    x.exactIf(x.anyTrue(mask));
  }

  /** All ones while MXCSR.PE is clear. */
  precisionMask(): V {
    const { x } = this;
    const flag = x.and(4, x.shr(4, x.field(4, MXCSR), x.constant(4, 5)), x.constant(4, 1));
    return x.splat(4, x.sub(4, flag, x.constant(4, 1)));
  }

  /** A truth: the first lane of a mask. */
  truth(mask: V): V {
    return this.x.and(4, this.x.lane(4, mask, 0), this.x.constant(4, 1));
  }
}
