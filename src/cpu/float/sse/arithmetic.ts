/** SSE to SSE4.1 arithmetic: every instruction that rounds a sum, product, quotient or root. */
import { add, divide, multiply, squareRoot } from '../arithmetic.ts';
import { type FloatContext, FloatFault, type FloatInstruction } from '../context.ts';
import { FloatFlag, round } from '../environment.ts';
import { type FloatNumber, Kind, normalize } from '../number.ts';
import { begin, commit, type Lane, takeNan, traps } from './lanes.ts';

export const Operation = { add: 0, subtract: 1, multiply: 2, divide: 3 } as const;

/** `result = a operation b`, rounded. Both operands may be changed. */
function operate(context: FloatContext, operation: number, { format }: Lane): void {
  const { environment, a, b, result } = context;
  if (takeNan(environment, a, b, result)) return;
  const denormal = (a.denormal | b.denormal) !== 0;
  const { flags } = environment;
  environment.flags = 0;
  switch (operation) {
    case Operation.multiply:
      multiply(environment, a, b, result);
      break;
    case Operation.divide:
      divide(environment, a, b, result, format.precision);
      break;
    case Operation.subtract:
      b.sign ^= 1;
      add(environment, a, b, result);
      break;
    default:
      add(environment, a, b, result);
  }
  // Invalid operation and division by zero go before a denormal operand.
  if (denormal && environment.flags === 0) environment.flags |= FloatFlag.denormal;
  round(environment, result, format);
  environment.flags |= flags;
}

/** A rounded result as an operand: denormals are normalised, or zero under DAZ. */
function again(context: FloatContext, to: FloatNumber, from: FloatNumber): void {
  to.copy(from);
  if (to.kind !== Kind.finite || to.high < 0) return;
  to.denormal = 1;
  normalize(to);
  if (context.environment.denormalsAreZero) to.setZero(to.sign);
}

/** `count` lanes of the destination with those of the source. */
export function vertical(operation: number, lane: Lane, count: number): FloatInstruction {
  const { bytes } = lane;
  return (context, destination, source) => {
    begin(context);
    for (let i = 0; i < count; i++) {
      lane.load(context, context.a, destination + bytes * i);
      lane.load(context, context.b, source + bytes * i);
      operate(context, operation, lane);
      lane.store(context, context.result, i);
    }
    return commit(context, destination, (count * bytes) >> 2);
  };
}

/** ADDSUBPS, ADDSUBPD: even lanes subtract, odd ones add. */
export function alternating(lane: Lane): FloatInstruction {
  const { bytes } = lane;
  return (context, destination, source) => {
    begin(context);
    for (let i = 0; i < 16 / bytes; i++) {
      lane.load(context, context.a, destination + bytes * i);
      lane.load(context, context.b, source + bytes * i);
      operate(context, (i & 1) === 0 ? Operation.subtract : Operation.add, lane);
      lane.store(context, context.result, i);
    }
    return commit(context, destination, 4);
  };
}

/** HADDPS, HSUBPD and the like: neighbours of the destination, then neighbours of the source. */
export function horizontal(operation: number, lane: Lane): FloatInstruction {
  const { bytes } = lane;
  const half = 8 / bytes;
  return (context, destination, source) => {
    begin(context);
    for (let i = 0; i < 2 * half; i++) {
      const at = i < half ? destination + 2 * bytes * i : source + 2 * bytes * (i - half);
      lane.load(context, context.a, at);
      lane.load(context, context.b, at + bytes);
      operate(context, operation, lane);
      lane.store(context, context.result, i);
    }
    return commit(context, destination, 4);
  };
}

export function root(lane: Lane, count: number): FloatInstruction {
  const { bytes, format } = lane;
  return (context, destination, source) => {
    const environment = begin(context);
    const { a, result } = context;
    for (let i = 0; i < count; i++) {
      lane.load(context, a, source + bytes * i);
      if (!takeNan(environment, a, a, result)) {
        if (a.denormal !== 0 && a.sign === 0) environment.flags |= FloatFlag.denormal;
        squareRoot(environment, a, result);
        round(environment, result, format);
      }
      lane.store(context, result, i);
    }
    return commit(context, destination, (count * bytes) >> 2);
  };
}

/**
 * DPPS and DPPD: products of the lanes that the immediate's high half names, their sum in the
 * lanes of its low half. The sum of four is the sum of two sums. An unmasked exception of one
 * step keeps the next from happening.
 */
export function dotProduct(lane: Lane): FloatInstruction {
  const { bytes } = lane;
  const count = 16 / bytes;
  return (context, destination, source, immediate) => {
    begin(context);
    const { a, b, result, sums } = context;
    for (let i = 0; i < count; i++) {
      if (((immediate >> (4 + i)) & 1) === 0) sums[i]!.setZero(0);
      else {
        lane.load(context, a, destination + bytes * i);
        lane.load(context, b, source + bytes * i);
        operate(context, Operation.multiply, lane);
        sums[i]!.copy(result);
      }
    }
    if (traps(context)) return FloatFault.simd;
    for (let step = 1; step < count; step *= 2) {
      for (let i = 0; i < count; i += 2 * step) {
        again(context, a, sums[i]!);
        again(context, b, sums[i + step]!);
        operate(context, Operation.add, lane);
        sums[i]!.copy(result);
      }
      if (traps(context)) return FloatFault.simd;
    }
    for (let i = 0; i < count; i++) {
      result.copy(sums[0]!);
      if (((immediate >> i) & 1) === 0) result.setZero(0);
      lane.store(context, result, i);
    }
    return commit(context, destination, 4);
  };
}
