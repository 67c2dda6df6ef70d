/** SSE comparisons, and MIN and MAX, which choose by one. */
import { compare, Relation } from '../arithmetic.ts';
import { CompareFlag, type FloatContext, type FloatInstruction } from '../context.ts';
import { FloatFlag } from '../environment.ts';
import { Kind } from '../number.ts';
import { begin, commit, commitFlags, type Lane } from './lanes.ts';

/**
 * Loads both operands and compares them. Signalling NaNs are invalid; quiet ones are if
 * `signalling` says so.
 */
function relate(
  context: FloatContext,
  lane: Lane,
  left: number,
  right: number,
  signalling: boolean,
): number {
  const { environment, a, b } = context;
  lane.load(context, a, left);
  lane.load(context, b, right);
  const relation = compare(a, b);
  if (relation !== Relation.unordered) {
    if ((a.denormal | b.denormal) !== 0) environment.flags |= FloatFlag.denormal;
  } else if (signalling || a.kind === Kind.signallingNan || b.kind === Kind.signallingNan) {
    environment.flags |= FloatFlag.invalid;
  }
  return relation;
}

/** The predicates EQ, LT, LE and UNORD as sets of relations; 4 to 7 are their opposites. */
const PREDICATES = [
  1 << Relation.equal,
  1 << Relation.less,
  (1 << Relation.less) | (1 << Relation.equal),
  1 << Relation.unordered,
];

/** CMPPS and the like: all ones or zeros. Bits 7 to 3 of the immediate are ignored. */
export function comparison(lane: Lane, count: number): FloatInstruction {
  const { bytes } = lane;
  const words = bytes >> 2;
  return (context, destination, source, immediate) => {
    begin(context);
    const base = immediate & 3;
    const signalling = base === 1 || base === 2;
    const accepted = PREDICATES[base]! ^ ((immediate & 4) === 0 ? 0 : 0xf);
    for (let i = 0; i < count; i++) {
      const at = bytes * i;
      const relation = relate(context, lane, destination + at, source + at, signalling);
      const mask = -((accepted >> relation) & 1);
      context.lanes.fill(mask, i * words, (i + 1) * words);
    }
    return commit(context, destination, count * words);
  };
}

const FLAGS = Uint8Array.of(
  CompareFlag.carry,
  CompareFlag.zero,
  0,
  CompareFlag.zero | CompareFlag.parity | CompareFlag.carry,
);

/** ZF, PF and CF by relation: of COMISS and of FCOMI. */
export function relationFlags(relation: number): number {
  return FLAGS[relation]!;
}

/** COMISS, COMISD and, with quiet NaNs let through, UCOMISS, UCOMISD. */
export function comparisonToFlags(lane: Lane, signalling: boolean): FloatInstruction {
  return (context, destination, source) => {
    begin(context);
    const relation = relate(context, lane, destination, source, signalling);
    return commitFlags(context, relationFlags(relation));
  };
}

/**
 * MIN and MAX give the source operand as it is when a NaN is there or both are zero
 * (SDM volume 2, MINPS).
 */
export function extremum(greatest: boolean, lane: Lane, count: number): FloatInstruction {
  const { bytes } = lane;
  const words = bytes >> 2;
  const wanted = greatest ? Relation.greater : Relation.less;
  return (context, destination, source) => {
    begin(context);
    const { a, b, lanes, view } = context;
    for (let i = 0; i < count; i++) {
      const at = bytes * i;
      const first = relate(context, lane, destination + at, source + at, true) === wanted;
      const from = at + (first ? destination : source);
      for (let word = 0; word < words; word++) {
        lanes[words * i + word] = view.getInt32(from + 4 * word, true);
      }
      const chosen = first ? a : b;
      if (chosen.kind === Kind.zero) lane.store(context, chosen, i);
    }
    return commit(context, destination, count * words);
  };
}
