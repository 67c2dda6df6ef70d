/** IRET in every mode (SDM volume 2, IRET; volume 3, 6.14 and 8.4). */
import { type Cpu, Cr0, Eflags } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import { checkRead, readField, readMemory } from '../mmu/access.ts';
import { applyAlignmentCheck, Bank } from '../mmu/tlb.ts';
import { Activity, GPR, SegmentIndex } from '../state.ts';
import {
  isLongMode,
  markAccessed,
  needDescriptor,
  selectorError,
  SystemType,
  wrapLinear,
} from './descriptor.ts';
import { checkTarget, enterCode, enterOuter, returnStack, returnTarget } from './far.ts';
import { dropPrivilegedSegments, is64Bit, isVirtual8086, setReal } from './segments.ts';
import { peek, peekAddress, releaseStack, setStackPointer } from './stack.ts';
import { switchTask, TaskSwitch } from './task.ts';

const SP = 4;
const SP_FIELD = GPR + 8 * SP;
/** What any program may change. */
const ALWAYS = 0x4dd5;

/**
 * The bits of EFLAGS that POPF and IRET change.
 * @param size of the operand: 2 bytes reach only bits 15:0
 */
export function changeableFlags(cpu: Cpu, cpl: number, size: number): number {
  let mask = ALWAYS;
  if (cpl === 0) mask |= Eflags.iopl;
  const iopl = (cpu.systemFlags & Eflags.iopl) >> 12;
  if (cpl <= iopl) mask |= Eflags.if;
  if (size !== 2) mask |= Eflags.ac | Eflags.id;
  return mask;
}

/** Writes the bits of `mask`, and looks for interrupts where IF has become 1. */
export function writeFlags(cpu: Cpu, value: number, mask: number): void {
  const before = cpu.eflags;
  cpu.eflags = (before & ~mask) | (value & mask);
  if ((before & Eflags.if) === 0 && (cpu.systemFlags & Eflags.if) !== 0) cpu.host.recheck();
  if (((before ^ value) & mask & Eflags.tf) !== 0) cpu.host.recheck();
  applyAlignmentCheck(cpu);
}

function unblockNmi(cpu: Cpu): void {
  if ((cpu.activity & Activity.nmiBlocked) === 0) return;
  cpu.activity &= ~Activity.nmiBlocked;
  cpu.host.recheck();
}

function readFlags(cpu: Cpu, distance: number, size: number): number {
  return peek(cpu, distance, size === 2 ? 2 : 4);
}

function returnReal(cpu: Cpu, size: number): void {
  const offset = peek(cpu, 0, size);
  const selector = peek(cpu, size, 2);
  const flags = readFlags(cpu, 2 * size, size);
  if (offset > cpu.segmentLimit(SegmentIndex.cs)) raise(Vector.generalProtection, 0);
  releaseStack(cpu, 3 * size);
  setReal(cpu, SegmentIndex.cs, selector);
  cpu.rip = offset;
  // Virtual-8086 mode, with IOPL 3, may change IF but not IOPL.
  let mask = ALWAYS | Eflags.if;
  if (!isVirtual8086(cpu)) mask |= Eflags.iopl;
  if (size !== 2) mask |= Eflags.ac | Eflags.id | Eflags.rf;
  writeFlags(cpu, flags, mask);
  cpu.updateMode();
}

function returnToVirtual8086(cpu: Cpu, offset: number, selector: number, flags: number): void {
  const pointer = peek(cpu, 12, 4);
  const selectors = [16, 20, 24, 28, 32].map((distance) => peek(cpu, distance, 2));
  cpu.eflags = flags & 0x3f_7fd5;
  cpu.setReg32(SP, pointer);
  setReal(cpu, SegmentIndex.cs, selector);
  const order = [
    SegmentIndex.ss,
    SegmentIndex.es,
    SegmentIndex.ds,
    SegmentIndex.fs,
    SegmentIndex.gs,
  ];
  for (const [index, segment] of order.entries()) setReal(cpu, segment, selectors[index]!);
  cpu.rip = offset & 0xffff;
  cpu.updateMode(3);
  applyAlignmentCheck(cpu);
  cpu.host.recheck();
}

function returnFromTask(cpu: Cpu, nextRip: number): void {
  const base = cpu.segmentBase(SegmentIndex.tr);
  const link = readMemory(cpu, wrapLinear(cpu, base), 2, Bank.supervisor);
  const error = selectorError(link, 0);
  if ((link & 4) !== 0) raise(Vector.invalidTss, error);
  const task = needDescriptor(cpu, link, Vector.invalidTss);
  const isBusy = task.type === SystemType.tss16Busy || task.type === SystemType.tss32Busy;
  if (task.isSegment || !isBusy) raise(Vector.invalidTss, error);
  if (!task.isPresent) raise(Vector.segmentNotPresent, error);
  switchTask(cpu, task, TaskSwitch.iret, nextRip);
}

/** @param nextRip where a task that returns goes on when it is entered again */
export function iret(cpu: Cpu, size: number, nextRip: number): void {
  unblockNmi(cpu);
  if ((cpu.cr0 & Cr0.pe) === 0 || isVirtual8086(cpu)) {
    returnReal(cpu, size);
    return;
  }
  if ((cpu.systemFlags & Eflags.nt) !== 0) {
    if (isLongMode(cpu)) raise(Vector.generalProtection, 0);
    returnFromTask(cpu, nextRip);
    return;
  }
  const offset = peek(cpu, 0, size);
  const selector = peek(cpu, size, 2);
  const flags = readFlags(cpu, 2 * size, size);
  const { cpl } = cpu;
  if ((flags & Eflags.vm) !== 0 && size === 4 && cpl === 0 && !isLongMode(cpu)) {
    returnToVirtual8086(cpu, offset, selector, flags);
    return;
  }
  const code = returnTarget(cpu, selector);
  const level = selector & 3;
  let mask = changeableFlags(cpu, cpl, size);
  if (size !== 2) mask |= Eflags.rf;
  // VIF and VIP are plain bits here, since there are no virtual-8086 mode extensions.
  if (cpl === 0 && size !== 2) mask |= Eflags.vif | Eflags.vip;
  if (level === cpl && !is64Bit(cpu)) {
    checkTarget(cpu, code, offset);
    markAccessed(cpu, code);
    releaseStack(cpu, 3 * size);
    enterCode(cpu, code, offset, level);
    writeFlags(cpu, flags, mask);
    return;
  }
  const stackSelector = peek(cpu, 4 * size, 2);
  const pointerAt = peekAddress(cpu, 3 * size, size);
  checkRead(cpu, pointerAt, size);
  const stack = returnStack(cpu, stackSelector, code);
  checkTarget(cpu, code, offset);
  markAccessed(cpu, code);
  if (stack !== undefined) markAccessed(cpu, stack);
  const narrow = size === 8 ? 0 : readMemory(cpu, pointerAt, size);
  if (size === 8) readField(cpu, pointerAt, SP_FIELD);
  enterOuter(cpu, code, offset, stack, stackSelector);
  if (size !== 8) setStackPointer(cpu, narrow);
  writeFlags(cpu, flags, mask);
  if (level !== cpl) dropPrivilegedSegments(cpu, level);
}
