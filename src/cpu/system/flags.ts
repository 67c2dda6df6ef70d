/** PUSHF, POPF, STI and CLI, and the instructions that wait. */
import { type Cpu, Eflags } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { Activity } from '../state.ts';
import { changeableFlags, writeFlags } from './iret.ts';
import { nextRip } from './operands.ts';
import { peek, push, releaseStack } from './stack.ts';

export function pushf(cpu: Cpu, insn: Instruction): void {
  // RF and VM are never shown.
  push(cpu, cpu.eflags & ~(Eflags.rf | Eflags.vm), insn.operandSize);
}

export function popf(cpu: Cpu, insn: Instruction): void {
  const size = insn.operandSize;
  const value = peek(cpu, 0, size === 2 ? 2 : 4);
  const mask = changeableFlags(cpu, cpu.cpl, size);
  releaseStack(cpu, size);
  writeFlags(cpu, value & ~Eflags.rf, size === 2 ? mask : mask | Eflags.rf);
}

/** Interrupts are recognised only after the instruction that follows. */
export function sti(cpu: Cpu): void {
  if ((cpu.systemFlags & Eflags.if) !== 0) return;
  cpu.systemFlags |= Eflags.if;
  cpu.activity |= Activity.stiShadow;
  cpu.stiLeft = cpu.host.left;
  if (cpu.vp.pendingVector() >= 0) cpu.host.recheck();
}

export function cli(cpu: Cpu): void {
  cpu.systemFlags &= ~Eflags.if;
}

/** The interrupt that wakes the processor returns to the instruction after it. */
export function hlt(cpu: Cpu, insn: Instruction): void {
  cpu.rip = nextRip(cpu, insn);
  cpu.activity |= Activity.halted;
  cpu.host.recheck();
}
