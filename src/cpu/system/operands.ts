/** Operands of decoded instructions: effective addresses, registers and memory of 2, 4 or 8 bytes. */
import type { Cpu } from '../cpu.ts';
import { BASE_RIP, type Instruction, NO_REGISTER } from '../decode/instruction.ts';
import { readMemory, readWide, writeMemory } from '../mmu/access.ts';
import { GPR } from '../state.ts';
import { checkSegment, linearOf } from './segments.ts';

/** Offset of the instruction after this one. */
export function nextRip(cpu: Cpu, insn: Instruction): number {
  const next = cpu.rip + insn.length;
  return insn.mode === 64 ? next : insn.mode === 32 ? next >>> 0 : next & 0xffff;
}

/** Registers of this magnitude are exact as numbers, and so are their sums and products with 8. */
const EXACT = 2 ** 49;

/** An address of 64 bits that wraps. */
function wideOffset(cpu: Cpu, { base, index, scale, displacement, length }: Instruction): number {
  let sum = BigInt(displacement);
  if (base === BASE_RIP) sum += BigInt(cpu.rip + length);
  else if (base !== NO_REGISTER) sum += cpu.reg(base);
  if (index !== NO_REGISTER) sum += cpu.reg(index) * BigInt(scale);
  return Number(BigInt.asIntN(64, sum));
}

/** Offset of the ModRM memory operand in its segment: unsigned, or signed with 64-bit addresses. */
export function effectiveOffset(cpu: Cpu, insn: Instruction): number {
  const { base, index, scale, displacement, addressSize } = insn;
  if (addressSize === 8) {
    let first = 0;
    if (base === BASE_RIP) first = cpu.rip + insn.length;
    else if (base !== NO_REGISTER) first = cpu.signed(GPR + 8 * base);
    const second = index === NO_REGISTER ? 0 : cpu.signed(GPR + 8 * index);
    const isExact = Math.abs(first) < EXACT && Math.abs(second) < EXACT;
    return isExact ? first + second * scale + displacement : wideOffset(cpu, insn);
  }
  let sum = displacement;
  if (base === BASE_RIP) sum += cpu.rip + insn.length;
  else if (base !== NO_REGISTER) sum += cpu.reg32(base);
  if (index !== NO_REGISTER) sum += cpu.reg32(index) * scale;
  return addressSize === 4 ? sum >>> 0 : sum & 0xffff;
}

/** A register as an offset, some bytes on: unsigned, or signed with 64-bit addresses. */
export function offsetOf(cpu: Cpu, register: number, addressSize: number, distance = 0): number {
  if (addressSize === 8) return cpu.signed(GPR + 8 * register) + distance;
  const sum = cpu.reg32(register) + distance;
  return addressSize === 4 ? sum >>> 0 : sum & 0xffff;
}

/** Checked linear address of `size` bytes of the memory operand, `distance` bytes into it. */
export function operandAddress(
  cpu: Cpu,
  insn: Instruction,
  size: number,
  isWrite: boolean,
  distance = 0,
): number {
  let offset = effectiveOffset(cpu, insn) + distance;
  if (insn.addressSize !== 8) offset = insn.addressSize === 4 ? offset >>> 0 : offset & 0xffff;
  return checkSegment(cpu, insn.segment, offset, size, isWrite);
}

/** Linear address of the memory operand without a check, for INVLPG. */
export function uncheckedAddress(cpu: Cpu, insn: Instruction): number {
  return linearOf(cpu, insn.segment, effectiveOffset(cpu, insn));
}

/** Low 16 or 32 bits of a register, or all of it as a signed number. */
export function readRegister(cpu: Cpu, register: number, size: number): number {
  if (size === 8) return cpu.signed(GPR + 8 * register);
  const value = cpu.reg32(register);
  return size === 4 ? value : value & 0xffff;
}

/** Writes 2 bytes and keeps the others, 4 and clears the upper half, or 8 from a signed number. */
export function writeRegister(cpu: Cpu, register: number, size: number, value: number): void {
  if (size === 8) cpu.setSigned(GPR + 8 * register, value);
  else if (size === 4) cpu.setReg32(register, value);
  else cpu.u16[(GPR + 8 * register) >> 1] = value;
}

/** A register or memory operand of 2, 4 or 8 bytes (8: signed). */
export function readOperand(cpu: Cpu, insn: Instruction, size: number): number {
  if (insn.rm >= 0) return readRegister(cpu, insn.rm, size);
  const linear = operandAddress(cpu, insn, size, false);
  return size === 8 ? readWide(cpu, linear) : readMemory(cpu, linear, size);
}

/** A selector or word that goes to 16 bits of memory, or to a register of the operand size. */
export function storeWord(cpu: Cpu, insn: Instruction, value: number): void {
  if (insn.rm >= 0) writeRegister(cpu, insn.rm, insn.operandSize, value);
  else writeMemory(cpu, operandAddress(cpu, insn, 2, true), 2, value);
}
