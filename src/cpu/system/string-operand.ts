/** One side of a string instruction: RSI or RDI in its segment, and how many elements lie in one page. */
import type { Cpu } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { currentBank, readablePosition, writablePosition } from '../mmu/access.ts';
import { isWatching } from '../mmu/watch.ts';
import { GPR, SegmentIndex, SegmentState } from '../state.ts';
import { needsStepping } from './debug.ts';
import { offsetOf } from './operands.ts';
import { checkSegment, is64Bit } from './segments.ts';

const CX = 1;
const SI = 6;
const DI = 7;
const PAGE_BYTES = 4096;
const OFFSET_MASK = 0xfff;
const TWO_32 = 0x1_0000_0000;
const DF = 0x400;

/** Bytes of one element: opcodes come in pairs of bytes and words. */
export function elementSize(insn: Instruction): number {
  return (insn.opcode & 1) === 0 ? 1 : insn.operandSize;
}

/** Elements still to do: 1 without a repeat prefix. */
export function repeatCount(cpu: Cpu, insn: Instruction): number {
  if (insn.repeat === 0) return 1;
  const low = cpu.reg32(CX);
  if (insn.addressSize === 2) return low & 0xffff;
  if (insn.addressSize === 4) return low;
  return cpu.u32[(GPR >> 2) + 2 * CX + 1]! * TWO_32 + low;
}

/** Takes elements off RCX. @returns whether any are left */
export function countDown(cpu: Cpu, insn: Instruction, done: number): boolean {
  if (insn.repeat === 0) return false;
  const at = (GPR >> 2) + 2 * CX;
  const low = cpu.u32[at]!;
  if (insn.addressSize === 2) {
    cpu.u16[(GPR + 8 * CX) >> 1] = low - done;
    return ((low - done) & 0xffff) !== 0;
  }
  if (insn.addressSize === 8) {
    if (low < done) cpu.u32[at + 1]! -= 1;
    cpu.u32[at] = low - done;
    return cpu.u32[at] !== 0 || cpu.u32[at + 1] !== 0;
  }
  cpu.setReg32(CX, low - done);
  return low !== done;
}

/** Moves an index register past elements, up or down as DF says. */
export function advance(cpu: Cpu, register: number, addressSize: number, bytes: number): void {
  const delta = isDown(cpu) ? -bytes : bytes;
  if (addressSize === 8) {
    cpu.setSigned(GPR + 8 * register, cpu.signed(GPR + 8 * register) + delta);
  } else if (addressSize === 4) cpu.setReg32(register, cpu.reg32(register) + delta);
  else cpu.u16[(GPR + 8 * register) >> 1] = cpu.reg32(register) + delta;
}

export function isDown(cpu: Cpu): boolean {
  return (cpu.systemFlags & DF) !== 0;
}

export class StringOperand {
  readonly register: number;
  readonly #isWrite: boolean;
  /** Linear address of the next element. */
  linear = 0;
  /** Position of the next element in the linear memory; -1 when it is no RAM or crosses a page. */
  position = -1;
  /** Elements from here on that lie in the page and in the segment; at least 1. */
  room = 1;

  constructor(register: number, isWrite: boolean) {
    this.register = register;
    this.#isWrite = isWrite;
  }

  /** Checks the next element, segment first and page then, and finds where it is. */
  locate(cpu: Cpu, insn: Instruction, segment: number, size: number): void {
    const { addressSize } = insn;
    const offset = offsetOf(cpu, this.register, addressSize);
    const linear = checkSegment(cpu, segment, offset, size, this.#isWrite);
    this.linear = linear;
    this.position = -1;
    this.room = 1;
    const within = linear & OFFSET_MASK;
    if (within + size > PAGE_BYTES) return;
    const bank = currentBank(cpu);
    this.position = this.#isWrite
      ? writablePosition(cpu, linear, bank)
      : readablePosition(cpu, linear, bank);
    if (isWatching(cpu)) this.position = -1;
    if (insn.repeat === 0 || needsStepping(cpu)) return;
    let bytes = isDown(cpu) ? within + size : PAGE_BYTES - within;
    if (!is64Bit(cpu)) bytes = Math.min(bytes, this.#segmentRoom(cpu, segment, offset, size));
    if (addressSize === 2) bytes = Math.min(bytes, isDown(cpu) ? offset + size : 0x1_0000 - offset);
    else if (addressSize === 4)
      bytes = Math.min(bytes, isDown(cpu) ? offset + size : TWO_32 - offset);
    this.room = Math.max(1, Math.floor(bytes / size));
  }

  #segmentRoom(cpu: Cpu, segment: number, offset: number, size: number): number {
    const table = this.#isWrite ? SegmentState.writeBounds : SegmentState.readBounds;
    const at = (table >> 2) + 2 * segment;
    return isDown(cpu) ? offset + size - cpu.u32[at]! : cpu.u32[at + 1]! - offset + 1;
  }
}

/** DS:RSI, or what a prefix names instead. */
export const source = new StringOperand(SI, false);
/** ES:RDI, written. */
export const destination = new StringOperand(DI, true);
/** ES:RDI, read by CMPS and SCAS. */
export const compared = new StringOperand(DI, false);
export const DESTINATION_SEGMENT = SegmentIndex.es;
