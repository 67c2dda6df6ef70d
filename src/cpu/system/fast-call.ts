/** SYSCALL, SYSENTER, their returns, SWAPGS and the segment base instructions (SDM volume 3, 5.8.7 and 5.8.8). */
import { type Cpu, Cr4, Efer, Eflags } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { applyAlignmentCheck } from '../mmu/tlb.ts';
import { isCanonical } from '../mmu/walk.ts';
import { GPR, SEGMENT_BASE, SegmentIndex, System } from '../state.ts';
import { pendingDebug } from './debug-state.ts';
import { isLongMode } from './descriptor.ts';
import { nextRip, readRegister, writeRegister } from './operands.ts';
import { setSegment } from './segments.ts';

const GP = Vector.generalProtection;
const CX = 1;
const DX = 2;
const SP = 4;
const R11 = 11;
/** Flat segments as these instructions make them, whatever the descriptor table says. */
const CODE_64 = 0xaf9b;
const CODE_32 = 0xcf9b;
const DATA = 0xcf93;
const DPL_3 = 0x60;
/** What SYSRET takes from R11. */
const SYSRET_FLAGS = 0x3c_7fd7;

function loadFlat(cpu: Cpu, cs: number, code: number, ss: number, cpl: number): void {
  const dpl = cpl === 3 ? DPL_3 : 0;
  setSegment(cpu, SegmentIndex.cs, (cs & 0xfffc) | cpl, 0, 0xffff_ffff, code | dpl);
  setSegment(cpu, SegmentIndex.ss, (ss & 0xfffc) | cpl, 0, 0xffff_ffff, DATA | dpl);
  cpu.updateMode(cpl);
}

function starSelector(cpu: Cpu, shift: number): number {
  return (cpu.u32[(System.star >> 2) + 1]! >>> shift) & 0xffff;
}

export function syscall(cpu: Cpu, insn: Instruction): void {
  if ((cpu.efer & Efer.sce) === 0) raise(Vector.invalidOpcode);
  const flags = cpu.eflags & ~Eflags.rf;
  cpu.setSigned(GPR + 8 * CX, nextRip(cpu, insn));
  cpu.setReg32(R11, flags);
  cpu.rip = cpu.signed(System.lstar);
  cpu.eflags = flags & ~cpu.u32[System.sfmask >> 2]!;
  if ((cpu.systemFlags & Eflags.tf) === 0) pendingDebug.isStepTaken = true;
  const selector = starSelector(cpu, 0);
  loadFlat(cpu, selector, CODE_64, selector + 8, 0);
}

export function sysret(cpu: Cpu, insn: Instruction): void {
  if ((cpu.efer & Efer.sce) === 0) raise(Vector.invalidOpcode);
  const isLong = insn.operandSize === 8;
  const target = isLong ? cpu.signed(GPR + 8 * CX) : cpu.reg32(CX);
  if (!isCanonical(target)) raise(GP, 0);
  const before = cpu.systemFlags;
  cpu.eflags = cpu.reg32(R11) & SYSRET_FLAGS;
  cpu.rip = target;
  const selector = starSelector(cpu, 16);
  loadFlat(cpu, isLong ? selector + 16 : selector, isLong ? CODE_64 : CODE_32, selector + 8, 3);
  if (((before ^ cpu.systemFlags) & (Eflags.if | Eflags.tf)) !== 0) cpu.host.recheck();
  applyAlignmentCheck(cpu);
}

export function sysenter(cpu: Cpu): void {
  const selector = cpu.u32[System.sysenterCs >> 2]! & 0xfffc;
  if (selector === 0) raise(GP, 0);
  const isLong = isLongMode(cpu);
  cpu.systemFlags &= ~(Eflags.vm | Eflags.if | Eflags.rf);
  const stack = cpu.signed(System.sysenterEsp);
  const target = cpu.signed(System.sysenterEip);
  cpu.setSigned(GPR + 8 * SP, isLong ? stack : stack >>> 0);
  cpu.rip = isLong ? target : target >>> 0;
  loadFlat(cpu, selector, isLong ? CODE_64 : CODE_32, selector + 8, 0);
}

export function sysexit(cpu: Cpu, insn: Instruction): void {
  const selector = cpu.u32[System.sysenterCs >> 2]! & 0xfffc;
  if (selector === 0) raise(GP, 0);
  const isLong = insn.operandSize === 8;
  const target = readRegister(cpu, DX, isLong ? 8 : 4);
  const stack = readRegister(cpu, CX, isLong ? 8 : 4);
  if (!isCanonical(target) || !isCanonical(stack)) raise(GP, 0);
  cpu.rip = target;
  cpu.setSigned(GPR + 8 * SP, stack);
  const code = selector + (isLong ? 32 : 16);
  loadFlat(cpu, code, isLong ? CODE_64 : CODE_32, code + 8, 3);
  applyAlignmentCheck(cpu);
}

export function swapgs(cpu: Cpu): void {
  const field = (SEGMENT_BASE + 8 * SegmentIndex.gs) >> 2;
  const kernel = System.kernelGsBase >> 2;
  for (let half = 0; half < 2; half += 1) {
    const value = cpu.u32[field + half]!;
    cpu.u32[field + half] = cpu.u32[kernel + half]!;
    cpu.u32[kernel + half] = value;
  }
}

function checkBaseAccess(cpu: Cpu): void {
  if ((cpu.cr4 & Cr4.fsgsbase) === 0) raise(Vector.invalidOpcode);
}

/** RDFSBASE and RDGSBASE. */
export function readBase(cpu: Cpu, insn: Instruction, segment: number): void {
  checkBaseAccess(cpu);
  const base = cpu.segmentBase(segment);
  writeRegister(cpu, insn.rm, insn.operandSize, insn.operandSize === 8 ? base : base >>> 0);
}

/** WRFSBASE and WRGSBASE. */
export function writeBase(cpu: Cpu, insn: Instruction, segment: number): void {
  checkBaseAccess(cpu);
  const base = readRegister(cpu, insn.rm, insn.operandSize);
  if (!isCanonical(base)) raise(GP, 0);
  cpu.setSigned(SEGMENT_BASE + 8 * segment, base);
}
