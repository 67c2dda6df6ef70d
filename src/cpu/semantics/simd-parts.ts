/** What the meanings of MMX and SSE instructions are put together from. */
import { Vector } from '../exception.ts';
import { Status } from '../float/x87/state.ts';
import { X87 } from '../state.ts';
import type { Emit, Meaning } from './emit.ts';
import type { VectorOp } from './vector-ops.ts';

export function zero<V>(x: Emit<V>): V {
  return x.vectorConstant([0, 0, 0, 0]);
}

/** The same word in all four. */
export function words<V>(x: Emit<V>, word: number): V {
  return x.vectorConstant([word, word, word, word]);
}

/** Bytes of the vector operands: 16, or 8 of MMX registers. */
export function vectorBytes<V>(x: Emit<V>): 8 | 16 {
  return x.bound.row.unit === 'mmx' ? 8 : 16;
}

export function immediate<V>(x: Emit<V>): number {
  return x.bound.insn.immediate & 0xff;
}

/** The destination becomes `f` of both operands. */
export function binary(f: <V>(x: Emit<V>, a: V, b: V) => V): Meaning {
  return (x) => x.writeVector(0, f(x, x.readVector(0), x.readVector(1)));
}

/** The destination becomes `f` of the source. */
export function unary(f: <V>(x: Emit<V>, a: V) => V): Meaning {
  return (x) => x.writeVector(0, f(x, x.readVector(1)));
}

export function operation(op: VectorOp): Meaning {
  return binary((x, a, b) => x.vector2(op, a, b));
}

/** Numbers of the bytes of a lane of `size` bytes: from `first`, 16 and on in the second vector. */
export function bytesOf(size: number, first: number): number[] {
  return Array.from({ length: size }, (_, byte) => first + byte);
}

/** Sixteen byte numbers from those of lanes; what an MMX register has no room for is byte 0. */
export function lanes(size: number, firsts: readonly number[]): number[] {
  const bytes = firsts.flatMap((first) => bytesOf(size, first));
  while (bytes.length < 16) bytes.push(0);
  return bytes;
}

/**
 * An instruction with an MMX operand: #MF first if an x87 exception waits; then all registers are
 * valid and TOP is 0 (SDM volume 1, 9.5.1).
 */
export function mmx(meaning: Meaning): Meaning {
  return (x) => {
    const status = x.field(2, X87.status);
    const isPending = x.ne(2, x.and(2, status, x.constant(2, Status.summary)), x.constant(2, 0));
    x.raiseIf(isPending, Vector.x87Error);
    meaning(x);
    x.setField(1, X87.tags, x.constant(1, 0xff));
    x.setField(2, X87.status, x.and(2, status, x.constant(2, 0xffff & ~Status.top)));
  };
}
