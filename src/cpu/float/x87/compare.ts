/** x87 comparisons: into C3, C2, C0 or into EFLAGS, and FXAM. */
import { compare, Relation } from '../arithmetic.ts';
import { CompareFlag, type FloatContext, FloatFault, type FloatInstruction } from '../context.ts';
import { FloatFlag } from '../environment.ts';
import { type FloatNumber, Kind } from '../number.ts';
import { relationFlags } from '../sse/compare.ts';
import type { Load } from './operands.ts';
import {
  begin,
  end,
  isEmpty,
  isStopped,
  keepC1,
  loadRegister,
  physical,
  pop,
  stackUnderflow,
  Status,
} from './state.ts';

const CONDITION = Status.c0 | Status.c2 | Status.c3;

/** Sets C3, C2 and C0 as ZF, PF and CF of the relation. */
function setCondition(context: FloatContext, relation: number): void {
  const flags = relationFlags(relation);
  context.status &= ~CONDITION;
  if ((flags & CompareFlag.carry) !== 0) context.status |= Status.c0;
  if ((flags & CompareFlag.parity) !== 0) context.status |= Status.c2;
  if ((flags & CompareFlag.zero) !== 0) context.status |= Status.c3;
}

/** `quiet`: quiet NaNs are not invalid. */
function relate(
  { environment }: FloatContext,
  a: FloatNumber,
  b: FloatNumber,
  quiet: boolean,
): number {
  const relation = compare(a, b);
  if (relation !== Relation.unordered) {
    if ((a.denormal | b.denormal) !== 0) environment.flags |= FloatFlag.denormal;
  } else if (!quiet || a.kind > Kind.quietNan || b.kind > Kind.quietNan) {
    environment.flags |= FloatFlag.invalid;
  }
  return relation;
}

/** FCOM and FICOM with memory. */
export function withMemory(load: Load, pops: number): FloatInstruction {
  return (context, _destination, source) => {
    begin(context);
    let relation: number = Relation.unordered;
    if (isEmpty(context, 0)) stackUnderflow(context);
    else {
      loadRegister(context, context.a, 0);
      load(context, context.b, source);
      relation = relate(context, context.a, context.b, false);
    }
    return finish(context, relation, pops);
  };
}

function finish(context: FloatContext, relation: number, pops: number): number {
  setCondition(context, relation);
  for (let i = 0; i < pops && !isStopped(context); i++) pop(context);
  end(context);
  return FloatFault.none;
}

function relateRegisters(context: FloatContext, other: number, quiet: boolean): number {
  if (isEmpty(context, 0) || isEmpty(context, other)) {
    stackUnderflow(context);
    return Relation.unordered;
  }
  loadRegister(context, context.a, 0);
  loadRegister(context, context.b, other);
  return relate(context, context.a, context.b, quiet);
}

/** FCOM, FUCOM with ST(i), with 0, 1 or 2 pops. */
export function withRegister(quiet: boolean, pops: number): FloatInstruction {
  return (context, _destination, _source, opcode) => {
    begin(context);
    return finish(context, relateRegisters(context, opcode & 7, quiet), pops);
  };
}

/** FCOMI, FUCOMI and their popping forms. C1 stays unless the stack underflows. */
export function toFlags(quiet: boolean, pops: boolean): FloatInstruction {
  return (context, _destination, _source, opcode) => {
    begin(context);
    keepC1(context);
    const relation = relateRegisters(context, opcode & 7, quiet);
    context.setFlags(relationFlags(relation));
    if (!isStopped(context) && pops) pop(context);
    end(context);
    return FloatFault.none;
  };
}

export function withZero(context: FloatContext): number {
  begin(context);
  let relation: number = Relation.unordered;
  if (isEmpty(context, 0)) stackUnderflow(context);
  else {
    loadRegister(context, context.a, 0);
    context.b.setZero(0);
    relation = relate(context, context.a, context.b, false);
  }
  return finish(context, relation, 0);
}

/** C3, C2 and C0 by kind of number (SDM volume 2, FXAM). */
const CLASSES = {
  [Kind.zero]: Status.c3,
  [Kind.finite]: Status.c2,
  [Kind.infinity]: Status.c2 | Status.c0,
  [Kind.quietNan]: Status.c0,
  [Kind.signallingNan]: Status.c0,
  [Kind.unsupported]: 0,
} as const;

/** FXAM: an empty register has a sign too. */
export function examine(context: FloatContext): number {
  begin(context);
  const { a } = context;
  loadRegister(context, a, 0);
  let condition = CLASSES[a.kind as keyof typeof CLASSES];
  if (isEmpty(context, 0)) condition = Status.c3 | Status.c0;
  else if (a.denormal !== 0) condition = Status.c3 | Status.c2;
  context.status = (context.status & ~CONDITION) | condition;
  context.environment.roundedUp =
    (context.u8[context.physical(physical(context, 0)) + 9]! & 0x80) !== 0;
  end(context);
  return FloatFault.none;
}
