/** Debug registers and exceptions: breakpoints, single step (SDM volume 3, chapter 18). */
import { type Cpu, Cr4, Eflags } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { flushAll } from '../mmu/tlb.ts';
import { executionHits, isWatching, watchHits } from '../mmu/watch.ts';
import { Activity, SegmentIndex, System } from '../state.ts';
import { pendingDebug } from './debug-state.ts';
import { linearOf } from './segments.ts';
import { readRegister, writeRegister } from './operands.ts';
import { checkPrivilege } from './privilege.ts';
import { Trait } from '../table/row.ts';

/** Bits of DR6. */
export const Dr6 = { hits: 0xf, generalDetect: 0x2000, singleStep: 0x4000, task: 0x8000 } as const;
const DR6_ONES = 0xffff_0ff0;
const DR6_WRITABLE = 0xe00f;
const DR7_ONES = 0x400;
const DR7_WRITABLE = 0xffff_23ff;
const GENERAL_DETECT = 0x2000;
const TWO_32 = 0x1_0000_0000;

function word(index: number): number {
  return (System.dr >> 2) + 2 * index;
}

/** DR6 as after reset, then DR7. */
export function resetDebugRegisters(cpu: Cpu): void {
  cpu.u32.fill(0, word(0), word(8));
  cpu.u32[word(6)] = DR6_ONES;
  cpu.u32[word(7)] = DR7_ONES;
  watchHits.bits = 0;
  pendingDebug.bits = 0;
  pendingDebug.isStepTaken = false;
}

/** Raises #DB with bits of DR6; bits 3:0 say this event's breakpoints, the others stay until cleared. */
function raiseDebug(cpu: Cpu, bits: number): never {
  const dr6 = cpu.u32[word(6)]!;
  cpu.u32[word(6)] = ((dr6 & ~Dr6.hits) | bits) >>> 0;
  return raise(Vector.debug);
}

/** Whether instructions must run one at a time between {@link beforeInstruction} and {@link afterInstruction}. */
export function needsStepping(cpu: Cpu): boolean {
  return (cpu.systemFlags & Eflags.tf) !== 0 || isWatching(cpu) || pendingDebug.bits !== 0;
}

/**
 * Before an instruction that steps: its breakpoint raises #DB as a fault, unless RF is set or it
 * follows MOV SS.
 */
export function beforeInstruction(cpu: Cpu): void {
  pendingDebug.isStepTaken = false;
  if ((cpu.systemFlags & Eflags.rf) !== 0 || !isWatching(cpu)) return;
  if ((cpu.activity & Activity.movSsShadow) !== 0) return;
  const hits = executionHits(cpu, linearOf(cpu, SegmentIndex.cs, cpu.rip));
  if (hits !== 0) raiseDebug(cpu, hits);
}

/**
 * After an instruction that stepped and completed, RIP at the next one: #DB as a trap for single
 * step, for data and port breakpoints that it met, and for a task switch with the T bit.
 * @param flagsBefore EFLAGS as the instruction found them: TF counts from there
 */
export function afterInstruction(cpu: Cpu, flagsBefore: number): void {
  if ((flagsBefore & Eflags.rf) !== 0) cpu.systemFlags &= ~Eflags.rf;
  const { isStepTaken } = pendingDebug;
  pendingDebug.isStepTaken = false;
  // After MOV SS the trap waits for the instruction behind it.
  if ((cpu.activity & Activity.movSsShadow) !== 0) return;
  let bits = watchHits.bits | pendingDebug.bits;
  watchHits.bits = 0;
  pendingDebug.bits = 0;
  if ((flagsBefore & Eflags.tf) !== 0 && !isStepTaken) bits |= Dr6.singleStep;
  if (bits !== 0) raiseDebug(cpu, bits);
}

/** The register that a number names, with all checks; 4 and 5 are 6 and 7 by another name unless CR4.DE. */
function debugRegister(cpu: Cpu, number: number): number {
  const isAlias = number === 4 || number === 5;
  if (number > 7 || (isAlias && (cpu.cr4 & Cr4.de) !== 0)) raise(Vector.invalidOpcode);
  checkPrivilege(cpu, Trait.cpl0);
  if ((cpu.u32[word(7)]! & GENERAL_DETECT) !== 0) raiseDebug(cpu, Dr6.generalDetect);
  return isAlias ? number + 2 : number;
}

export function moveFromDebug(cpu: Cpu, insn: Instruction): void {
  const register = debugRegister(cpu, insn.reg);
  const size = insn.mode === 64 ? 8 : 4;
  const value = cpu.signed(System.dr + 8 * register);
  if (size === 8 && register < 6) cpu.setReg(insn.rm, cpu.u64[(System.dr >> 3) + register]!);
  else writeRegister(cpu, insn.rm, size, size === 8 ? value : value >>> 0);
}

export function moveToDebug(cpu: Cpu, insn: Instruction): void {
  const register = debugRegister(cpu, insn.reg);
  const value = readRegister(cpu, insn.rm, insn.mode === 64 ? 8 : 4);
  if (register < 6) {
    if (insn.mode === 64) cpu.u64[(System.dr >> 3) + register] = cpu.reg(insn.rm);
    else cpu.setSigned(System.dr + 8 * register, value);
  } else {
    if (value < 0 || value >= TWO_32) raise(Vector.generalProtection, 0);
    const isStatus = register === 6;
    const writable = isStatus ? DR6_WRITABLE : DR7_WRITABLE;
    const ones = isStatus ? DR6_ONES : DR7_ONES;
    cpu.u32[word(register)] = ((value & writable) | ones) >>> 0;
  }
  if (register === 6) return;
  // Watched pages have no tags, and breakpoints make the processor step.
  flushAll(cpu);
  cpu.host.recheck();
}
