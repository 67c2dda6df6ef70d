/** x87 arithmetic: FADD to FDIVR in all their forms, FSQRT, FCHS and FABS. */
import { add, divide, multiply, squareRoot } from '../arithmetic.ts';
import { type FloatContext, FloatFault, type FloatInstruction } from '../context.ts';
import { type FloatEnvironment, FloatFlag, round } from '../environment.ts';
import { X87 } from '../../state.ts';
import type { FloatNumber } from '../number.ts';
import type { Load } from './operands.ts';
import {
  begin,
  end,
  isEmpty,
  isStopped,
  loadRegister,
  physical,
  pop,
  stackUnderflow,
  storeRegister,
  takeNan,
} from './state.ts';

export const Operation = { add: 0, subtract: 1, multiply: 2, divide: 3 } as const;

/** `result = a operation b`, rounded by precision control. Both operands may be changed. */
function operate(
  { environment, result, format }: FloatContext,
  operation: number,
  a: FloatNumber,
  b: FloatNumber,
): void {
  if (takeNan(environment, a, b, result)) return;
  const denormal = (a.denormal | b.denormal) !== 0;
  compute(environment, operation, a, b, result);
  // Invalid operation and division by zero go before a denormal operand.
  if (denormal && environment.flags === 0) environment.flags |= FloatFlag.denormal;
  if ((environment.flags & FloatFlag.before & ~environment.masks) === 0) {
    round(environment, result, format);
  }
}

function compute(
  environment: FloatEnvironment,
  operation: number,
  a: FloatNumber,
  b: FloatNumber,
  result: FloatNumber,
): void {
  switch (operation) {
    case Operation.multiply:
      multiply(environment, a, b, result);
      break;
    case Operation.divide:
      divide(environment, a, b, result, 64);
      break;
    case Operation.subtract:
      b.sign ^= 1;
      add(environment, a, b, result);
      break;
    default:
      add(environment, a, b, result);
  }
}

/** Stores the result into ST(i) unless it was stopped, pops if asked, and ends. */
function deliver(context: FloatContext, i: number, pops: boolean): number {
  if (!isStopped(context)) {
    storeRegister(context, context.result, i);
    if (pops) pop(context);
  }
  end(context);
  return FloatFault.none;
}

/** ST = ST operation memory, or memory operation ST if `reversed`. */
export function withMemory(operation: number, reversed: boolean, load: Load): FloatInstruction {
  return (context, _destination, source) => {
    begin(context);
    const { a, b, result } = context;
    if (isEmpty(context, 0)) {
      stackUnderflow(context);
      result.setDefaultNan();
    } else {
      loadRegister(context, a, 0);
      load(context, b, source);
      if (reversed) operate(context, operation, b, a);
      else operate(context, operation, a, b);
    }
    return deliver(context, 0, false);
  };
}

/** `toTop`: ST = ST operation ST(i); else ST(i) = ST(i) operation ST, and perhaps a pop. */
export function withRegister(
  operation: number,
  reversed: boolean,
  toTop: boolean,
  pops: boolean,
): FloatInstruction {
  return (context, _destination, _source, opcode) => {
    begin(context);
    const { a, b, result } = context;
    const other = opcode & 7;
    const to = toTop ? 0 : other;
    if (isEmpty(context, 0) || isEmpty(context, other)) {
      stackUnderflow(context);
      result.setDefaultNan();
    } else {
      loadRegister(context, a, to);
      loadRegister(context, b, toTop ? other : 0);
      if (reversed) operate(context, operation, b, a);
      else operate(context, operation, a, b);
    }
    return deliver(context, to, pops);
  };
}

/** An instruction that replaces ST by a function of it. `compute` leaves it in `result`, rounded. */
export function unary(apply: (context: FloatContext) => void): FloatInstruction {
  return (context) => {
    begin(context);
    const { environment, a, result } = context;
    if (isEmpty(context, 0)) {
      stackUnderflow(context);
      result.setDefaultNan();
    } else {
      loadRegister(context, a, 0);
      if (!takeNan(environment, a, a, result)) apply(context);
    }
    return deliver(context, 0, false);
  };
}

export const squareRootOfTop = unary((context) => {
  const { environment, a, result, format } = context;
  squareRoot(environment, a, result);
  if (a.denormal !== 0 && (environment.flags & FloatFlag.invalid) === 0) {
    environment.flags |= FloatFlag.denormal;
  }
  if (!isStopped(context)) round(environment, result, format);
});

/** FCHS and FABS change one bit of whatever is there. */
function signChange(and: number, xor: number): FloatInstruction {
  return (context) => {
    begin(context);
    if (isEmpty(context, 0)) {
      stackUnderflow(context);
      context.result.setDefaultNan();
      return deliver(context, 0, false);
    }
    const at = X87.st + 16 * physical(context, 0) + 9;
    context.u8[at] = (context.u8[at]! & and) ^ xor;
    end(context);
    return FloatFault.none;
  };
}

export const changeSign = signChange(0xff, 0x80);
export const absolute = signChange(0x7f, 0);
