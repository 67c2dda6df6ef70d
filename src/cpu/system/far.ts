/** Far jumps, calls and returns: segments, call gates, privilege levels (SDM volume 3, 5.8; volume 2, their pages). */
import type { Cpu } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import { checkRead, readField, readMemory, readWide } from '../mmu/access.ts';
import { applyAlignmentCheck, Bank } from '../mmu/tlb.ts';
import { isCanonical } from '../mmu/walk.ts';
import { GPR, SegmentIndex } from '../state.ts';
import {
  type Descriptor,
  isLongMode,
  markAccessed,
  needDescriptor,
  selectorError,
  SystemType,
  widenDescriptor,
  wrapLinear,
} from './descriptor.ts';
import {
  checkStackDescriptor,
  dropPrivilegedSegments,
  isNull,
  isProtected,
  setFromDescriptor,
  setNull,
  setReal,
} from './segments.ts';
import { Frame, peek, peekAddress, setStackPointer, stackPointer } from './stack.ts';
import { switchTask, TaskSwitch } from './task.ts';

const GP = Vector.generalProtection;
const NP = Vector.segmentNotPresent;
const { cs, ss, tr } = SegmentIndex;
const SP = 4;
const SP_FIELD = GPR + 8 * SP;

/** Raises #GP unless an offset may be executed in a code segment that is about to be loaded. */
export function checkTarget(cpu: Cpu, code: Descriptor, offset: number, external = 0): void {
  if (isLongMode(cpu) && code.isLong) {
    if (!isCanonical(offset)) raise(GP, external);
  } else if (offset < 0 || offset > code.limit) raise(GP, external);
}

/** Loads CS with a new privilege level, and the instruction pointer. */
export function enterCode(cpu: Cpu, code: Descriptor, offset: number, cpl: number): void {
  markAccessed(cpu, code);
  setFromDescriptor(cpu, cs, (code.selector & 0xfffc) | cpl, code);
  cpu.rip = offset;
  cpu.updateMode(cpl);
}

/** Checks of a code segment that a jump, call or gate names (but not its privilege level). */
export function checkCode(cpu: Cpu, code: Descriptor, external = 0): void {
  const error = selectorError(code.selector, external);
  if (!code.isCode) raise(GP, error);
  if (isLongMode(cpu) && code.isLong && code.isBig) raise(GP, error);
}

function truncate(offset: number, operandSize: number): number {
  if (operandSize === 8) return offset;
  return operandSize === 4 ? offset >>> 0 : offset & 0xffff;
}

function enterReal(cpu: Cpu, selector: number, offset: number): void {
  if (offset > cpu.segmentLimit(cs)) raise(GP, 0);
  setReal(cpu, cs, selector);
  cpu.rip = offset;
  cpu.updateMode();
}

function directTarget(cpu: Cpu, code: Descriptor, selector: number): void {
  const { cpl } = cpu;
  const error = selectorError(selector, 0);
  checkCode(cpu, code);
  if (code.isConforming ? code.dpl > cpl : (selector & 3) > cpl || code.dpl !== cpl) {
    raise(GP, error);
  }
  if (!code.isPresent) raise(NP, error);
}

/** The descriptor behind a far pointer; only its table limit has been checked. */
function target(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) raise(GP, 0);
  return needDescriptor(cpu, selector);
}

function checkGate(cpu: Cpu, gate: Descriptor): void {
  const error = selectorError(gate.selector, 0);
  if (gate.dpl < Math.max(cpu.cpl, gate.selector & 3)) raise(GP, error);
  if (!gate.isPresent) raise(NP, error);
}

function isTaskType(type: number): boolean {
  return type === SystemType.tss16 || type === SystemType.tss32;
}

function isCallGate(cpu: Cpu, type: number): boolean {
  return type === SystemType.callGate32 || (type === SystemType.callGate16 && !isLongMode(cpu));
}

/** A far transfer to a TSS or task gate. @returns false when the descriptor is neither */
function transferToTask(cpu: Cpu, descriptor: Descriptor, kind: number, nextRip: number): boolean {
  const { type } = descriptor;
  if (isLongMode(cpu)) return false;
  if (isTaskType(type)) {
    const error = selectorError(descriptor.selector, 0);
    if (descriptor.dpl < Math.max(cpu.cpl, descriptor.selector & 3)) raise(GP, error);
    if (!descriptor.isPresent) raise(NP, error);
    switchTask(cpu, descriptor, kind, nextRip);
    return true;
  }
  if (type !== SystemType.taskGate) return false;
  checkGate(cpu, descriptor);
  switchTask(cpu, taskOfGate(cpu, descriptor.gateSelector, 0), kind, nextRip);
  return true;
}

/** The TSS that a task gate names. */
export function taskOfGate(cpu: Cpu, selector: number, external: number): Descriptor {
  const error = selectorError(selector, external);
  if ((selector & 4) !== 0 || isNull(selector)) raise(GP, error);
  const task = needDescriptor(cpu, selector, GP, external);
  if (task.isSegment || !isTaskType(task.type)) raise(GP, error);
  if (!task.isPresent) raise(NP, error);
  return task;
}

/** The code segment behind a call gate. */
function gateTarget(cpu: Cpu, gate: Descriptor): Descriptor {
  if (isNull(gate.gateSelector)) raise(GP, 0);
  const code = needDescriptor(cpu, gate.gateSelector);
  const error = selectorError(code.selector, 0);
  if (!code.isCode || code.dpl > cpu.cpl) raise(GP, error);
  if (isLongMode(cpu) && (!code.isLong || code.isBig)) raise(GP, error);
  if (!code.isPresent) raise(NP, error);
  return code;
}

function gateOffset(gate: Descriptor): number {
  return gate.type === SystemType.callGate16 ? gate.gateOffset16 : gate.gateOffset;
}

/**
 * JMP to a far pointer.
 * @param offset of the operand size, signed when that is 8 bytes
 * @param nextRip where the next instruction is, for a task switch
 */
export function farJump(
  cpu: Cpu,
  selector: number,
  offset: number,
  operandSize: number,
  nextRip: number,
): void {
  if (!isProtected(cpu)) {
    enterReal(cpu, selector, truncate(offset, operandSize));
    return;
  }
  const descriptor = target(cpu, selector);
  if (descriptor.isSegment) {
    directTarget(cpu, descriptor, selector);
    checkTarget(cpu, descriptor, truncate(offset, operandSize));
    enterCode(cpu, descriptor, truncate(offset, operandSize), cpu.cpl);
    return;
  }
  if (transferToTask(cpu, descriptor, TaskSwitch.jump, nextRip)) return;
  if (!isCallGate(cpu, descriptor.type)) raise(GP, selectorError(selector, 0));
  checkGate(cpu, descriptor);
  const gate = widenDescriptor(cpu, descriptor);
  const code = gateTarget(cpu, gate);
  if (!code.isConforming && code.dpl !== cpu.cpl) raise(GP, selectorError(code.selector, 0));
  checkTarget(cpu, code, gateOffset(gate));
  enterCode(cpu, code, gateOffset(gate), cpu.cpl);
}

function pushReturn(cpu: Cpu, frame: Frame, size: number, nextRip: number): void {
  frame.push(cpu.selector(cs), size);
  frame.push(truncate(nextRip, size), size);
}

/** CALL to a far pointer. */
export function farCall(
  cpu: Cpu,
  selector: number,
  offset: number,
  operandSize: number,
  nextRip: number,
): void {
  if (!isProtected(cpu)) {
    const frame = Frame.current(cpu);
    if (truncate(offset, operandSize) > cpu.segmentLimit(cs)) raise(GP, 0);
    pushReturn(cpu, frame, operandSize, nextRip);
    setStackPointer(cpu, frame.pointer);
    enterReal(cpu, selector, truncate(offset, operandSize));
    return;
  }
  const descriptor = target(cpu, selector);
  if (descriptor.isSegment) {
    directTarget(cpu, descriptor, selector);
    const frame = Frame.current(cpu);
    frame.check(2 * operandSize);
    checkTarget(cpu, descriptor, truncate(offset, operandSize));
    pushReturn(cpu, frame, operandSize, nextRip);
    markAccessed(cpu, descriptor);
    setStackPointer(cpu, frame.pointer);
    enterCode(cpu, descriptor, truncate(offset, operandSize), cpu.cpl);
    return;
  }
  if (transferToTask(cpu, descriptor, TaskSwitch.call, nextRip)) return;
  if (!isCallGate(cpu, descriptor.type)) raise(GP, selectorError(selector, 0));
  checkGate(cpu, descriptor);
  callThroughGate(cpu, widenDescriptor(cpu, descriptor), nextRip);
}

function callThroughGate(cpu: Cpu, gate: Descriptor, nextRip: number): void {
  const code = gateTarget(cpu, gate);
  const size = isLongMode(cpu) ? 8 : gate.type === SystemType.callGate16 ? 2 : 4;
  if (!code.isConforming && code.dpl < cpu.cpl) {
    callInner(cpu, gate, code, size, nextRip);
    return;
  }
  const frame = Frame.current(cpu);
  frame.check(2 * size);
  checkTarget(cpu, code, gateOffset(gate));
  pushReturn(cpu, frame, size, nextRip);
  markAccessed(cpu, code);
  setStackPointer(cpu, frame.pointer);
  enterCode(cpu, code, gateOffset(gate), cpu.cpl);
}

function callInner(
  cpu: Cpu,
  gate: Descriptor,
  code: Descriptor,
  size: number,
  nextRip: number,
): void {
  const cpl = code.dpl;
  const oldSs = cpu.selector(ss);
  if (isLongMode(cpu)) {
    const frame = Frame.long(cpu, innerStackPointer(cpu, cpl, 0), cpl, 0);
    checkTarget(cpu, code, gateOffset(gate));
    frame.push(oldSs, 8);
    frame.pushHalves(cpu.u32[SP_FIELD >> 2]!, cpu.u32[(SP_FIELD >> 2) + 1]!);
    pushReturn(cpu, frame, 8, nextRip);
    enterCode(cpu, code, gateOffset(gate), cpl);
    setNull(cpu, ss, cpl, cpl);
    cpu.updateMode();
    setStackPointer(cpu, frame.pointer);
    return;
  }
  const inner = innerStack(cpu, cpl, 0);
  const count = gate.high & 0x1f;
  const frame = Frame.on(
    cpu,
    inner.stack,
    inner.pointer,
    cpl,
    selectorError(inner.stack.selector, 0),
  );
  frame.check((4 + count) * size);
  checkTarget(cpu, code, gateOffset(gate));
  frame.push(oldSs, size);
  frame.push(cpu.reg32(SP), size);
  for (let index = count - 1; index >= 0; index -= 1) {
    frame.push(peek(cpu, index * size, size), size);
  }
  pushReturn(cpu, frame, size, nextRip);
  markAccessed(cpu, inner.stack);
  enterCode(cpu, code, gateOffset(gate), cpl);
  enterStack(cpu, inner.stack, cpl);
  setStackPointer(cpu, frame.pointer);
}

/** Loads SS after its checks. */
export function enterStack(cpu: Cpu, stack: Descriptor, cpl: number): void {
  markAccessed(cpu, stack);
  setFromDescriptor(cpu, ss, (stack.selector & 0xfffc) | cpl, stack);
  cpu.updateMode();
}

/** Error code of a fault that blames the TSS. */
function tssError(cpu: Cpu, external: number): number {
  return selectorError(cpu.selector(tr), external);
}

/** RSP0 to RSP2 of a 64-bit TSS. */
export function innerStackPointer(cpu: Cpu, cpl: number, external: number): number {
  return tssPointer(cpu, 4 + 8 * cpl, external);
}

/** A stack pointer in the 64-bit TSS: RSPn, ISTn. */
export function tssPointer(cpu: Cpu, offset: number, external: number): number {
  if (offset + 7 > cpu.segmentLimit(tr)) raise(Vector.invalidTss, tssError(cpu, external));
  const pointer = readWide(cpu, cpu.segmentBase(tr) + offset, Bank.supervisor);
  if (!isCanonical(pointer)) raise(Vector.stackFault, external);
  return pointer;
}

/** The stack of an inner privilege level, from the 16 or 32-bit TSS, with all its checks. */
export function innerStack(
  cpu: Cpu,
  cpl: number,
  external: number,
): { readonly stack: Descriptor; readonly pointer: number } {
  const is32 = (cpu.attributes(tr) & 8) !== 0;
  const size = is32 ? 4 : 2;
  const offset = is32 ? 4 + 8 * cpl : 2 + 4 * cpl;
  if (offset + 2 * size - 1 > cpu.segmentLimit(tr))
    raise(Vector.invalidTss, tssError(cpu, external));
  const at = wrapLinear(cpu, cpu.segmentBase(tr) + offset);
  const pointer = readMemory(cpu, at, size, Bank.supervisor);
  const selector = readMemory(cpu, wrapLinear(cpu, at + size), 2, Bank.supervisor);
  if (isNull(selector)) raise(Vector.invalidTss, external);
  const stack = needDescriptor(cpu, selector, Vector.invalidTss, external);
  checkStackDescriptor(selector, stack, cpl, Vector.invalidTss, external);
  return { stack, pointer };
}

/** RETF. @param release bytes of arguments above the return address */
export function farReturn(cpu: Cpu, operandSize: number, release: number): void {
  const offset = peek(cpu, 0, operandSize);
  const selector = peek(cpu, operandSize, 2);
  const used = 2 * operandSize + release;
  if (!isProtected(cpu)) {
    const pointer = stackPointer(cpu) + used;
    enterReal(cpu, selector, offset);
    setStackPointer(cpu, pointer);
    return;
  }
  const code = returnTarget(cpu, selector);
  const level = selector & 3;
  if (level === cpu.cpl) {
    checkTarget(cpu, code, offset);
    markAccessed(cpu, code);
    setStackPointer(cpu, stackPointer(cpu) + used);
    enterCode(cpu, code, offset, level);
    return;
  }
  checkTarget(cpu, code, offset);
  returnOuter(cpu, code, offset, used, operandSize, release);
}

/** Checks of the code segment that RETF and IRET return to. */
export function returnTarget(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) raise(GP, 0);
  const code = needDescriptor(cpu, selector);
  const error = selectorError(selector, 0);
  const level = selector & 3;
  if (level < cpu.cpl) raise(GP, error);
  checkCode(cpu, code);
  if (code.isConforming ? code.dpl > level : code.dpl !== level) raise(GP, error);
  if (!code.isPresent) raise(NP, error);
  return code;
}

/**
 * The stack that a return to an outer level, or any IRET of long mode, finds on the old one.
 * @returns undefined for a null selector, which 64-bit code may have at rings 0 to 2
 */
export function returnStack(cpu: Cpu, selector: number, code: Descriptor): Descriptor | undefined {
  const level = code.selector & 3;
  if (isNull(selector)) {
    const isAllowed = isLongMode(cpu) && code.isLong && level !== 3 && (selector & 3) === level;
    if (!isAllowed) raise(GP, 0);
    return undefined;
  }
  const stack = needDescriptor(cpu, selector);
  checkStackDescriptor(selector, stack, level, GP, 0);
  return stack;
}

/** Loads CS, SS and the stack pointer of an outer level. */
export function enterOuter(
  cpu: Cpu,
  code: Descriptor,
  offset: number,
  stack: Descriptor | undefined,
  stackSelector: number,
): void {
  const level = code.selector & 3;
  enterCode(cpu, code, offset, level);
  if (stack === undefined) {
    setNull(cpu, ss, stackSelector, level);
    cpu.updateMode();
  } else enterStack(cpu, stack, level);
}

function returnOuter(
  cpu: Cpu,
  code: Descriptor,
  offset: number,
  used: number,
  operandSize: number,
  release: number,
): void {
  const stackSelector = peek(cpu, used + operandSize, 2);
  const pointerAt = peekAddress(cpu, used, operandSize);
  const stack = returnStack(cpu, stackSelector, code);
  checkRead(cpu, pointerAt, operandSize);
  const narrow = operandSize === 8 ? 0 : readMemory(cpu, pointerAt, operandSize);
  markAccessed(cpu, code);
  if (stack !== undefined) markAccessed(cpu, stack);
  if (operandSize === 8) readField(cpu, pointerAt, SP_FIELD);
  enterOuter(cpu, code, offset, stack, stackSelector);
  if (operandSize !== 8) setStackPointer(cpu, narrow);
  if (release !== 0) setStackPointer(cpu, stackPointer(cpu) + release);
  dropPrivilegedSegments(cpu, cpu.cpl);
  applyAlignmentCheck(cpu);
}
