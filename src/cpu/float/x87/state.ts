/** How x87 instructions begin and end: stack, tags, status word (SDM volume 1, 8.1 and 8.5). */
import type { FloatContext } from '../context.ts';
import { EXTENDED, type FloatEnvironment, FloatFlag, type FloatFormat } from '../environment.ts';
import { X87 } from '../../state.ts';
import { type FloatNumber, Kind, packExtendedTop, unpackExtended } from '../number.ts';

export const Status = {
  stackFault: 0x40,
  /** ES: an exception is unmasked and waits for the next waiting instruction. */
  summary: 0x80,
  c0: 0x100,
  c1: 0x200,
  c2: 0x400,
  topShift: 11,
  top: 0x3800,
  c3: 0x4000,
  /** B, which mirrors ES since the 80287. */
  busy: 0x8000,
} as const;

export const Control = {
  precisionShift: 8,
  roundingShift: 10,
  /** Bits that can be written; bit 6 always reads 1. */
  writable: 0x1f3f,
  alwaysSet: 0x40,
  initial: 0x37f,
} as const;

/** By the PC field; 1 is reserved and acts as 3. */
const FORMATS: readonly FloatFormat[] = [
  { ...EXTENDED, precision: 24 },
  EXTENDED,
  { ...EXTENDED, precision: 53 },
  EXTENDED,
];

export function begin(context: FloatContext): FloatEnvironment {
  const { environment, view } = context;
  const control = view.getUint16(X87.control, true);
  environment.masks = control & FloatFlag.all;
  environment.rounding = (control >>> Control.roundingShift) & 3;
  environment.denormalsAreZero = false;
  environment.flushToZero = false;
  environment.flags = 0;
  environment.roundedUp = false;
  context.format = FORMATS[(control >>> Control.precisionShift) & 3]!;
  context.status = view.getUint16(X87.status, true) & ~Status.c1;
  context.tags = view.getUint8(X87.tags);
  return environment;
}

/** Leaves C1 as it was before {@link begin}, unless the stack underflows. */
export function keepC1(context: FloatContext): void {
  context.status |= context.view.getUint16(X87.status, true) & Status.c1;
}

/** ES and B by the sticky flags and their masks. */
export function summarize(status: number, masks: number): number {
  const waits = (status & FloatFlag.all & ~masks) !== 0;
  const rest = status & ~(Status.summary | Status.busy);
  return waits ? rest | Status.summary | Status.busy : rest;
}

/** Writes status and tags back, with the flags of the instruction and C1 if it rounded up. */
export function end(context: FloatContext): void {
  const { environment, view } = context;
  let status = context.status | environment.flags;
  if (environment.roundedUp) status |= Status.c1;
  view.setUint16(X87.status, summarize(status, environment.masks), true);
  view.setUint8(X87.tags, context.tags);
}

/** Physical number of ST(i). */
export function physical({ status }: FloatContext, i: number): number {
  return ((status >>> Status.topShift) + i) & 7;
}

export function isEmpty(context: FloatContext, i: number): boolean {
  return ((context.tags >> physical(context, i)) & 1) === 0;
}

function moveTop(context: FloatContext, by: number): void {
  const { status } = context;
  context.status = (status & ~Status.top) | ((status + (by << Status.topShift)) & Status.top);
}

export function incrementTop(context: FloatContext): void {
  moveTop(context, 1);
}

export function decrementTop(context: FloatContext): void {
  moveTop(context, -1);
}

export function free(context: FloatContext, i: number): void {
  context.tags &= ~(1 << physical(context, i));
}

export function pop(context: FloatContext): void {
  free(context, 0);
  moveTop(context, 1);
}

export function loadRegister(context: FloatContext, number: FloatNumber, i: number): void {
  loadExtended(context, number, context.physical(physical(context, i)));
}

export function loadExtended(context: FloatContext, number: FloatNumber, at: number): void {
  const { view } = context;
  unpackExtended(
    number,
    view.getUint16(at + 8, true),
    view.getInt32(at + 4, true),
    view.getInt32(at, true),
  );
}

export function storeRegister(context: FloatContext, number: FloatNumber, i: number): void {
  const at = context.physical(physical(context, i));
  const { view } = context;
  const zero = number.kind === Kind.zero;
  view.setInt32(at, zero ? 0 : number.low, true);
  view.setInt32(at + 4, zero ? 0 : number.high, true);
  view.setUint16(at + 8, packExtendedTop(number), true);
  context.tags |= 1 << physical(context, i);
}

/** Copies all 80 bits, whatever they are. */
export function copyRegister({ view }: FloatContext, to: number, from: number): void {
  const low = view.getUint32(from, true);
  const high = view.getUint32(from + 4, true);
  view.setUint16(to + 8, view.getUint16(from + 8, true), true);
  view.setUint32(to, low, true);
  view.setUint32(to + 4, high, true);
}

/**
 * An operand is empty: IS, with C1 clear. @returns whether it is masked, and so the default NaN
 * becomes the result
 */
export function stackUnderflow(context: FloatContext): boolean {
  const { environment } = context;
  environment.flags |= FloatFlag.invalid | Status.stackFault;
  context.status &= ~Status.c1;
  return (environment.masks & FloatFlag.invalid) !== 0;
}

/** There is no room for a push: IS, with C1 set. @returns whether it is masked */
export function stackOverflow({ environment }: FloatContext): boolean {
  environment.flags |= FloatFlag.invalid | Status.stackFault;
  environment.roundedUp = true;
  return (environment.masks & FloatFlag.invalid) !== 0;
}

/** @returns whether a push finds room; if not, the default NaN is pushed over what is there */
export function hasRoom(context: FloatContext): boolean {
  if (isEmpty(context, 7)) return true;
  if (stackOverflow(context)) {
    decrementTop(context);
    context.result.setDefaultNan();
    storeRegister(context, context.result, 0);
  }
  return false;
}

/** Whether an exception known beforehand is unmasked, so that nothing is stored. */
export function isStopped({ environment }: FloatContext): boolean {
  return (environment.flags & FloatFlag.before & ~environment.masks) !== 0;
}

/**
 * Chooses the result of an operation with NaN or unsupported operands: of two quiet ones the one
 * with the larger significand, of a signalling and a quiet one the quiet (SDM volume 1, Table 4-7).
 * @returns whether there was one
 */
export function takeNan(
  environment: FloatEnvironment,
  a: FloatNumber,
  b: FloatNumber,
  result: FloatNumber,
): boolean {
  if (a.kind < Kind.quietNan && b.kind < Kind.quietNan) return false;
  if (a.kind === Kind.unsupported || b.kind === Kind.unsupported) {
    environment.flags |= FloatFlag.invalid;
    result.setDefaultNan();
    return true;
  }
  if (a.kind === Kind.signallingNan || b.kind === Kind.signallingNan) {
    environment.flags |= FloatFlag.invalid;
  }
  result.copy(preferredNan(a, b));
  result.quieten();
  return true;
}

function preferredNan(a: FloatNumber, b: FloatNumber): FloatNumber {
  if (a.kind < Kind.quietNan) return b;
  if (b.kind < Kind.quietNan) return a;
  if (a.kind !== b.kind) return a.kind === Kind.quietNan ? a : b;
  const order = (a.high >>> 0) - (b.high >>> 0) || (a.low >>> 0) - (b.low >>> 0);
  if (order === 0) return a.sign <= b.sign ? a : b;
  return order > 0 ? a : b;
}
