/**
 * The six arithmetic flags as functions of the last operation, which is kept as a kind, a size, a
 * result and a source (state.ts, `Flags`) until somebody asks. Source: SDM volume 1, 3.4.3.1 and the
 * instructions' pages in volume 2.
 */
import type { Size, Values } from './emit.ts';

export const FlagKind = {
  /** `source` holds the flags themselves, at their EFLAGS positions. Here and below it has size 4. */
  explicit: 0,
  /** result = a + source */
  add: 1,
  /** result = a - source */
  sub: 2,
  /** CF = OF = AF = 0 */
  logic: 3,
  /** result = a + 1; `source` bit 0 is CF, unchanged */
  inc: 4,
  /** result = a - 1; `source` bit 0 is CF, unchanged */
  dec: 5,
  /** ZF, SF and PF of `result`; CF, AF and OF in `source` at their EFLAGS positions */
  given: 6,
} as const;

/** The kind word of the state block: the kind, and the size's logarithm. */
export function kindWord(kind: number, size: Size): number {
  return kind | ((31 - Math.clz32(size)) << 4);
}

export const FlagBit = { cf: 1, pf: 4, af: 0x10, zf: 0x40, sf: 0x80, of: 0x800 } as const;
export const FLAG_POSITION = { cf: 0, pf: 2, af: 4, zf: 6, sf: 7, of: 11 } as const;
export const ARITHMETIC_FLAGS = 0x8d5;

export interface LastOperation<V> {
  readonly kind: number;
  readonly size: Size;
  readonly result: V;
  readonly source: V;
}

/** The low 32 bits of a value. */
function word4<V>(x: Values<V>, size: Size, value: V): V {
  if (size === 4) return value;
  return size === 8 ? x.trunc(8, 4, value) : x.zext(size, 4, value);
}

function bit<V>(x: Values<V>, size: Size, value: V, position: number): V {
  const low = word4(x, size, value);
  const shifted = position === 0 ? low : x.shr(4, low, x.constant(4, position));
  return x.and(4, shifted, x.constant(4, 1));
}

function sign<V>(x: Values<V>, size: Size, value: V): V {
  return x.lts(size, value, x.constant(size, 0));
}

/** The first operand, from result and source. */
function first<V>(x: Values<V>, { kind, size, result, source }: LastOperation<V>): V {
  return kind === FlagKind.add ? x.sub(size, result, source) : x.add(size, result, source);
}

export function carryFlag<V>(x: Values<V>, last: LastOperation<V>): V {
  const { kind, size, result, source } = last;
  switch (kind) {
    case FlagKind.add:
      return x.ltu(size, result, source);
    case FlagKind.sub:
      return x.ltu(size, first(x, last), source);
    case FlagKind.logic:
      return x.constant(4, 0);
    default:
      return bit(x, 4, source, FLAG_POSITION.cf);
  }
}

export function overflowFlag<V>(x: Values<V>, last: LastOperation<V>): V {
  const { kind, size, result, source } = last;
  switch (kind) {
    case FlagKind.add: {
      const a = first(x, last);
      return sign(x, size, x.and(size, x.xor(size, a, result), x.xor(size, source, result)));
    }
    case FlagKind.sub: {
      const a = first(x, last);
      return sign(x, size, x.and(size, x.xor(size, a, source), x.xor(size, a, result)));
    }
    case FlagKind.logic:
      return x.constant(4, 0);
    case FlagKind.inc:
      return x.eq(size, result, signBit(x, size));
    case FlagKind.dec:
      return x.eq(size, result, x.not(size, signBit(x, size)));
    default:
      return bit(x, 4, source, FLAG_POSITION.of);
  }
}

function signBit<V>(x: Values<V>, size: Size): V {
  return size === 8
    ? x.constant(8, 0, 0x8000_0000)
    : x.constant(size, size === 4 ? 0x8000_0000 : size === 2 ? 0x8000 : 0x80);
}

export function adjustFlag<V>(x: Values<V>, last: LastOperation<V>): V {
  const { kind, size, result, source } = last;
  switch (kind) {
    case FlagKind.add:
    case FlagKind.sub: {
      const carries = x.xor(size, x.xor(size, first(x, last), source), result);
      return bit(x, size, carries, 4);
    }
    case FlagKind.logic:
      return x.constant(4, 0);
    case FlagKind.inc:
    case FlagKind.dec: {
      const digit = x.and(4, word4(x, size, result), x.constant(4, 15));
      return x.eq(4, digit, x.constant(4, kind === FlagKind.inc ? 0 : 15));
    }
    default:
      return bit(x, 4, source, FLAG_POSITION.af);
  }
}

export function zeroFlag<V>(x: Values<V>, { kind, size, result, source }: LastOperation<V>): V {
  if (kind === FlagKind.explicit) return bit(x, 4, source, FLAG_POSITION.zf);
  return x.eq(size, result, x.constant(size, 0));
}

export function signFlag<V>(x: Values<V>, { kind, size, result, source }: LastOperation<V>): V {
  if (kind === FlagKind.explicit) return bit(x, 4, source, FLAG_POSITION.sf);
  return sign(x, size, result);
}

export function parityFlag<V>(x: Values<V>, { kind, size, result, source }: LastOperation<V>): V {
  if (kind === FlagKind.explicit) return bit(x, 4, source, FLAG_POSITION.pf);
  const ones = x.popcnt(4, x.and(4, word4(x, size, result), x.constant(4, 0xff)));
  return x.xor(4, x.and(4, ones, x.constant(4, 1)), x.constant(4, 1));
}

/** All six at their EFLAGS positions, size 4. */
export function flagsWordOf<V>(x: Values<V>, last: LastOperation<V>): V {
  if (last.kind === FlagKind.explicit) return last.source;
  const at = (flag: V, position: number): V => x.shl(4, flag, x.constant(4, position));
  let word = x.or(4, at(parityFlag(x, last), 2), at(zeroFlag(x, last), 6));
  word = x.or(4, word, at(signFlag(x, last), 7));
  if (last.kind === FlagKind.given) return x.or(4, word, last.source);
  word = x.or(4, word, carryFlag(x, last));
  word = x.or(4, word, at(adjustFlag(x, last), 4));
  return x.or(4, word, at(overflowFlag(x, last), 11));
}

/** The condition of Jcc (SDM volume 1, appendix B), a truth. Comparisons take the short way. */
export function conditionOf<V>(x: Values<V>, code: number, last: LastOperation<V>): V {
  const truth = positiveCondition(x, code & 0xe, last);
  return (code & 1) === 0 ? truth : x.xor(4, truth, x.constant(4, 1));
}

function positiveCondition<V>(x: Values<V>, code: number, last: LastOperation<V>): V {
  const { kind, size, source } = last;
  switch (code) {
    case 0:
      return overflowFlag(x, last);
    case 2:
      return carryFlag(x, last);
    case 4:
      return zeroFlag(x, last);
    case 6:
      if (kind === FlagKind.sub) {
        return x.xor(4, x.ltu(size, source, first(x, last)), x.constant(4, 1));
      }
      return x.or(4, carryFlag(x, last), zeroFlag(x, last));
    case 8:
      return signFlag(x, last);
    case 10:
      return parityFlag(x, last);
    case 12:
      return lessFlag(x, last);
    default:
      if (kind === FlagKind.sub) {
        return x.xor(4, x.lts(size, source, first(x, last)), x.constant(4, 1));
      }
      return x.or(4, lessFlag(x, last), zeroFlag(x, last));
  }
}

function lessFlag<V>(x: Values<V>, last: LastOperation<V>): V {
  if (last.kind === FlagKind.sub) return x.lts(last.size, first(x, last), last.source);
  if (last.kind === FlagKind.logic) return signFlag(x, last);
  return x.xor(4, signFlag(x, last), overflowFlag(x, last));
}
