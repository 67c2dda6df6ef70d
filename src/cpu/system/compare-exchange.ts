/** CMPXCHG8B and CMPXCHG16B. Source: SDM volume 2, the instructions' pages. */
import { type Cpu, Eflags } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { checkWrite, readMemory, writeMemory } from '../mmu/access.ts';
import { GPR } from '../state.ts';
import { operandAddress } from './operands.ts';

const AX = 0;
const CX = 1;
const DX = 2;
const BX = 3;

function word(register: number, half: number): number {
  return (GPR >> 2) + 2 * register + half;
}

/**
 * Compares words of memory with words of registers and stores others where all are equal, else loads
 * them. Memory is written either way, with its own value where they differ.
 */
function compareExchange(
  cpu: Cpu,
  linear: number,
  expected: readonly number[],
  replacement: readonly number[],
): void {
  const { u32 } = cpu;
  const bytes = 4 * expected.length;
  checkWrite(cpu, linear, bytes);
  const found = expected.map((_, index) => readMemory(cpu, linear + 4 * index, 4));
  const isEqual = found.every((value, index) => value === u32[expected[index]!]);
  for (const [index, value] of found.entries()) {
    writeMemory(cpu, linear + 4 * index, 4, isEqual ? u32[replacement[index]!]! : value);
  }
  if (!isEqual) {
    for (const [index, value] of found.entries()) {
      u32[expected[index]!] = value;
      // 32-bit registers lose their upper half.
      if (bytes === 8) u32[expected[index]! + 1] = 0;
    }
  }
  const flags = cpu.eflags;
  cpu.eflags = isEqual ? flags | Eflags.zf : flags & ~Eflags.zf;
}

export function cmpxchg8b(cpu: Cpu, insn: Instruction): void {
  const linear = operandAddress(cpu, insn, 8, true);
  compareExchange(cpu, linear, [word(AX, 0), word(DX, 0)], [word(BX, 0), word(CX, 0)]);
}

/** #GP(0) unless the operand is aligned to 16 bytes. */
export function cmpxchg16b(cpu: Cpu, insn: Instruction): void {
  const linear = operandAddress(cpu, insn, 16, true);
  if ((linear & 15) !== 0) raise(Vector.generalProtection, 0);
  compareExchange(
    cpu,
    linear,
    [word(AX, 0), word(AX, 1), word(DX, 0), word(DX, 1)],
    [word(BX, 0), word(BX, 1), word(CX, 0), word(CX, 1)],
  );
}
