/**
 * Tier 0's builder: a handler for all instructions of one shape, which finds registers, displacement
 * and immediate in the record that its parameter points to.
 */
import { BASE_RIP, NO_REGISTER } from '../decode/instruction.ts';
import { OperandKind } from '../semantics/bind.ts';
import type { BoundInstruction } from '../semantics/bind.ts';
import type { Size } from '../semantics/emit.ts';
import { Mode } from '../mode.ts';
import { GPR, RIP, X87, XMM, ZERO } from '../state.ts';
import { ValueType } from '../wasm/opcodes.ts';
import { Node, NONE, Way } from '../compile/ir.ts';
import { MachineIr } from '../compile/machine-ir.ts';
import { RecordField } from './record.ts';

/** Position of an operand that a record names. */
function registerOffset(operand: BoundInstruction['operands'][number]): number {
  const { kind, register, isHighByte } = operand;
  switch (kind) {
    case OperandKind.general:
      return GPR + 8 * register + (isHighByte ? 1 : 0);
    case OperandKind.xmm:
      return XMM + 16 * register;
    case OperandKind.mmx:
      return X87.st + 16 * register;
    default:
      return ZERO;
  }
}

/** What the record of an instruction says, from its decoded form. */
export function fillRecord(view: DataView, at: number, bound: BoundInstruction): void {
  const { insn, operands } = bound;
  view.setUint16(at + RecordField.operand0, operands[0] ? registerOffset(operands[0]) : ZERO, true);
  view.setUint16(at + RecordField.operand1, operands[1] ? registerOffset(operands[1]) : ZERO, true);
  const isRip = insn.base === BASE_RIP;
  const base = isRip ? RIP : insn.base === NO_REGISTER ? ZERO : GPR + 8 * insn.base;
  view.setUint8(at + RecordField.base, base);
  view.setUint8(at + RecordField.index, insn.index === NO_REGISTER ? ZERO : GPR + 8 * insn.index);
  view.setUint8(at + RecordField.scale, 31 - Math.clz32(insn.scale));
  view.setUint8(at + RecordField.length, insn.length);
  // RIP is still this instruction's while it executes.
  const distance = insn.displacement + (isRip ? insn.length : 0);
  view.setInt32(at + RecordField.displacement, distance, true);
  const high = isRip ? Math.floor(distance / 2 ** 32) : insn.displacementHigh;
  view.setInt32(at + RecordField.displacement + 4, high, true);
  view.setInt32(at + RecordField.immediate, insn.immediate, true);
  view.setInt32(at + RecordField.immediate + 4, insn.immediateHigh, true);
}

/** Instructions with equal keys share a handler. */
export function handlerKey(bound: BoundInstruction): number {
  const { insn, row, mode, operands } = bound;
  let hasMemory = 0;
  // General and vector registers are in the records; a segment register is part of the shape.
  let segmentRegister = 0;
  for (let index = 0; index < operands.length; index += 1) {
    const { kind, register } = operands[index]!;
    if (kind === OperandKind.memory) hasMemory = 1;
    else if (kind === OperandKind.segment) segmentRegister = register;
  }
  const shape =
    (insn.operandSize << 12) |
    (insn.addressSize << 8) |
    (segmentRegister << 5) |
    (insn.segment << 2) |
    (hasMemory << 1) |
    (insn.index === NO_REGISTER ? 0 : 1);
  // The lanes of shuffles and the like are part of the code.
  const constant = row.unit === 'general' ? 0 : insn.immediate & 0xff;
  // What only vector and x87 instructions ask of the mode is the same for all others.
  const kept = row.unit === 'general' ? mode & ~VECTOR_MODES : mode;
  return ((row.index * MODES + kept) * SHAPES + shape) * 256 + constant;
}

const VECTOR_MODES = Mode.x87Faults | Mode.sseFaults | Mode.simdExact;

/** Beyond every mode word, and every shape. */
const MODES = 4096;
const SHAPES = 65_536;

export class HandlerBuilder extends MachineIr {
  #hasEnded = false;

  start(bound: BoundInstruction): void {
    this.reset();
    this.begin(bound);
    this.#hasEnded = false;
  }

  /** Goes on to the next record, unless the instruction went elsewhere. */
  finish(): void {
    if (this.#hasEnded) return;
    this.#spillFlags();
    const { mode } = this.bound;
    const next = this.#nextAddress();
    const isWide = (mode & Mode.codeSizeMask) === Mode.code64;
    this.stateStore(8, RIP, isWide ? next : this.zext(4, 8, this.trunc(8, 4, next)));
    this.node(Node.nextRecord, ValueType.void, NONE, NONE, NONE, Way.next);
  }

  /** For an instruction that is a function, which moves RIP itself. */
  finishCall(): void {
    this.node(Node.nextRecord, ValueType.void, NONE, NONE, NONE, Way.next);
  }

  #spillFlags(): void {
    this.node(Node.flagsIf, ValueType.void, NONE, NONE, NONE, NONE, this.sync());
    this.flagPlace = 'memory';
  }

  #recordAddress(): number {
    return this.node(Node.record, ValueType.i32);
  }

  #recordByte(offset: number): number {
    return this.stateLoad(1, offset, this.#recordAddress());
  }

  #recordHalf(offset: number): number {
    return this.stateLoad(2, offset, this.#recordAddress());
  }

  #nextAddress(): number {
    const length = this.zext(4, 8, this.#recordByte(RecordField.length));
    return this.add(8, this.stateLoad(8, RIP), length);
  }

  protected override site(): number {
    return 0;
  }

  protected override forgetRegisters(): void {
    // Registers are read from the state block each time.
  }

  #operandAddress(operand: number): number {
    return this.#recordHalf(operand === 0 ? RecordField.operand0 : RecordField.operand1);
  }

  /** Operands beyond the second, and those that the mnemonic names, are the same in every record. */
  #isFixed(operand: number): boolean {
    const { letter } = this.bound.row.operands[operand]!;
    return operand > 1 || letter.length > 1;
  }

  protected override readGeneral(operand: number): number {
    const { size, register } = this.bound.operands[operand]!;
    if (this.#isFixed(operand)) return this.reg(size as Size, register);
    return this.stateLoad(size as Size, 0, this.#operandAddress(operand));
  }

  protected override writeGeneral(operand: number, value: number): void {
    const { size, register } = this.bound.operands[operand]!;
    if (this.#isFixed(operand)) this.setReg(size as Size, register, value);
    else if (size === 4) {
      this.stateStore(8, 0, this.zext(4, 8, value), this.#operandAddress(operand));
    } else this.stateStore(size as Size, 0, value, this.#operandAddress(operand));
  }

  protected override readImmediate(operand: number): number {
    const size = this.bound.operands[operand]!.size as Size;
    if (this.bound.row.operands[operand]!.letter === '1') return this.constant(size, 1);
    return this.stateLoad(size, RecordField.immediate, this.#recordAddress());
  }

  protected override vectorPlace(operand: number): { node: number; offset: number } {
    const { kind, register } = this.bound.operands[operand]!;
    const base = kind === OperandKind.mmx ? X87.st : XMM;
    if (this.#isFixed(operand)) return { node: NONE, offset: base + 16 * register };
    return { node: this.#operandAddress(operand), offset: 0 };
  }

  override readWide(operand: number): number {
    return this.stateLoad(8, 0, this.#operandAddress(operand));
  }

  override setWide(operand: number, value: number): void {
    this.stateStore(8, 0, value, this.#operandAddress(operand));
  }

  override reg(size: Size, register: number): number {
    return this.stateLoad(size, GPR + 8 * register);
  }

  override setReg(size: Size, register: number, value: number): void {
    if (size === 4) this.stateStore(8, GPR + 8 * register, this.zext(4, 8, value));
    else this.stateStore(size, GPR + 8 * register, value);
  }

  override address(): number {
    const { insn } = this.bound;
    const size = insn.addressSize as Size;
    const base = this.stateLoad(8, 0, this.#recordByte(RecordField.base));
    const displacement = this.stateLoad(8, RecordField.displacement, this.#recordAddress());
    let sum = this.add(8, base, displacement);
    if (insn.index !== NO_REGISTER) {
      const index = this.stateLoad(8, 0, this.#recordByte(RecordField.index));
      sum = this.add(8, sum, this.shl(8, index, this.#recordByte(RecordField.scale)));
    }
    return this.trunc(8, size, sum);
  }

  override nextRip(size: Size): number {
    return this.trunc(8, size, this.#nextAddress());
  }

  override jump(size: Size, target: number): void {
    this.#spillFlags();
    this.stateStore(8, RIP, this.zext(size, 8, target));
    this.#leave();
  }

  #leave(): void {
    const { mnemonic } = this.bound.row;
    const way = mnemonic === 'call' ? Way.call : mnemonic === 'ret' ? Way.back : Way.jump;
    this.node(Node.nextRecord, ValueType.void, NONE, NONE, NONE, way);
    this.#hasEnded = true;
  }

  #relativeTarget(): number {
    const distance = this.stateLoad(8, RecordField.immediate, this.#recordAddress());
    return this.add(8, this.#nextAddress(), distance);
  }

  override jumpRelative(): void {
    const size = this.bound.insn.operandSize as Size;
    this.jump(size, this.trunc(8, size, this.#relativeTarget()));
  }

  override branchIf(truth: number): void {
    const size = this.bound.insn.operandSize as Size;
    const code = this.bound.mode & Mode.codeSizeMask;
    const codeSize: Size = code === Mode.code64 ? 8 : code === Mode.code32 ? 4 : 2;
    const taken = this.zext(size, 8, this.trunc(8, size, this.#relativeTarget()));
    const other = this.zext(codeSize, 8, this.trunc(8, codeSize, this.#nextAddress()));
    const target = this.select(8, truth, taken, other);
    this.#spillFlags();
    this.stateStore(8, RIP, target);
    this.#leave();
  }
}
