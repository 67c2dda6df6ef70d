/**
 * What an instruction's meaning is written in. A meaning is a function over {@link Emit}; it runs once
 * for each executor's purpose: the reference executor computes with it, tier 0 makes a handler from
 * it whose operands are read from a record, tier 1 makes straight code of it.
 *
 * `V` is a value in the executor's own form. A value has a size of 1, 2, 4 or 8 bytes, which the caller
 * knows, and is zero-extended: bits above its size are 0. A truth is a value of size 4 that is 0 or 1.
 * A vector (`V` too) has 16 bytes.
 */
import type { BoundInstruction } from './bind.ts';
import type { VectorOp } from './vector-ops.ts';

export type Size = 1 | 2 | 4 | 8;

/** Pure operations on values. */
export interface Values<V> {
  /** `low` and `high` are the halves of a 64-bit number; `high` counts for size 8 only. */
  constant(size: Size, low: number, high?: number): V;
  add(size: Size, a: V, b: V): V;
  sub(size: Size, a: V, b: V): V;
  mul(size: Size, a: V, b: V): V;
  and(size: Size, a: V, b: V): V;
  or(size: Size, a: V, b: V): V;
  xor(size: Size, a: V, b: V): V;
  not(size: Size, a: V): V;
  /** `count` is a value of size 4 below 64 for size 8, below 32 for the others. */
  shl(size: Size, a: V, count: V): V;
  shr(size: Size, a: V, count: V): V;
  sar(size: Size, a: V, count: V): V;
  /** Sizes 4 and 8; `count` is taken modulo the bits. */
  rotl(size: Size, a: V, count: V): V;
  rotr(size: Size, a: V, count: V): V;
  eq(size: Size, a: V, b: V): V;
  ne(size: Size, a: V, b: V): V;
  /** Unsigned a < b. */
  ltu(size: Size, a: V, b: V): V;
  /** Signed a < b. */
  lts(size: Size, a: V, b: V): V;
  /** `truth` of size 4; 0 chooses `b`. */
  select(size: Size, truth: V, a: V, b: V): V;
  zext(from: Size, to: Size, a: V): V;
  sext(from: Size, to: Size, a: V): V;
  /** The low bytes. */
  trunc(from: Size, to: Size, a: V): V;
  /** Zeros before the highest one; the number of bits for 0. Sizes 4 and 8; the result has that size. */
  clz(size: Size, a: V): V;
  /** Zeros after the lowest one. */
  ctz(size: Size, a: V): V;
  popcnt(size: Size, a: V): V;
  /** The product of 64-bit values: low and high half. */
  mulWide(isSigned: boolean, a: V, b: V): readonly [low: V, high: V];
}

/** Operations on vectors of 16 bytes. */
export interface Vectors<V> {
  vector1(op: VectorOp, a: V): V;
  vector2(op: VectorOp, a: V, b: V): V;
  /** Shifts: `count` has size 4 and is taken modulo the lane's bits. */
  vectorShift(op: VectorOp, a: V, count: V): V;
  /** `mask ? a : b`, bit by bit. */
  vectorSelect(a: V, b: V, mask: V): V;
  /** Bytes by constant numbers: 0 to 15 from `a`, 16 to 31 from `b`. */
  shuffle(a: V, b: V, lanes: readonly number[]): V;
  vectorConstant(words: readonly [number, number, number, number]): V;
  /** A vector whose every lane of `size` bytes is `a`. */
  splat(size: Size, a: V): V;
  /** A lane, zero-extended to `size` (1 and 2 give size 4). */
  lane(size: Size, a: V, index: number): V;
  withLane(size: Size, a: V, index: number, value: V): V;
  /** Sign bits of the lanes of `size` bytes, or a truth: size 4. */
  bitmask(size: Size, a: V): V;
  /** 1 when any bit is set: size 4. */
  anyTrue(a: V): V;
}

/** The state of a processor, as an instruction sees it. */
export interface Emit<V> extends Values<V>, Vectors<V> {
  readonly bound: BoundInstruction;

  /** Bytes of an operand. */
  size(operand: number): Size;
  isMemory(operand: number): boolean;
  /** An operand's value: a register, memory, or an immediate extended to the operand size. */
  read(operand: number): V;
  /** As `read`, for an operand that `write` follows: a memory operand is checked for writing first. */
  update(operand: number): V;
  /** After this, nothing in the instruction may fault. 32-bit register writes clear the upper half. */
  write(operand: number, value: V): void;
  /** All 64 bits of a general register operand, whatever its size. */
  readWide(operand: number): V;
  setWide(operand: number, value: V): void;

  /**
   * Operand of vector form, zero-extended to 16 bytes.
   * @param bytes instead of the operand's own: 2, 4, 8 or 16, or the low 8 of an MMX register
   */
  readVector(operand: number, bytes?: number): V;
  /**
   * Writes the operand's bytes, or as many as given, and keeps the others of an XMM register. An MMX
   * register gets ones above.
   */
  writeVector(operand: number, value: V, bytes?: number): void;
  /** An XMM register by number. */
  xmm(register: number): V;
  setXmm(register: number, value: V): void;
  /** #GP(0) unless the memory operand's linear address is a multiple of `bytes`. */
  checkAlignment(bytes: number): void;
  /** A field of the state block (state.ts). */
  field(size: Size, offset: number): V;
  setField(size: Size, offset: number, value: V): void;

  /** A general register by number; byte registers are AL, CL... R15B. */
  reg(size: Size, register: number): V;
  setReg(size: Size, register: number, value: V): void;
  /** Effective address of the ModRM or moffs operand, of the address size. */
  address(): V;
  /** `offset` has the size of addresses, or of the stack pointer for SS. */
  load(size: Size, segment: number, offset: V): V;
  store(size: Size, segment: number, offset: V, value: V): void;
  /** As `load` with a check for writing; `finish` stores to the same place. */
  loadForUpdate(size: Size, segment: number, offset: V): V;
  finishUpdate(size: Size, value: V): void;

  /** All six flags, of an operation as flags.ts has them. */
  setFlags(kind: number, size: Size, result: V, source: V): void;
  /** ZF, SF and PF of a result, CF, OF and AF as given (truths). */
  setFlagsOf(size: Size, result: V, cf: V, of: V, af: V): void;
  /** Replaces the flags of `mask` by `word`'s bits, at EFLAGS positions, size 4. */
  replaceFlags(mask: number, word: V): void;
  /** As `setFlagsOf`, if the truth is 1. */
  setFlagsOfIf(truth: V, size: Size, result: V, cf: V, of: V, af: V): void;
  /** As `replaceFlags`, if the truth is 1. */
  replaceFlagsIf(truth: V, mask: number, word: V): void;
  /** A truth: the condition of Jcc, SETcc and CMOVcc (SDM volume 1, appendix B), 0 to 15. */
  condition(code: number): V;
  /** CF as a truth. */
  carry(): V;
  /** The six flags at their EFLAGS positions, size 4. */
  flagsWord(): V;
  /** DF as -1 or 1, of size 8. */
  direction(): V;
  setDirection(isDown: boolean): void;

  /** Raises a fault if the truth is 1: #GP(0), or one without error code. */
  raiseIf(truth: V, vector: number): void;
  /** If the truth is 1, executes the instruction by its function (call.ts) instead: nothing has changed yet. */
  exactIf(truth: V): void;
  /** Quotient and remainder of 64-bit halves; #DE as DIV and IDIV of 64 bits have it. */
  divideWide(isSigned: boolean, high: V, low: V, divisor: V): readonly [quotient: V, remainder: V];

  /** RIP of the next instruction, of the stack operation's size. */
  nextRip(size: Size): V;
  /** Goes to an address of `size` bytes. */
  jump(size: Size, target: V): void;
  /** Goes to the relative operand's target. */
  jumpRelative(): void;
  branchIf(truth: V): void;
}

export type Meaning = <V>(x: Emit<V>) => void;
