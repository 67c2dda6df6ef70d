/** Descriptor table registers and the instructions that look at descriptors (SDM volume 2, their pages). */
import { type Cpu, Eflags } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { checkWrite, readMemory, readWide, writeMemory } from '../mmu/access.ts';
import { isCanonical } from '../mmu/walk.ts';
import { SegmentIndex, System } from '../state.ts';
import {
  type Descriptor,
  isLongMode,
  markBusy,
  needDescriptor,
  selectorError,
  SystemType,
  TSS_BUSY,
  widenDescriptor,
} from './descriptor.ts';
import { operandAddress, readOperand, readRegister, storeWord, writeRegister } from './operands.ts';
import { inspectDescriptor, isNull, setNull, setSegment } from './segments.ts';

const GP = Vector.generalProtection;
const ACCESS_RIGHTS = 0x00ff_ff00;

function pseudoDescriptorBytes(insn: Instruction): number {
  return insn.mode === 64 ? 10 : 6;
}

function loadTable(cpu: Cpu, insn: Instruction, baseField: number, limitField: number): void {
  const linear = operandAddress(cpu, insn, pseudoDescriptorBytes(insn), false);
  const limit = readMemory(cpu, linear, 2);
  let base: number;
  if (insn.mode === 64) {
    base = readWide(cpu, linear + 2);
    if (!isCanonical(base)) raise(GP, 0);
  } else {
    base = readMemory(cpu, (linear + 2) >>> 0, 4);
    // Without a 32-bit operand size, the base has 24 bits, as the 286 had it.
    if (insn.operandSize === 2) base &= 0xff_ffff;
  }
  cpu.setSigned(baseField, base);
  cpu.u32[limitField >> 2] = limit;
}

function storeTable(cpu: Cpu, insn: Instruction, baseField: number, limitField: number): void {
  const bytes = pseudoDescriptorBytes(insn);
  const linear = operandAddress(cpu, insn, bytes, true);
  checkWrite(cpu, linear, bytes);
  writeMemory(cpu, linear, 2, cpu.u32[limitField >> 2]!);
  const wrap = insn.mode === 64 ? (address: number) => address : (address: number) => address >>> 0;
  writeMemory(cpu, wrap(linear + 2), 4, cpu.u32[baseField >> 2]!);
  if (insn.mode === 64) writeMemory(cpu, linear + 6, 4, cpu.u32[(baseField >> 2) + 1]!);
}

export function lgdt(cpu: Cpu, insn: Instruction): void {
  loadTable(cpu, insn, System.gdtrBase, System.gdtrLimit);
}

export function lidt(cpu: Cpu, insn: Instruction): void {
  loadTable(cpu, insn, System.idtrBase, System.idtrLimit);
}

export function sgdt(cpu: Cpu, insn: Instruction): void {
  storeTable(cpu, insn, System.gdtrBase, System.gdtrLimit);
}

export function sidt(cpu: Cpu, insn: Instruction): void {
  storeTable(cpu, insn, System.idtrBase, System.idtrLimit);
}

/** A system descriptor of the GDT, 16 bytes of it in long mode, present and of a wanted type. */
function systemDescriptor(
  cpu: Cpu,
  selector: number,
  isWanted: (type: number) => boolean,
): Descriptor {
  const error = selectorError(selector, 0);
  if ((selector & 4) !== 0) raise(GP, error);
  const narrow = needDescriptor(cpu, selector);
  if (narrow.isSegment || !isWanted(narrow.type)) raise(GP, error);
  if (!narrow.isPresent) raise(Vector.segmentNotPresent, error);
  const wide = widenDescriptor(cpu, narrow);
  if (!isCanonical(wide.base)) raise(GP, error);
  return wide;
}

export function lldt(cpu: Cpu, insn: Instruction): void {
  const selector = readOperand(cpu, insn, 2);
  if (isNull(selector)) {
    setNull(cpu, SegmentIndex.ldtr, selector);
    return;
  }
  const ldt = systemDescriptor(cpu, selector, (type) => type === SystemType.ldt);
  setSegment(cpu, SegmentIndex.ldtr, selector, ldt.base, ldt.limit, ldt.attributes);
}

export function ltr(cpu: Cpu, insn: Instruction): void {
  const selector = readOperand(cpu, insn, 2);
  if (isNull(selector)) raise(GP, 0);
  const isLong = isLongMode(cpu);
  const task = systemDescriptor(
    cpu,
    selector,
    (type) => type === SystemType.tss32 || (type === SystemType.tss16 && !isLong),
  );
  markBusy(cpu, task, true);
  const { base, limit, attributes } = task;
  setSegment(cpu, SegmentIndex.tr, selector, base, limit, attributes | TSS_BUSY);
}

export function sldt(cpu: Cpu, insn: Instruction): void {
  storeWord(cpu, insn, cpu.selector(SegmentIndex.ldtr));
}

export function str(cpu: Cpu, insn: Instruction): void {
  storeWord(cpu, insn, cpu.selector(SegmentIndex.tr));
}

function setZero(cpu: Cpu, isSet: boolean): void {
  cpu.eflags = isSet ? cpu.eflags | Eflags.zf : cpu.eflags & ~Eflags.zf;
}

const LEGACY_RIGHTS = 0b0001_1010_0011_1110;
const LEGACY_LIMITS = 0b0000_1010_0000_1110;
const LONG_RIGHTS = 0b0001_1010_0000_0100;
const LONG_LIMITS = 0b0000_1010_0000_0100;

/** The descriptor that LAR or LSL may show to the program. */
function visible(cpu: Cpu, selector: number, systemTypes: number): Descriptor | undefined {
  const descriptor = inspectDescriptor(cpu, selector);
  if (descriptor === undefined) return undefined;
  if (!descriptor.isSegment && ((systemTypes >>> descriptor.type) & 1) === 0) return undefined;
  if (descriptor.isConforming) return descriptor;
  return descriptor.dpl >= Math.max(cpu.cpl, selector & 3) ? descriptor : undefined;
}

export function lar(cpu: Cpu, insn: Instruction): void {
  const selector = readOperand(cpu, insn, 2);
  const descriptor = visible(cpu, selector, isLongMode(cpu) ? LONG_RIGHTS : LEGACY_RIGHTS);
  setZero(cpu, descriptor !== undefined);
  if (descriptor === undefined) return;
  writeRegister(cpu, insn.reg, insn.operandSize, descriptor.high & ACCESS_RIGHTS);
}

export function lsl(cpu: Cpu, insn: Instruction): void {
  const selector = readOperand(cpu, insn, 2);
  const descriptor = visible(cpu, selector, isLongMode(cpu) ? LONG_LIMITS : LEGACY_LIMITS);
  setZero(cpu, descriptor !== undefined);
  if (descriptor === undefined) return;
  writeRegister(cpu, insn.reg, insn.operandSize, descriptor.limit);
}

export function verr(cpu: Cpu, insn: Instruction): void {
  const descriptor = visible(cpu, readOperand(cpu, insn, 2), 0);
  setZero(cpu, descriptor?.isReadable === true);
}

export function verw(cpu: Cpu, insn: Instruction): void {
  const descriptor = visible(cpu, readOperand(cpu, insn, 2), 0);
  setZero(cpu, descriptor?.isWritableData === true);
}

/** Writes only what it changes: a segment that cannot be written is no fault while nothing is. */
export function arpl(cpu: Cpu, insn: Instruction): void {
  const wanted = readRegister(cpu, insn.reg, 2) & 3;
  const selector = readOperand(cpu, insn, 2);
  const isLower = (selector & 3) < wanted;
  if (isLower) {
    const raised = (selector & 0xfffc) | wanted;
    if (insn.rm >= 0) writeRegister(cpu, insn.rm, 2, raised);
    else writeMemory(cpu, operandAddress(cpu, insn, 2, true), 2, raised);
  }
  setZero(cpu, isLower);
}
