/**
 * The reference executor's side of {@link Emit}: a meaning runs once, directly on the processor's
 * state. Slow, and meant to be read.
 */
import { type Cpu, Eflags } from '../cpu.ts';
import { BASE_RIP, NO_REGISTER } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { finishModify, slowRead, slowReadModify, slowWrite } from '../mmu/access.ts';
import { type BoundInstruction, type BoundOperand, OperandKind } from '../semantics/bind.ts';
import type { Emit, Size } from '../semantics/emit.ts';
import { conditionOf, FlagBit, FlagKind, flagsWordOf } from '../semantics/flags.ts';
import type { VectorOp } from '../semantics/vector-ops.ts';
import { ACCESS_ADDRESS, ACCESS_VALUE, Flags, RIP, SegmentIndex, X87, XMM } from '../state.ts';
import { checkSegment } from '../system/segments.ts';
import { Trait } from '../table/row.ts';
import { ReferenceValues, signed, unsigned } from './values.ts';
import { binary, lane, laneCount, shiftLanes, shuffleBytes, unary, withLane } from './vectors.ts';

const BITS_32 = 0xffff_ffffn;
const MMX_UPPER = 0xffff;
const QUOTIENT_LIMIT = 1n << 63n;

/** A memory operand between `loadForUpdate` and `finishUpdate`. */
interface Update {
  readonly linear: number;
  readonly position: number;
}

/** Thrown by {@link ReferenceEmit.exactIf}: nothing has changed, and the function does it all. */
export const NEEDS_FUNCTION = Symbol('needs its function');

export class ReferenceEmit extends ReferenceValues implements Emit<bigint> {
  readonly #cpu: Cpu;
  readonly bound: BoundInstruction;
  /** RIP after the instruction: 64 bits. */
  next: bigint;
  #update: Update | undefined;

  constructor(cpu: Cpu, bound: BoundInstruction) {
    super();
    this.#cpu = cpu;
    this.bound = bound;
    this.next = this.nextRip(this.#codeSize());
  }

  #codeSize(): Size {
    return (this.bound.insn.mode / 8) as Size;
  }

  #operand(operand: number): BoundOperand {
    return this.bound.operands[operand]!;
  }

  size(operand: number): Size {
    return this.#operand(operand).size as Size;
  }

  isMemory(operand: number): boolean {
    return this.#operand(operand).kind === OperandKind.memory;
  }

  // --- general operands

  read(operand: number): bigint {
    const { kind, size, register, isHighByte } = this.#operand(operand);
    switch (kind) {
      case OperandKind.general: {
        const value = this.#cpu.reg(register);
        return unsigned(size as Size, isHighByte ? value >> 8n : value);
      }
      case OperandKind.immediate:
        return this.#immediate(operand, size as Size);
      default:
        return this.load(size as Size, this.bound.insn.segment, this.address());
    }
  }

  #immediate(operand: number, size: Size): bigint {
    if (this.bound.row.operands[operand]!.letter === '1') return 1n;
    const { immediate, immediateHigh } = this.bound.insn;
    const whole = (BigInt(immediateHigh >>> 0) << 32n) | BigInt(immediate >>> 0);
    return unsigned(size, whole);
  }

  update(operand: number): bigint {
    if (!this.isMemory(operand)) return this.read(operand);
    return this.loadForUpdate(this.size(operand), this.bound.insn.segment, this.address());
  }

  write(operand: number, value: bigint): void {
    const { kind, size, register, isHighByte } = this.#operand(operand);
    if (kind !== OperandKind.general) {
      if (this.#update !== undefined) this.finishUpdate(size as Size, value);
      else this.store(size as Size, this.bound.insn.segment, this.address(), value);
    } else if (isHighByte) {
      const before = this.#cpu.reg(register);
      this.#cpu.setReg(register, (before & ~0xff00n) | (value << 8n));
    } else this.setReg(size as Size, register, value);
  }

  readWide(operand: number): bigint {
    return this.#cpu.reg(this.#operand(operand).register);
  }

  setWide(operand: number, value: bigint): void {
    this.#cpu.setReg(this.#operand(operand).register, value);
  }

  reg(size: Size, register: number): bigint {
    return unsigned(size, this.#cpu.reg(register));
  }

  setReg(size: Size, register: number, value: bigint): void {
    if (size >= 4) this.#cpu.setReg(register, value);
    else {
      const kept = (this.#cpu.reg(register) >> BigInt(8 * size)) << BigInt(8 * size);
      this.#cpu.setReg(register, kept | value);
    }
  }

  // --- memory

  address(): bigint {
    const { insn } = this.bound;
    let sum = (BigInt(insn.displacementHigh) << 32n) | (BigInt(insn.displacement) & BITS_32);
    if (insn.base === BASE_RIP) sum += this.#cpu.u64[RIP >> 3]! + BigInt(insn.length);
    else if (insn.base !== NO_REGISTER) sum += this.#cpu.reg(insn.base);
    if (insn.index !== NO_REGISTER) sum += this.#cpu.reg(insn.index) * BigInt(insn.scale);
    return unsigned(insn.addressSize as Size, sum);
  }

  checkAlignment(bytes: number): void {
    const { segment } = this.bound.insn;
    const linear = this.#linear(segment, this.address(), bytes, true);
    if (linear % bytes !== 0) raise(Vector.generalProtection, 0);
  }

  /** Checks an access against its segment. @returns the linear address */
  #linear(segment: number, offset: bigint, bytes: number, isWrite: boolean): number {
    const place = this.bound.insn.mode === 64 ? signed(8, offset) : offset;
    return checkSegment(this.#cpu, segment, Number(place), bytes, isWrite);
  }

  #readAt(position: number, size: number): bigint {
    let value = 0n;
    for (let i = size - 1; i >= 0; i -= 1) {
      value = (value << 8n) | BigInt(this.#cpu.u8[position + i]!);
    }
    return value;
  }

  #writeAt(position: number, size: number, value: bigint): void {
    for (let i = 0; i < size; i += 1) {
      this.#cpu.u8[position + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    }
  }

  #loadLinear(size: number, segment: number, linear: number): bigint {
    this.#cpu.setSigned(ACCESS_ADDRESS, linear);
    return this.#readAt(slowRead(this.#cpu, size, segment === SegmentIndex.ss), size);
  }

  #storeLinear(size: number, segment: number, linear: number, value: bigint): void {
    this.#cpu.setSigned(ACCESS_ADDRESS, linear);
    this.#writeAt(ACCESS_VALUE, size, value);
    slowWrite(this.#cpu, size, segment === SegmentIndex.ss);
  }

  load(size: Size, segment: number, offset: bigint): bigint {
    return this.#loadLinear(size, segment, this.#linear(segment, offset, size, false));
  }

  store(size: Size, segment: number, offset: bigint, value: bigint): void {
    this.#storeLinear(size, segment, this.#linear(segment, offset, size, true), value);
  }

  loadForUpdate(size: Size, segment: number, offset: bigint): bigint {
    const linear = this.#linear(segment, offset, size, true);
    this.#cpu.setSigned(ACCESS_ADDRESS, linear);
    const position = slowReadModify(this.#cpu, size, segment === SegmentIndex.ss);
    this.#update = { linear, position };
    return this.#readAt(position, size);
  }

  finishUpdate(size: Size, value: bigint): void {
    const { linear, position } = this.#update!;
    this.#update = undefined;
    this.#writeAt(position, size, value);
    if (position !== ACCESS_VALUE) return;
    this.#cpu.setSigned(ACCESS_ADDRESS, linear);
    finishModify(this.#cpu, size);
  }

  field(size: Size, offset: number): bigint {
    return this.#readAt(offset, size);
  }

  setField(size: Size, offset: number, value: bigint): void {
    this.#writeAt(offset, size, value);
  }

  // --- vectors

  #vectorLinear(bytes: number, isWrite: boolean): number {
    const linear = this.#linear(this.bound.insn.segment, this.address(), bytes, isWrite);
    const isAligned = (this.bound.row.traits & Trait.align) !== 0;
    if (isAligned && linear % bytes !== 0) raise(Vector.generalProtection, 0);
    return linear;
  }

  #vectorPlace(operand: number): number {
    const { kind, register } = this.#operand(operand);
    return (kind === OperandKind.mmx ? X87.st : XMM) + 16 * register;
  }

  readVector(operand: number, bytes: number = this.size(operand)): bigint {
    if (this.isMemory(operand)) {
      const linear = this.#vectorLinear(bytes, false);
      return this.#loadLinear(bytes, this.bound.insn.segment, linear);
    }
    return this.#readAt(this.#vectorPlace(operand), bytes);
  }

  writeVector(operand: number, value: bigint, bytes: number = this.size(operand)): void {
    if (this.isMemory(operand)) {
      const linear = this.#vectorLinear(bytes, true);
      this.#storeLinear(bytes, this.bound.insn.segment, linear, value);
      return;
    }
    const place = this.#vectorPlace(operand);
    this.#writeAt(place, bytes, value);
    if (this.#operand(operand).kind === OperandKind.mmx) {
      this.#cpu.u16[(place + 8) >> 1] = MMX_UPPER;
    }
  }

  xmm(register: number): bigint {
    return this.#readAt(XMM + 16 * register, 16);
  }

  setXmm(register: number, value: bigint): void {
    this.#writeAt(XMM + 16 * register, 16, value);
  }

  vector1(op: VectorOp, a: bigint): bigint {
    return unary(op, a);
  }

  vector2(op: VectorOp, a: bigint, b: bigint): bigint {
    return binary(op, a, b);
  }

  vectorShift(op: VectorOp, a: bigint, count: bigint): bigint {
    return shiftLanes(op, a, Number(count));
  }

  vectorSelect(a: bigint, b: bigint, mask: bigint): bigint {
    return (a & mask) | (b & (mask ^ ((1n << 128n) - 1n)));
  }

  shuffle(a: bigint, b: bigint, lanes: readonly number[]): bigint {
    return shuffleBytes(a, b, lanes);
  }

  vectorConstant(words: readonly [number, number, number, number]): bigint {
    let value = 0n;
    for (const word of words.toReversed()) value = (value << 32n) | BigInt(word >>> 0);
    return value;
  }

  splat(size: Size, a: bigint): bigint {
    let value = 0n;
    for (let i = 0; i < laneCount(size); i += 1) value = withLane(size, value, i, a);
    return value;
  }

  lane(size: Size, a: bigint, index: number): bigint {
    return lane(size, a, index);
  }

  withLane(size: Size, a: bigint, index: number, value: bigint): bigint {
    return withLane(size, a, index, value);
  }

  bitmask(size: Size, a: bigint): bigint {
    let bits = 0n;
    for (let i = 0; i < laneCount(size); i += 1) {
      if (signed(size, lane(size, a, i)) < 0n) bits |= 1n << BigInt(i);
    }
    return bits;
  }

  anyTrue(a: bigint): bigint {
    return a === 0n ? 0n : 1n;
  }

  // --- flags

  #setArithmetic(word: number): void {
    const { u32 } = this.#cpu;
    u32[Flags.kind >> 2] = FlagKind.explicit;
    u32[Flags.source >> 2] = word;
    u32[(Flags.source >> 2) + 1] = 0;
  }

  flagsWord(): bigint {
    return BigInt(this.#cpu.arithmeticFlags);
  }

  setFlags(kind: number, size: Size, result: bigint, source: bigint): void {
    this.#setArithmetic(Number(flagsWordOf(this, { kind, size, result, source })));
  }

  setFlagsOf(size: Size, result: bigint, cf: bigint, of: bigint, af: bigint): void {
    const given = (cf === 0n ? 0 : FlagBit.cf) | (of === 0n ? 0 : FlagBit.of);
    const source = BigInt(given | (af === 0n ? 0 : FlagBit.af));
    this.setFlags(FlagKind.given, size, result, source);
  }

  replaceFlags(mask: number, word: bigint): void {
    this.#setArithmetic((this.#cpu.arithmeticFlags & ~mask) | Number(word));
  }

  setFlagsOfIf(
    truth: bigint,
    size: Size,
    result: bigint,
    cf: bigint,
    of: bigint,
    af: bigint,
  ): void {
    if (truth !== 0n) this.setFlagsOf(size, result, cf, of, af);
  }

  replaceFlagsIf(truth: bigint, mask: number, word: bigint): void {
    if (truth !== 0n) this.replaceFlags(mask, word);
  }

  condition(code: number): bigint {
    const source = this.flagsWord();
    return conditionOf(this, code, { kind: FlagKind.explicit, size: 4, result: source, source });
  }

  carry(): bigint {
    return this.flagsWord() & 1n;
  }

  direction(): bigint {
    return unsigned(8, (this.#cpu.systemFlags & Eflags.df) === 0 ? 1n : -1n);
  }

  setDirection(isDown: boolean): void {
    const others = this.#cpu.systemFlags & ~Eflags.df;
    this.#cpu.systemFlags = isDown ? others | Eflags.df : others;
  }

  // --- faults and branches

  raiseIf(truth: bigint, vector: number): void {
    if (truth === 0n) return;
    if (vector === Vector.generalProtection) raise(vector, 0);
    raise(vector);
  }

  exactIf(truth: bigint): void {
    // eslint-disable-next-line no-throw-literal -- caught by the executor, one frame up
    if (truth !== 0n) throw NEEDS_FUNCTION;
  }

  divideWide(
    isSigned: boolean,
    high: bigint,
    low: bigint,
    divisor: bigint,
  ): readonly [quotient: bigint, remainder: bigint] {
    if (divisor === 0n) raise(Vector.divideError);
    const whole = (high << 64n) | low;
    if (isSigned) {
      const dividend = BigInt.asIntN(128, whole);
      const by = signed(8, divisor);
      const quotient = dividend / by;
      if (quotient >= QUOTIENT_LIMIT || quotient < -QUOTIENT_LIMIT) raise(Vector.divideError);
      return [unsigned(8, quotient), unsigned(8, dividend % by)];
    }
    const quotient = whole / divisor;
    if (quotient >= 1n << 64n) raise(Vector.divideError);
    return [quotient, whole % divisor];
  }

  nextRip(size: Size): bigint {
    return unsigned(size, this.#cpu.u64[RIP >> 3]! + BigInt(this.bound.insn.length));
  }

  jump(_size: Size, target: bigint): void {
    this.next = target;
  }

  #relativeTarget(): bigint {
    const { insn } = this.bound;
    const size = insn.operandSize as Size;
    return unsigned(size, this.nextRip(8) + BigInt(insn.immediate));
  }

  jumpRelative(): void {
    this.next = this.#relativeTarget();
  }

  branchIf(truth: bigint): void {
    if (truth !== 0n) this.jumpRelative();
  }
}
