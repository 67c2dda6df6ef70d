/** PUSH, POP and what is built on them. Source: SDM volume 1, chapter 6; volume 2. */
import { Segment } from '../decode/instruction.ts';
import { Mode } from '../mode.ts';
import type { Emit, Size } from './emit.ts';

export const RSP = 4;
export const RBP = 5;

/** Bytes of the stack pointer: 8 in 64-bit mode, else by SS.B. */
export function stackSize<V>(x: Emit<V>): Size {
  if ((x.bound.mode & Mode.codeSizeMask) === Mode.code64) return 8;
  return (x.bound.mode & Mode.stack32) !== 0 ? 4 : 2;
}

/** Stores below the stack pointer and moves it. */
export function push<V>(x: Emit<V>, size: Size, value: V): void {
  const pointer = stackSize(x);
  const top = x.sub(pointer, x.reg(pointer, RSP), x.constant(pointer, size));
  x.store(size, Segment.ss, top, value);
  x.setReg(pointer, RSP, top);
}

/** Loads from the stack pointer; the caller moves it with `drop` when nothing can fault any more. */
export function top<V>(x: Emit<V>, size: Size): V {
  return x.load(size, Segment.ss, x.reg(stackSize(x), RSP));
}

/** @param bytes of the stack pointer's size */
export function drop<V>(x: Emit<V>, bytes: V): void {
  const pointer = stackSize(x);
  x.setReg(pointer, RSP, x.add(pointer, x.reg(pointer, RSP), bytes));
}
