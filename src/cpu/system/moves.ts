/** Moves to and from segment registers, far pointers, frames and bounds. */
import type { Cpu } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import {
  checkWrite,
  readField,
  readMemory,
  readWide,
  writeMemory,
  writeWide,
} from '../mmu/access.ts';
import { Activity, GPR, OPERAND_BUFFER, SegmentIndex } from '../state.ts';
import { farCall, farJump } from './far.ts';
import {
  nextRip,
  operandAddress,
  readOperand,
  readRegister,
  storeWord,
  writeRegister,
} from './operands.ts';
import { checkSegment, is64Bit, loadSegment } from './segments.ts';
import {
  Frame,
  peek,
  peekAddress,
  releaseStack,
  setStackPointer,
  stackPointer,
  stackWidth,
} from './stack.ts';

const SP = 4;
/** Of PUSHA and POPA. */
const REGISTERS = 8;
const BP = 5;
const BOUND_SIGNED_SHIFT = 16;

/** After a load of SS, interrupts and traps wait for one more instruction: it sets the stack pointer. */
function shadow(cpu: Cpu, segment: number): void {
  if (segment === SegmentIndex.ss) cpu.activity |= Activity.movSsShadow;
}

export function moveToSegment(cpu: Cpu, insn: Instruction): void {
  const segment = insn.reg & 7;
  if (segment === SegmentIndex.cs || segment > SegmentIndex.gs) raise(Vector.invalidOpcode);
  loadSegment(cpu, segment, readOperand(cpu, insn, 2));
  shadow(cpu, segment);
}

export function moveFromSegment(cpu: Cpu, insn: Instruction): void {
  const segment = insn.reg & 7;
  if (segment > SegmentIndex.gs) raise(Vector.invalidOpcode);
  storeWord(cpu, insn, cpu.selector(segment));
}

export function pushSegment(cpu: Cpu, insn: Instruction, segment: number): void {
  const frame = Frame.current(cpu);
  frame.push(cpu.selector(segment), insn.operandSize);
  setStackPointer(cpu, frame.pointer);
}

export function popSegment(cpu: Cpu, insn: Instruction, segment: number): void {
  const size = insn.operandSize;
  const width = stackWidth(cpu);
  const pointer = stackPointer(cpu) + size;
  const selector = peek(cpu, 0, size === 8 ? 4 : size) & 0xffff;
  loadSegment(cpu, segment, selector);
  // The width is that of the old stack, even where SS itself is loaded.
  if (width === 64) cpu.setSigned(GPR + 8 * SP, pointer);
  else if (width === 32) cpu.setReg32(SP, pointer);
  else cpu.u16[(GPR + 8 * SP) >> 1] = pointer;
  shadow(cpu, segment);
}

/**
 * POP to a register or to memory. The address of the memory operand counts with the stack pointer that
 * the instruction leaves.
 */
export function popOperand(cpu: Cpu, insn: Instruction): void {
  const size = insn.operandSize;
  const at = OPERAND_BUFFER >> 2;
  if (size === 8) readField(cpu, peekAddress(cpu, 0, 8), OPERAND_BUFFER);
  else cpu.u32[at] = peek(cpu, 0, size);
  const before = cpu.reg(SP);
  releaseStack(cpu, size);
  if (insn.rm >= 0) {
    if (size === 8) cpu.u8.copyWithin(GPR + 8 * insn.rm, OPERAND_BUFFER, OPERAND_BUFFER + 8);
    else writeRegister(cpu, insn.rm, size, cpu.u32[at]!);
    return;
  }
  try {
    const linear = operandAddress(cpu, insn, size, true);
    if (size === 8) writeWide(cpu, linear, cpu.u32[at]!, cpu.u32[at + 1]!);
    else writeMemory(cpu, linear, size, cpu.u32[at]!);
  } catch (error) {
    cpu.setReg(SP, before);
    throw error;
  }
}

/** PUSHA: all eight registers, RSP as it was. */
export function pushAll(cpu: Cpu, insn: Instruction): void {
  const size = insn.operandSize;
  const frame = Frame.current(cpu);
  frame.check(REGISTERS * size);
  for (let register = 0; register < REGISTERS; register += 1) {
    frame.push(readRegister(cpu, register, size), size);
  }
  setStackPointer(cpu, frame.pointer);
}

/** POPA: RSP's word is dropped. */
export function popAll(cpu: Cpu, insn: Instruction): void {
  const size = insn.operandSize;
  const values: number[] = [];
  for (let index = 0; index < REGISTERS; index += 1) values.push(peek(cpu, index * size, size));
  for (const [index, value] of values.entries()) {
    const register = REGISTERS - 1 - index;
    if (register !== SP) writeRegister(cpu, register, size, value);
  }
  setStackPointer(cpu, stackPointer(cpu) + REGISTERS * size);
}

/** LES, LDS, LSS, LFS and LGS. */
export function loadFarPointer(cpu: Cpu, insn: Instruction, segment: number): void {
  const size = insn.operandSize;
  const { offset, selector } = farOperand(cpu, insn);
  // 8 bytes may be any value, which a number does not hold.
  if (size === 8) readField(cpu, operandAddress(cpu, insn, 10, false), OPERAND_BUFFER);
  loadSegment(cpu, segment, selector);
  if (size === 8) cpu.u8.copyWithin(GPR + 8 * insn.reg, OPERAND_BUFFER, OPERAND_BUFFER + 8);
  else writeRegister(cpu, insn.reg, size, offset);
}

interface FarPointer {
  readonly offset: number;
  readonly selector: number;
}

/** The memory operand `m16:16`, `m16:32` or `m16:64`. */
function farOperand(cpu: Cpu, insn: Instruction): FarPointer {
  const size = insn.operandSize;
  const linear = operandAddress(cpu, insn, size + 2, false);
  const selectorAt = linear + size;
  const offset = size === 8 ? readWide(cpu, linear) : readMemory(cpu, linear, size);
  const selector = readMemory(cpu, is64Bit(cpu) ? selectorAt : selectorAt >>> 0, 2);
  return { offset, selector };
}

function immediatePointer(insn: Instruction): FarPointer {
  return { offset: insn.immediate >>> 0, selector: insn.immediate2 };
}

export function jumpFar(cpu: Cpu, insn: Instruction): void {
  const { offset, selector } = insn.modRm < 0 ? immediatePointer(insn) : farOperand(cpu, insn);
  farJump(cpu, selector, offset, insn.operandSize, nextRip(cpu, insn));
}

export function callFar(cpu: Cpu, insn: Instruction): void {
  const { offset, selector } = insn.modRm < 0 ? immediatePointer(insn) : farOperand(cpu, insn);
  farCall(cpu, selector, offset, insn.operandSize, nextRip(cpu, insn));
}

/** BOUND: #BR unless the index lies between the two signed words in memory. */
export function bound(cpu: Cpu, insn: Instruction): void {
  const size = insn.operandSize;
  const linear = operandAddress(cpu, insn, 2 * size, false);
  const signed = (value: number): number =>
    size === 2 ? (value << BOUND_SIGNED_SHIFT) >> BOUND_SIGNED_SHIFT : value | 0;
  const index = signed(readRegister(cpu, insn.reg, size));
  const lower = signed(readMemory(cpu, linear, size));
  const upper = signed(readMemory(cpu, (linear + size) >>> 0, size));
  if (index < lower || index > upper) raise(Vector.boundRange);
}

/** Copies a frame pointer of an outer frame, which lies in the stack segment, to the new frame. */
function copyPointer(cpu: Cpu, frame: Frame, pointer: number, size: number, width: number): void {
  const offset = width === 64 ? pointer : width === 32 ? pointer >>> 0 : pointer & 0xffff;
  const linear = checkSegment(cpu, SegmentIndex.ss, offset, size, false);
  if (size === 8) frame.pushHalves(readMemory(cpu, linear, 4), readMemory(cpu, linear + 4, 4));
  else frame.push(readMemory(cpu, linear, size), size);
}

/** ENTER: the frame's storage in `immediate`, its nesting level in `immediate2`. */
export function enter(cpu: Cpu, insn: Instruction): void {
  const size = insn.operandSize;
  const level = insn.immediate2 & 0x1f;
  const width = stackWidth(cpu);
  const frame = Frame.current(cpu);
  if (size === 8) {
    const at = (GPR + 8 * BP) >> 2;
    frame.pushHalves(cpu.u32[at]!, cpu.u32[at + 1]!);
  } else frame.push(readRegister(cpu, BP, size), size);
  // EBP takes all of ESP, of which a 16-bit stack has moved the lower half.
  const upper = width === 16 ? cpu.reg32(SP) - (cpu.reg32(SP) & 0xffff) : 0;
  const framePointer = upper + frame.pointer;
  const oldBase = width === 64 ? cpu.signed(GPR + 8 * BP) : cpu.reg32(BP);
  for (let index = 1; index < level; index += 1) {
    copyPointer(cpu, frame, oldBase - index * size, size, width);
  }
  if (level > 0) frame.push(framePointer, size);
  const storage = insn.immediate & 0xffff;
  let pointer = frame.pointer - storage;
  if (width === 32) pointer >>>= 0;
  else if (width === 16) pointer &= 0xffff;
  // The new top must be writable, so that the frame's use does not fault in the middle.
  const linear = checkSegment(cpu, SegmentIndex.ss, pointer, size, true);
  checkWrite(cpu, linear, size);
  writeRegister(cpu, BP, size, framePointer);
  setStackPointer(cpu, pointer);
}
