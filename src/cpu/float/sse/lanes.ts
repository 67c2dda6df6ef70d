/** How SSE instructions begin and end: MXCSR, lanes in and out (SDM volume 1, 11.5). */
import { type FloatContext, FloatFault } from '../context.ts';
import {
  DOUBLE,
  type FloatEnvironment,
  FloatFlag,
  type FloatFormat,
  SINGLE,
} from '../environment.ts';
import { MXCSR } from '../../state.ts';
import {
  type FloatNumber,
  Kind,
  packDoubleHigh,
  packDoubleLow,
  packSingle,
  unpackDouble,
  unpackSingle,
} from '../number.ts';

/** Control bits of MXCSR; the low six are {@link FloatFlag}. */
export const MxcsrBit = {
  denormalsAreZero: 0x40,
  maskShift: 7,
  roundingShift: 13,
  flushToZero: 0x8000,
  /** Bits that exist: MXCSR_MASK of FXSAVE. */
  defined: 0xffff,
  initial: 0x1f80,
} as const;

export function begin(context: FloatContext): FloatEnvironment {
  const { environment } = context;
  const mxcsr = context.view.getUint32(MXCSR, true);
  environment.masks = (mxcsr >>> MxcsrBit.maskShift) & FloatFlag.all;
  environment.rounding = (mxcsr >>> MxcsrBit.roundingShift) & 3;
  environment.denormalsAreZero = (mxcsr & MxcsrBit.denormalsAreZero) !== 0;
  environment.flushToZero = (mxcsr & MxcsrBit.flushToZero) !== 0;
  environment.flags = 0;
  return environment;
}

/**
 * Sets the sticky flags, and forgets them for what comes next. An unmasked exception of any lane leaves the destination alone, and one
 * that is known beforehand keeps the others from happening.
 * @returns whether #XM is raised
 */
export function traps(context: FloatContext): boolean {
  const { masks, flags } = context.environment;
  context.environment.flags = 0;
  const early = (flags & FloatFlag.before & ~masks) !== 0;
  const at = MXCSR;
  const raised = early ? flags & FloatFlag.before : flags;
  context.view.setUint32(at, context.view.getUint32(at, true) | raised, true);
  return (raised & ~masks) !== 0;
}

/** Ends an instruction whose result is in the first `words` lanes. */
export function commit(context: FloatContext, destination: number, words: number): number {
  if (traps(context)) return FloatFault.simd;
  const { view, lanes } = context;
  for (let i = 0; i < words; i++) view.setInt32(destination + 4 * i, lanes[i]!, true);
  return FloatFault.none;
}

/** Ends an instruction that sets EFLAGS. */
export function commitFlags(context: FloatContext, flags: number): number {
  if (traps(context)) return FloatFault.simd;
  context.setFlags(flags);
  return FloatFault.none;
}

function flushOperand(environment: FloatEnvironment, number: FloatNumber): void {
  if (number.denormal !== 0 && environment.denormalsAreZero) number.setZero(number.sign);
}

function loadSingle(context: FloatContext, number: FloatNumber, at: number): void {
  unpackSingle(number, context.view.getInt32(at, true));
  flushOperand(context.environment, number);
}

function loadDouble(context: FloatContext, number: FloatNumber, at: number): void {
  unpackDouble(number, context.view.getInt32(at + 4, true), context.view.getInt32(at, true));
  flushOperand(context.environment, number);
}

function storeSingle(context: FloatContext, number: FloatNumber, lane: number): void {
  context.lanes[lane] = packSingle(number);
}

/** @param lane of 8 bytes: 0 or 1 */
function storeDouble(context: FloatContext, number: FloatNumber, lane: number): void {
  context.lanes[2 * lane] = packDoubleLow(number);
  context.lanes[2 * lane + 1] = packDoubleHigh(number);
}

/** One element type of a vector. */
export interface Lane {
  readonly format: FloatFormat;
  readonly bytes: 4 | 8;
  load(context: FloatContext, number: FloatNumber, at: number): void;
  store(context: FloatContext, number: FloatNumber, lane: number): void;
}

export const SINGLE_LANE: Lane = {
  format: SINGLE,
  bytes: 4,
  load: loadSingle,
  store: storeSingle,
};
export const DOUBLE_LANE: Lane = {
  format: DOUBLE,
  bytes: 8,
  load: loadDouble,
  store: storeDouble,
};

/**
 * Signalling operands raise invalid. @returns whether `result` is decided: a NaN operand, the
 * first if both are, made quiet (SDM volume 1, Table 4-7)
 */
export function takeNan(
  environment: FloatEnvironment,
  a: FloatNumber,
  b: FloatNumber,
  result: FloatNumber,
): boolean {
  if (a.kind < Kind.quietNan && b.kind < Kind.quietNan) return false;
  if (a.kind === Kind.signallingNan || b.kind === Kind.signallingNan) {
    environment.flags |= FloatFlag.invalid;
  }
  result.copy(a.kind >= Kind.quietNan ? a : b);
  result.quieten();
  return true;
}
