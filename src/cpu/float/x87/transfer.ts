/** x87 loads, stores, constants, exchanges and conditional moves. */
import { type FloatContext, FloatFault, type FloatInstruction } from '../context.ts';
import { EXTENDED, FloatFlag, type FloatFormat, round, Rounding, SINGLE } from '../environment.ts';
import { toInteger } from '../integer.ts';
import { type FloatNumber, Kind, packDoubleHigh, packDoubleLow, packSingle } from '../number.ts';
import type { Load } from './operands.ts';
import {
  begin,
  copyRegister,
  decrementTop,
  end,
  hasRoom,
  isEmpty,
  isStopped,
  keepC1,
  loadRegister,
  physical,
  pop,
  stackUnderflow,
  storeRegister,
} from './state.ts';

/** Pushes what `result` holds, unless it is invalid and that is unmasked: a denormal is pushed. */
export function push(context: FloatContext): void {
  const { flags, masks } = context.environment;
  if ((flags & ~masks & FloatFlag.invalid) !== 0) return;
  decrementTop(context);
  storeRegister(context, context.result, 0);
}

/** FLD of a single or double, FILD. */
export function loadFrom(load: Load): FloatInstruction {
  return (context, _destination, source) => {
    const environment = begin(context);
    if (hasRoom(context)) {
      const { result } = context;
      load(context, result, source);
      if (result.kind === Kind.signallingNan) {
        environment.flags |= FloatFlag.invalid;
        result.quieten();
      } else if (result.denormal !== 0) environment.flags |= FloatFlag.denormal;
      push(context);
    }
    end(context);
    return FloatFault.none;
  };
}

/** FLD m80: whatever the 80 bits are. */
export function loadWhole(context: FloatContext, _destination: number, source: number): number {
  begin(context);
  if (hasRoom(context)) {
    decrementTop(context);
    copyRegister(context, context.physical(physical(context, 0)), source);
    context.tags |= 1 << physical(context, 0);
  }
  end(context);
  return FloatFault.none;
}

/** FLD ST(i). An empty ST(i) is a stack underflow whose NaN is pushed. */
export function loadStack(
  context: FloatContext,
  _destination: number,
  _source: number,
  opcode: number,
): number {
  begin(context);
  const from = physical(context, opcode & 7);
  if (isEmpty(context, opcode & 7)) {
    stackUnderflow(context);
    context.result.setDefaultNan();
    push(context);
  } else if (hasRoom(context)) {
    decrementTop(context);
    const to = physical(context, 0);
    copyRegister(context, context.physical(to), context.physical(from));
    context.tags |= 1 << to;
  }
  end(context);
  return FloatFault.none;
}

/** FLD1, FLDPI and the like: significand, what lies below it, and exponent. */
export function constant(
  exponent: number,
  high: number,
  low: number,
  rest: number,
): FloatInstruction {
  return (context) => {
    const environment = begin(context);
    if (hasRoom(context)) {
      const { result } = context;
      result.setFinite(0, exponent, high | 0, low | 0);
      result.rest = rest | 0;
      round(environment, result, EXTENDED);
      environment.flags = 0;
      environment.roundedUp = false;
      push(context);
    }
    end(context);
    return FloatFault.none;
  };
}

/** Quietens a NaN operand of a store; an unsupported one becomes the default NaN. */
function takeStoredNan({ environment }: FloatContext, number: FloatNumber): void {
  if (number.kind === Kind.unsupported) {
    environment.flags |= FloatFlag.invalid;
    number.setDefaultNan();
  } else if (number.kind === Kind.signallingNan) {
    environment.flags |= FloatFlag.invalid;
    number.quieten();
  }
}

/** Exceptions that, unmasked, keep a store from writing memory. */
const STOPS_STORE = FloatFlag.before | FloatFlag.overflow | FloatFlag.underflow;

/** Whether no unmasked exception keeps `result` from being written to memory. */
function mayStore({ environment }: FloatContext): boolean {
  if ((environment.flags & STOPS_STORE & ~environment.masks) === 0) return true;
  // Nothing was rounded.
  environment.flags &= ~FloatFlag.precision;
  environment.roundedUp = false;
  return false;
}

/** FST and FSTP of a single or double. */
export function storeTo(format: FloatFormat, pops: boolean): FloatInstruction {
  return (context, destination) => {
    const environment = begin(context);
    const { result, view } = context;
    if (isEmpty(context, 0)) {
      stackUnderflow(context);
      result.setDefaultNan();
    } else {
      loadRegister(context, result, 0);
      takeStoredNan(context, result);
      if (!isStopped(context)) round(environment, result, format);
    }
    if (mayStore(context)) {
      if (format === SINGLE) view.setInt32(destination, packSingle(result), true);
      else {
        view.setInt32(destination, packDoubleLow(result), true);
        view.setInt32(destination + 4, packDoubleHigh(result), true);
      }
      if (pops) pop(context);
    }
    end(context);
    return FloatFault.none;
  };
}

/** FSTP m80. */
export function storeWhole(context: FloatContext, destination: number): number {
  begin(context);
  const { view } = context;
  if (isEmpty(context, 0)) {
    if (stackUnderflow(context)) {
      view.setUint32(destination, 0, true);
      view.setUint32(destination + 4, 0xc000_0000, true);
      view.setUint16(destination + 8, 0xffff, true);
      pop(context);
    }
  } else {
    copyRegister(context, destination, context.physical(physical(context, 0)));
    pop(context);
  }
  end(context);
  return FloatFault.none;
}

/** FIST, FISTP and FISTTP to 16, 32 or 64 bits. */
export function storeInteger(bits: number, pops: boolean, truncates: boolean): FloatInstruction {
  return (context, destination) => {
    const environment = begin(context);
    if (truncates) environment.rounding = Rounding.toZero;
    const { result, view } = context;
    if (isEmpty(context, 0)) {
      stackUnderflow(context);
      result.setDefaultNan();
    } else loadRegister(context, result, 0);
    toInteger(environment, result, bits);
    if (mayStore(context)) {
      if (bits === 16) view.setInt16(destination, result.low, true);
      else view.setInt32(destination, result.low, true);
      if (bits === 64) view.setInt32(destination + 4, result.high, true);
      if (pops) pop(context);
    }
    end(context);
    return FloatFault.none;
  };
}

/** FST ST(i) and FSTP ST(i). */
export function storeStack(pops: boolean): FloatInstruction {
  return (context, _destination, _source, opcode) => {
    begin(context);
    let stored = true;
    if (isEmpty(context, 0)) {
      stored = stackUnderflow(context);
      context.result.setDefaultNan();
      if (stored) storeRegister(context, context.result, opcode & 7);
    } else {
      const to = physical(context, opcode & 7);
      copyRegister(context, context.physical(to), context.physical(physical(context, 0)));
      context.tags |= 1 << to;
    }
    if (stored && pops) pop(context);
    end(context);
    return FloatFault.none;
  };
}

const popStack = storeStack(true);

/** FSTP ST(i) by D9 D8+i: an empty ST is popped without a fault, and nothing is stored. */
export function storeStackUnchecked(
  context: FloatContext,
  destination: number,
  source: number,
  opcode: number,
): number {
  begin(context);
  if (!isEmpty(context, 0)) return popStack(context, destination, source, opcode);
  pop(context);
  end(context);
  return FloatFault.none;
}

/** FXCH: an empty register gets the default NaN first. */
export function exchange(
  context: FloatContext,
  _destination: number,
  _source: number,
  opcode: number,
): number {
  begin(context);
  const other = opcode & 7;
  let exchanges = true;
  if (isEmpty(context, 0) || isEmpty(context, other)) {
    exchanges = stackUnderflow(context);
    context.result.setDefaultNan();
    for (const i of [0, other]) {
      if (exchanges && isEmpty(context, i)) storeRegister(context, context.result, i);
    }
  }
  if (exchanges) {
    const top = context.physical(physical(context, 0));
    const to = context.physical(physical(context, other));
    const held = context.u8.slice(top, top + 10);
    copyRegister(context, top, to);
    context.u8.set(held, to);
  }
  end(context);
  return FloatFault.none;
}

/** FCMOVcc: `eflags` holds one of the bits of `mask`, or none if `negated`. C1 stays. */
export function conditionalMove(mask: number, negated: boolean): FloatInstruction {
  return (context, _destination, eflags, opcode) => {
    begin(context);
    keepC1(context);
    const other = opcode & 7;
    if (isEmpty(context, 0) || isEmpty(context, other)) {
      if (stackUnderflow(context)) {
        context.result.setDefaultNan();
        storeRegister(context, context.result, 0);
      }
    } else if (((eflags & mask) !== 0) !== negated) {
      const to = context.physical(physical(context, 0));
      copyRegister(context, to, context.physical(physical(context, other)));
    }
    end(context);
    return FloatFault.none;
  };
}
