/** Control registers (SDM volume 3, 2.5; volume 2, MOV to and from control registers, LMSW, CLTS). */
import { type Cpu, Cr0, Cr4, Efer } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { flushAll, flushNonGlobal, flushPage } from '../mmu/tlb.ts';
import { loadPdptes } from '../mmu/walk.ts';
import { Mode } from '../mode.ts';
import { SegmentIndex, System } from '../state.ts';
import { Trait } from '../table/row.ts';
import { Attribute, SystemType } from './descriptor.ts';
import { checkPrivilege } from './privilege.ts';
import {
  readOperand,
  readRegister,
  storeWord,
  uncheckedAddress,
  writeRegister,
} from './operands.ts';

const TWO_32 = 0x1_0000_0000;
const GP = Vector.generalProtection;
const CR0_KNOWN =
  Cr0.pe | Cr0.mp | Cr0.em | Cr0.ts | Cr0.et | Cr0.ne | Cr0.wp | Cr0.am | Cr0.nw | Cr0.cd | Cr0.pg;
const CR4_KNOWN =
  Cr4.tsd |
  Cr4.de |
  Cr4.pse |
  Cr4.pae |
  Cr4.mce |
  Cr4.pge |
  Cr4.pce |
  Cr4.osfxsr |
  Cr4.osxmmexcpt |
  Cr4.umip |
  Cr4.fsgsbase |
  Cr4.smep;
/** Bits of CR4 whose change makes every cached translation void. */
const CR4_PAGING = Cr4.pse | Cr4.pae | Cr4.pge | Cr4.smep;
const LMSW_BITS = 0xf;

function usesPdptes(cr0: number, cr4: number, efer: number): boolean {
  return (cr0 & Cr0.pg) !== 0 && (cr4 & Cr4.pae) !== 0 && (efer & Efer.lme) === 0;
}

/** Turning paging on with EFER.LME enters long mode. */
function checkLongModeEntry(cpu: Cpu): void {
  const isCode64 = (cpu.attributes(SegmentIndex.cs) & Attribute.long) !== 0;
  const task = cpu.attributes(SegmentIndex.tr) & (Attribute.typeMask & ~2);
  if ((cpu.cr4 & Cr4.pae) === 0 || isCode64 || task === SystemType.tss16) raise(GP, 0);
}

/** @param value low 32 bits; the upper half is 0 */
export function writeCr0(cpu: Cpu, value: number): void {
  const before = cpu.cr0;
  const cr0 = ((value & CR0_KNOWN) | Cr0.et) >>> 0;
  if ((cr0 & Cr0.pg) !== 0 && (cr0 & Cr0.pe) === 0) raise(GP, 0);
  if ((cr0 & Cr0.nw) !== 0 && (cr0 & Cr0.cd) === 0) raise(GP, 0);
  const changed = before ^ cr0;
  let { efer } = cpu;
  if ((changed & Cr0.pg) !== 0) {
    if ((cr0 & Cr0.pg) === 0) {
      if ((cpu.mode & Mode.code64) !== 0) raise(GP, 0);
      efer &= ~Efer.lma;
    } else if ((efer & Efer.lme) !== 0) {
      checkLongModeEntry(cpu);
      efer |= Efer.lma;
    } else if (usesPdptes(cr0, cpu.cr4, efer)) {
      if (!loadPdptes(cpu, cpu.u32[System.cr3 >> 2]!)) raise(GP, 0);
    }
  }
  cpu.u32[System.cr0 >> 2] = cr0;
  cpu.u32[System.efer >> 2] = efer;
  if ((changed & (Cr0.pg | Cr0.wp | Cr0.pe)) !== 0) flushAll(cpu);
  cpu.updateMode();
}

function writeCr3(cpu: Cpu, value: number): void {
  const isLong = (cpu.efer & Efer.lma) !== 0;
  const limit = cpu.vp.partition.pageNumberLimit * 4096;
  if (isLong && (value < 0 || value >= limit)) raise(GP, 0);
  if (usesPdptes(cpu.cr0, cpu.cr4, cpu.efer) && !loadPdptes(cpu, value)) raise(GP, 0);
  cpu.setSigned(System.cr3, value);
  flushNonGlobal(cpu);
}

function writeCr4(cpu: Cpu, value: number): void {
  if (value < 0 || value >= TWO_32 || (value & ~CR4_KNOWN) !== 0) raise(GP, 0);
  const changed = cpu.cr4 ^ value;
  const isLong = (cpu.efer & Efer.lma) !== 0;
  if (isLong && (value & Cr4.pae) === 0) raise(GP, 0);
  const affectsPaging = (changed & CR4_PAGING) !== 0;
  if (affectsPaging && usesPdptes(cpu.cr0, value, cpu.efer)) {
    if (!loadPdptes(cpu, cpu.u32[System.cr3 >> 2]!)) raise(GP, 0);
  }
  cpu.u32[System.cr4 >> 2] = value;
  if (affectsPaging) flushAll(cpu);
  cpu.updateMode();
}

/** CR8 is the upper half of the local APIC's task priority. */
function writeCr8(cpu: Cpu, value: number): void {
  if (value < 0 || value > 0xf) raise(GP, 0);
  cpu.vp.taskPriority = value << 4;
  cpu.host.recheck();
}

/** A bit for each register that exists; CR8 in 64-bit mode only, where its number can be written. */
const EXISTING = 0b1_0001_1101;

function checkNumber(cpu: Cpu, number: number): void {
  if (((EXISTING >>> number) & 1) === 0) raise(Vector.invalidOpcode);
  checkPrivilege(cpu, Trait.cpl0);
}

export function moveToControl(cpu: Cpu, insn: Instruction): void {
  checkNumber(cpu, insn.reg);
  const is64 = insn.mode === 64;
  const value = readRegister(cpu, insn.rm, is64 ? 8 : 4);
  switch (insn.reg) {
    case 0:
      if (value < 0 || value >= TWO_32) raise(GP, 0);
      writeCr0(cpu, value);
      break;
    case 2:
      if (is64) cpu.u64[System.cr2 >> 3] = cpu.reg(insn.rm);
      else cpu.setSigned(System.cr2, value);
      break;
    case 3:
      writeCr3(cpu, value);
      break;
    case 4:
      writeCr4(cpu, value);
      break;
    default:
      writeCr8(cpu, value);
  }
}

export function moveFromControl(cpu: Cpu, insn: Instruction): void {
  checkNumber(cpu, insn.reg);
  const size = insn.mode === 64 ? 8 : 4;
  switch (insn.reg) {
    case 0:
      writeRegister(cpu, insn.rm, size, cpu.cr0);
      break;
    case 2:
      if (size === 8) cpu.setReg(insn.rm, cpu.u64[System.cr2 >> 3]!);
      else cpu.setReg32(insn.rm, cpu.u32[System.cr2 >> 2]!);
      break;
    case 3:
      writeRegister(cpu, insn.rm, size, cpu.signed(System.cr3));
      break;
    case 4:
      writeRegister(cpu, insn.rm, size, cpu.cr4);
      break;
    default:
      writeRegister(cpu, insn.rm, size, cpu.vp.taskPriority >> 4);
  }
}

export function clts(cpu: Cpu): void {
  cpu.u32[System.cr0 >> 2]! &= ~Cr0.ts;
  cpu.updateMode();
}

/** LMSW sets PE but never clears it. */
export function lmsw(cpu: Cpu, insn: Instruction): void {
  const value = readOperand(cpu, insn, 2) & LMSW_BITS;
  writeCr0(cpu, (cpu.cr0 & ~(LMSW_BITS & ~Cr0.pe)) | value);
}

export function smsw(cpu: Cpu, insn: Instruction): void {
  storeWord(cpu, insn, insn.rm >= 0 ? cpu.cr0 : cpu.cr0 & 0xffff);
}

export function invlpg(cpu: Cpu, insn: Instruction): void {
  flushPage(cpu, uncheckedAddress(cpu, insn));
}
